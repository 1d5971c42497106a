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
fn groups_have_the_same_limits() {
    let effect = Effect { people_found: 1, groups: 100, groups_removed: 11, ..Effect::default() };
    assert!(effect.check(&Limits::default())[0].contains("11 of 100 groups"));
}

fn rules() -> Rules {
    let rule = |when: &str, role: &str| Rule {
        source: "corp".parse().unwrap(),
        when: when.parse().unwrap(),
        role: role.parse().unwrap(),
        scope: None,
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
    Effect::of(&source, &rules(), &existing, &after, &plan)
}

#[test]
fn a_mapped_role_keeps_most_of_its_people_through_nested_groups() {
    assert_eq!(role_effect(100).roles["`analyst`"], (100, 0));
    assert_eq!(role_effect(100).roles["`viewer`"], (3, 0));
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
    let effect = Effect::of(&source, &rules(), &existing, &after, &plan);
    assert_eq!((effect.people_removed, effect.roles["`analyst`"]), (6, (10, 6)));
    assert!(stops(&effect, &Limits::default()));
}
