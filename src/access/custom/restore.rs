//! Roles that administrators made, put back as they were exported.

use std::sync::Arc;

use super::{EPOCH, MAX_CUSTOM_ROLES, ROLES, Shelf, StoredRole, check_all_stay, check_parts};
use crate::access::scopes::EPOCHS;
use crate::access::{Access, Error, Permit, Restored, RoleBook, RoleKind};
use crate::audit::EventKind;
use crate::store;

impl Access {
    /// Puts roles back, all in one commit; what is there and not among them stays. That the actor may give everything is
    /// the caller's to know.
    ///
    /// # Errors
    /// `Invalid` naming `id` or `includes`, `Conflict` for too many, `Store`; then none is put back.
    pub async fn restore_roles(&self, permit: &Permit, roles: &[StoredRole]) -> Result<Vec<Restored>, Error> {
        permit.demand_weighed()?;
        let (restored, next) = self
            .ledger
            .retry(|mut change| async move {
                let epoch = change.find(&EPOCHS, self.organisation, EPOCH).await?.unwrap_or(0);
                if self.shelf().epoch < epoch {
                    self.load_roles().await?;
                }
                let shelf = self.shelf();
                if shelf.epoch != epoch {
                    return Err(Error::Store(store::Error::Conflict));
                }
                let (restored, next) = merge(&shelf, roles)?;
                let count = |wanted| restored.iter().filter(|restored| **restored == wanted).count();
                if count(Restored::Same) == restored.len() {
                    return Ok((restored, None));
                }
                for role in roles {
                    change.put(&ROLES, self.organisation, &role.role.id, role)?;
                }
                change.put(&EPOCHS, self.organisation, EPOCH, &next.epoch)?;
                let event = permit.event(self.clock.now(), EventKind::ImportApplied);
                let told = format!("{} created, {} changed", count(Restored::Created), count(Restored::Changed));
                change.commit(event.detail("role", told)).await?;
                Ok((restored, Some(next)))
            })
            .await?;
        if let Some(next) = next {
            self.settle(next.epoch, next.stored);
        }
        Ok(restored)
    }

    /// What [`Access::restore_roles`] would do, and the roles that would be in force then.
    ///
    /// # Errors
    /// As there.
    pub fn plan_roles(&self, roles: &[StoredRole]) -> Result<(Vec<Restored>, Arc<RoleBook>), Error> {
        merge(&self.shelf(), roles).map(|(restored, next)| (restored, next.book))
    }
}

fn merge(shelf: &Shelf, roles: &[StoredRole]) -> Result<(Vec<Restored>, Shelf), Error> {
    let (mut stored, mut restored) = (shelf.stored.as_ref().clone(), Vec::with_capacity(roles.len()));
    for role in roles {
        let id = &role.role.id;
        if shelf.pack.roles().find(id).is_some_and(|entry| entry.kind != RoleKind::Custom) {
            let reason = format!("`{id}` is a role of the policy pack here");
            return Err(Error::Invalid { field: "id", reason });
        }
        restored.push(match stored.insert(id.clone(), Arc::new(role.clone())) {
            None => Restored::Created,
            Some(before) if *before == *role => Restored::Same,
            Some(_) => Restored::Changed,
        });
    }
    if stored.len() > MAX_CUSTOM_ROLES {
        let detail = format!("there would be {} roles of your own, and there may be {MAX_CUSTOM_ROLES}", stored.len());
        return Err(Error::Conflict { field: None, detail });
    }
    let next = Shelf::of(Arc::clone(&shelf.pack), shelf.epoch.saturating_add(1), Arc::new(stored));
    for role in roles {
        check_all_stay(&role.role.id, shelf, &next)?;
    }
    check_parts(shelf, &next)?;
    Ok((restored, next))
}
