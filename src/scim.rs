//! The provisioning surface: SCIM 2.0 (RFC 7643, RFC 7644) for users, groups and the enterprise extension, spoken by
//! Okta, Entra ID and whoever else pushes people.
//!
//! A request is parsed into canonical values by pure functions (`body`, `patch`, `query`), authorized by its
//! connection's permit, acted on by the directory, and rendered by `resource` and `projection`. What clients are known
//! to send and mean is understood; what cannot be evaluated is refused, never answered with nothing.
//!
//! It never adopts an account that another source owns.

mod admit;
mod body;
mod bulk;
mod call;
mod cursor;
mod discovery;
mod error;
mod etag;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod groups;
mod journal;
mod json;
mod list;
mod me;
mod oauth;
mod objects;
mod password;
mod patch;
mod projection;
mod query;
mod read;
mod render;
mod resource;
mod routes;
mod schema;
mod sort;
mod users;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use admit::Gate;
pub use cursor::Cursors;
pub use error::{Answer, ERROR_SCHEMA, Error, MEDIA_TYPE};
pub use journal::Journal;
pub use oauth::{OAuth, oauth_routes, oauth_table};
pub use password::Keeper;
pub use routes::{routes, table};

use crate::access::{self, Access, Permit};
use crate::config::{self, Passwords};
use crate::directory::Directory;
use crate::error::Chain;
use crate::http::Metrics;
use crate::limit::Limits;
use crate::model::SourceId;
use crate::model::schema::Schemas;
use call::Call;
use resource::Place;
use schema::Catalogue;

/// The surface. Cloning shares the directory.
#[derive(Clone)]
pub struct Scim {
    directory: Directory,
    access: Access,
    cursors: Cursors,
    base: Arc<str>,
    catalogue: Arc<Catalogue>,
    metrics: Option<Metrics>,
    connections: Arc<BTreeMap<SourceId, config::Scim>>,
    bulk_turns: Arc<bulk::Turns>,
    keeper: Option<Keeper>,
    journal: Option<Journal>,
    limits: Option<Limits>,
}

impl Scim {
    /// The surface of one directory; `public_url` is the address under which clients reach the gateway.
    pub fn new(directory: Directory, access: Access, cursors: Cursors, public_url: &str) -> Self {
        let base = format!("{}/scim/v2", public_url.trim_end_matches('/')).into();
        let catalogue = Arc::new(Catalogue::standard());
        Self {
            directory,
            access,
            cursors,
            base,
            catalogue,
            metrics: None,
            connections: Arc::default(),
            bulk_turns: Arc::default(),
            keeper: None,
            journal: None,
            limits: None,
        }
    }

    /// Counts requests by connection, resource and operation.
    #[must_use]
    pub fn counted_by(self, metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// Counts the operations of bulk requests against the rate of their connection.
    #[must_use]
    pub fn limited_by(self, limits: Limits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// Sets the passwords of connections that may set them.
    #[must_use]
    pub fn keeping(self, keeper: Keeper) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    /// Where resources are, and what they are made of.
    fn place(&self) -> Place<'_> {
        Place { base: &self.base, catalogue: &self.catalogue }
    }

    /// Serves these connections by their settings; others by the defaults.
    #[must_use]
    pub fn serving(self, connections: &[config::Scim]) -> Self {
        let connections = connections.iter().map(|connection| (connection.id.clone(), connection.clone())).collect();
        Self { connections: Arc::new(connections), ..self }
    }

    /// Keeps the last requests of connections in `journal`.
    #[must_use]
    pub fn kept_in(self, journal: Journal) -> Self {
        Self { journal: Some(journal), ..self }
    }

    /// What becomes of the passwords that a connection sends.
    pub fn passwords(&self, connection: &SourceId) -> Passwords {
        self.connections.get(connection).map_or(Passwords::Ignore, |connection| connection.passwords)
    }

    /// Knows these schemas and resource types beside those of RFC 7643.
    #[must_use]
    pub fn knowing(self, schemas: &Schemas) -> Self {
        Self { catalogue: Arc::new(Catalogue::with(schemas)), ..self }
    }

    async fn permit(&self, call: &Call) -> Result<Permit, Error> {
        self.access.provision(&call.actor, call.circumstance.clone()).await.map_err(|error| match error {
            access::Error::Anonymous => Error::Unauthorized,
            access::Error::Store(error) => {
                tracing::warn!(error = %Chain(&error), "a connection could not be authorized");
                Error::Unavailable
            }
            access::Error::Conflict { .. }
            | access::Error::SeatLimit { .. }
            | access::Error::Denied(_)
            | access::Error::Invalid { .. }
            | access::Error::NotFound { .. }
            | access::Error::Pack { .. }
            | access::Error::Revision { .. }
            | access::Error::Unweighed(_) => Error::Forbidden,
        })
    }
}
