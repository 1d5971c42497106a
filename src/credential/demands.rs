//! What is demanded of a person by name for signing in. What the organisation and the roles demand is not kept here.

use minicbor::{Decode, Encode};

use super::Factors;
use crate::access::{Permit, Restored};
use crate::audit::{Change, Event, EventKind};
use crate::clock::Timestamp;
use crate::model::{User, UserId};
use crate::store::{self, Range, Row, Table, decode};

/// What is demanded of people. A row is there where something is.
const DEMANDS: Table<UserId, Demand> = Table::new(0x3d, "sign-in demands");

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
struct Demand {
    /// A second factor.
    #[n(0)]
    factor: bool,
    /// Single sign-on.
    #[n(1)]
    sso: Option<bool>,
    /// Who demanded it, as the ledger names them.
    #[n(2)]
    by: String,
    #[n(3)]
    at: Timestamp,
}

/// What is demanded of a person and who demanded it, to be carried elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptDemand {
    /// What; something at least.
    pub demands: Demands,
    /// Who, as the ledger names them.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl From<Demand> for KeptDemand {
    fn from(demand: Demand) -> Self {
        let demands = Demands { factor: demand.factor, sso: demand.sso == Some(true) };
        Self { demands, by: demand.by, at: demand.at }
    }
}

/// What is demanded of a person by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// A second factor.
    pub factor: bool,
    /// Single sign-on: no password, no link.
    pub sso: bool,
}

impl Factors {
    /// What is demanded of this very person.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn demands(&self, user: UserId) -> Result<Demands, store::Error> {
        self.demands_in(&mut self.ledger.change(), user).await
    }

    /// The same as part of a change that fails when it is another by then.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn demands_in(&self, change: &mut Change, user: UserId) -> Result<Demands, store::Error> {
        let demand: Option<Demand> = change.find(&DEMANDS, self.organisation, &user).await?;
        let demands = |demand: Demand| Demands { factor: demand.factor, sso: demand.sso == Some(true) };
        Ok(demand.map(demands).unwrap_or_default())
    }

    /// What is demanded of people by name, in the order of their ids, after `after`, at most `limit`.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn list_demands(
        &self,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, KeptDemand)>, store::Error> {
        let mut range = Range::prefix(DEMANDS.prefix(self.organisation, &()), limit);
        if let Some(after) = after {
            range = range.after(&DEMANDS.key(self.organisation, &after));
        }
        let rows = self.ledger.store().range(range).await?;
        let read = |(key, stored): &Row| {
            let demand: Demand = decode(DEMANDS.name(), &stored.value)?;
            Ok((UserId::from_bytes(DEMANDS.suffix(key)?), demand.into()))
        };
        rows.iter().map(read).collect()
    }

    /// Puts back what is demanded of a person, as part of a change of the caller's, who knows that there is such a person.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn restore_demand(
        &self,
        change: &mut Change,
        user: UserId,
        kept: &KeptDemand,
    ) -> Result<Restored, store::Error> {
        let before: Option<Demand> = change.find(&DEMANDS, self.organisation, &user).await?;
        let before = before.map(KeptDemand::from);
        if before.as_ref() == Some(kept) {
            return Ok(Restored::Same);
        }
        let sso = kept.demands.sso.then_some(true);
        let demand = Demand { factor: kept.demands.factor, sso, by: kept.by.clone(), at: kept.at };
        change.put(&DEMANDS, self.organisation, &user, &demand)?;
        Ok(if before.is_some() { Restored::Changed } else { Restored::Created })
    }

    /// Demands something of a person from the next sign-in on, or no longer; what is `None` stays. `false` when nothing
    /// changes by it.
    ///
    /// # Errors
    /// `Conflict`, `Corrupt`, `Unavailable`.
    pub async fn demand(
        &self,
        permit: &Permit,
        user: &User,
        factor: Option<bool>,
        sso: Option<bool>,
    ) -> Result<bool, store::Error> {
        self.ledger
            .retry(|mut change| async move {
                let Some(event) = self.demand_in(&mut change, permit, user, factor, sso).await? else {
                    return Ok(false);
                };
                change.commit(event).await?;
                Ok(true)
            })
            .await
    }

    /// The same inside a change of the caller's, who records the event; `None` when nothing changes by it.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub(crate) async fn demand_in(
        &self,
        change: &mut Change,
        permit: &Permit,
        user: &User,
        factor: Option<bool>,
        sso: Option<bool>,
    ) -> Result<Option<Event>, store::Error> {
        let before = self.demands_in(change, user.id).await?;
        let after = Demands { factor: factor.unwrap_or(before.factor), sso: sso.unwrap_or(before.sso) };
        if before == after {
            return Ok(None);
        }
        let at = self.clock.now();
        if after == Demands::default() {
            change.delete(&DEMANDS, self.organisation, &user.id);
        } else {
            let sso = after.sso.then_some(true);
            let demand = Demand { factor: after.factor, sso, by: permit.actor().to_string(), at };
            change.put(&DEMANDS, self.organisation, &user.id, &demand)?;
        }
        let mut event = permit.event(at, EventKind::DemandChanged).on("user", user.id, &user.user_name);
        for (name, before, after) in
            [("factor", before.factor, after.factor), ("single sign-on", before.sso, after.sso)]
        {
            if before != after {
                event = event.detail(&format!("{name} before"), before).detail(&format!("{name} after"), after);
            }
        }
        Ok(Some(event))
    }

    /// Forgets what is demanded of a person inside a change of the caller's that deletes the account.
    pub(super) fn forget_demand_in(&self, change: &mut Change, user: UserId) {
        change.delete(&DEMANDS, self.organisation, &user);
    }
}
