//! One-time links: the way in when no other works yet, and the way back in for who forgot a password.

use std::time::Duration;

use minicbor::{Decode, Encode};

use super::finish::{Finished, Visit};
use super::pending::First;
use super::{Error, Login};
use crate::access::Permit;
use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::model::{OrganisationId, User, UserId};
use crate::secret::Secret;
use crate::session::SECRET_CHARACTERS;
use crate::store::Table;

/// How long a link may be followed.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How long a link to choose a password may be followed: it has to reach its owner first.
const RESET_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// Links by keyed hash.
const LINKS: Table<[u8; 32], Link> = Table::new(0x52, "one-time links");
/// Every tag of this module with its table's name.
pub(super) const TABLES: [(u8, &str); 1] = [(0x52, LINKS.name())];

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
struct Link {
    #[n(0)]
    user: UserId,
    #[n(1)]
    until: Timestamp,
    /// Set where a password is chosen on the way in.
    #[n(2)]
    reset: Option<Reset>,
}

/// What a link to choose a password was made for.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
struct Reset {
    /// When the password of that moment was set; another one since then makes the link void.
    #[n(0)]
    password_set: Option<Timestamp>,
}

impl Login {
    /// Makes a link that signs `user` in once within fifteen minutes: a path of ours with a secret.
    ///
    /// # Errors
    /// `Store`.
    pub async fn one_time_link(&self, permit: &Permit, user: &User) -> Result<Secret, Error> {
        let until = self.services.clock.now().plus(LIFETIME);
        self.make_link(permit, user, Link { user: user.id, until, reset: None }, "one-time link").await
    }

    /// Makes a link on which `user` chooses a password, once, within an hour: a path of ours with a secret, and when it
    /// ends. A password that is set meanwhile makes it void.
    ///
    /// # Errors
    /// `Store`.
    pub async fn reset_link(&self, permit: &Permit, user: &User) -> Result<(Secret, Timestamp), Error> {
        let until = self.services.clock.now().plus(RESET_LIFETIME);
        let password_set = self.services.credentials.find(user.id).await?.map(|password| password.set);
        let link = Link { user: user.id, until, reset: Some(Reset { password_set }) };
        Ok((self.make_link(permit, user, link, "password link").await?, until))
    }

    async fn make_link(&self, permit: &Permit, user: &User, link: Link, kind: &str) -> Result<Secret, Error> {
        let secret = self.services.ids.token();
        let key = self.link_key.tag(secret.expose().as_bytes());
        let mut change = self.services.ledger.change();
        change.put_until(&LINKS, OrganisationId::DEFAULT, &key, &link, Some(link.until))?;
        let event = permit
            .event(self.services.clock.now(), EventKind::TokenCreated)
            .on("user", user.id, &user.user_name)
            .detail("kind", kind);
        change.commit(event).await?;
        Ok(Secret::new(format!("/login/link?token={}", secret.expose())))
    }

    /// Follows a link: it is used up in the commit that opens the session, or that waits for the next step.
    pub(super) async fn follow_link(&self, token: &str, visit: &Visit) -> Result<Finished, Error> {
        let absent = || Error::refused("link", "no such link, or it was used, or it is too old");
        if token.len() != SECRET_CHARACTERS {
            return Err(absent());
        }
        let key = self.link_key.tag(token.as_bytes());
        self.services
            .ledger
            .retry(|mut change| async move {
                let link = change.find(&LINKS, OrganisationId::DEFAULT, &key).await?.ok_or_else(absent)?;
                if link.until <= self.services.clock.now() {
                    return Err(absent());
                }
                change.delete(&LINKS, OrganisationId::DEFAULT, &key);
                let mut pending = self.pending(First::Link(link.user), "/");
                if let Some(reset) = &link.reset {
                    let now = self.services.credentials.find(link.user).await?.map(|password| password.set);
                    if now != reset.password_set {
                        return Err(absent());
                    }
                    pending.chooses_password = Some(true);
                }
                self.advance(change, pending, visit).await
            })
            .await
    }
}
