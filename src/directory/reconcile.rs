//! What a source says against what the directory holds: the difference, planned without input or output.

use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::config::TakesOver;
use crate::model::{Attributes, Link, OrganisationId, SourceId, Status, User, UserId, UserName};

use super::Error;

/// In whose name a change is made; what it may touch follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// An administrator.
    Administrator,
    /// A source that owns what it brings: a SCIM connection, a directory sync. Directories identify by a stable id that
    /// is unique (`exclusive`), SCIM clients by an `externalId` that need not be.
    Provisioning {
        /// The source.
        source: SourceId,
        /// Whether its external ids are unique.
        exclusive: bool,
        /// Whose accounts it may change, and owns from then on.
        takes_over: TakesOver,
    },
    /// A connector at sign-in: may create accounts and refresh those that no source owns, never their status.
    SignIn(SourceId),
}

impl Authority {
    /// The source or connector, none for administrators.
    pub fn source(&self) -> Option<&SourceId> {
        match self {
            Self::Administrator => None,
            Self::Provisioning { source, .. } | Self::SignIn(source) => Some(source),
        }
    }

    /// The owner of what this authority creates.
    pub fn owner(&self) -> Option<&SourceId> {
        match self {
            Self::Provisioning { source, .. } => Some(source),
            Self::Administrator | Self::SignIn(_) => None,
        }
    }

    /// Whether it may take over what `owner` has; `None` stands for what is kept by hand.
    pub fn takes_over(&self, owner: Option<&SourceId>) -> bool {
        match (self, owner) {
            (Self::Provisioning { takes_over, .. }, Some(owner)) => takes_over.sources.contains(owner),
            (Self::Provisioning { takes_over, .. }, None) => takes_over.by_hand,
            (Self::Administrator | Self::SignIn(_), _) => false,
        }
    }

    /// Whether the external ids that it brings are unique.
    pub fn is_exclusive(&self) -> bool {
        matches!(self, Self::Provisioning { exclusive: true, .. } | Self::SignIn(_))
    }
}

/// A person as a source describes them.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRecord {
    /// The source's id for the person.
    pub external_id: Option<String>,
    /// Login name.
    pub user_name: UserName,
    /// Whether the account is enabled; `None` says nothing about it.
    pub active: Option<bool>,
    /// Everything else by RFC 7643 name; what is absent here is removed from what the source owns.
    pub attributes: Attributes,
}

/// What is to be done about one person.
#[derive(Clone, Debug, PartialEq)]
pub enum UserPlan {
    /// Change the account.
    Change {
        /// The account as it will be.
        after: Box<User>,
        /// What to call it in the ledger.
        kind: EventKind,
        /// The attributes that differ, by name.
        fields: Vec<String>,
    },
    /// Create an account.
    Create(Box<User>),
    /// Everything is as the source says.
    Nothing,
}

/// Plans the difference between `record` and `existing`.
///
/// # Errors
/// `Owned` when the authority may not touch the account, `Invalid` when the record is not acceptable.
pub fn plan(
    existing: Option<&User>,
    record: &SourceRecord,
    authority: &Authority,
    new_id: UserId,
    now: Timestamp,
) -> Result<UserPlan, Error> {
    if let Some(id) = &record.external_id
        && (id.is_empty() || id.len() > MAX_EXTERNAL_ID_BYTES)
    {
        let reason = format!("must have 1 to {MAX_EXTERNAL_ID_BYTES} bytes");
        return Err(Error::Invalid { field: "externalId".to_owned(), reason });
    }
    match existing {
        None => Ok(UserPlan::Create(Box::new(create(record, authority, new_id, now)))),
        Some(user) => change(user, record, authority, now),
    }
}

/// Longest external id, in bytes.
pub(super) const MAX_EXTERNAL_ID_BYTES: usize = 512;

fn create(record: &SourceRecord, authority: &Authority, id: UserId, now: Timestamp) -> User {
    let link = authority.source().zip(record.external_id.as_ref());
    User {
        id,
        organisation: OrganisationId::DEFAULT,
        user_name: record.user_name.clone(),
        status: if record.active == Some(false) { Status::Inactive } else { Status::Active },
        owner: authority.owner().cloned(),
        links: link
            .map(|(source, external_id)| Link { source: source.clone(), external_id: external_id.clone() })
            .into_iter()
            .collect(),
        attributes: record.attributes.clone(),
        created: now,
        changed: now,
        revision: 1,
        by_hand: Some(*authority == Authority::Administrator),
        disabled_by_hand: (*authority == Authority::Administrator && record.active == Some(false)).then_some(true),
        companies: None,
        realm: None,
    }
}

fn change(user: &User, record: &SourceRecord, authority: &Authority, now: Timestamp) -> Result<UserPlan, Error> {
    let mut after = user.clone();
    check_reach(user, record, authority)?;
    if let Authority::Provisioning { source, .. } = authority {
        if user.owner.is_none() {
            // Whoever signed in to the account so far need not be whom the source means by its name.
            after.links.clear();
        }
        after.owner = Some(source.clone());
    }
    // Sources leave a link when they make an account; without one only an administrator can have made it.
    if matches!(authority, Authority::SignIn(_)) && user.owner.is_none() && user.links.is_empty() {
        after.by_hand = Some(true);
    }
    if let Some(source) = authority.source() {
        relink(&mut after, source, record.external_id.as_deref());
    }
    // A sign-in refreshes what no source owns and leaves the rest as its owner says.
    if !matches!(authority, Authority::SignIn(_)) || user.owner.is_none() {
        after.attributes = match authority {
            Authority::SignIn(_) => merged(&user.attributes, &record.attributes),
            _ => record.attributes.clone(),
        };
    }
    if !matches!(authority, Authority::SignIn(_)) {
        after.user_name = record.user_name.clone();
        set_status(&mut after, record.active, authority)?;
    }
    let fields = differences(user, &after);
    if fields.is_empty() {
        return Ok(UserPlan::Nothing);
    }
    let kind = match (user.status, after.status) {
        (Status::Active | Status::Invited, Status::Inactive) => EventKind::UserDeactivated,
        (Status::Inactive, Status::Active) => EventKind::UserActivated,
        _ => EventKind::UserChanged,
    };
    after.changed = now;
    after.revision = user.revision.saturating_add(1);
    Ok(UserPlan::Change { after: Box::new(after), kind, fields })
}

/// Whether the account is enabled. What an administrator disabled only an administrator enables: a directory that is
/// pulled says "enabled" of it at every run and is passed over, a client that asks for it is told.
fn set_status(after: &mut User, active: Option<bool>, authority: &Authority) -> Result<(), Error> {
    let is_by_hand = *authority == Authority::Administrator;
    match active {
        None => {}
        Some(false) => {
            after.status = Status::Inactive;
            if is_by_hand {
                after.disabled_by_hand = Some(true);
            }
        }
        Some(true) if is_by_hand || after.disabled_by_hand != Some(true) => {
            after.status = Status::Active;
            after.disabled_by_hand = None;
        }
        Some(true) if authority.is_exclusive() => {}
        Some(true) => return Err(Error::Disabled),
    }
    Ok(())
}

/// Who may touch whom. A provisioning source takes over an account that a sign-in created; what another source owns, or
/// what is kept by hand, only when it was told to.
fn check_reach(user: &User, record: &SourceRecord, authority: &Authority) -> Result<(), Error> {
    let owned = || Err(Error::Owned { owner: user.owner.clone() });
    match (authority, &user.owner) {
        (Authority::Provisioning { source, .. }, Some(owner)) if source == owner => Ok(()),
        (Authority::Provisioning { .. }, Some(owner)) if !authority.takes_over(Some(owner)) => owned(),
        (Authority::Provisioning { .. }, None) if user.is_by_hand() && !authority.takes_over(None) => owned(),
        // The status of any account is an administrator's to set; what a source owns besides is the source's.
        (Authority::Administrator, Some(_))
            if record.user_name != user.user_name || record.attributes != user.attributes =>
        {
            owned()
        }
        _ => Ok(()),
    }
}

/// Whether what is stored of an account without owner does not tell who made it: a sign-in, or an administrator before
/// its first sign-in.
pub(super) fn is_of_unknown_origin(user: &User) -> bool {
    user.owner.is_none() && user.by_hand.is_none() && !user.links.is_empty()
}

fn relink(user: &mut User, source: &SourceId, external_id: Option<&str>) {
    user.links.retain(|link| link.source != *source);
    if let Some(external_id) = external_id {
        user.links.push(Link { source: source.clone(), external_id: external_id.to_owned() });
    }
}

fn merged(old: &Attributes, new: &Attributes) -> Attributes {
    let mut merged = old.clone();
    for (name, value) in &new.0 {
        merged.0.insert(name.clone(), value.clone());
    }
    merged
}

fn differences(before: &User, after: &User) -> Vec<String> {
    let mut fields = Vec::new();
    let mut note = |differs: bool, name: &str| {
        if differs {
            fields.push(name.to_owned());
        }
    };
    note(before.user_name != after.user_name, "userName");
    note(before.status != after.status, "active");
    note(before.links != after.links, "externalId");
    note(before.owner != after.owner, "owner");
    note(before.disabled_by_hand != after.disabled_by_hand, "disabledByHand");
    for (name, value) in &after.attributes.0 {
        note(before.attributes.0.get(name) != Some(value), name);
    }
    for name in before.attributes.0.keys() {
        note(!after.attributes.0.contains_key(name), name);
    }
    fields
}

#[cfg(test)]
mod tests;
