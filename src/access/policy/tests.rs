use proptest::prelude::*;

use super::*;
use crate::access::{Catalogue, RoleEntry, RoleKind, ScopeRecord};
use crate::model::{Id, Origin, Role, Subject};

const NOW: Timestamp = Timestamp::from_seconds(1000);

fn list<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> Vec<T> {
    text.split_whitespace().map(|word| word.parse().unwrap()).collect()
}

/// `id < includes | permissions | denies | if_owner`, each part a list.
fn role(text: &str) -> Role {
    let mut parts = text.split(['<', '|']).map(str::trim);
    let mut next = || parts.next().unwrap_or_default();
    Role {
        id: next().parse().unwrap(),
        name: String::new(),
        description: String::new(),
        includes: list(next()),
        permissions: list(next()),
        denies: list(next()),
        if_owner: list(next()),
        factor: None,
    }
}

fn book(roles: &[&str]) -> RoleBook {
    let mut catalogue = Catalogue::default();
    for permission in list("doc:read doc:write doc:delete pay:read pay:write") {
        catalogue.insert(&permission);
    }
    RoleBook::new(catalogue, roles.iter().map(|text| RoleEntry::new(role(text), RoleKind::Role)).collect()).unwrap()
}

/// `role`, `role@kind:slug` (overrides) or `role+kind:slug` (adds).
fn held(text: &str) -> Held {
    let (role, scope, mode) = match (text.split_once('@'), text.split_once('+')) {
        (Some((role, scope)), _) => (role, Some(scope), Mode::Override),
        (None, Some((role, scope))) => (role, Some(scope), Mode::Add),
        (None, None) => (text, None, Mode::Add),
    };
    Held {
        grant: Grant {
            id: Id::from_bytes([1; 16]),
            subject: Subject::User(Id::from_bytes([2; 16])),
            role: role.parse().unwrap(),
            scope: scope.map(|scope| scope.parse().unwrap()),
            mode,
            origin: Origin::ByHand(String::new()),
            starts: None,
            ends: None,
            made: None,
            maker: None,
        },
        groups: Vec::new(),
    }
}

fn standing(grants: &str) -> Standing {
    Standing { status: Status::Active, held: grants.split_whitespace().map(held).collect(), limit: None }
}

/// By these roles, and scopes of which each lies below the one after `<`.
fn ready_in(standing: &Standing, roles: &RoleBook, places: &[&str]) -> Prepared {
    let record = |text: &&str| {
        let (scope, parent) = text.split_once(" < ").map_or((*text, None), |(scope, above)| (scope, Some(above)));
        Arc::new(ScopeRecord {
            scope: scope.parse().unwrap(),
            name: String::new(),
            description: String::new(),
            parent: parent.map(|parent| parent.parse().unwrap()),
            source: None,
            created: NOW,
            changed: NOW,
            revision: 1,
        })
    };
    let tree = ScopeTree::new(1, places.iter().map(record));
    Prepared::new(standing.clone(), Arc::new(roles.clone()), Arc::new(tree))
}

fn ready(standing: &Standing, roles: &RoleBook) -> Prepared {
    ready_in(standing, roles, &[])
}

fn word(verdict: &Verdict<'_>) -> &'static str {
    match verdict {
        Verdict::Allowed(_) => "yes",
        Verdict::Denied(denial) => match denial {
            Denial::BeyondLimit => "limit",
            Denial::DeniedBy(_) => "denied",
            Denial::NeedsFactor(_) => "factor",
            Denial::NotActive(_) => "status",
            Denial::NotOwner(_) => "owner",
            Denial::NothingAllows => "nothing",
            Denial::Replaced(_) => "replaced",
            Denial::UndefinedRole(_) => "undefined",
            Denial::UnknownPermission => "unknown",
        },
    }
}

const ROLES: [&str; 8] = [
    "reader < | doc:read",
    "writer < reader | doc:write",
    "chief < writer | doc:*",
    "all < | *:*",
    "own < | doc:read | | doc:write",
    "frozen < | | *:write",
    "readonly < reader frozen | ",
    "empty < | ",
];

#[test]
fn the_decision_follows_its_order() {
    let roles = book(&ROLES);
    for (grants, question, expected) in [
        // Nothing gives nothing.
        ("", "doc:read", "nothing"),
        ("empty", "doc:read", "nothing"),
        // Includes, near and far.
        ("writer", "doc:read", "yes"),
        ("chief", "doc:delete", "yes"),
        ("writer", "doc:delete", "nothing"),
        // Stars.
        ("all", "pay:write", "yes"),
        ("chief", "pay:read", "nothing"),
        // A question with a star, or of nothing known, is refused even where all is allowed.
        ("all", "doc:*", "unknown"),
        ("all", "*:*", "unknown"),
        ("all", "doc:fly", "unknown"),
        ("all", "sky:read", "unknown"),
        // A deny wins, wherever it stands, included ones too.
        ("all frozen", "doc:write", "denied"),
        ("frozen all", "doc:write", "denied"),
        ("all frozen", "doc:read", "yes"),
        ("readonly", "doc:read", "yes"),
        ("readonly all", "pay:write", "denied"),
        // Owner only.
        ("own", "doc:write", "owner"),
        ("own writer", "doc:write", "yes"),
        // A scope's grant says nothing elsewhere and nothing for the organisation.
        ("writer@department:a", "doc:write", "nothing"),
        ("writer@department:a", "doc:write department:b", "nothing"),
        ("writer@department:a", "doc:write department:a", "yes"),
        ("writer@department:a", "doc:write company:a", "nothing"),
        // An organisation's grant holds everywhere.
        ("writer", "doc:write department:a", "yes"),
        // Within its scope an override replaces, up and down.
        ("reader writer@department:a", "doc:write department:a", "yes"),
        ("chief reader@department:a", "doc:write department:a", "replaced"),
        ("chief reader@department:a", "doc:write department:b", "yes"),
        ("chief reader@department:a", "doc:write", "yes"),
        ("chief empty@department:a", "doc:read department:a", "replaced"),
        // Grants of the overriding scope join, whatever their mode.
        ("chief reader@department:a writer+department:a", "doc:write department:a", "yes"),
        ("chief reader@department:a writer@department:a", "doc:write department:a", "yes"),
        // An add joins the wider level.
        ("reader writer+department:a", "doc:write department:a", "yes"),
        ("chief reader+department:a", "doc:delete department:a", "yes"),
        // A wider deny is not replaced by an override, and a deny in one scope is nothing in another.
        ("frozen all@department:a", "doc:write department:a", "denied"),
        ("all frozen@department:a", "doc:write department:a", "denied"),
        ("all frozen+department:a", "doc:write department:a", "denied"),
        ("all frozen@department:a", "doc:write department:b", "yes"),
        // A role that is gone may have denied: it gives nothing, and takes everything where it holds.
        ("all gone", "doc:read", "undefined"),
        ("all gone@department:a", "doc:read department:a", "undefined"),
        ("all gone@department:a", "doc:read department:b", "yes"),
    ] {
        let mut words = question.split_whitespace();
        let permission: Permission = words.next().unwrap().parse().unwrap();
        let scope: Option<Scope> = words.next().map(|scope| scope.parse().unwrap());
        let standing = standing(grants);
        let prepared = ready(&standing, &roles);
        let decision = decide(&Question::new(&permission).within(scope.as_ref()), &prepared, NOW);
        assert_eq!(word(&decision.verdict), expected, "{grants}: {question}");
        assert_eq!(decision.is_allowed(), expected == "yes");
    }
}

#[test]
fn what_holds_above_holds_below_and_the_deepest_override_decides() {
    let roles = book(&ROLES);
    let places = ["department:a", "department:b < department:a", "department:c < department:b", "department:x"];
    for (grants, question, expected) in [
        // Down the tree, never up or aside.
        ("writer+department:a", "doc:write department:c", "yes"),
        ("writer+department:b", "doc:write department:a", "nothing"),
        ("writer+department:b", "doc:write department:x", "nothing"),
        ("writer+department:c", "doc:write", "nothing"),
        // An override replaces all that is shallower, the organisation and the scopes between, for itself and below.
        ("chief reader@department:a", "doc:write department:c", "replaced"),
        ("chief+department:a reader@department:b", "doc:write department:c", "replaced"),
        ("chief+department:a reader@department:b", "doc:write department:a", "yes"),
        ("chief reader@department:c", "doc:write department:b", "yes"),
        // What is deeper than the override joins; the deepest override wins, also where it gives more.
        ("reader@department:a writer+department:c", "doc:write department:c", "yes"),
        ("reader@department:a writer+department:c", "doc:write department:b", "nothing"),
        ("reader@department:a chief@department:b", "doc:delete department:c", "yes"),
        ("chief@department:a reader@department:b", "doc:delete department:c", "replaced"),
        ("chief@department:a reader@department:b writer+department:b", "doc:write department:c", "yes"),
        // A deny above is not replaced, one below does not reach up.
        ("frozen+department:a all@department:c", "doc:write department:c", "denied"),
        ("all frozen+department:c", "doc:write department:b", "yes"),
        ("gone+department:a all@department:c", "doc:read department:c", "undefined"),
        // A scope without record is below nothing and above nothing.
        ("writer+department:unmade", "doc:write department:unmade", "yes"),
        ("writer+department:unmade", "doc:write department:a", "nothing"),
        ("chief reader@department:unmade", "doc:write department:unmade", "replaced"),
        ("writer+department:a", "doc:write department:unmade", "nothing"),
    ] {
        let mut words = question.split_whitespace();
        let permission: Permission = words.next().unwrap().parse().unwrap();
        let scope: Option<Scope> = words.next().map(|scope| scope.parse().unwrap());
        let prepared = ready_in(&standing(grants), &roles, &places);
        let decision = decide(&Question::new(&permission).within(scope.as_ref()), &prepared, NOW);
        assert_eq!(word(&decision.verdict), expected, "{grants}: {question}");
    }
    let prepared = ready_in(&standing("chief+department:a reader@department:b"), &roles, &places);
    let (permission, scope) = ("doc:write".parse().unwrap(), "department:c".parse().unwrap());
    let decision = decide(&Question::new(&permission).within(Some(&scope)), &prepared, NOW);
    assert_eq!(decision.replaced_by(), Some(&"department:b".parse().unwrap()));
}

#[test]
fn only_an_active_account_may_anything() {
    let roles = book(&ROLES);
    let permission = "doc:read".parse().unwrap();
    for (status, expected) in [
        (Status::Active, "yes"),
        (Status::Inactive, "status"),
        (Status::Invited, "status"),
        (Status::Tombstone, "status"),
    ] {
        let standing = Standing { status, ..standing("all") };
        assert_eq!(word(&decide(&Question::new(&permission), &ready(&standing, &roles), NOW).verdict), expected);
    }
}

#[test]
fn an_owner_may_what_the_role_keeps_for_owners_where_it_holds() {
    let roles = book(&ROLES);
    let permission = "doc:write".parse().unwrap();
    let scope: Scope = "department:a".parse().unwrap();
    for (grants, expected) in
        [("own", "yes"), ("reader", "nothing"), ("own frozen", "denied"), ("own reader@department:a", "replaced")]
    {
        let standing = standing(grants);
        let question = Question::new(&permission).within(Some(&scope)).owned(true);
        assert_eq!(word(&decide(&question, &ready(&standing, &roles), NOW).verdict), expected, "{grants}");
    }
}

#[test]
fn a_token_cuts_and_never_adds() {
    let roles = book(&ROLES);
    for (grants, limit, question, expected) in [
        ("all", "doc:read", "doc:read", "yes"),
        ("all", "doc:read", "doc:write", "limit"),
        ("all", "*:read", "pay:read", "yes"),
        ("all", "", "doc:read", "limit"),
        ("reader", "*:*", "doc:read", "yes"),
        ("reader", "*:*", "doc:write", "nothing"),
        ("all frozen", "*:*", "doc:write", "denied"),
    ] {
        let permission = question.parse().unwrap();
        let prepared = ready(&Standing { limit: Some(list(limit)), ..standing(grants) }, &roles);
        let verdict = decide(&Question::new(&permission), &prepared, NOW).verdict;
        assert_eq!(word(&verdict), expected, "{grants} cut by {limit}: {question}");
    }
}

#[test]
fn a_grant_holds_from_its_start_until_just_before_its_end() {
    let roles = book(&ROLES);
    let permission = "doc:read".parse().unwrap();
    let second = |s: i64| Some(Timestamp::from_seconds(s));
    for (starts, ends, expected) in [
        (None, None, "yes"),
        (second(1000), None, "yes"),
        (second(1001), None, "nothing"),
        (None, second(1001), "yes"),
        (None, second(1000), "nothing"),
        (second(999), second(1001), "yes"),
        (second(1), second(2), "nothing"),
    ] {
        let mut standing = standing("reader");
        standing.held[0].grant.starts = starts;
        standing.held[0].grant.ends = ends;
        let prepared = ready(&standing, &roles);
        let verdict = decide(&Question::new(&permission), &prepared, NOW).verdict;
        assert_eq!(word(&verdict), expected, "{starts:?} {ends:?}");
    }
}

#[test]
fn an_override_that_has_ended_replaces_nothing_and_a_deny_that_has_ended_denies_nothing() {
    let roles = book(&ROLES);
    let (permission, scope): (_, Scope) = ("doc:write".parse().unwrap(), "department:a".parse().unwrap());
    for grants in ["chief reader@department:a", "chief frozen", "chief gone"] {
        let mut standing = standing(grants);
        let question = Question::new(&permission).within(Some(&scope));
        assert!(!decide(&question, &ready(&standing, &roles), NOW).is_allowed(), "{grants}");
        standing.held[1].grant.ends = Some(NOW);
        assert!(decide(&question, &ready(&standing, &roles), NOW).is_allowed(), "{grants}");
    }
}

#[test]
fn the_reason_names_grant_rule_include_path_and_group_path() {
    let roles = book(&ROLES);
    let permission = "doc:read".parse().unwrap();
    let mut standing = standing("frozen chief");
    standing.held[1].groups = vec![Id::from_bytes([5; 16]), Id::from_bytes([6; 16])];
    let prepared = ready(&standing, &roles);
    let decision = decide(&Question::new(&permission), &prepared, NOW);
    let Verdict::Allowed(finding) = decision.verdict else { panic!("{decision:?}") };
    assert_eq!(finding.rule().unwrap().to_string(), "doc:*");
    assert_eq!(finding.includes(), list::<RoleId>("chief"));
    assert_eq!(finding.held.groups.len(), 2);
    let permission = "doc:write".parse().unwrap();
    let decision = decide(&Question::new(&permission), &prepared, NOW);
    let Verdict::Denied(Denial::DeniedBy(finding)) = decision.verdict else { panic!("{decision:?}") };
    assert_eq!(
        (finding.rule().unwrap().to_string().as_str(), finding.includes()),
        ("*:write", &list::<RoleId>("frozen")[..])
    );
    assert_eq!(decision.weighed().count(), 2);
}

/// Includes, permissions, denies, permissions of owners.
type AnyRole = (Vec<usize>, Vec<usize>, Vec<usize>, Vec<usize>);
/// Role (one of which does not exist), scope, whether it overrides, start, end.
type AnyGrant = (usize, Option<usize>, bool, Option<i64>, Option<i64>);

/// A small organisation: six roles that include each other without a circle, which is refused, departments below each other, grants anywhere.
#[derive(Clone, Debug)]
struct World {
    roles: Vec<AnyRole>,
    /// Below which earlier one each department lies.
    above: Vec<Option<usize>>,
    grants: Vec<AnyGrant>,
    question: (usize, Option<usize>, bool),
    limit: Option<Vec<usize>>,
}

const PERMISSIONS: [&str; 8] =
    ["doc:read", "doc:write", "pay:read", "pay:write", "doc:*", "*:read", "*:*", "doc:delete"];
/// The first four may lie below each other; the fifth has a record and stands alone, the last has none.
const SCOPES: [&str; 6] =
    ["department:a", "department:b", "department:c", "department:d", "company:a", "department:unmade"];

fn world() -> impl Strategy<Value = World> {
    let some = |most: usize, of: usize| proptest::collection::vec(0..of, 0..=most);
    let role = (some(2, 6), some(3, 8), some(1, 8), some(2, 8));
    let time = || proptest::option::weighted(0.2, 998i64..1003);
    let place = || proptest::option::weighted(0.75, 0usize..6);
    let grant = (0usize..7, place(), any::<bool>(), time(), time());
    let above = proptest::collection::vec(proptest::option::weighted(0.8, 0usize..4), 4);
    (
        proptest::collection::vec(role, 6),
        above,
        proptest::collection::vec(grant, 0..6),
        (0usize..4, place(), any::<bool>()),
        proptest::option::weighted(0.2, some(2, 8)),
    )
        .prop_map(|(mut roles, above, grants, question, limit)| {
            for (own, (includes, ..)) in roles.iter_mut().enumerate() {
                includes.retain(|include| *include > own);
            }
            let above = above.into_iter().enumerate().map(|(own, above)| above.filter(|above| *above < own)).collect();
            World { roles, above, grants, question, limit }
        })
}

/// From a place up to the topmost scope above it.
fn upwards(world: &World, place: usize) -> Vec<usize> {
    let mut way = vec![place];
    while let Some(above) = way.last().and_then(|last| world.above.get(*last)).copied().flatten() {
        way.push(above);
    }
    way
}

/// The same question by the words of the design, with sets and no shortcuts.
fn naive(world: &World) -> bool {
    let hits = |rules: &[usize]| {
        let (asked_resource, asked_action) = PERMISSIONS[world.question.0].split_once(':').unwrap();
        rules.iter().any(|rule| {
            let (resource, action) = PERMISSIONS[*rule].split_once(':').unwrap();
            (resource == "*" || resource == asked_resource) && (action == "*" || action == asked_action)
        })
    };
    let closure = |role: usize| {
        let mut set = std::collections::BTreeSet::from([role]);
        for _ in 0..6 {
            for member in set.clone() {
                set.extend(world.roles[member].0.iter().copied());
            }
        }
        set
    };
    let above: Vec<usize> = world.question.1.map(|place| upwards(world, place)).unwrap_or_default();
    let covering: Vec<_> = world
        .grants
        .iter()
        .filter(|(_, scope, _, starts, ends)| {
            starts.is_none_or(|s| s <= 1000)
                && ends.is_none_or(|e| e > 1000)
                && scope.is_none_or(|scope| above.contains(&scope))
        })
        .collect();
    // The way up begins with the deepest place: the first on it where somebody overrides is the deepest.
    let overrides =
        |place: &usize| covering.iter().any(|(_, scope, overrides, ..)| *scope == Some(*place) && *overrides);
    let counting: &[usize] = match above.iter().position(overrides) {
        Some(deepest) => &above[..=deepest],
        None => &above,
    };
    let is_overridden = counting.len() < above.len() || above.iter().any(overrides);
    let mut allowed = false;
    for (role, scope, ..) in covering {
        if *role == 6 {
            return false;
        }
        for member in closure(*role) {
            let (_, permissions, denies, if_owner) = &world.roles[member];
            if hits(denies) {
                return false;
            }
            let counts = scope.map_or(!is_overridden, |scope| counting.contains(&scope));
            allowed |= counts && (hits(permissions) || (world.question.2 && hits(if_owner)));
        }
    }
    allowed && world.limit.as_ref().is_none_or(|limit| hits(limit))
}

fn build(world: &World) -> (RoleBook, Standing, Vec<String>) {
    let words = |indexes: &[usize]| indexes.iter().map(|i| PERMISSIONS[*i]).collect::<Vec<_>>().join(" ");
    let texts: Vec<String> = (0usize..)
        .zip(&world.roles)
        .map(|(index, (includes, permissions, denies, if_owner))| {
            let includes: Vec<String> = includes.iter().map(|i| format!("r{i}")).collect();
            let parts = [words(permissions), words(denies), words(if_owner)].join(" | ");
            format!("r{index} < {} | {parts}", includes.join(" "))
        })
        .collect();
    let roles = book(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let grants = world.grants.iter().map(|(role, scope, overrides, starts, ends)| {
        let sign = if *overrides { '@' } else { '+' };
        let mut held = held(&scope.map_or_else(|| format!("r{role}"), |s| format!("r{role}{sign}{}", SCOPES[s])));
        if *overrides {
            held.grant.mode = Mode::Override;
        }
        held.grant.starts = starts.map(Timestamp::from_seconds);
        held.grant.ends = ends.map(Timestamp::from_seconds);
        held
    });
    let limit = world.limit.as_ref().map(|limit| list(&words(limit)));
    let places = (0..5).map(|place| match world.above.get(place).copied().flatten() {
        Some(above) => format!("{} < {}", SCOPES[place], SCOPES[above]),
        None => SCOPES[place].to_owned(),
    });
    (roles, Standing { status: Status::Active, held: grants.collect(), limit }, places.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_policy_agrees_with_the_words_of_the_design(world in world()) {
        let (roles, standing, places) = build(&world);
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        let permission = PERMISSIONS[world.question.0].parse().unwrap();
        let scope: Option<Scope> = world.question.1.map(|s| SCOPES[s].parse().unwrap());
        let question = Question::new(&permission).within(scope.as_ref()).owned(world.question.2);
        let prepared = ready_in(&standing, &roles, &places);
        let decision = decide(&question, &prepared, NOW);
        prop_assert_eq!(decision.is_allowed(), naive(&world), "{:?}", decision);
        // Words and verdict come of the same weights.
        let told = crate::access::Explanation::new(&decision, &question, &roles, NOW);
        prop_assert_eq!(told.allowed, decision.is_allowed());
        let said = |word: &str| told.steps.iter().any(|step| step.outcome == word && step.rule.is_some());
        match &decision.verdict {
            Verdict::Allowed(_) => prop_assert!(said("allows") && !said("denies"), "{:?}", told),
            Verdict::Denied(Denial::DeniedBy(_)) => prop_assert!(said("denies"), "{:?}", told),
            Verdict::Denied(Denial::Replaced(_)) => {
                prop_assert!(said("replaced") && !said("allows") && told.replaced_by.is_some(), "{:?}", told);
            }
            Verdict::Denied(Denial::NothingAllows) => prop_assert!(!said("allows") && !said("replaced"), "{:?}", told),
            Verdict::Denied(_) => {}
        }
    }

    #[test]
    fn a_deny_or_a_limit_more_never_gives_anything(world in world(), denied in 0usize..8) {
        let (roles, standing, places) = build(&world);
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        let permission = PERMISSIONS[world.question.0].parse().unwrap();
        let scope: Option<Scope> = world.question.1.map(|s| SCOPES[s].parse().unwrap());
        let question = Question::new(&permission).within(scope.as_ref()).owned(world.question.2);
        let before = decide(&question, &ready_in(&standing, &roles, &places), NOW).is_allowed();
        let mut narrower = world.clone();
        narrower.roles[0].2.push(denied);
        let (roles, standing, _) = build(&narrower);
        prop_assert!(before || !decide(&question, &ready_in(&standing, &roles, &places), NOW).is_allowed());
        let limit = standing.limit.clone().unwrap_or_else(|| list(PERMISSIONS[denied]));
        let limited = Standing { limit: Some(limit), ..standing };
        prop_assert!(before || !decide(&question, &ready_in(&limited, &roles, &places), NOW).is_allowed());
    }

    #[test]
    fn a_role_that_disappears_never_gives_anything(world in world(), gone in 0usize..6) {
        let (roles, mut standing, places) = build(&world);
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        let permission = PERMISSIONS[world.question.0].parse().unwrap();
        let scope: Option<Scope> = world.question.1.map(|s| SCOPES[s].parse().unwrap());
        let question = Question::new(&permission).within(scope.as_ref()).owned(world.question.2);
        let before = decide(&question, &ready_in(&standing, &roles, &places), NOW).is_allowed();
        for held in &mut standing.held {
            if held.grant.role.as_str() == format!("r{gone}") {
                held.grant.role = "gone".parse().unwrap();
            }
        }
        prop_assert!(before || !decide(&question, &ready_in(&standing, &roles, &places), NOW).is_allowed());
    }
}

#[test]
fn a_role_that_asks_for_a_recent_factor_allows_where_one_was_shown_and_denies_all_the_same() {
    let mut catalogue = Catalogue::default();
    for permission in list::<Permission>("doc:read doc:write pay:write") {
        catalogue.insert(&permission);
    }
    let asking = |text: &str, within_s: u64| {
        let factor = Some(FactorRule { within_s: Some(within_s), ..FactorRule::default() });
        RoleEntry::new(Role { factor, ..role(text) }, RoleKind::Role)
    };
    let plain = |text: &str| RoleEntry::new(role(text), RoleKind::Role);
    let roles = vec![
        asking("payer < reader | pay:write", 600),
        plain("reader < | doc:read"),
        plain("chief < payer | doc:write"),
        asking("strict < payer | doc:write", 60),
        asking("never < | | pay:*", 600),
    ];
    let roles = RoleBook::new(catalogue, roles).unwrap();
    let ago = |seconds: u64| Some(Presence::two(NOW.minus(Duration::from_secs(seconds))));
    let none = Some(Presence::default());
    for (grants, permission, shown, expected) in [
        ("payer", "pay:write", ago(600), "yes"),
        ("payer", "pay:write", ago(601), "factor"),
        ("payer", "pay:write", none, "factor"),
        ("payer", "pay:write", None, "yes"),
        ("payer", "doc:write", none, "nothing"),
        // What it includes is asked for as it is; who also has it by another role is not.
        ("payer", "doc:read", none, "factor"),
        ("payer reader", "doc:read", none, "yes"),
        ("reader payer", "doc:read", none, "yes"),
        // Who includes such a role is asked too; of two times the shorter holds.
        ("chief", "doc:write", none, "factor"),
        ("strict", "pay:write", ago(60), "yes"),
        ("strict", "pay:write", ago(61), "factor"),
        // A deny needs no factor, and a factor outweighs none.
        ("payer never", "pay:write", ago(1), "denied"),
        ("payer never", "pay:write", none, "denied"),
        // What overrides replaces, whether or not its role asks.
        ("payer reader@team:a", "pay:write", ago(1), "replaced"),
        ("reader payer@team:a", "doc:read", none, "factor"),
    ] {
        let prepared = ready(&standing(grants), &roles);
        let permission: Permission = permission.parse().unwrap();
        let scope: Scope = "team:a".parse().unwrap();
        let question = Question::new(&permission).within(Some(&scope));
        let decision = decide_shown(&question, &prepared, None, shown, NOW);
        assert_eq!(word(&decision.verdict), expected, "{grants} {permission} {shown:?}");
    }
    let limit: Vec<Permission> = list("doc:read");
    let prepared = ready(&standing("payer"), &roles);
    let permission: Permission = "pay:write".parse().unwrap();
    let decision = decide_shown(&Question::new(&permission), &prepared, Some(&limit), ago(1), NOW);
    assert_eq!(word(&decision.verdict), "limit");
}
