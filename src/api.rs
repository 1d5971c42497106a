//! The management surface: `/api/v1`, resources as JSON, for administrators, programs and the console.
//!
//! A handler reads the request, asks for its permit, lets a domain service act, and renders. Lists come in pages with a
//! cursor, in the order of creation. Failures are problem details (RFC 9457) with the `field` that is wrong. Unknown
//! fields and parameters are refused, so that a misspelled one is not taken for a wish that was granted.
//!
//! Who may call: a session of a browser, with proof that its own pages send what changes something; a management token;
//! anybody on the admin socket, whom the kernel names. Nobody gives away more than they have.

mod access_requests;
mod admit;
mod audit;
mod backups;
mod blocks;
mod connectors;
mod cursor;
mod devices;
mod error;
mod explain;
mod factors;
mod fields;
mod grants;
mod groups;
mod history;
mod invitations;
mod locks;
mod mail;
mod me;
mod named;
mod network;
mod openapi;
mod people;
mod placed;
mod policy;
mod protect;
mod rank;
mod render;
mod reports;
mod requests;
mod roles;
mod routes;
mod scopes;
mod seats;
mod sessions;
mod sight;
mod sources;
mod status;
mod tokens;
mod transfer;
mod users;
mod within;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;

pub use admit::Gate;
pub use cursor::Cursors;
pub use error::{Error, RowProblem};
pub use openapi::described;
pub use routes::{router, table};
pub use users::{MAX_ROWS, Row, parse};

use crate::access::{Access, Permit, Question};
use crate::audit::{Ledger, Sealer};
use crate::clock::{Clock, Timestamp};
use crate::config::Plan;
use crate::credential::{Credentials, Factors};
use crate::directory::Directory;
use crate::http::openapi::Operation;
use crate::limit::Limits;
use crate::lockout::Lockout;
use crate::login::{Browser, Login};
use crate::model::{Group, Permission, Scope, SourceId, User};
use crate::notify::Outbox;
use crate::session::Sessions;
use crate::sync::Sync;
use crate::tasks::Tasks;
use crate::tokens::Tokens;
use crate::transfer::Transfer;
use admit::Caller;

/// What the daemon lets administrators do to itself.
pub trait Control: Send + std::marker::Sync {
    /// Reads the configuration again and puts it in force, or keeps the old one. The answer is what deserves a look.
    ///
    /// # Errors
    /// Every problem of the new configuration, each a line for people.
    fn reload(&self) -> BoxFuture<'_, Result<Vec<String>, Vec<String>>>;

    /// The digest of the configuration that was read last; `None` where it is in no file.
    fn digest(&self) -> Option<String> {
        None
    }
}

/// Requests as JSON, newest first, and the number to go on from when there are more.
pub type Kept = (Vec<Value>, Option<u64>);

/// The last requests of provisioning connections.
pub trait Requests: Send + std::marker::Sync {
    /// Those of a connection before the one of number `before`, at most `limit` of those for whose status and time `keep`
    /// holds. `None` when the connection's are not kept.
    fn page(
        &self,
        connection: &SourceId,
        keep: &dyn Fn(u16, Timestamp) -> bool,
        before: Option<u64>,
        limit: usize,
    ) -> Option<Kept>;
}

/// What the surface is built from.
#[derive(Clone)]
pub struct Services {
    /// Decisions and permits.
    pub access: Access,
    /// Who is behind a browser.
    pub browser: Browser,
    /// Time.
    pub clock: Clock,
    /// The ids of the configured provisioning connections.
    pub connections: BTreeSet<SourceId>,
    /// Whom people ask who are refused something.
    pub contact: Option<String>,
    /// The daemon.
    pub control: Arc<dyn Control>,
    /// Passwords.
    pub credentials: Credentials,
    /// Where lists go on.
    pub cursors: Cursors,
    /// People and groups.
    pub directory: Directory,
    /// Second factors.
    pub factors: Factors,
    /// The ledger.
    pub ledger: Ledger,
    /// Rates.
    pub limits: Limits,
    /// Failed attempts.
    pub lockout: Lockout,
    /// The ways in.
    pub login: Login,
    /// What was bought.
    pub plan: Plan,
    /// Mails.
    pub outbox: Outbox,
    /// Routes of other surfaces, for the OpenAPI document.
    pub others: Vec<Operation>,
    /// The shapes that they name.
    pub other_shapes: Vec<(&'static str, Value)>,
    /// The address people use.
    pub public_url: String,
    /// What provisioning connections asked.
    pub requests: Arc<dyn Requests>,
    /// Verifies the ledger.
    pub sealer: Arc<Sealer>,
    /// Signed-in browsers.
    pub sessions: Sessions,
    /// Directories that are pulled.
    pub syncs: BTreeMap<SourceId, Sync>,
    /// Work that outlives its request.
    pub tasks: Tasks,
    /// How long a token lasts when nobody says; `None` is for ever.
    pub token_lasts: Option<std::time::Duration>,
    /// Tokens.
    pub tokens: Tokens,
    /// Exports and imports.
    pub transfer: Transfer,
}

/// The surface. Cloning shares everything.
#[derive(Clone)]
pub struct Api {
    services: Arc<Services>,
    runs: sources::Runs,
    /// Held while a policy is compared with another.
    comparisons: Arc<tokio::sync::Mutex<()>>,
    /// The one who reads everybody for a rule, the one who has it looked who uses which rights, and the one who reads the whole
    /// ledger: nobody is to slow down everybody.
    previews: Arc<tokio::sync::Mutex<()>>,
    postures: Arc<tokio::sync::Mutex<()>>,
    verifications: Arc<tokio::sync::Mutex<()>>,
}

impl Api {
    /// The surface over these services.
    pub fn new(services: Services) -> Self {
        Self {
            services: Arc::new(services),
            runs: sources::Runs::default(),
            comparisons: Arc::default(),
            previews: Arc::default(),
            postures: Arc::default(),
            verifications: Arc::default(),
        }
    }

    /// Checks that the caller may do this, in the whole organisation or within a scope.
    async fn permit(&self, caller: &Caller, permission: &str, scope: Option<&Scope>) -> Result<Permit, Error> {
        let permission: Permission = permission.parse().map_err(|_| Error::Internal("a permission that is none"))?;
        let circumstance = caller.circumstance.clone();
        Ok(self.services.access.permit(&caller.actor, &permission, scope, circumstance).await?)
    }

    /// Checks that the caller may do everything in the whole organisation.
    async fn permit_everything(&self, caller: &Caller) -> Result<(), Error> {
        let access = &self.services.access;
        for permission in access.roles().catalogue().iter() {
            let question = Question::new(&permission);
            access.check_rank(&caller.actor, &question, caller.circumstance.clone()).await?;
        }
        Ok(())
    }

    /// The user of this id or name, whom the caller sees.
    async fn user(&self, caller: &Caller, text: &str) -> Result<User, Error> {
        let directory = &self.services.directory;
        let by_id = match text.parse() {
            Ok(id) => directory.find_user(id).await?,
            Err(_) => None,
        };
        let found = match by_id {
            Some(user) => Some(user),
            None => directory.find_user_by_name(text).await?,
        };
        let sight = self.sight(caller).await?;
        found.filter(|user| sight.sees_user(user)).ok_or(Error::NotFound { what: "user" })
    }

    /// The group of this id, or the only one of this name, or of this slug, of those that the caller sees.
    async fn group(&self, caller: &Caller, text: &str) -> Result<Group, Error> {
        let directory = &self.services.directory;
        let sight = self.sight(caller).await?;
        if let Ok(id) = text.parse()
            && let Some(group) = directory.find_group(id).await?.filter(|group| sight.sees_group(group))
        {
            return Ok(group);
        }
        // A name that looks like another group's slug must not stand before it.
        let mut named = directory.find_groups_by_name(text).await?;
        named.extend(directory.find_groups_by_slug(text).await?);
        named.retain(|group| sight.sees_group(group));
        named.sort_by_key(|group| group.id);
        named.dedup_by_key(|group| group.id);
        match (named.pop(), named.is_empty()) {
            (Some(group), true) => Ok(group),
            (Some(_), false) => Err(Error::Ambiguous { what: "group" }),
            (None, _) => Err(Error::NotFound { what: "group" }),
        }
    }
}
