//! Who does something.

use std::net::IpAddr;

use minicbor::{Decode, Encode};

use super::{Permission, Presence, SessionId, SourceId, TokenId, UserId};

/// What a token is for; a token of one kind is nothing on another surface.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TokenKind {
    /// Management: what it may do at most; for whom it acts, without a user it is a service's; and who made it, whose
    /// rights it never exceeds. Without a maker it was made on the machine itself.
    #[n(0)]
    Management(#[n(0)] Vec<Permission>, #[n(1)] Option<UserId>, #[n(2)] Option<UserId>),
    /// Provisioning by SCIM, for one connection.
    #[n(1)]
    Scim(#[n(0)] SourceId),
    /// The secret of a client of one connection, which only exchanges it for access tokens (RFC 6749 section 4.4).
    #[n(2)]
    Client(#[n(0)] SourceId),
}

/// Who does something. Built by authentication, never from what a request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Nobody yet: a sign-in that has not ended.
    Anonymous,
    /// A provisioning connection.
    Connection {
        /// Its source.
        source: SourceId,
        /// The token it used.
        token: TokenId,
    },
    /// An administrator on the machine itself, over the admin socket.
    Local {
        /// The peer's user id, as the kernel reports it.
        uid: u32,
    },
    /// The daemon's own task: `sync:corp`, `demo`.
    System {
        /// Which.
        task: String,
    },
    /// A management token.
    Token {
        /// Which.
        id: TokenId,
        /// What it may do at most.
        limit: Vec<Permission>,
        /// Whom it acts for.
        user: Option<UserId>,
        /// Who made it, unless that is the one it acts for: it may do nothing that they may not.
        maker: Option<UserId>,
    },
    /// A signed-in user.
    User {
        /// Who.
        id: UserId,
        /// By which session.
        session: SessionId,
        /// What the session knows of who is behind it.
        presence: Presence,
    },
}

/// One word of kind and one id, for the ledger: `user:0192…`, `connection:okta`.
impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Connection { source, .. } => write!(f, "connection:{source}"),
            Self::Local { uid } => write!(f, "local:{uid}"),
            Self::System { task } => write!(f, "system:{task}"),
            Self::Token { id, .. } => write!(f, "token:{id}"),
            Self::User { id, .. } => write!(f, "user:{id}"),
        }
    }
}

/// From where a request came, for the ledger, limits and network rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Circumstance {
    /// The client's address after trusted proxies were resolved; `None` on the admin socket and in tasks.
    pub address: Option<IpAddr>,
    /// The id that the answer carries too.
    pub request_id: Option<String>,
}
