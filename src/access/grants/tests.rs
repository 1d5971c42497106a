use super::*;

fn rule(text: &str) -> RuleGrant {
    let mut words = text.split_whitespace();
    let role = words.next().unwrap().parse().unwrap();
    let position = words.next().unwrap().to_owned();
    RuleGrant { role, scope: words.next().map(|scope| scope.parse().unwrap()), position }
}

fn grant(number: u8, origin: Origin, role: &str, scope: Option<&str>) -> Grant {
    Grant {
        id: Id::from_bytes([number; 16]),
        subject: Subject::User(Id::from_bytes([9; 16])),
        role: role.parse().unwrap(),
        scope: scope.map(|scope| scope.parse().unwrap()),
        mode: Mode::Add,
        origin,
        starts: None,
        ends: None,
        made: None,
        maker: None,
    }
}

#[test]
fn the_plan_touches_the_rules_of_its_source_and_nothing_else() {
    let corp: SourceId = "corp".parse().unwrap();
    let of = |source: &str, position: &str| Origin::Rule(source.parse().unwrap(), position.to_owned());
    let existing = [
        grant(1, of("corp", "c:1"), "viewer", None),
        grant(2, of("corp", "c:2"), "editor", Some("department:a")),
        grant(3, of("okta", "c:1"), "viewer", None),
        grant(4, Origin::ByHand(String::new()), "viewer", None),
    ];
    for (wanted, create, delete) in [
        (vec![], vec![], vec![1, 2]),
        (vec!["viewer c:1", "editor c:2 department:a"], vec![], vec![]),
        (vec!["viewer c:1"], vec![], vec![2]),
        // Another place of the configuration, another scope, another role are each another grant.
        (vec!["viewer c:9", "editor c:2 department:a"], vec!["viewer c:9"], vec![1]),
        (vec!["viewer c:1", "editor c:2"], vec!["editor c:2"], vec![2]),
        (vec!["viewer c:1", "editor c:2 department:b"], vec!["editor c:2 department:b"], vec![2]),
        // Twice wanted is once made.
        (vec!["owner c:3", "owner c:3"], vec!["owner c:3"], vec![1, 2]),
    ] {
        let wanted: Vec<RuleGrant> = wanted.into_iter().map(rule).collect();
        let plan = plan(&existing, &corp, &wanted);
        assert_eq!(
            plan.create.into_iter().cloned().collect::<Vec<_>>(),
            create.into_iter().map(rule).collect::<Vec<_>>()
        );
        let ids: Vec<u8> = plan.delete.iter().map(|grant| grant.id.as_bytes()[0]).collect();
        assert_eq!(ids, delete, "{wanted:?}");
    }
}

#[test]
fn the_id_of_a_rules_grant_follows_from_what_it_is() {
    let (user, other) = (Id::from_bytes([1; 16]), Id::from_bytes([2; 16]));
    let (corp, okta): (SourceId, SourceId) = ("corp".parse().unwrap(), "okta".parse().unwrap());
    let one = rule_grant_id(user, &corp, &rule("viewer c:1"));
    assert_eq!(one, rule_grant_id(user, &corp, &rule("viewer c:1")));
    let others = [
        rule_grant_id(other, &corp, &rule("viewer c:1")),
        rule_grant_id(user, &okta, &rule("viewer c:1")),
        rule_grant_id(user, &corp, &rule("editor c:1")),
        rule_grant_id(user, &corp, &rule("viewer c:2")),
        rule_grant_id(user, &corp, &rule("viewer c:1 department:a")),
    ];
    for (index, id) in others.iter().enumerate() {
        assert!(*id != one && !others[index + 1..].contains(id));
    }
}
