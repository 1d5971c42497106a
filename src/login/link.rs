//! One-time links: the way in when no other works yet, and the way back in for who forgot a password.

use std::time::Duration;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::finish::{Finished, Visit};
use super::pending::First;
use super::{Error, Login};
use crate::access::Permit;
use crate::audit::{Change, Event, EventKind};
use crate::clock::Timestamp;
use crate::credential::PasswordVersion;
use crate::directory;
use crate::model::{OrganisationId, User, UserId};
use crate::notify::{Letter, Recipient};
use crate::secret::Secret;
use crate::session::SECRET_CHARACTERS;
use crate::store::Table;

/// How long a link may be followed.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How long a link to choose a password that an administrator made may be followed: it has to reach its owner first.
const RESET_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// How long a link to choose a password may be followed that its owner asked for.
pub(super) const SELF_LIFETIME: Duration = Duration::from_secs(30 * 60);
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
    /// The password of that moment; another one since then makes the link void.
    #[n(1)]
    password: Option<PasswordVersion>,
    /// Keyed hash of the address to which its owner's mail went then; another one since then makes the link void.
    #[n(2)]
    address: Option<ByteArray<32>>,
}

/// A link to choose a password.
#[derive(Clone, Debug)]
pub struct ResetLink {
    /// A path of ours with a secret.
    pub path: Secret,
    /// Until when it may be followed.
    pub until: Timestamp,
    /// Whether it was posted to its owner.
    pub is_posted: bool,
}

impl Login {
    /// Makes a link that signs `user` in once within fifteen minutes: a path of ours with a secret.
    ///
    /// # Errors
    /// `Store`.
    pub async fn one_time_link(&self, permit: &Permit, user: &User) -> Result<Secret, Error> {
        let until = self.services.clock.now().plus(LIFETIME);
        let mut change = self.services.ledger.change();
        let secret = self.stage_link(&mut change, &Link { user: user.id, until, reset: None })?;
        change.commit(self.link_event(permit, user, "one-time link")).await?;
        Ok(Secret::new(format!("/login/link?token={}", secret.expose())))
    }

    /// Makes a link on which `user` chooses a password, once, within an hour, and posts it to `to` where somebody is
    /// named. A password that is set meanwhile makes it void.
    ///
    /// # Errors
    /// `Store`.
    pub async fn reset_link(&self, permit: &Permit, user: &User, to: Option<&Recipient>) -> Result<ResetLink, Error> {
        self.services
            .ledger
            .retry(|mut change| async move {
                let (path, until) = self.stage_reset(&mut change, user, RESET_LIFETIME).await?;
                let is_posted = match to {
                    Some(to) => {
                        let letter = Letter::ResetSent { path: path.clone(), until };
                        self.services.outbox.post_in(&mut change, to, &letter).await?
                    }
                    None => false,
                };
                change.commit(self.link_event(permit, user, "password link").detail("mailed", is_posted)).await?;
                Ok(ResetLink { path, until, is_posted })
            })
            .await
    }

    /// Makes a link to choose a password as part of a change.
    pub(super) async fn stage_reset(
        &self,
        change: &mut Change,
        user: &User,
        lifetime: Duration,
    ) -> Result<(Secret, Timestamp), Error> {
        let until = self.services.clock.now().plus(lifetime);
        let password = self.services.credentials.version_in(change, user.id).await?;
        let reset = Reset { password, address: self.address_of(user) };
        let secret = self.stage_link(change, &Link { user: user.id, until, reset: Some(reset) })?;
        Ok((Secret::new(format!("/login/reset?token={}", secret.expose())), until))
    }

    fn stage_link(&self, change: &mut Change, link: &Link) -> Result<Secret, Error> {
        let secret = self.services.ids.token();
        let key = self.link_key.tag(secret.expose().as_bytes());
        change.put_until(&LINKS, OrganisationId::DEFAULT, &key, link, Some(link.until))?;
        Ok(secret)
    }

    fn link_event(&self, permit: &Permit, user: &User, kind: &str) -> Event {
        let event = permit.event(self.services.clock.now(), EventKind::TokenCreated);
        event.on("user", user.id, &user.user_name).detail("kind", kind)
    }

    /// Keyed hash of the address to which a user's mail goes.
    fn address_of(&self, user: &User) -> Option<ByteArray<32>> {
        let address = Recipient::of(user)?.address().to_lowercase();
        Some(self.link_key.tag(format!("address of {}: {address}", user.id).as_bytes()).into())
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
                    if self.services.credentials.version_in(&mut change, link.user).await? != reset.password {
                        return Err(absent());
                    }
                    // Whoever reads the mailbox of before has the link, and the address was changed because of it.
                    if reset.address.is_some() {
                        let user = self.services.directory.user_in(&mut change, link.user).await;
                        let user = user.map_err(|error| match error {
                            directory::Error::NotFound { .. } => absent(),
                            other => other.into(),
                        })?;
                        if self.address_of(&user) != reset.address {
                            return Err(absent());
                        }
                    }
                    pending.chooses_password = Some(true);
                    pending.replaces = reset.password;
                }
                self.advance(change, pending, visit).await
            })
            .await
    }
}
