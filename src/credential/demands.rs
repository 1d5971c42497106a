//! Of whom a second factor is demanded by name. What the organisation and the roles demand is not kept here.

use minicbor::{Decode, Encode};

use super::Factors;
use crate::access::Permit;
use crate::audit::{Change, EventKind};
use crate::clock::Timestamp;
use crate::model::{User, UserId};
use crate::store::{self, Table};

/// What is demanded of people. A row is there where something is.
const DEMANDS: Table<UserId, Demand> = Table::new(0x3d, "sign-in demands");

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
struct Demand {
    /// A second factor.
    #[n(0)]
    factor: bool,
    /// Who demanded it, as the ledger names them.
    #[n(2)]
    by: String,
    #[n(3)]
    at: Timestamp,
}

impl Factors {
    /// Whether a second factor is demanded of this very person.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn is_demanded(&self, user: UserId) -> Result<bool, store::Error> {
        self.is_demanded_in(&mut self.ledger.change(), user).await
    }

    /// The same as part of a change that fails when it is another by then.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub async fn is_demanded_in(&self, change: &mut Change, user: UserId) -> Result<bool, store::Error> {
        let demand: Option<Demand> = change.find(&DEMANDS, self.organisation, &user).await?;
        Ok(demand.is_some_and(|demand| demand.factor))
    }

    /// Demands a second factor of a person from the next sign-in on, or no longer; `false` when nothing changes by it.
    ///
    /// # Errors
    /// `Conflict`, `Corrupt`, `Unavailable`.
    pub async fn demand(&self, permit: &Permit, user: &User, factor: bool) -> Result<bool, store::Error> {
        self.ledger
            .retry(|mut change| async move {
                if self.is_demanded_in(&mut change, user.id).await? == factor {
                    return Ok(false);
                }
                let at = self.clock.now();
                if factor {
                    let demand = Demand { factor, by: permit.actor().to_string(), at };
                    change.put(&DEMANDS, self.organisation, &user.id, &demand)?;
                } else {
                    change.delete(&DEMANDS, self.organisation, &user.id);
                }
                let event = permit.event(at, EventKind::DemandChanged).on("user", user.id, &user.user_name);
                change.commit(event.detail("factor before", !factor).detail("factor after", factor)).await?;
                Ok(true)
            })
            .await
    }

    /// Forgets what is demanded of a person inside a change of the caller's that deletes the account.
    pub(super) fn forget_demand_in(&self, change: &mut Change, user: UserId) {
        change.delete(&DEMANDS, self.organisation, &user);
    }
}
