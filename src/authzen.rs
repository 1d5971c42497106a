//! The decision API: the AuthZEN Authorization API 1.0 (OpenID Foundation, January 2026), for applications that ask
//! instead of deciding themselves.
//!
//! A permission `R:A` is `resource.type` R with `action.name` A. The scope is `resource.properties.scope`, or
//! `resource.id` when that is the text of one (`department:finance`); without it the question is about the organisation.
//! `resource.properties.owner` and a subject of type `user` are an id or a login name; an owner may be an employee too,
//! as `employee:7` by the number, with an account or without. `context.time` asks for another
//! moment, `context.ip` is read. The answer is the decision that is enforced everywhere else, and says why.
//!
//! It refuses who may not read decisions: `decisions:read`, in the scope that is named, unless a signed-in user asks about
//! themselves; searching for people takes `users:read` as well. What is unknown is answered "no" with the reason, never
//! with an error; what cannot be read is an error, never "no". Unknown members are ignored, as the standard wants it.

mod admit;
mod asked;
mod described;
mod error;
mod evaluate;
mod metadata;
mod page;
mod routes;
mod search;

use std::sync::Arc;

pub use admit::Gate;
pub use described::{described, shapes};
pub use error::Error;
pub use page::Pages;
pub use routes::{router, table};

use crate::access::Access;
use crate::directory::Directory;
use crate::limit::Limits;
use crate::login::Browser;
use crate::model::User;
use crate::tokens::Tokens;

/// Most evaluations in one request.
pub const MAX_EVALUATIONS: usize = 1_000;
/// Most bytes of a request's body.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// What the surface is built from.
#[derive(Clone)]
pub struct Services {
    /// Decisions and permits.
    pub access: Access,
    /// Who is behind a browser.
    pub browser: Browser,
    /// People.
    pub directory: Directory,
    /// Rates.
    pub limits: Limits,
    /// Where searches go on.
    pub pages: Pages,
    /// The address that applications use, without a slash at its end.
    pub public_url: String,
    /// Tokens.
    pub tokens: Tokens,
}

/// The surface. Cloning shares everything.
#[derive(Clone)]
pub struct Authzen(Arc<Services>);

impl Authzen {
    /// The surface over these services.
    pub fn new(services: Services) -> Self {
        Self(Arc::new(services))
    }

    /// Whether the owner that a resource names is this user. An employee without an account is nobody's owner yet.
    async fn owns(&self, user: &User, resource: &asked::Resource) -> Result<bool, Error> {
        let Some(number) = resource.owning_employee() else { return Ok(resource.is_owned_by(user)) };
        let person = self.0.directory.find_person_by_number(number).await?;
        Ok(person.is_some_and(|person| person.user == Some(user.id)))
    }

    /// The user of this id or login name.
    async fn find(&self, text: &str) -> Result<Option<User>, Error> {
        let directory = &self.0.directory;
        if let Ok(id) = text.parse()
            && let Some(user) = directory.find_user(id).await?
        {
            return Ok(Some(user));
        }
        Ok(directory.find_user_by_name(text).await?)
    }
}
