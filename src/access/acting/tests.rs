use super::*;
use crate::access::policy::Standing;
use crate::access::{Catalogue, RoleEntry, RoleKind};
use crate::model::{GrantId, Mode, Origin, Role, Status, Subject, UserId};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn book() -> RoleBook {
    let mut catalogue = Catalogue::default();
    for permission in ["pages:read", "pages:update"] {
        catalogue.insert(&permission.parse().unwrap());
    }
    let role = |id: &str, permissions: &[&str], denies: &[&str]| {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let role = Role {
            id: id.parse().unwrap(),
            name: String::new(),
            description: String::new(),
            permissions: parse(permissions),
            denies: parse(denies),
            includes: Vec::new(),
            if_owner: Vec::new(),
            factor: None,
        };
        RoleEntry::new(role, RoleKind::Role)
    };
    let roles =
        vec![role("editor", &["pages:*"], &[]), role("reader", &["pages:read"], &[]), role("none", &[], &["*:*"])];
    RoleBook::new(catalogue, roles).unwrap()
}

fn held(role: &str, scope: Option<String>, starts: Option<i64>, ends: Option<i64>) -> Held {
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

fn acting(held: Vec<Held>) -> Acting {
    let (roles, scopes) = (Arc::new(book()), Arc::new(ScopeTree::default()));
    let standing = Standing { status: Status::Active, held, limit: None };
    let prepared = Arc::new(Prepared::new(standing, Arc::clone(&roles), Arc::clone(&scopes)));
    Acting { ground: Ground::People(vec![prepared]), limit: None, shown: None, roles, scopes, now: at(100) }
}

fn gives(acting: &Acting, right: &str, ends: Option<i64>) -> bool {
    let right = right.parse().unwrap();
    let later = acting.later(ends.map(at));
    std::iter::once(acting).chain(&later).all(|acting| acting.lacks(&Question::new(&right)).is_none())
}

/// Readers for a time, each until another moment, and one more who holds this.
fn many(count: i64, more: Held) -> Acting {
    acting((0..count).map(|end| held("reader", None, None, Some(200 + end))).chain([more]).collect())
}

#[test]
fn of_few_moments_each_is_looked_at_and_of_many_what_there_is_at_all_of_them() {
    let for_good = || held("editor", None, None, None);
    for (count, looked_at) in [(0, 0), (1, 1), (64, 64), (65, 1), (900, 1)] {
        let acting = many(count, for_good());
        assert_eq!(acting.later(None).len(), looked_at, "{count}");
        assert_eq!(acting.later(Some(at(200))).len(), 0, "what ends then lasts long enough");
        assert!(gives(&acting, "pages:update", None) && gives(&acting, "pages:update", Some(230)), "{count}");
    }
    // What is held for a time is given for that time.
    let editor = many(100, held("editor", None, None, Some(300)));
    assert!(gives(&editor, "pages:update", Some(300)) && !gives(&editor, "pages:update", Some(301)));
    assert!(!gives(&editor, "pages:update", None));
    // What began, or ended, before counts as it is.
    let began = many(100, held("editor", None, Some(100), None));
    assert!(gives(&began, "pages:update", None));
    assert!(!gives(&many(100, held("editor", None, Some(101), None)), "pages:update", None));
    assert!(!gives(&many(100, held("editor", None, None, Some(100))), "pages:update", None));
}

#[test]
fn nothing_is_certain_where_what_takes_away_begins_or_ends_among_many() {
    let with = |more: Held| {
        let all = (0..65).map(|end| held("reader", None, None, Some(200 + end)));
        acting(all.chain([held("editor", None, None, None), more]).collect())
    };
    let mut over = held("reader", Some("company:a".to_owned()), Some(150), Some(160));
    assert!(gives(&with(over.clone()), "pages:read", None));
    over.grant.mode = Mode::Override;
    assert!(!gives(&with(over.clone()), "pages:read", None));
    assert!(gives(&with(over), "pages:read", Some(150)), "before it begins");
    let denial = || held("none", None, Some(150), None);
    assert!(!gives(&with(denial()), "pages:read", None) && gives(&with(denial()), "pages:read", Some(150)));
    assert!(!gives(&with(held("gone", None, Some(150), None)), "pages:read", None), "what is not defined");
}

/// Sixty-four moments of somebody with a thousand grants would be looked at sixty-four million times for one right.
#[test]
fn the_looks_that_one_right_takes_are_bounded() {
    for (places, looked_at) in [(10, 64), (20, 64), (60, 1), (900, 1)] {
        let placed = (0..places).map(|place| held("reader", Some(format!("company:c{place}")), None, None));
        let timed = (0..64).map(|end| held("reader", Some("company:c0".to_owned()), None, Some(200 + end)));
        let acting = acting(placed.chain(timed).chain([held("editor", None, None, None)]).collect());
        assert_eq!(acting.later(None).len(), looked_at, "{places}");
        assert_eq!(acting.places_below(None).len(), places, "each once");
        assert!(gives(&acting, "pages:update", None));
    }
}
