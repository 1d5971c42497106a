//! The policy pack and its tests, put in force again while the daemon runs.

use std::sync::Arc;

use super::policies;
use crate::access::{Access, Overlay, Pack};
use crate::config::Config;
use crate::directory::Directory;
use crate::error::Chain;

/// What of a running gateway goes by the policy.
#[derive(Clone)]
pub(super) struct PolicyInForce {
    access: Access,
    directory: Directory,
}

impl PolicyInForce {
    pub(super) fn new(access: Access, directory: Directory) -> Self {
        Self { access, directory }
    }

    /// The pack of a configuration, if it can be put in force as things stand; else everything that is in the way: what
    /// is wrong with it, roles of mapping rules that it does not have, tests that hold and would not any more.
    pub(super) async fn check(&self, config: &Config) -> Result<Pack, Vec<String>> {
        let told = |(place, reason): (String, String)| format!("{place}: {reason}");
        let pack = policies::pack(&config.policy);
        let pack = pack.map_err(|error| {
            policies::pack_problems(&config.policy, &error).into_iter().map(told).collect::<Vec<_>>()
        })?;
        let mut problems: Vec<String> =
            policies::unknown_roles(config, &self.access.book_under(&pack)).into_iter().map(told).collect();
        problems.extend(policies::wrong_tests(config, &pack).into_iter().map(told));
        let overlay = Overlay { roles: Some(Arc::new(self.access.book_under(&pack))), ..Overlay::default() };
        let failed = |error: crate::access::Error| vec![Chain(&error).to_string()];
        let before = self.access.run_tests(&Overlay::default()).await.map_err(failed)?;
        let after = self.access.run_tests(&overlay).await.map_err(failed)?;
        for (before, after) in before.into_iter().zip(after) {
            // A test that the new configuration does not have any more keeps nothing.
            let is_kept = config.tests.iter().any(|test| test.name == after.name);
            if is_kept && before.held && !after.held {
                let why = after.failures.join("; ");
                problems.push(format!("{}: would break the policy test `{}`: {why}", after.position, after.name));
            }
        }
        if problems.is_empty() { Ok(pack) } else { Err(problems) }
    }

    /// Puts a pack and the tests of its configuration in force. The answer is what deserves a look.
    pub(super) async fn apply(&self, pack: Pack, config: &Config) -> Vec<String> {
        let mut notes = Vec::new();
        let before = self.access.roles();
        let in_force = self.access.pack();
        if in_force.scope_kinds() != pack.scope_kinds() || in_force.scope_below() != pack.scope_below() {
            notes.push("takes effect at the next start: the kinds of scope of the policy pack".to_owned());
        }
        self.directory.name_rule().replace(pack.login_rule());
        self.access.replace_pack(pack);
        self.access.replace_tests(config.tests.clone());
        let roles = self.access.roles();
        for gone in before.iter().filter(|entry| roles.find(&entry.role.id).is_none()) {
            let id = &gone.role.id;
            let held = self.access.grants().of_role(id, 1).await.is_ok_and(|grants| !grants.is_empty());
            if held {
                notes.push(format!("the role `{id}` is not defined any more: whoever holds it is denied everything"));
            }
        }
        match self.access.run_tests(&Overlay::default()).await {
            Ok(results) => notes.extend(
                results
                    .into_iter()
                    .filter(|result| !result.held)
                    .map(|result| format!("the policy test `{}` fails: {}", result.name, result.failures.join("; "))),
            ),
            Err(error) => notes.push(format!("the policy tests were not run: {}", Chain(&error))),
        }
        notes
    }
}
