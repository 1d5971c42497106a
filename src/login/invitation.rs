//! Invitations: an account waits for its owner, who accepts it by a link, once, and chooses a password on the way.
//!
//! Whether who invited may still give what the account is to have is asked again at that moment. A link that was used, is
//! too old, was taken back or replaced, and one that never was, all lead to the same page. The password, the active account
//! and the end of the invitation are one commit; the session follows as after any one-time link, by way of the same steps.

mod accept;
mod accepted;
mod kept;
mod vouched;

use std::time::Duration;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::{Error, Login};
use crate::access::Permit;
use crate::audit::{Change, EventKind};
use crate::clock::Timestamp;
use crate::model::{
    Actor, GroupId, Id, OrganisationId, Permission, Presence, RoleId, Scope, SessionId, TokenId, User, UserId,
};
use crate::notify::{Letter, Recipient};
use crate::secret::Secret;
use crate::store::Table;

pub(super) use accept::table;

/// Marks [`InvitationId`].
#[derive(Debug)]
pub enum InvitationKind {}
/// Id of an invitation.
pub type InvitationId = Id<InvitationKind>;

/// Invitations, in the order in which they were made.
const INVITATIONS: Table<InvitationId, Invitation> = Table::new(0x55, "invitations");
/// The invitation of an account that was invited.
const INVITATION_OF: Table<UserId, InvitationId> = Table::new(0x6b, "invitations of accounts");
/// Every tag of this module with its table's name.
pub(super) const TABLES: [(u8, &str); 2] = [(0x55, INVITATIONS.name()), (0x6b, INVITATION_OF.name())];

/// How long an invitation is kept after its end, for who looks back.
const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// How far an invitation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum InvitationState {
    /// It waits.
    #[n(0)]
    Open,
    /// Its owner has come.
    #[n(1)]
    Accepted,
    /// It was taken back.
    #[n(2)]
    Revoked,
}

/// Who invited, to be asked again what they may.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
enum Inviter {
    #[n(0)]
    Local(#[n(0)] u32),
    #[n(1)]
    User(#[n(0)] UserId, #[n(1)] SessionId, #[n(2)] bool),
    #[n(2)]
    Token(#[n(0)] TokenId, #[n(1)] Vec<Permission>, #[n(2)] Option<UserId>, #[n(3)] Option<UserId>),
    /// A task of the daemon.
    #[n(3)]
    System(#[n(0)] String),
}

/// A role that comes with an account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Promised {
    /// Which.
    #[n(0)]
    pub role: RoleId,
    /// Where; everywhere without one.
    #[n(1)]
    pub scope: Option<Scope>,
}

/// An invitation as kept.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Invitation {
    /// Keyed hash of the link's secret.
    #[n(0)]
    hash: ByteArray<32>,
    /// The account that waits.
    #[n(1)]
    pub user: UserId,
    /// Its name.
    #[n(2)]
    pub user_name: String,
    /// The address that was invited.
    #[n(3)]
    pub email: String,
    #[n(4)]
    inviter: Inviter,
    /// The roles of the account.
    #[n(5)]
    pub roles: Vec<Promised>,
    /// The groups into which it was put.
    #[n(6)]
    pub groups: Vec<GroupId>,
    /// When it was made.
    #[n(7)]
    pub created: Timestamp,
    /// Until when it may be accepted.
    #[n(8)]
    pub until: Timestamp,
    /// How far it has come.
    #[n(9)]
    pub state: InvitationState,
    /// Who invited, as the ledger has it.
    #[n(10)]
    pub invited_by: String,
    /// How often a link was made.
    #[n(11)]
    pub links: u32,
    /// When links were made again, within the last hour.
    #[n(12)]
    again: Option<Vec<Timestamp>>,
}

/// What an invitation is made of.
#[derive(Clone, Debug)]
pub struct Invited<'a> {
    /// The account that waits, as it is in the change.
    pub user: &'a User,
    /// The address.
    pub email: &'a str,
    /// Its roles.
    pub roles: Vec<Promised>,
    /// Its groups.
    pub groups: Vec<GroupId>,
}

/// A link that was made for an invitation.
#[derive(Clone, Debug)]
pub struct InvitationLink {
    /// Which.
    pub id: InvitationId,
    /// The invitation as it is now.
    pub invitation: Invitation,
    /// A path of ours with a secret.
    pub path: Secret,
    /// Whether it was posted to the address.
    pub is_posted: bool,
}

/// How often a link is made again within an hour.
const MAX_AGAIN: usize = 5;
/// The hour.
const HOUR: Duration = Duration::from_secs(60 * 60);

impl Invitation {
    /// Counts a link that is made again.
    fn note_link(&mut self, now: Timestamp) -> Result<(), Error> {
        let again = self.again.get_or_insert_default();
        again.retain(|at| now.since(*at) < HOUR);
        if again.len() >= MAX_AGAIN {
            let reason =
                format!("{MAX_AGAIN} links were made again within the hour; wait, or take the invitation back");
            return Err(Error::refused("links", reason));
        }
        again.push(now);
        Ok(())
    }

    /// Whether it may be accepted at a moment.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.state == InvitationState::Open && now < self.until
    }

    /// The word for its state at a moment: `open`, `expired`, `accepted`, `revoked`.
    pub fn status(&self, now: Timestamp) -> &'static str {
        match self.state {
            InvitationState::Open if now < self.until => "open",
            InvitationState::Open => "expired",
            InvitationState::Accepted => "accepted",
            InvitationState::Revoked => "revoked",
        }
    }
}

impl Inviter {
    fn of(actor: &Actor) -> Option<Self> {
        match actor {
            Actor::Local { uid } => Some(Self::Local(*uid)),
            Actor::User { id, session, presence } => Some(Self::User(*id, *session, presence.factor_at.is_some())),
            Actor::Token { id, limit, user, maker } => Some(Self::Token(*id, limit.clone(), *user, *maker)),
            Actor::System { task } => Some(Self::System(task.clone())),
            Actor::Anonymous | Actor::Connection { .. } => None,
        }
    }

    /// The one who invited, with a second factor where one was shown then.
    fn actor(&self, now: Timestamp) -> Actor {
        match self {
            Self::Local(uid) => Actor::Local { uid: *uid },
            Self::User(id, session, has_factor) => {
                let presence = if *has_factor { Presence::two(now) } else { Presence::default() };
                Actor::User { id: *id, session: *session, presence }
            }
            Self::Token(id, limit, user, maker) => {
                Actor::Token { id: *id, limit: limit.clone(), user: *user, maker: *maker }
            }
            Self::System(task) => Actor::System { task: task.clone() },
        }
    }
}

impl Login {
    /// Makes an invitation for an account that a change makes, and posts its link to `to` where somebody is named.
    ///
    /// # Errors
    /// `Refused` for who cannot invite; `Store`.
    pub async fn invite_in(
        &self,
        change: &mut Change,
        permit: &Permit,
        invited: &Invited<'_>,
        to: Option<&Recipient>,
    ) -> Result<InvitationLink, Error> {
        let now = self.services.clock.now();
        let absent = || Error::refused("inviter", "who acts cannot invite");
        let mut invitation = Invitation {
            hash: [0; 32].into(),
            user: invited.user.id,
            user_name: invited.user.user_name.to_string(),
            email: invited.email.to_owned(),
            inviter: Inviter::of(permit.actor()).ok_or_else(absent)?,
            roles: invited.roles.clone(),
            groups: invited.groups.clone(),
            created: now,
            until: now,
            state: InvitationState::Open,
            invited_by: permit.actor().to_string(),
            links: 0,
            again: None,
        };
        let id = InvitationId::new(now, &self.services.ids);
        let path = self.stage_link_of(change, id, &mut invitation)?;
        self.posted(change, permit, (id, invitation, path), to).await
    }

    /// A new secret for an invitation, in place of the one before.
    fn stage_link_of(
        &self,
        change: &mut Change,
        id: InvitationId,
        invitation: &mut Invitation,
    ) -> Result<Secret, Error> {
        let secret = self.services.ids.token();
        invitation.hash = self.invitation_hash(id, secret.expose()).into();
        invitation.until = self.services.clock.now().plus(self.invitations_last);
        invitation.links = invitation.links.saturating_add(1);
        self.keep_invitation(change, id, invitation)?;
        Ok(Secret::new(format!("/login/invitation?token={id}.{}", secret.expose())))
    }

    fn keep_invitation(&self, change: &mut Change, id: InvitationId, invitation: &Invitation) -> Result<(), Error> {
        let until = Some(invitation.until.plus(KEPT));
        change.put_until(&INVITATION_OF, OrganisationId::DEFAULT, &invitation.user, &id, until)?;
        Ok(change.put_until(&INVITATIONS, OrganisationId::DEFAULT, &id, invitation, until)?)
    }

    fn invitation_hash(&self, id: InvitationId, secret: &str) -> [u8; 32] {
        self.invitation_key.tag(format!("{id}.{secret}").as_bytes())
    }

    async fn posted(
        &self,
        change: &mut Change,
        permit: &Permit,
        (id, invitation, path): (InvitationId, Invitation, Secret),
        to: Option<&Recipient>,
    ) -> Result<InvitationLink, Error> {
        let is_posted = match to {
            Some(to) => {
                let letter = Letter::Invitation { path: path.clone(), until: invitation.until };
                self.services.outbox.post_in(change, to, &letter).await?
            }
            None => false,
        };
        let event = permit
            .event(self.services.clock.now(), EventKind::InvitationCreated)
            .on("user", invitation.user, &invitation.user_name)
            .detail("invitation", id)
            .detail("email", &invitation.email)
            .detail("until", invitation.until)
            .detail("links", invitation.links)
            .detail("mailed", is_posted);
        change.also(event);
        Ok(InvitationLink { id, invitation, path, is_posted })
    }
}
