//! A gateway's inner half: store, directory, access, and one source.

use std::collections::BTreeMap;
use std::sync::Arc;

use cleargate::access::{Access, Memberships, Pack, Permit};
use cleargate::audit::EventKind;
use cleargate::directory::{Directory, Rule, Rules};
use cleargate::ldap::Tree;
use cleargate::ldap::schema::OPENLDAP;
use cleargate::model::{OrganisationId, SourceId, Status, Subject, User};
use cleargate::sync::{Limits, Source, Sync, fold_names};

use crate::support::ledger::Ground;

pub struct Bench {
    pub ground: Ground,
    pub access: Access,
    pub directory: Directory,
    pub sync: Sync,
    source: Source,
}

pub fn source() -> SourceId {
    "corp".parse().unwrap()
}

impl Bench {
    /// A sync of `tree` with rules from conditions to roles.
    pub fn new(tree: Tree, rules: &[(&str, &str)]) -> Self {
        let ground = Ground::new();
        let rules = rules.iter().enumerate().map(|(line, (when, role))| Rule {
            source: source(),
            when: fold_names(when.parse().unwrap()),
            role: role.parse().unwrap(),
            scope: None,
            keeping: cleargate::model::Keeping::Full,
            position: format!("cleargate.toml:{line}"),
        });
        let (clock, rules) = (ground.clock.clock(), Rules::new(rules.collect()));
        let directory = Directory::new(ground.ledger.clone(), clock.clone(), ground.ids.clone(), rules);
        let pack = Pack::open("clearpoint-strategy", &BTreeMap::new()).unwrap();
        let access = Access::new(
            ground.ledger.clone(),
            clock.clone(),
            ground.ids.clone(),
            OrganisationId::DEFAULT,
            pack.roles().clone(),
            Arc::new(directory.clone()) as Arc<dyn Memberships>,
        );
        let source = Source { id: source(), tree, limits: Limits::default() };
        let sync = Sync::new(source.clone(), directory.clone(), access.clone(), ground.ledger.clone(), clock);
        Self { ground, access, directory, sync, source }
    }

    /// The same with another guard.
    pub fn with_limits(self, limits: Limits) -> Self {
        let source = Source { limits, ..self.source.clone() };
        let (directory, access, clock) = (self.directory.clone(), self.access.clone(), self.ground.clock.clock());
        let sync = Sync::new(source, directory, access, self.ground.ledger.clone(), clock);
        Self { sync, ..self }
    }

    /// The permit of work that is no source's.
    pub fn by_hand(&self) -> Permit {
        self.access.task_permit("test", None)
    }

    pub async fn user(&self, name: &str) -> User {
        self.directory.find_user_by_name(name).await.unwrap().unwrap_or_else(|| panic!("no user `{name}`"))
    }

    pub async fn status(&self, name: &str) -> Status {
        self.user(name).await.status
    }

    /// The names of all groups a user is in, in order.
    pub async fn groups(&self, name: &str) -> Vec<String> {
        let paths = self.directory.group_paths(self.user(name).await.id).await.unwrap();
        let ids: Vec<_> = paths.iter().filter_map(|path| path.last().copied()).collect();
        let groups = self.directory.groups_by_id(&ids).await.unwrap();
        let mut names: Vec<String> = groups.iter().map(|group| group.name.to_string()).collect();
        names.sort();
        names
    }

    /// The roles that rules give to a user.
    pub async fn roles(&self, name: &str) -> Vec<String> {
        let user = self.user(name).await.id;
        let grants = self.access.grants().list(Subject::User(user)).await.unwrap();
        grants.iter().map(|grant| grant.role.to_string()).collect()
    }

    /// How many commits the ledger has seen: every write has an event.
    pub async fn events(&self) -> usize {
        self.ground.events().await.len()
    }

    pub async fn refusals(&self) -> usize {
        self.ground.events_of(EventKind::SyncRefused).await.len()
    }
}

pub fn tree(settings: cleargate::ldap::LdapSettings, base: &str) -> Tree {
    Tree::new(settings, &OPENLDAP, base.parse().unwrap())
}
