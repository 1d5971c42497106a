//! Network rules, put back as they were exported.

use std::collections::BTreeMap;

use super::{Bound, EPOCH, NETWORKS, NetworkRule, NetworkRules, Record, changes, check_sizes};
use crate::access::scopes::EPOCHS;
use crate::access::{Access, Error, Permit, Restored};
use crate::audit::EventKind;
use crate::model::Network;

/// The networks of each rule.
type Lists = BTreeMap<Bound, Vec<Network>>;

impl Access {
    /// Puts rules back, all in one commit; what is there and not among them stays. That the actor may give everything, and
    /// that the roles and users exist, is the caller's to know.
    ///
    /// # Errors
    /// `Invalid` for a rule that is empty, too long or there twice, and for too many; `Store`; then none is put back.
    pub async fn restore_network_rules(
        &self,
        permit: &Permit,
        given: &[(Bound, NetworkRule)],
    ) -> Result<Vec<Restored>, Error> {
        permit.demand_weighed()?;
        let (restored, next) = self
            .ledger
            .retry(|mut change| async move {
                let before = self.start_networks(&mut change).await?;
                let (restored, next) = merge(&before, given)?;
                if next.rules == before.rules {
                    return Ok((restored, None));
                }
                for (bound, rule) in given.iter().filter(|(bound, rule)| before.rules.get(bound) != Some(rule)) {
                    let record = Record::of(bound, rule);
                    change.put(&NETWORKS, self.organisation, &record.bound, &record)?;
                }
                change.put(&EPOCHS, self.organisation, EPOCH, &next.epoch)?;
                let event = permit.event(self.clock.now(), EventKind::NetworkRulesChanged);
                let event = event.on("network", "rules", "").detail("by", "import");
                change.commit(changes(event, &before, &next)).await?;
                Ok::<_, Error>((restored, Some(next)))
            })
            .await?;
        if let Some(next) = next {
            self.networks.install(next);
        }
        Ok(restored)
    }

    /// What [`Access::restore_network_rules`] would do, and the networks of every rule that would be there then.
    ///
    /// # Errors
    /// As there.
    pub fn plan_network_rules(&self, given: &[(Bound, NetworkRule)]) -> Result<(Vec<Restored>, Lists), Error> {
        let (restored, next) = merge(&self.networks.get(), given)?;
        Ok((restored, next.rules.into_iter().map(|(bound, rule)| (bound, rule.networks)).collect()))
    }
}

fn merge(before: &NetworkRules, given: &[(Bound, NetworkRule)]) -> Result<(Vec<Restored>, NetworkRules), Error> {
    let mut rules = before.rules.clone();
    let (mut restored, mut named) = (Vec::with_capacity(given.len()), BTreeMap::new());
    for (bound, rule) in given {
        let wrong = |reason: &str| Error::Invalid { field: "for", reason: format!("`{bound}` {reason}") };
        if rule.networks.is_empty() {
            return Err(wrong("has no network: nobody could come in"));
        }
        if named.insert(bound, ()).is_some() {
            return Err(wrong("is there twice"));
        }
        restored.push(match before.rules.get(bound) {
            None => Restored::Created,
            Some(same) if same == rule => Restored::Same,
            Some(_) => Restored::Changed,
        });
        rules.insert(bound.clone(), rule.clone());
    }
    let lists: Lists = rules.iter().map(|(bound, rule)| (bound.clone(), rule.networks.clone())).collect();
    check_sizes(&lists)?;
    Ok((restored, NetworkRules { rules, epoch: before.epoch.saturating_add(1) }))
}
