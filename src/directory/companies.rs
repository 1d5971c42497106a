//! The companies of accounts and groups: what a record belongs to, and what an account sees. They are an administrator's
//! to set, whoever owns the record: sources know nothing of them, and nothing that a source says takes them away.

use std::sync::Arc;

use minicbor::Decode;

use super::tables::{GROUPS, TOTALS, USERS};
use super::users::Staged;
use super::{Directory, Error, MAX_PAGE, Within};
use crate::access::{Bounds, Permit, ScopeTree};
use crate::audit::{Change, Event, EventKind};
use crate::model::{Actor, Companies, Group, GroupId, Scope, User, UserId};
use crate::store;

/// The kept total of accounts that do not see all companies.
pub(super) const LIMITED: &str = "limited";

/// Of a user's record the companies, at their number there.
#[derive(Decode)]
#[cbor(map)]
struct CompaniesOnly {
    #[n(12)]
    companies: Option<Companies>,
}

impl Directory {
    /// The companies of an account. `None` when there is no such account.
    ///
    /// # Errors
    /// `Store`.
    pub async fn companies_of(&self, user: UserId) -> Result<Option<Companies>, Error> {
        let Some(stored) = self.store().engine().get(&USERS.key(self.organisation, &user)).await? else {
            return Ok(None);
        };
        let CompaniesOnly { companies } = store::decode(USERS.name(), &stored.value)?;
        Ok(Some(companies.unwrap_or(Companies { named: Vec::new(), sees_all: true })))
    }

    /// What companies let an actor see, and for whom it acts. A token sees what both its user and its maker see; the
    /// machine's administrators and applications see everything.
    ///
    /// # Errors
    /// `Store`.
    pub async fn bounds_of(&self, actor: &Actor, tree: Arc<ScopeTree>) -> Result<(Bounds, Option<UserId>), Error> {
        let (own, others) = match actor {
            Actor::User { id, .. } => (Some(*id), None),
            Actor::Token { user, maker, .. } => (user.or(*maker), *maker),
            _ => (None, None),
        };
        let mut accounts = Vec::new();
        for user in own.into_iter().chain(others.filter(|maker| own != Some(*maker))) {
            // Who was deleted meanwhile sees nothing.
            let companies = self.companies_of(user).await?.unwrap_or_default();
            if !companies.sees_all {
                accounts.push(companies.named);
            }
        }
        Ok((Bounds::new(accounts, tree), own))
    }

    /// What belongs to a company: `accounts`, `groups`, `people`; `None` where nothing does. Accounts are found by index, the
    /// others are walked over, as is fit for the rare end of a company.
    ///
    /// # Errors
    /// `Store`.
    pub async fn belongs_to(&self, company: &Scope) -> Result<Option<&'static str>, Error> {
        let within = Within { companies: vec![company.clone()], own: None };
        let walk = self.way_to_users(&[], None, Some(&within)).await?;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let found = self.walk_users(&walk, after.as_deref(), MAX_PAGE).await?;
            if found.users.iter().any(|(_, user)| user.companies().contains(company)) {
                return Ok(Some("accounts"));
            }
            match found.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let mut after = None;
        loop {
            let page = self.list_groups(after, MAX_PAGE).await?;
            if page.iter().any(|group| group.companies().contains(company)) {
                return Ok(Some("groups"));
            }
            match page.last() {
                Some(last) => after = Some(last.id),
                None => break,
            }
        }
        let mut after = None;
        loop {
            let page = self.list_people(after, MAX_PAGE).await?;
            if page.iter().any(|person| person.companies.contains(company)) {
                return Ok(Some("people"));
            }
            match page.last() {
                Some(last) => after = Some(last.id),
                None => return Ok(None),
            }
        }
    }

    /// How many accounts do not see all companies; kept, not counted.
    ///
    /// # Errors
    /// `Store`.
    pub async fn count_limited(&self) -> Result<u64, Error> {
        self.total(LIMITED).await
    }

    /// Gives an account these companies, over what is staged of it already.
    pub(crate) async fn stage_companies(
        &self,
        change: &mut Change,
        permit: &Permit,
        staged: Staged,
        companies: &Companies,
    ) -> Result<Staged, Error> {
        let Staged { user: before, event } = &staged;
        if before.companies() == companies.named && before.sees_all() == companies.sees_all {
            return Ok(staged);
        }
        let mut user = User { companies: Some(companies.clone()), ..before.clone() };
        let mut event = match event {
            Some(event) => event.clone(),
            None => {
                user.changed = self.clock.now();
                user.revision = before.revision.saturating_add(1);
                let event = permit.event(user.changed, EventKind::UserChanged);
                event.on("user", user.id, &user.user_name).detail("fields", "companies")
            }
        };
        event = with_companies(event, before.companies(), &companies.named);
        if before.sees_all() != companies.sees_all {
            event = event.detail("all_companies", companies.sees_all);
        }
        self.index(change, &user, Some(before), &self.authority(permit)).await?;
        change.put(&USERS, self.organisation, &user.id, &user)?;
        self.count_sight(change, Some(before), Some(&user));
        Ok(Staged { user, event: Some(event) })
    }

    /// Keeps the total of accounts that do not see all companies.
    pub(super) fn count_sight(&self, change: &mut Change, before: Option<&User>, after: Option<&User>) {
        let limited = |user: Option<&User>| i64::from(user.is_some_and(|user| !user.sees_all()));
        let delta = limited(after) - limited(before);
        if delta != 0 {
            change.add(&TOTALS, self.organisation, LIMITED, delta);
        }
    }

    /// Makes a group belong to these companies and no others, whoever owns it.
    ///
    /// # Errors
    /// `NotFound`, `Revision`, `Store`.
    pub async fn place_group(
        &self,
        permit: &Permit,
        id: GroupId,
        revision: Option<u64>,
        companies: &[Scope],
    ) -> Result<Group, Error> {
        self.ledger
            .retry(|mut change| async move {
                let found: Option<Group> = change.find(&GROUPS, self.organisation, &id).await?;
                let before = found.ok_or_else(|| Error::NotFound { what: "group", id: id.to_string() })?;
                if revision.is_some_and(|seen| seen != before.revision) {
                    return Err(Error::Revision { current: before.revision });
                }
                if before.companies() == companies {
                    return Ok(before);
                }
                let mut after = Group {
                    companies: (!companies.is_empty()).then(|| companies.to_vec()),
                    changed: self.clock.now(),
                    ..before.clone()
                };
                after.revision = before.revision.saturating_add(1);
                change.put(&GROUPS, self.organisation, &id, &after)?;
                let event = permit.event(after.changed, EventKind::GroupChanged).on("group", id, &after.name);
                change.commit(with_companies(event, before.companies(), companies)).await?;
                Ok(after)
            })
            .await
    }
}

/// An event that tells which companies a record has now, where they are others than before.
pub(super) fn with_companies(event: Event, before: &[Scope], after: &[Scope]) -> Event {
    if before == after {
        return event;
    }
    let slugs: Vec<&str> = after.iter().map(Scope::slug).collect();
    event.detail("companies", slugs.join(" "))
}
