//! Connections: the one file that uses the protocol library `ldap3`.
//!
//! The library and the [`guard`] run inside the operation that waits for them, in one future: no task is left behind,
//! a deadline cuts all of it, and a panic of the library becomes an error of the operation.

use std::os::unix::net::UnixStream as StdUnixStream;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ldap3::controls::{MakeCritical, PagedResults, RawControl};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, ResultEntry, StdStream};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::entry::{Cut, Shown};
use super::message::{PAGED_RESULTS, PASSWORD_EXPIRED, PASSWORD_POLICY, must_change_password, paging_cookie};
use super::{BindError, Entry, Error, Filter, LdapSettings, MAX_FRAME_BYTES, Refusal, Server, cleaned, guard, tls};
use crate::secret::Secret;

/// Longest DN or password that is sent in a bind, in bytes.
const MAX_CREDENTIAL_BYTES: usize = 8 * 1024;
/// What an entry, an attribute or a value takes besides its bytes: a server could send a great many empty ones.
const OVERHEAD_BYTES: usize = 64;
/// How often an attribute that is given by ranges is read until it does not change meanwhile.
const RANGE_ATTEMPTS: usize = 3;
/// What Active Directory counts up with each change of an entry, its links among them.
const CHANGE_COUNTER: &str = "uSNChanged";
/// How long the farewell to a server may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How far below its base a search goes (RFC 4511 section 4.5.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The base itself.
    Base,
    /// What is directly below it.
    One,
    /// The base and everything below it.
    Subtree,
}

/// One connection to one server. After an error of any other kind than [`Error::Answered`] it is of no further use.
pub struct Connection {
    server: Server,
    ldap: Ldap,
    /// Library and guard; gives why the connection ended. `None` when it has.
    carrier: Option<BoxFuture<'static, Error>>,
    limits: Limits,
}

#[derive(Clone, Copy)]
struct Limits {
    page_size: u16,
    max_entries: usize,
    max_result_bytes: usize,
    operation: Duration,
    search: Duration,
}

/// Proves a person's password: binds as `dn` on a connection of its own, which is closed at once.
///
/// # Errors
/// `Refused` when the directory says no, or when `password` is one with which it must not be asked; `Failed` when it
/// could not be asked; `Unanswered` when it was asked and did not answer, or with a code that says neither yes nor no.
pub async fn bind_as(settings: &LdapSettings, dn: &str, password: &Secret) -> Result<(), BindError> {
    check_credentials(dn, password)?;
    let late = |_| Error::Late { operation: "the connection", after: settings.search_timeout };
    let mut connection = timeout(settings.search_timeout, Connection::reach(settings)).await.map_err(late)??;
    // Who may only choose another password has proved that they know one that is good for nothing else.
    let policy = RawControl { ctype: PASSWORD_POLICY.to_owned(), crit: false, val: None };
    let outcome = connection.bind(dn, password, vec![policy]).await;
    connection.close().await;
    outcome
}

impl Connection {
    /// Connects to the first server that answers and binds with the service account.
    ///
    /// # Errors
    /// `Invalid`; `Unavailable` with what each server said; `Bind` when the account is refused, which is not tried at
    /// the next server because that could lock it.
    pub async fn open(settings: &LdapSettings) -> Result<Self, Error> {
        check_credentials(&settings.bind_dn, &settings.bind_password).map_err(Error::Bind)?;
        let mut connection = Self::reach(settings).await?;
        match connection.bind(&settings.bind_dn, &settings.bind_password, Vec::new()).await {
            Ok(()) => Ok(connection),
            Err(BindError::Refused(refusal)) => Err(Error::Bind(refusal)),
            Err(BindError::Failed(error) | BindError::Unanswered(error)) => Err(error),
        }
    }

    /// Connects to the first server that can be reached, without a bind.
    async fn reach(settings: &LdapSettings) -> Result<Self, Error> {
        let mut reasons = Vec::new();
        for server in &settings.servers {
            match tls::open(settings, server).await {
                Ok(stream) => return Self::over(stream, server, settings).await,
                Err(error @ Error::Invalid { .. }) => return Err(error),
                Err(error) => {
                    debug!(ldap.server = %server, %error, "LDAP server `{server}` was passed over");
                    reasons.push(error);
                }
            }
        }
        // A single server's error tells more than a list with one line.
        match (reasons.pop(), reasons.is_empty()) {
            (None, _) => Err(Error::Invalid { field: "servers", reason: "must name a server".to_owned() }),
            (Some(only), true) => Err(only),
            (Some(last), false) => {
                reasons.push(last);
                let said: Vec<String> = reasons.iter().map(Error::to_string).collect();
                Err(Error::Unavailable { reason: said.join("; ") })
            }
        }
    }

    async fn over(stream: Box<dyn tls::Stream>, server: &Server, settings: &LdapSettings) -> Result<Self, Error> {
        let local = |error: std::io::Error| Error::Unavailable { reason: format!("no local socket: {error}") };
        let (ours, theirs) = StdUnixStream::pair().map_err(local)?;
        ours.set_nonblocking(true).map_err(local)?;
        let ours = UnixStream::from_std(ours).map_err(local)?;
        let library = LdapConnSettings::new().set_std_stream(StdStream::Unix(theirs));
        let (driver, ldap) =
            LdapConnAsync::with_settings(library, "ldapi:///").await.map_err(|e| failed("opening", e))?;
        let max_frame_bytes = settings.max_frame_bytes.min(MAX_FRAME_BYTES);
        let carrier = async move {
            let carrying = guard::carry(stream, ours, max_frame_bytes);
            let driving = driver.drive();
            tokio::pin!(carrying, driving);
            let outcome = tokio::select! {
                outcome = &mut carrying => outcome,
                _ = &mut driving => Ok(()),
            };
            match outcome {
                Err(error) => error,
                Ok(()) => {
                    // What arrived before the end is still to be decoded; the library ends when it has.
                    if let Err(error) = driving.await {
                        debug!(%error, "the library ended with an error after the end of its connection");
                    }
                    Error::Unavailable { reason: "the server closed the connection".to_owned() }
                }
            }
        };
        Ok(Self {
            server: server.clone(),
            ldap,
            carrier: Some(carrier.boxed()),
            limits: Limits {
                page_size: settings.page_size.max(1),
                max_entries: settings.max_entries,
                max_result_bytes: settings.max_result_bytes,
                operation: settings.operation_timeout,
                search: settings.search_timeout,
            },
        })
    }

    /// The server that answered.
    pub fn server(&self) -> &Server {
        &self.server
    }

    async fn bind(&mut self, dn: &str, password: &Secret, asked: Vec<RawControl>) -> Result<(), BindError> {
        // A clone of the handle does not have the controls of the one that it is made from.
        let mut ldap = self.ldap.clone();
        if !asked.is_empty() {
            ldap.with_controls(asked);
        }
        let binding = async { ldap.simple_bind(dn, password.expose()).await.map_err(|e| failed("the bind", e)) };
        let result = self.run("the bind", self.limits.operation, binding).await.map_err(BindError::Unanswered)?;
        match result.rc {
            0 => match must_change(&result).map_err(BindError::Unanswered)? {
                true => Err(BindError::Refused(Refusal::Expired)),
                false => Ok(()),
            },
            code @ (19 | 48 | 49 | 50 | 53) => Err(BindError::Refused(refusal(code, &result.text))),
            // Some servers say that there is no such person; that is a wrong name.
            32 | 34 => Err(BindError::Refused(Refusal::Wrong)),
            // It was sent: what the directory did with it before it said so, nobody knows.
            _ => Err(BindError::Unanswered(answered("the bind", &result))),
        }
    }

    /// Reads one entry by its name; `None` when there is none.
    ///
    /// # Errors
    /// As [`Connection::search_all`].
    pub async fn find(&mut self, dn: &str, attributes: &[&str]) -> Result<Option<Entry>, Error> {
        let filter = Filter::Present("objectClass");
        match self.search_all(dn, Scope::Base, &filter, attributes).await {
            Ok(entries) => Ok(entries.into_iter().next()),
            Err(Error::Answered { code: 32, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the server's description of itself (RFC 4512 section 5.1).
    ///
    /// # Errors
    /// As [`Connection::search_all`]; `Incomplete` when the server shows none.
    pub async fn root(&mut self) -> Result<Entry, Error> {
        let attributes = ["*", "+", "namingContexts", "supportedControl", "supportedExtension", "vendorName"];
        let found = self.find("", &attributes).await?;
        found.ok_or_else(|| Error::Incomplete { reason: "the server does not describe itself".to_owned() })
    }

    /// Reads every entry that `filter` finds: all of them or an error. References to other servers are left out.
    ///
    /// # Errors
    /// `Answered` for any code but success, on whichever page it comes; `Incomplete` when a page does not say whether
    /// more follow, an entry cannot be read or not to the end, or a limit of the settings is reached; `Late`, `Protocol`,
    /// `Unavailable`.
    pub async fn search_all(
        &mut self,
        base: &str,
        scope: Scope,
        filter: &Filter,
        attributes: &[&str],
    ) -> Result<Vec<Entry>, Error> {
        let search = Search { base, scope, filter: filter.to_string(), attributes };
        let deadline = Instant::now() + self.limits.search;
        let mut found = Found::default();
        let mut cookie = Vec::new();
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return Err(Error::Late { operation: "the search", after: self.limits.search });
            }
            let (ldap, limits) = (self.ldap.clone(), self.limits);
            let page = search.page(ldap, cookie, limits, &mut found);
            cookie = self.run("a page of the search", limits.operation.min(remaining), page).await?;
            if cookie.is_empty() {
                return self.complete(found, deadline).await;
            }
        }
    }

    /// Reads what the server has given in part: long attributes, by ranges.
    async fn complete(&mut self, mut found: Found, deadline: Instant) -> Result<Vec<Entry>, Error> {
        let mut whole = Vec::with_capacity(found.entries.len());
        for shown in std::mem::take(&mut found.entries) {
            let (mut entry, cut) = shown.into_parts();
            for Cut { name, .. } in cut {
                let values = self.read_long(entry.dn().as_str(), &name, &mut found, deadline).await?;
                entry.put(name, values);
            }
            whole.push(entry);
        }
        Ok(whole)
    }

    /// All values of one attribute, as they are at one moment.
    async fn read_long(
        &mut self,
        dn: &str,
        name: &str,
        found: &mut Found,
        deadline: Instant,
    ) -> Result<Vec<Vec<u8>>, Error> {
        for _ in 0..RANGE_ATTEMPTS {
            if let Some(values) = self.read_ranges(dn, name, found, deadline).await? {
                return Ok(values);
            }
        }
        let reason = format!("`{}`: `{}` changes each time it is read", cleaned(dn), cleaned(name));
        Err(Error::Incomplete { reason })
    }

    /// All values of one attribute, range after range (MS-ADTS section 3.1.1.3.1.3.3); `None` when the entry changed meanwhile, so
    /// that a value may have moved past what was read.
    async fn read_ranges(
        &mut self,
        dn: &str,
        name: &str,
        found: &mut Found,
        deadline: Instant,
    ) -> Result<Option<Vec<Vec<u8>>>, Error> {
        let incomplete = |what: &str| Error::Incomplete { reason: format!("`{}`: {what}", cleaned(dn)) };
        let (mut values, mut counter) = (Vec::new(), None);
        loop {
            let wanted = format!("{name};range={}-*", values.len());
            let filter = Filter::Present("objectClass").to_string();
            let search = Search { base: dn, scope: Scope::Base, filter, attributes: &[&wanted, CHANGE_COUNTER] };
            let mut answer = Found { entries: Vec::new(), bytes: found.bytes };
            let (ldap, limits) = (self.ldap.clone(), self.limits);
            let remaining = deadline.saturating_duration_since(Instant::now());
            let asking = search.page(ldap, Vec::new(), limits, &mut answer);
            self.run("a range of an attribute", limits.operation.min(remaining), asking).await?;
            found.bytes = answer.bytes;
            let mut shown = answer.entries.into_iter();
            let (Some(only), None) = (shown.next(), shown.next()) else {
                return Err(incomplete("it went away while it was read"));
            };
            let (entry, mut cut) = only.into_parts();
            let changes = entry.text(CHANGE_COUNTER).map(str::to_owned);
            if values.is_empty() {
                counter = changes;
            } else if counter != changes {
                return Ok(None);
            }
            let Some(part) = cut.pop().filter(|part| part.name == name && cut.is_empty()) else {
                return Ok(None);
            };
            let (first, count) = (part.range.first, part.values.len());
            let ends = part.range.last.is_none_or(|last| (last - first).checked_add(1) == Some(count));
            if first != values.len() || count == 0 || !ends {
                return Err(incomplete("a range of an attribute is not the one that was asked for (range retrieval)"));
            }
            values.extend(part.values);
            if part.range.last.is_none() {
                return Ok(Some(values));
            }
        }
    }

    /// Says farewell and ends the connection. Dropping it ends it too, without the farewell.
    pub async fn close(mut self) {
        let mut ldap = self.ldap.clone();
        let farewell = async { ldap.unbind().await.map_err(|e| failed("the farewell", e)) };
        if let Err(error) = self.run("the farewell", CLOSE_TIMEOUT, farewell).await {
            debug!(ldap.server = %self.server, %error, "LDAP connection ended without farewell");
        }
    }

    /// Runs an operation together with the library and the guard, with one deadline for all.
    async fn run<T>(
        &mut self,
        name: &'static str,
        limit: Duration,
        operation: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Some(mut carrier) = self.carrier.take() else {
            return Err(Error::Unavailable { reason: "the connection has ended".to_owned() });
        };
        let both = async {
            tokio::pin!(operation);
            tokio::select! {
                biased;
                result = &mut operation => (result, true),
                end = &mut carrier => match (operation.await, end) {
                    // It ended after the answer had come.
                    (Ok(value), Error::Unavailable { .. }) => (Ok(value), false),
                    (_, end) => (Err(end), false),
                },
            }
        };
        match timeout(limit, AssertUnwindSafe(both).catch_unwind()).await {
            Ok(Ok((result, is_alive))) => {
                if is_alive && matches!(result, Ok(_) | Err(Error::Answered { .. })) {
                    self.carrier = Some(carrier);
                }
                result
            }
            Ok(Err(_)) => Err(Error::Protocol { reason: "an answer that could not be decoded".to_owned() }),
            Err(_) => Err(Error::Late { operation: name, after: limit }),
        }
    }
}

/// What is asked on every page.
struct Search<'a> {
    base: &'a str,
    scope: Scope,
    filter: String,
    attributes: &'a [&'a str],
}

/// What was found so far.
#[derive(Default)]
struct Found {
    entries: Vec<Shown>,
    bytes: usize,
}

impl Search<'_> {
    /// Adds one page to `found` and gives the cookie of the next one, empty after the last.
    async fn page(&self, mut ldap: Ldap, cookie: Vec<u8>, limits: Limits, found: &mut Found) -> Result<Vec<u8>, Error> {
        let is_single = self.scope == Scope::Base;
        if !is_single {
            ldap.with_controls(PagedResults { size: i32::from(limits.page_size), cookie }.critical());
        }
        let scope = match self.scope {
            Scope::Base => ldap3::Scope::Base,
            Scope::One => ldap3::Scope::OneLevel,
            Scope::Subtree => ldap3::Scope::Subtree,
        };
        let attributes: Vec<String> = self.attributes.iter().map(|&name| name.to_owned()).collect();
        let starting = ldap.streaming_search(self.base, scope, &self.filter, attributes).await;
        let mut stream = starting.map_err(|error| failed("the search", error))?;
        // `next` may end well while the result is an error, and `finish` may be well after `next` has failed.
        while let Some(item) = stream.next().await.map_err(|error| failed("the search", error))? {
            if !item.is_ref() && !item.is_intermediate() {
                found.add(item, limits)?;
            }
        }
        let result = stream.finish().await;
        if result.rc != 0 {
            return Err(answered("the search", &result));
        }
        if is_single { Ok(Vec::new()) } else { next_page(&result) }
    }
}

/// The cookie in the paging control, without which nobody knows whether there is more.
fn next_page(result: &LdapResult) -> Result<Vec<u8>, Error> {
    let incomplete = |reason: String| Error::Incomplete { reason };
    let mut controls = result.ctrls.iter().map(|control| &control.1).filter(|raw| raw.ctype == PAGED_RESULTS);
    match (controls.next(), controls.next()) {
        (Some(control), None) => {
            let value = control.val.as_deref().unwrap_or_default();
            let (_, cookie) =
                paging_cookie(value).map_err(|error| incomplete(format!("the paging control has {error}")))?;
            Ok(cookie)
        }
        (None, _) => Err(incomplete("a page came without the paging control".to_owned())),
        (Some(_), Some(_)) => Err(incomplete("a page came with two paging controls".to_owned())),
    }
}

impl Found {
    fn charge(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes).saturating_add(OVERHEAD_BYTES);
    }

    fn add(&mut self, item: ResultEntry, limits: Limits) -> Result<(), Error> {
        let shape = || Error::Protocol { reason: "an entry of another shape than RFC 4511 gives it".to_owned() };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| shape());
        let mut parts = item.0.expect_constructed().ok_or_else(shape)?.into_iter();
        let dn = text(parts.next().and_then(|part| part.expect_primitive()).ok_or_else(shape)?)?;
        let mut attributes = Vec::new();
        for attribute in parts.next().and_then(|part| part.expect_constructed()).ok_or_else(shape)? {
            let mut parts = attribute.expect_constructed().ok_or_else(shape)?.into_iter();
            let name = text(parts.next().and_then(|part| part.expect_primitive()).ok_or_else(shape)?)?;
            let values = parts.next().and_then(|part| part.expect_constructed()).ok_or_else(shape)?;
            let values: Option<Vec<Vec<u8>>> = values.into_iter().map(|value| value.expect_primitive()).collect();
            let values = values.ok_or_else(shape)?;
            self.charge(name.len());
            values.iter().for_each(|value| self.charge(value.len()));
            attributes.push((name, values));
        }
        self.charge(dn.len());
        if self.entries.len() >= limits.max_entries {
            return Err(Error::Incomplete { reason: format!("more than {} entries", limits.max_entries) });
        }
        if self.bytes > limits.max_result_bytes {
            return Err(Error::Incomplete { reason: format!("more than {} bytes", limits.max_result_bytes) });
        }
        let entry = Shown::new(&dn, attributes);
        self.entries.push(entry.map_err(|error| Error::Incomplete { reason: format!("`{}`: {error}", cleaned(&dn)) })?);
        Ok(())
    }
}

/// Whether a text is exactly one filter in string form.
pub(super) fn is_filter(text: &str) -> bool {
    text.starts_with('(') && ldap3::parse_filter(text).is_ok()
}

/// Refuses what must not be sent: an empty password would bind as nobody and look like success (RFC 4513 section
/// 5.1.2), NUL and length confuse servers.
fn check_credentials(dn: &str, password: &Secret) -> Result<(), Refusal> {
    let password = password.expose();
    let is_bad = |text: &str| text.trim().is_empty() || text.contains('\0') || text.len() > MAX_CREDENTIAL_BYTES;
    if is_bad(dn) || is_bad(password) { Err(Refusal::Wrong) } else { Ok(()) }
}

/// Whether a bind that succeeded is good for nothing but a change of the password.
fn must_change(result: &LdapResult) -> Result<bool, Error> {
    for control in result.ctrls.iter().map(|control| &control.1) {
        let must = match (control.ctype.as_str(), &control.val) {
            (PASSWORD_EXPIRED, _) => true,
            (PASSWORD_POLICY, Some(value)) => must_change_password(value)
                .map_err(|error| Error::Protocol { reason: format!("the password policy control has {error}") })?,
            _ => false,
        };
        if must {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a refused bind means, from the code and Active Directory's `data` number in the text.
fn refusal(code: u32, text: &str) -> Refusal {
    let data = text.split_once("data ").map(|(_, rest)| rest.trim_start());
    let data = data.map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default());
    match (code, data) {
        (49, Some("530" | "531")) => Refusal::Policy,
        (49, Some("532" | "773")) => Refusal::Expired,
        (49, Some("533" | "701")) => Refusal::Disabled,
        (49, Some("775")) => Refusal::Locked,
        // 389 Directory Server: more wrong passwords than it takes (constraint violation).
        (19, _) => Refusal::Locked,
        (50 | 53, _) => Refusal::Policy,
        _ => Refusal::Wrong,
    }
}

fn answered(operation: &'static str, result: &LdapResult) -> Error {
    Error::Answered { operation, code: result.rc, text: cleaned(&result.text) }
}

fn failed(operation: &'static str, error: LdapError) -> Error {
    match error {
        LdapError::EndOfStream => Error::Incomplete { reason: "the connection ended in the middle".to_owned() },
        LdapError::LdapResult { result } => answered(operation, &result),
        other => Error::Unavailable { reason: format!("{operation} failed: {other}") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_active_directory_text_tells_why_a_bind_was_refused() {
        let text = |data: &str| {
            format!("80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data {data}, v4563")
        };
        for (data, expected) in [
            ("52e", Refusal::Wrong),
            ("525", Refusal::Wrong),
            ("530", Refusal::Policy),
            ("532", Refusal::Expired),
            ("773", Refusal::Expired),
            ("533", Refusal::Disabled),
            ("701", Refusal::Disabled),
            ("775", Refusal::Locked),
        ] {
            assert_eq!(refusal(49, &text(data)), expected, "{data}");
        }
        assert_eq!(refusal(49, ""), Refusal::Wrong);
        assert_eq!(refusal(19, "Exceed password retry limit. Please try later."), Refusal::Locked);
        assert_eq!(refusal(53, "unauthenticated bind (DN with no password) disallowed"), Refusal::Policy);
    }

    #[test]
    fn credentials_that_would_bind_as_nobody_are_never_sent() {
        let check = |dn: &str, password: &str| check_credentials(dn, &Secret::new(password.to_owned()));
        assert_eq!(check("cn=a", "right"), Ok(()));
        for (dn, password) in [("cn=a", ""), ("cn=a", "  "), ("cn=a", "x\0"), ("", "right"), ("cn=a\0", "right")] {
            assert_eq!(check(dn, password), Err(Refusal::Wrong));
        }
        assert_eq!(check("cn=a", &"x".repeat(9000)), Err(Refusal::Wrong));
    }
}
