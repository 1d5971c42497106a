//! Rank: how far somebody's grants reach at most, whatever their account's status is and whenever a grant starts. Who
//! acts on an account, or takes something away from it, must reach as far; else disabling somebody first, or waiting
//! for a grant to start, would be a way up.

use std::collections::BTreeMap;

use super::ScopeTree;
use super::policy::Standing;
use super::roles::RoleBook;
use crate::clock::Timestamp;
use crate::model::{Mode, Permission, RoleId, Scope};

/// A right and where it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Which.
    pub permission: Permission,
    /// Where; `None` is organisation-wide.
    pub scope: Option<Scope>,
    /// Only for objects that they own.
    pub if_owner: bool,
}

/// Everything that grants could come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    rights: BTreeMap<(Option<Scope>, Permission), bool>,
    /// Whether a grant names a role that is not defined: what it gives is not known.
    pub has_undefined: bool,
}

impl Reach {
    /// What a standing could come to: every grant that has not ended, nothing taken off for status, start, denies or
    /// grants that replace others.
    pub fn of(standing: &Standing, roles: &RoleBook, now: Timestamp) -> Self {
        let mut reach = Self::default();
        for held in &standing.held {
            if held.grant.ends.is_none_or(|ends| ends > now) {
                reach.add(&held.grant.role, held.grant.scope.as_ref(), roles);
            }
        }
        reach
    }

    /// What one role gives in one place.
    pub fn of_role(role: &RoleId, scope: Option<&Scope>, roles: &RoleBook) -> Self {
        let mut reach = Self::default();
        reach.add(role, scope, roles);
        reach
    }

    /// Everything that there is, everywhere.
    pub fn of_everything(roles: &RoleBook) -> Self {
        let rights = roles.catalogue().iter().map(|permission| ((None, permission), false)).collect();
        Self { rights, has_undefined: false }
    }

    fn add(&mut self, role: &RoleId, scope: Option<&Scope>, roles: &RoleBook) {
        match roles.rights(role) {
            None => self.has_undefined = true,
            Some(rights) => {
                for (permission, if_owner) in rights {
                    let known = self.rights.entry((scope.cloned(), permission)).or_insert(if_owner);
                    *known &= if_owner;
                }
            }
        }
    }

    /// Every right.
    pub fn iter(&self) -> impl Iterator<Item = Reached> {
        self.rights.iter().map(|((scope, permission), if_owner)| Reached {
            permission: permission.clone(),
            scope: scope.clone(),
            if_owner: *if_owner,
        })
    }

    /// The rights that hold somewhere in `scope`: those given there or above it as rights in it, those given below it as
    /// rights where they are given. All of them without a scope.
    pub fn within(&self, scope: Option<&Scope>, tree: &ScopeTree) -> impl Iterator<Item = Reached> {
        self.iter().filter_map(move |right| {
            let place = right.scope.as_ref();
            if tree.covers(scope, place) {
                Some(right)
            } else if tree.covers(place, scope) {
                Some(Reached { scope: scope.cloned(), ..right })
            } else {
                None
            }
        })
    }
}

/// Whether a grant can take rights away from its holder: by a deny, by replacing wider grants, or because its role is
/// not defined and nobody knows.
pub fn can_take_away(role: &RoleId, scope: Option<&Scope>, mode: Mode, roles: &RoleBook) -> bool {
    (mode == Mode::Override && scope.is_some()) || roles.denies_anything(role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::access::ScopeRecord;
    use crate::access::policy::Held;
    use crate::access::{Catalogue, RoleEntry, RoleKind};
    use crate::model::{Grant, GrantId, Origin, Role, Status, Subject, UserId};

    fn book() -> RoleBook {
        let role = |id: &str, permissions: &[&str], denies: &[&str], if_owner: &[&str]| {
            let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
            let (permissions, denies, if_owner) = (parse(permissions), parse(denies), parse(if_owner));
            let (id, includes) = (id.parse().unwrap(), Vec::new());
            let role = Role {
                id,
                name: String::new(),
                description: String::new(),
                permissions,
                denies,
                includes,
                if_owner,
                factor: None,
            };
            RoleEntry::new(role, RoleKind::Role)
        };
        let mut catalogue = Catalogue::default();
        for permission in ["pages:read", "pages:update", "users:read"] {
            catalogue.insert(&permission.parse().unwrap());
        }
        let roles = vec![
            role("editor", &["pages:*"], &[], &[]),
            role("author", &["pages:read"], &[], &["pages:update"]),
            role("no_access", &[], &["*:*"], &[]),
        ];
        RoleBook::new(catalogue, roles).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn held(role: &str, scope: Option<&str>, starts: Option<i64>, ends: Option<i64>) -> Held {
        let grant = Grant {
            id: GrantId::from_bytes([1; 16]),
            subject: Subject::User(UserId::from_bytes([2; 16])),
            role: role.parse().unwrap(),
            scope: scope.map(|scope| scope.parse().unwrap()),
            mode: Mode::Add,
            origin: Origin::ByHand(String::new()),
            starts: starts.map(at),
            ends: ends.map(at),
            made: None,
            maker: None,
        };
        Held { grant, groups: Vec::new() }
    }

    fn reach(held: Vec<Held>) -> Vec<String> {
        let standing = Standing { status: Status::Inactive, held, limit: None };
        let show = |right: Reached| {
            let owner = if right.if_owner { " of one's own" } else { "" };
            let place = right.scope.map(|scope| format!(" in {scope}")).unwrap_or_default();
            format!("{}{owner}{place}", right.permission)
        };
        Reach::of(&standing, &book(), at(100)).iter().map(show).collect()
    }

    #[test]
    fn neither_status_nor_start_nor_deny_makes_somebody_small() {
        assert_eq!(reach(vec![held("editor", None, None, None)]), ["pages:read", "pages:update"]);
        assert_eq!(reach(vec![held("editor", None, Some(200), None)]), ["pages:read", "pages:update"]);
        let denied = vec![held("editor", None, None, None), held("no_access", None, None, None)];
        assert_eq!(reach(denied), ["pages:read", "pages:update"]);
        assert_eq!(reach(vec![held("editor", None, None, Some(100))]), [""; 0], "what has ended does not come back");
        let both = vec![held("author", Some("company:a"), None, None), held("editor", None, None, None)];
        let expected =
            ["pages:read", "pages:update", "pages:read in company:a", "pages:update of one's own in company:a"];
        assert_eq!(reach(both), expected);
    }

    #[test]
    fn a_scope_is_reached_by_its_own_grants_and_by_wider_ones() {
        let held = vec![
            held("author", Some("company:a"), None, None),
            held("editor", Some("company:b"), None, None),
            held("author", None, None, None),
        ];
        let standing = Standing { status: Status::Active, held, limit: None };
        let scope: Scope = "company:a".parse().unwrap();
        let reach = Reach::of(&standing, &book(), at(100));
        let within: Vec<_> = reach.within(Some(&scope), &ScopeTree::default()).collect();
        assert!(within.iter().all(|right| right.scope.as_ref() == Some(&scope)), "{within:?}");
        assert_eq!(within.len(), 4, "{within:?}");
        assert_eq!(reach.within(None, &ScopeTree::default()).count(), 6);
    }

    #[test]
    fn what_is_given_above_a_scope_reaches_it_and_what_is_given_below_is_reached_where_it_is() {
        let record = |text: &str, parent: Option<&str>| {
            Arc::new(ScopeRecord {
                scope: text.parse().unwrap(),
                name: String::new(),
                description: String::new(),
                parent: parent.map(|parent| parent.parse().unwrap()),
                source: None,
                created: at(1),
                changed: at(1),
                revision: 1,
            })
        };
        let above = record("company:a", None);
        let tree =
            ScopeTree::new(1, [above, record("company:b", Some("company:a")), record("company:c", Some("company:b"))]);
        let held =
            ["company:a", "company:c", "company:x"].map(|place| held("author", Some(place), None, None)).to_vec();
        let reach = Reach::of(&Standing { status: Status::Active, held, limit: None }, &book(), at(100));
        let scope: Scope = "company:b".parse().unwrap();
        let places: Vec<String> =
            reach.within(Some(&scope), &tree).map(|right| right.scope.unwrap().to_string()).collect();
        assert_eq!(places, ["company:b", "company:b", "company:c", "company:c"]);
    }

    #[test]
    fn what_can_take_away_is_known_by_its_role_and_mode() {
        let (book, scope) = (book(), "company:a".parse::<Scope>().unwrap());
        let takes = |role: &str, scope, mode| can_take_away(&role.parse().unwrap(), scope, mode, &book);
        assert!(takes("no_access", None, Mode::Add));
        assert!(takes("editor", Some(&scope), Mode::Override));
        assert!(takes("undefined", None, Mode::Add));
        assert!(!takes("editor", Some(&scope), Mode::Add));
        assert!(!takes("editor", None, Mode::Override), "without a scope there is nothing wider to replace");
    }
}
