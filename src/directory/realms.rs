//! The realms of accounts: staff and members are apart. An account is made in one realm, by what made it, and stays there; no
//! source and no sign-in of one realm reaches an account of the other, whatever their names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::reconcile::Authority;
use super::tables::USERS;
use super::users::Staged;
use super::{Directory, Error};
use crate::audit::{Change, Event};
use crate::model::{Realm, SourceId, User};

/// In which realm each source and connector makes accounts; those that are not among them, in that of staff. Cloning
/// shares it.
#[derive(Clone, Debug, Default)]
pub struct Realms(Arc<BTreeMap<SourceId, Realm>>);

impl FromIterator<(SourceId, Realm)> for Realms {
    fn from_iter<I: IntoIterator<Item = (SourceId, Realm)>>(all: I) -> Self {
        Self(Arc::new(all.into_iter().collect()))
    }
}

impl Directory {
    /// Puts the realms of sources and connectors in force.
    #[must_use]
    pub fn with_realms(self, realms: Realms) -> Self {
        Self { realms, ..self }
    }

    /// In which realm an authority makes accounts. What administrators make is staff unless they say otherwise.
    fn realm_of(&self, authority: &Authority) -> Realm {
        authority.source().and_then(|source| self.realms.0.get(source)).copied().unwrap_or_default()
    }

    /// A new account in the realm of who makes it.
    pub(super) fn settle_realm(&self, authority: &Authority, user: &mut User) {
        user.realm = Some(self.realm_of(authority)).filter(|realm| *realm != Realm::default());
    }

    /// Refuses an account of another realm to a source that has not had it so far.
    pub(super) fn check_realm(&self, authority: &Authority, existing: &User) -> Result<(), Error> {
        let Some(source) = authority.source() else { return Ok(()) };
        let is_theirs = existing.owner.as_ref() == Some(source) || existing.external_id(source).is_some();
        if is_theirs || self.realm_of(authority) == existing.realm() {
            return Ok(());
        }
        Err(Error::OtherRealm { realm: existing.realm() })
    }

    /// Whether a source or connector is of the account's realm.
    pub fn is_of_realm(&self, source: &SourceId, user: &User) -> bool {
        self.realms.0.get(source).copied().unwrap_or_default() == user.realm()
    }

    /// Makes an account that is about to be made one of this realm.
    pub(crate) fn stage_realm(&self, change: &mut Change, staged: Staged, realm: Realm) -> Result<Staged, Error> {
        if staged.user.realm() == realm {
            return Ok(staged);
        }
        let user = User { realm: Some(realm).filter(|realm| *realm != Realm::default()), ..staged.user };
        change.put(&USERS, self.organisation, &user.id, &user)?;
        let event = staged.event.map(|event| with_realm(event, &user));
        Ok(Staged { user, event })
    }
}

/// The event of a new account, which tells its realm where that is not staff.
pub(super) fn with_realm(event: Event, user: &User) -> Event {
    if user.realm() == Realm::default() { event } else { event.detail("realm", user.realm()) }
}
