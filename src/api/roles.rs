//! `/roles`.

use super::{Api, Error};
use crate::model::RoleId;

impl Api {
    /// The role that a new user gets: the one that is named, else the default of the policy pack, which may also want
    /// one to be named.
    pub(super) fn role_of_new_user(&self, named: Option<RoleId>) -> Result<Option<RoleId>, Error> {
        let pack = self.services.access.pack();
        if named.is_none() && pack.requires_role() {
            return Err(Error::invalid("role", "is required"));
        }
        Ok(named.or_else(|| pack.default_role().cloned()))
    }
}
