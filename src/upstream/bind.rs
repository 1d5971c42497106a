//! Sign-in with the password of an LDAP directory.
//!
//! The service account looks the person up, exactly one entry must be there, and the password is tried by a bind as
//! that entry on a connection of its own (RFC 4513 section 5.1.3). Passwords are neither kept nor cached. A name that is
//! not found and a wrong password give the same answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::{AssertedIdentity, Assertion, Error, PasswordConnector};
use crate::clock::Clock;
use crate::error::Chain;
use crate::ldap::{self, BindError, Connection, Entry, Filter, Refusal, Scope, Tree, bind_as};
use crate::model::{SourceId, UserName};
use crate::secret::Secret;

/// Idle connections of the service account that are kept for the next sign-in.
const MAX_IDLE: usize = 4;

/// Entries that the search for one login name brings: one more than may be there.
const MAX_FOUND: usize = 2;
/// Most bytes that they take.
const MAX_FOUND_BYTES: usize = 1024 * 1024;
/// How long the search for one login name may take.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a handshake or one answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Sign-in by bind at one directory.
pub struct Bind {
    id: SourceId,
    tree: Tree,
    clock: Clock,
    idle: Mutex<Vec<Connection>>,
}

impl Bind {
    /// Sign-in for the people of `tree`, as source `id`: the same id under which the directory is synced, so that the
    /// stable ids name the same people.
    pub fn new(id: SourceId, mut tree: Tree, clock: Clock) -> Self {
        // The limits of the source are those of reading everybody; somebody waits for this.
        let settings = &mut tree.settings;
        settings.max_entries = settings.max_entries.min(MAX_FOUND);
        settings.max_result_bytes = settings.max_result_bytes.min(MAX_FOUND_BYTES);
        // Also of one message, before anybody takes it apart: whoever names somebody makes it be read.
        settings.max_frame_bytes = settings.max_frame_bytes.min(MAX_FOUND_BYTES);
        settings.search_timeout = settings.search_timeout.min(SEARCH_TIMEOUT);
        settings.operation_timeout = settings.operation_timeout.min(ANSWER_TIMEOUT);
        Self { id, tree, clock, idle: Mutex::default() }
    }

    async fn prove(
        &self,
        user_name: &str,
        password: &Secret,
        before: BoxFuture<'_, Result<(), Error>>,
    ) -> Result<AssertedIdentity, Error> {
        // What cannot be a login name is not asked for, and answered like a wrong one.
        if user_name.parse::<UserName>().is_err() {
            return Err(declined(Refusal::Wrong));
        }
        // All servers and connections together: nobody waits for more, and nothing is counted before this has ended.
        let late = |_| unavailable(&ldap::Error::Late { operation: "the search", after: SEARCH_TIMEOUT });
        let found = timeout(SEARCH_TIMEOUT, self.find(user_name)).await.map_err(late)?;
        let entry = found.map_err(|error| unavailable(&error))?.ok_or_else(|| declined(Refusal::Wrong))?;
        before.await?;
        match bind_as(&self.tree.settings, entry.dn().as_str(), password).await {
            Ok(()) => {}
            Err(BindError::Refused(refusal)) => return Err(declined(refusal)),
            Err(BindError::Failed(error)) => return Err(unavailable(&error)),
            Err(BindError::Unanswered(error)) => {
                return Err(Error::Unanswered { reason: Chain(&error).to_string() });
            }
        }
        // Not every server refuses the bind of an account that is disabled.
        match self.tree.schema.is_disabled(&entry, self.clock.now()) {
            Ok(false) => {}
            Ok(true) => return Err(declined(Refusal::Disabled)),
            Err(reason) => return Err(Error::Refused { rule: "shape", reason: format!("`{}`: {reason}", entry.dn()) }),
        }
        self.assertion(&entry)
    }

    /// The one entry with this login name; `None` when there is none, or several.
    async fn find(&self, user_name: &str) -> Result<Option<Entry>, ldap::Error> {
        let by_name = Filter::Equal(self.tree.schema.login, user_name.to_owned());
        let filter = Filter::And(vec![self.tree.people.filter.clone(), by_name]);
        if let Some(mut connection) = self.take()
            && let Ok(found) = self.search(&mut connection, &filter).await
        {
            self.put(connection);
            return Ok(found);
        }
        // A kept connection may have ended while it was idle; a new one tells.
        let mut connection = Connection::open(&self.tree.settings).await?;
        let found = self.search(&mut connection, &filter).await?;
        self.put(connection);
        Ok(found)
    }

    async fn search(&self, connection: &mut Connection, filter: &Filter) -> Result<Option<Entry>, ldap::Error> {
        let (base, attributes) = (self.tree.people.base.as_str(), self.tree.schema.person_attributes());
        let mut found = connection.search_all(base, Scope::Subtree, filter, &attributes).await?;
        let only = found.pop();
        Ok(only.filter(|_| found.is_empty()))
    }

    fn assertion(&self, entry: &Entry) -> Result<AssertedIdentity, Error> {
        let schema = self.tree.schema;
        let missing =
            |name: &str| Error::Refused { rule: "shape", reason: format!("`{}` has no `{name}`", entry.dn()) };
        let subject = entry.stable_id(schema.id).ok_or_else(|| missing(schema.id.attribute()))?;
        let user_name = entry.text(schema.login).ok_or_else(|| missing(schema.login))?.to_owned();
        let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in schema.person_attributes() {
            let values: Vec<String> = entry.texts(name).map(str::to_owned).collect();
            if !values.is_empty() {
                attributes.insert(name.to_owned(), values);
            }
        }
        let first = |name: &str| entry.text(name).map(str::to_owned);
        let assertion = Assertion {
            subject,
            user_name,
            email: first("mail"),
            email_is_verified: false,
            display_name: first("displayName").or_else(|| first("cn")),
            groups: Vec::new(),
            attributes,
            claim: None,
            upstream_session: None,
            at_upstream: None,
        };
        Ok(AssertedIdentity::new(self.id.clone(), assertion))
    }

    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }
}

impl PasswordConnector for Bind {
    fn id(&self) -> &SourceId {
        &self.id
    }

    fn authenticate<'a>(
        &'a self,
        user_name: &'a str,
        password: &'a Secret,
        before: BoxFuture<'a, Result<(), Error>>,
    ) -> BoxFuture<'a, Result<AssertedIdentity, Error>> {
        self.prove(user_name, password, before).boxed()
    }
}

fn declined(refusal: Refusal) -> Error {
    Error::Declined { reason: refusal.to_string() }
}

fn unavailable(error: &ldap::Error) -> Error {
    Error::Unavailable { reason: Chain(error).to_string() }
}
