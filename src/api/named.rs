//! What a body names: a name that is nobody's is a wrong value of its field, answered with the nearest that there is.

use super::admit::Caller;
use super::{Api, Error};
use crate::model::near::{hint, nearest};
use crate::model::{Group, RoleId, User};

/// Most scopes, and most groups, that one request names for an account.
pub(super) const MAX_PLACES: usize = 100;
/// Most groups among whose names the nearest is looked for.
const MAX_LOOKED_AT: usize = 1_000;

impl Error {
    /// The refusal of a name that nothing has.
    pub(super) fn unknown<'n>(field: &str, name: &str, known: impl Iterator<Item = &'n str>) -> Self {
        Self::invalid(field, format!("`{name}` does not exist{}", hint(name, known)))
    }
}

impl Api {
    /// Refuses a role that does not exist.
    pub(super) fn known_role(&self, field: &str, role: &RoleId) -> Result<(), Error> {
        let roles = self.services.access.roles();
        if roles.find(role).is_some_and(|entry| !entry.is_hidden) {
            return Ok(());
        }
        Err(Error::invalid(field, format!("`{role}` does not exist{}", roles.hint(role))))
    }

    /// The groups of these names, slugs or ids, each once.
    pub(super) async fn named_groups(
        &self,
        caller: &Caller,
        field: &str,
        names: &[String],
    ) -> Result<Vec<Group>, Error> {
        if names.len() > MAX_PLACES {
            return Err(Error::invalid(field, format!("may have at most {MAX_PLACES}")));
        }
        let mut groups: Vec<Group> = Vec::new();
        for name in names {
            let group = match self.group(caller, name).await {
                Err(Error::NotFound { .. }) => return Err(self.unknown_group(caller, field, name).await?),
                Err(Error::Ambiguous { .. }) => {
                    let reason = format!("has `{name}`, a name of several groups; use the id");
                    return Err(Error::invalid(field, reason));
                }
                other => other?,
            };
            if !groups.iter().any(|other| other.id == group.id) {
                groups.push(group);
            }
        }
        Ok(groups)
    }

    /// The users of these login names or ids, each once.
    pub(super) async fn named_users(&self, caller: &Caller, field: &str, names: &[String]) -> Result<Vec<User>, Error> {
        let mut users: Vec<User> = Vec::new();
        for name in names {
            let user = match self.user(caller, name).await {
                Err(Error::NotFound { .. }) => {
                    return Err(Error::invalid(field, format!("`{name}` does not exist")));
                }
                other => other?,
            };
            if !users.iter().any(|other| other.id == user.id) {
                users.push(user);
            }
        }
        Ok(users)
    }

    /// The refusal of a group that is not there.
    pub(super) async fn unknown_group(&self, caller: &Caller, field: &str, name: &str) -> Result<Error, Error> {
        let mut groups = self.services.directory.list_groups(None, MAX_LOOKED_AT).await?;
        let sight = self.sight(caller).await?;
        groups.retain(|group| sight.sees_group(group));
        let known: Vec<String> = groups.iter().map(|group| group.name.as_str().to_lowercase()).collect();
        let folded = name.to_lowercase().replace('_', " ");
        let near = nearest(&folded, known.iter().map(String::as_str));
        let near = near.and_then(|near| groups.iter().find(|group| group.name.as_str().to_lowercase() == near));
        let near = near.map(|group| format!("; did you mean `{}`?", group.name)).unwrap_or_default();
        Ok(Error::invalid(field, format!("`{name}` does not exist{near}")))
    }
}
