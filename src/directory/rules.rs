//! Mapping rules: what a source says about a person, to roles.

use std::sync::Arc;

use super::membership::Overlay;
use super::{Directory, Error};
use crate::access::Permit;
use crate::audit::Change;
use crate::model::{Group, RoleId, Scope, SourceId, User};

/// One rule: where it holds, a role is given.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Whose people it is about.
    pub source: SourceId,
    /// What is given.
    pub role: RoleId,
    /// Where; `None` is organisation-wide.
    pub scope: Option<Scope>,
    /// Where the rule stands: `cleargate.toml:31`.
    pub position: String,
}

/// The rules in force, in the order of the file. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Rules(Arc<[Rule]>);

impl Rules {
    /// These rules.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(rules.into())
    }

    /// Whether any rule is about people of `source`.
    pub fn any_for(&self, source: &SourceId) -> bool {
        self.0.iter().any(|rule| rule.source == *source)
    }
}

impl Directory {
    pub(super) async fn stage_rules(&self, change: &mut Change, permit: &Permit, user: &User) -> Result<(), Error> {
        self.stage_rules_over(change, permit, user, None, None).await
    }

    pub(super) async fn stage_no_rules(
        &self,
        _change: &mut Change,
        _permit: &Permit,
        _user: &User,
    ) -> Result<(), Error> {
        Ok(())
    }

    pub(super) async fn stage_rules_over(
        &self,
        _change: &mut Change,
        _permit: &Permit,
        _user: &User,
        _overlay: Option<Overlay<'_>>,
        _changed: Option<&Group>,
    ) -> Result<(), Error> {
        Ok(())
    }
}
