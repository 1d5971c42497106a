//! Forgotten passwords: somebody asks by name or address, and gets a link by mail if there is an account for it.
//!
//! Whoever asks learns nothing: the answer, the work and the commit are the same whatever was typed. What was asked waits,
//! sealed, and is looked at a moment later by a task of ours, which writes the mail or does not. The link is that of
//! [`link`](super::link): good once, for half an hour, until another password is set, and no way around a second factor.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{Method as HttpMethod, StatusCode, header};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use super::link::SELF_LIFETIME;
use super::pending::First;
use super::routes::{MAX_FORM_BYTES, form, page, query, visit};
use super::steps::STALE;
use super::{Error, LINK, Login, ReturnTo, pages};
use crate::audit::{Change, Event, EventKind, Housekeeping, Outcome};
use crate::clock::Timestamp;
use crate::error::Chain;
use crate::http::{Access, Rate, Route, Takes};
use crate::limit::Subject as Limited;
use crate::model::{Actor, Circumstance, Id, OrganisationId, Status, User, UserId, fold};
use crate::notify::{Letter, Recipient};
use crate::store::{self, Range, Table, decode};

/// Marks [`AskId`].
pub(super) enum AskKind {}
type AskId = Id<AskKind>;

/// What was asked and not looked at yet, in the order of time.
const ASKED: Table<(Timestamp, AskId), Asked> = Table::new(0x54, "passwords that were asked for");
/// When somebody asked for an account, the last times.
const TIMES: Table<UserId, Times> = Table::new(0x56, "askings by account");
/// Every tag of this module with its table's name.
pub(super) const TABLES: [(u8, &str); 2] = [(0x54, ASKED.name()), (0x56, TIMES.name())];

/// How long what was asked waits to be looked at; later it is forgotten.
const WAITS: Duration = Duration::from_secs(15 * 60);
/// Most bytes of a name that is looked at; what is asked is as long as this, whatever was typed.
const NAME_BYTES: usize = 512;
/// Most links for one account in an hour.
const MAX_BY_ACCOUNT: usize = 3;
/// Most links in an hour for whoever asks from one address.
const MAX_BY_ADDRESS: u32 = 10;
/// The time in which they are counted.
const HOUR: Duration = Duration::from_secs(60 * 60);
/// Most addresses that are counted at a time; beyond, all begin anew.
const MAX_ADDRESSES: usize = 10_000;
/// Most accounts that one address stands for.
const MAX_ACCOUNTS: usize = 4;
/// Most askings that are looked at in one round.
const MAX_ROUND: usize = 100;

#[derive(Clone, Encode, Decode)]
#[cbor(map)]
struct Asked {
    /// The name, padded and sealed.
    #[n(0)]
    sealed: ByteVec,
    #[n(1)]
    from: Option<String>,
    #[n(2)]
    request: Option<String>,
}

#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(map)]
struct Times {
    #[n(0)]
    asked: Vec<Timestamp>,
}

/// How often each address asked in this hour.
#[derive(Debug, Default)]
pub(super) struct Askers(Mutex<HashMap<IpAddr, (Timestamp, u32)>>);

impl Askers {
    /// Counts one more, and tells whether it is allowed.
    fn admits(&self, address: IpAddr, now: Timestamp) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_ADDRESSES {
            known.retain(|_, (began, _)| now.since(*began) < HOUR);
            if known.len() >= MAX_ADDRESSES {
                known.clear();
            }
        }
        let (began, count) = known.entry(neighborhood(address)).or_insert((now, 0));
        // A clock that was ahead has begun an hour that is yet to come.
        if now.since(*began) >= HOUR || *began > now {
            (*began, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= MAX_BY_ADDRESS
    }
}

/// Of IPv6 the first 64 bits.
fn neighborhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & (u128::MAX << 64)).into()),
    }
}

/// The rows of this part.
pub(super) fn table() -> Vec<Route<Login>> {
    vec![
        Route::new(HttpMethod::GET, "/login/forgot", Access::Public, Rate::Page, show),
        Route::new(HttpMethod::POST, "/login/forgot", Access::Public, Rate::SignIn, asked).takes(Takes::Nothing),
        Route::new(HttpMethod::GET, "/login/reset", Access::Public, Rate::Page, show_reset),
        Route::new(HttpMethod::POST, "/login/reset", Access::Public, Rate::SignIn, super::routes::follow_link)
            .takes(Takes::Random),
    ]
}

async fn show(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    login.forgot_page(&parts.headers, StatusCode::OK, None)
}

async fn asked(State(login): State<Login>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match form(&parts, body, MAX_FORM_BYTES).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let (Ok(name), Ok(csrf)) = (form.single("username"), form.single("csrf")) else {
        return crate::http::problem(StatusCode::BAD_REQUEST, "the form needs `username` and `csrf`, once each");
    };
    let is_ours = login.is_csrf(csrf, login.browser.login_secret(&parts.headers));
    if !is_ours || !login.browser.is_not_foreign(&parts.headers) {
        return login.forgot_page(&parts.headers, StatusCode::FORBIDDEN, Some(STALE));
    }
    if !login.services.outbox.is_open() {
        return login.forgot_page(&parts.headers, StatusCode::NOT_FOUND, None);
    }
    match login.ask(name, &visit(&parts).circumstance).await {
        Ok(()) => page(StatusCode::OK, pages::reset::sent()),
        Err(error) => login.failure(&error, LINK, &parts, &ReturnTo::home()),
    }
}

async fn show_reset(State(login): State<Login>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let token = query(&parts).optional("token").ok().flatten().unwrap_or_default().to_owned();
    login.with_login_cookie(&parts.headers, StatusCode::OK, |csrf| pages::reset::link(&token, csrf))
}

impl Login {
    /// The page that asks for a name, or that says that there is no mail.
    fn forgot_page(
        &self,
        headers: &http::HeaderMap,
        status: StatusCode,
        problem: Option<crate::model::Words>,
    ) -> Response {
        if !self.services.outbox.is_open() {
            return page(StatusCode::NOT_FOUND, pages::reset::no_mail(self.contact.as_deref()));
        }
        self.with_login_cookie(headers, status, |csrf| pages::reset::ask(csrf, problem))
    }

    /// A page with a form for somebody who is not signed in.
    pub(super) fn with_login_cookie(
        &self,
        headers: &http::HeaderMap,
        status: StatusCode,
        write: impl FnOnce(&str) -> maud::Markup,
    ) -> Response {
        let secret = self.browser.login_secret_or_new(headers, &self.services.ids);
        let mut response = page(status, write(&self.csrf(&secret)));
        if let Some(cookie) = self.browser.login_header(&secret) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }

    /// Keeps what was asked, whatever it is.
    async fn ask(&self, name: &str, from: &Circumstance) -> Result<(), Error> {
        let folded = fold(name);
        self.services.limits.check(Rate::SignIn, Limited::Account(folded.as_str())).map_err(Error::TooMany)?;
        self.services.limits.check_everybody().map_err(Error::TooMany)?;
        let services = &self.services;
        let now = services.clock.now();
        let id = AskId::new(now, &services.ids);
        let mut plain = zeroize::Zeroizing::new(vec![0; NAME_BYTES]);
        // What is longer is nobody's name.
        let bytes = Some(name.trim().as_bytes()).filter(|bytes| bytes.len() <= NAME_BYTES).unwrap_or_default();
        plain.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let sealed = self.ask_key.seal(&services.ids, id.as_bytes(), &plain);
        let sealed = sealed.ok_or_else(|| Error::Unavailable("what was asked cannot be sealed".to_owned()))?;
        let from = (from.address.map(|address| address.to_string()), from.request_id.clone());
        let row = Asked { sealed: sealed.into(), from: from.0, request: from.1 };
        let mut change = services.ledger.change();
        change.put_until(&ASKED, OrganisationId::DEFAULT, &(now, id), &row, Some(now.plus(WAITS)))?;
        change.commit_quietly(Housekeeping::Login).await?;
        Ok(())
    }

    /// Looks at what was asked since the last time, and posts the mails that follow; how many those are.
    ///
    /// # Errors
    /// `Store`.
    pub async fn answer_askings(&self) -> Result<usize, Error> {
        let services = &self.services;
        let range = Range::prefix(ASKED.prefix(OrganisationId::DEFAULT, &()), MAX_ROUND);
        let mut posted = 0;
        for (key, stored) in services.ledger.store().range(range).await? {
            let Some(key) = key_of(&key) else { continue };
            let asked: Asked = match decode(ASKED.name(), &stored.value) {
                Ok(asked) => asked,
                // One that cannot be read keeps no other from being answered.
                Err(error) => {
                    tracing::error!("what somebody asked cannot be read and is dropped: {}", Chain(&error));
                    self.answer_asking(key, &[], &Circumstance::default()).await?;
                    continue;
                }
            };
            let from = Circumstance {
                address: asked.from.as_deref().and_then(|text| text.parse().ok()),
                request_id: asked.request.clone(),
            };
            let is_allowed = from.address.is_none_or(|address| self.askers.admits(address, services.clock.now()));
            let name = self.ask_key.open(key.1.as_bytes(), &asked.sealed);
            let name = name.as_deref().and_then(|plain| std::str::from_utf8(plain).ok()).unwrap_or_default();
            let name = name.trim_end_matches('\0');
            let users = if is_allowed && !name.is_empty() { self.asked_for(name).await? } else { Vec::new() };
            posted += self.answer_asking(key, &users, &from).await?;
        }
        Ok(posted)
    }

    /// Does the same every two seconds.
    pub fn run(&self, tasks: &crate::tasks::Tasks) {
        if !self.services.outbox.is_open() {
            return;
        }
        let login = self.clone();
        tasks.every("forgotten-passwords", Duration::from_secs(2), move || {
            let login = login.clone();
            async move {
                if let Err(error) = login.answer_askings().await {
                    tracing::warn!("links to choose a password were not made: {}", Chain(&error));
                }
            }
        });
    }

    /// The accounts that a text stands for: the one of this login name, else those of this address.
    async fn asked_for(&self, text: &str) -> Result<Vec<User>, Error> {
        let directory = &self.services.directory;
        if let Some(user) = directory.find_user_by_name(text).await? {
            return Ok(vec![user]);
        }
        if !text.contains('@') {
            return Ok(Vec::new());
        }
        Ok(directory.find_users_by_email(text, MAX_ACCOUNTS).await?)
    }

    /// Takes an asking out and posts a mail for each of its accounts, in one commit.
    async fn answer_asking(
        &self,
        key: (Timestamp, AskId),
        users: &[User],
        from: &Circumstance,
    ) -> Result<usize, Error> {
        self.services
            .ledger
            .retry(|mut change| async move {
                match change.find(&ASKED, OrganisationId::DEFAULT, &key).await {
                    Ok(None) => return Ok(0),
                    Ok(Some(_)) | Err(store::Error::Corrupt { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
                change.delete(&ASKED, OrganisationId::DEFAULT, &key);
                let mut posted = 0;
                for user in users {
                    posted += usize::from(self.post_link(&mut change, user, from).await?);
                }
                change.commit_quietly(Housekeeping::Login).await?;
                Ok(posted)
            })
            .await
    }

    /// Posts a link for one account if it may have one. What is refused is recorded, at most as often as links are made.
    async fn post_link(&self, change: &mut Change, user: &User, from: &Circumstance) -> Result<bool, Error> {
        let services = &self.services;
        let now = services.clock.now();
        let mut times = change.find(&TIMES, OrganisationId::DEFAULT, &user.id).await?.unwrap_or_default();
        times.asked.retain(|at| now.since(*at) < HOUR);
        if times.asked.len() >= MAX_BY_ACCOUNT {
            return Ok(false);
        }
        times.asked.push(now);
        change.put_until(&TIMES, OrganisationId::DEFAULT, &user.id, &times, Some(now.plus(HOUR)))?;
        let event =
            Event::new(now, EventKind::ResetAsked, &Actor::Anonymous).within(from).on("user", user.id, &user.user_name);
        let user = services.directory.user_in(change, user.id).await?;
        let to = Recipient::of(&user);
        let by_link = self.pending(First::Link(user.id), "/");
        let refusal = match self.check_sso(change, &by_link, &user).await {
            Ok(()) => self.refusal(&user).await?,
            Err(Error::Refused { .. }) => Some("single sign-on is required"),
            Err(error) => return Err(error),
        };
        let (Some(to), None) = (to, refusal) else {
            let reason = refusal.unwrap_or("the account has no address to which mail can go");
            change.also(event.outcome(Outcome::Denied).detail("reason", reason));
            return Ok(false);
        };
        let (path, until) = self.stage_reset(change, &user, SELF_LIFETIME).await?;
        let is_posted = services.outbox.post_in(change, &to, &Letter::Reset { path, until }).await?;
        change.also(event.detail("mailed", is_posted));
        Ok(is_posted)
    }

    /// Why the owner of an account gets no link to choose a password, if so.
    async fn refusal(&self, user: &User) -> Result<Option<&'static str>, Error> {
        let services = &self.services;
        if user.status != Status::Active {
            return Ok(Some("the account is not active"));
        }
        if !self.keeps_password(user) {
            return Ok(Some("a directory keeps the password"));
        }
        if services.credentials.find(user.id).await?.is_none() {
            return Ok(Some("the account has no password here"));
        }
        let may = services.access.may_sign_in(user.id).await;
        let may = may.map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok((!may).then_some("a role denies signing in"))
    }
}

/// When something was asked, and its id: the end of its key.
fn key_of(key: &[u8]) -> Option<(Timestamp, AskId)> {
    let id = key.last_chunk::<16>()?;
    let before = key.get(..key.len().checked_sub(16)?)?;
    let sortable = u64::from_be_bytes(*before.last_chunk::<8>()?) ^ (1 << 63);
    Some((Timestamp::from_millis(sortable.cast_signed()), AskId::from_bytes(*id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_asks_so_often_in_an_hour_and_invented_ones_fill_nothing() {
        let (askers, start) = (Askers::default(), Timestamp::from_seconds(1_000_000));
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for _ in 0..MAX_BY_ADDRESS {
            assert!(askers.admits(address("2001:db8::1"), start));
        }
        assert!(!askers.admits(address("2001:db8::ffff"), start), "the same neighborhood");
        assert!(askers.admits(address("2001:db8:0:1::1"), start));
        assert!(askers.admits(address("2001:db8::1"), start.plus(HOUR)));
        for number in 0..25_000u32 {
            askers.admits(IpAddr::V4(number.into()), start);
        }
        assert!(askers.0.lock().unwrap().len() <= MAX_ADDRESSES);
    }
}
