use super::super::plan::plan;
use super::super::plan::tests::{applied, group, person, snapshot};
use super::*;
use crate::directory::Rule;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("p{index:03}")).collect()
}

fn effect(people: u64, removed: u64) -> Effect {
    Effect { people, people_removed: removed, people_found: people - removed, ..Effect::default() }
}

fn stops(effect: &Effect, limits: &Limits) -> bool {
    !effect.check(limits).is_empty()
}

#[test]
fn people_may_go_up_to_a_number_or_a_share() {
    let limits = Limits::default();
    for (people, removed, expected) in
        [(1000, 50, false), (1000, 51, true), (100, 10, false), (100, 11, true), (12, 9, false), (0, 0, false)]
    {
        let mut effect = effect(people, removed);
        effect.people_found = effect.people_found.max(1);
        assert_eq!(stops(&effect, &limits), expected, "{removed} of {people}");
    }
}

#[test]
fn an_empty_source_always_stops() {
    let generous = Limits { removals: Percent::whole(100), at_least: 1_000_000 };
    let reasons = effect(3, 3).check(&generous);
    assert_eq!(reasons, ["the source shows no people at all"]);
    assert!(stops(&effect(0, 0), &generous), "also at the first run");
}

#[test]
fn half_a_directory_stops_whatever_the_share_says() {
    let limits = Limits { removals: Percent::whole(100), at_least: 10 };
    assert!(!stops(&effect(100, 50), &limits));
    let reasons = effect(100, 51).check(&limits);
    assert!(reasons[0].contains("more than half"), "{reasons:?}");
}

#[test]
fn groups_that_are_all_gone_stop_however_few_they_are() {
    let gone = Effect { people_found: 1, groups: 3, groups_removed: 3, ..Effect::default() };
    assert!(gone.check(&Limits::default())[0].contains("no groups at all"));
    assert!(!stops(&Effect { groups_found: 1, groups_removed: 2, ..gone.clone() }, &Limits::default()));
    assert!(!stops(&gone, &Limits { removals: Percent::whole(100), at_least: 10 }), "an administrator says so");
    assert!(gone.check_people(&Limits::default()).is_empty(), "and people have nothing to do with it");
}

#[test]
fn groups_have_the_same_limits() {
    let effect = Effect { people_found: 1, groups: 100, groups_found: 89, groups_removed: 11, ..Effect::default() };
    assert!(effect.check(&Limits::default())[0].contains("11 of 100 groups"));
}

fn rules() -> Rules {
    let rule = |when: &str, role: &str| Rule {
        source: "corp".parse().unwrap(),
        when: when.parse().unwrap(),
        role: role.parse().unwrap(),
        scope: None,
        keeping: crate::model::Keeping::Full,
        position: "cleargate.toml:1".to_owned(),
    };
    Rules::new(vec![rule("groups eq \"cn=top\"", "analyst"), rule("groups eq \"group other\"", "viewer")])
}

fn role_effect(members_after: usize) -> Effect {
    let all = names(100);
    let ids: Vec<&str> = all.iter().map(String::as_str).collect();
    let members: Vec<MemberRef> = ids.iter().map(|id| person(id)).collect();
    let before = snapshot(&ids, &[("inner", &members), ("top", &[group("inner")]), ("other", &members[..3])]);
    let after =
        snapshot(&ids, &[("inner", &members[..members_after]), ("top", &[group("inner")]), ("other", &members[..3])]);
    let existing = applied(&before);
    let source = "corp".parse().unwrap();
    let plan = plan(&source, &after, &existing);
    Effect::of(&source, &rules(), &existing, &after, &plan, &BTreeSet::new())
}

#[test]
fn a_mapped_role_keeps_most_of_its_people_through_nested_groups() {
    let all = RoleEffect { members: 100, after: 100, ..RoleEffect::default() };
    assert_eq!(role_effect(100).roles["`analyst`"], all);
    assert_eq!(role_effect(100).roles["`viewer`"], RoleEffect { members: 3, after: 3, ..RoleEffect::default() });
    assert!(!stops(&role_effect(80), &Limits::default()));
    let reasons = role_effect(79).check(&Limits::default());
    assert_eq!(reasons, ["21 of 100 people would lose the role `analyst`, 20 may"]);
}

#[test]
fn leavers_count_for_the_roles_that_they_had() {
    let all = names(30);
    let ids: Vec<&str> = all.iter().map(String::as_str).collect();
    let members: Vec<MemberRef> = ids[..10].iter().map(|id| person(id)).collect();
    let existing = applied(&snapshot(&ids, &[("top", &members)]));
    let after = snapshot(&ids[6..], &[("top", &members[6..])]);
    let source = "corp".parse().unwrap();
    let plan = plan(&source, &after, &existing);
    let effect = Effect::of(&source, &rules(), &existing, &after, &plan, &BTreeSet::new());
    let expected = RoleEffect { members: 10, lost: 6, left: 6, gained: 0, after: 4 };
    assert_eq!((effect.people_removed, effect.roles["`analyst`"]), (6, expected));
    assert_eq!(effect.memberships_removed, 0, "their memberships go with them");
    assert!(stops(&effect, &Limits::default()));
}

#[test]
fn inactive_people_come_back_as_slowly_as_active_ones_go() {
    let back = |inactive: u64, people_reactivated: u64| Effect {
        people: 1000,
        people_found: 1000,
        people_inactive: inactive,
        people_reactivated,
        ..Effect::default()
    };
    for (inactive, reactivated, expected) in [(300, 15, false), (300, 16, true), (10, 10, false), (20, 11, true)] {
        assert_eq!(stops(&back(inactive, reactivated), &Limits::default()), expected, "{reactivated} of {inactive}");
    }
    let reasons = back(300, 300).check(&Limits::default());
    assert_eq!(reasons, ["300 of 300 inactive people would become active again, 15 are allowed"]);
}

#[test]
fn memberships_of_those_who_stay_have_a_limit() {
    let effect = |memberships: u64, memberships_removed: u64| Effect {
        people_found: 1,
        memberships,
        memberships_removed,
        ..Effect::default()
    };
    for (total, removed, expected) in [
        (10_000, 500, false),
        (10_000, 501, true),
        (1_000, 100, false),
        (1_000, 101, true),
        (30, 16, true),
        (9, 9, false),
    ] {
        assert_eq!(stops(&effect(total, removed), &Limits::default()), expected, "{removed} of {total}");
    }
}

/// The effect of a plan from one snapshot to another under these rules.
fn effect_of(rules: &[(&str, &str)], before: &Snapshot, after: &Snapshot) -> Effect {
    let rule = |(when, role): &(&str, &str)| Rule {
        source: "corp".parse().unwrap(),
        when: when.parse().unwrap(),
        role: role.parse().unwrap(),
        scope: None,
        keeping: crate::model::Keeping::Full,
        position: "cleargate.toml:1".to_owned(),
    };
    let (rules, existing, source) =
        (Rules::new(rules.iter().map(rule).collect()), applied(before), "corp".parse().unwrap());
    let plan = plan(&source, after, &existing);
    Effect::of(&source, &rules, &existing, after, &plan, &BTreeSet::new())
}

#[test]
fn a_role_by_absence_does_not_grow_when_memberships_vanish() {
    let all = names(60);
    let ids: Vec<&str> = all.iter().map(String::as_str).collect();
    let members: Vec<MemberRef> = ids[..20].iter().map(|id| person(id)).collect();
    let (before, after) = (snapshot(&ids, &[("outside", &members)]), snapshot(&ids, &[("outside", &[])]));
    let effect = effect_of(&[("not (groups eq \"group outside\")", "insider")], &before, &after);
    let expected = RoleEffect { members: 40, lost: 0, left: 0, gained: 20, after: 60 };
    assert_eq!((effect.roles["`insider`"], effect.memberships_removed), (expected, 20));
    let reasons = effect.check(&Limits::default()).join("; ");
    assert!(reasons.contains("20 people would gain the role `insider`, which 40 have; 8 may"), "{reasons}");
    let first = effect_of(&[("groups pr", "member")], &after, &before);
    assert!(!stops(&first, &Limits::default()), "a role that nobody had may begin");
}

#[test]
fn a_role_does_not_end_without_a_word_but_leavers_may_take_it_along() {
    let before = snapshot(&["a", "b", "c"], &[("top", &[person("a")])]);
    let rules = [("groups eq \"group top\"", "analyst")];
    let emptied = effect_of(&rules, &before, &snapshot(&["a", "b", "c"], &[("top", &[])]));
    assert_eq!(emptied.check(&Limits::default()), ["nobody would have the role `analyst` any more, which 1 have"]);
    let all = Limits { removals: Percent::whole(100), at_least: 10 };
    assert!(!stops(&emptied, &all), "an administrator may let it end");
    let passed_on = effect_of(&rules, &before, &snapshot(&["a", "b", "c"], &[("top", &[person("b")])]));
    assert!(!stops(&passed_on, &Limits::default()));
    let to_a_new_one = effect_of(&rules, &before, &snapshot(&["a", "b", "c", "d"], &[("top", &[person("d")])]));
    assert!(!stops(&to_a_new_one, &Limits::default()));
    let left = effect_of(&rules, &before, &snapshot(&["b", "c"], &[("top", &[])]));
    assert!(!stops(&left, &Limits::default()));
}
