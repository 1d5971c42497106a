use super::*;
use crate::secret::IdSource;

const THEN: Timestamp = Timestamp::from_seconds(1_000);
const NOW: Timestamp = Timestamp::from_seconds(2_000);

fn source(name: &str) -> SourceId {
    name.parse().unwrap()
}

fn scim(name: &str) -> Authority {
    Authority::Provisioning { source: source(name), exclusive: false, takes_over: TakesOver::default() }
}

fn taking_over(name: &str, sources: &[&str], by_hand: bool) -> Authority {
    let takes_over = TakesOver { sources: sources.iter().map(|name| source(name)).collect(), by_hand };
    Authority::Provisioning { source: source(name), exclusive: false, takes_over }
}

fn sign_in() -> Authority {
    Authority::SignIn(source("entra"))
}

fn record(name: &str) -> SourceRecord {
    let serde_json::Value::Object(map) = serde_json::json!({"displayName": "Ada", "title": "Countess"}) else {
        unreachable!()
    };
    SourceRecord {
        external_id: Some("x1".to_owned()),
        user_name: name.parse().unwrap(),
        active: Some(true),
        attributes: Attributes(map),
    }
}

fn id() -> UserId {
    UserId::new(THEN, &IdSource::seeded(1))
}

fn created(authority: &Authority) -> User {
    match plan(None, &record("ada"), authority, id(), THEN).unwrap() {
        UserPlan::Create(user) => *user,
        other => panic!("{other:?}"),
    }
}

fn replan(user: &User, record: &SourceRecord, authority: &Authority) -> Result<UserPlan, Error> {
    plan(Some(user), record, authority, id(), NOW)
}

#[test]
fn the_same_record_twice_changes_nothing() {
    for authority in [scim("okta"), sign_in()] {
        let user = created(&authority);
        assert_eq!(replan(&user, &record("ada"), &authority).unwrap(), UserPlan::Nothing);
    }
}

#[test]
fn a_source_owns_what_it_creates_and_a_sign_in_does_not() {
    assert_eq!(created(&scim("okta")).owner, Some(source("okta")));
    assert_eq!(created(&sign_in()).owner, None);
    assert_eq!(created(&Authority::Administrator).owner, None);
}

#[test]
fn a_source_may_not_touch_what_another_owns() {
    let user = created(&scim("okta"));
    let refused = replan(&user, &record("eve"), &scim("other"));
    assert!(matches!(refused, Err(Error::Owned { owner: Some(owner) }) if owner == source("okta")));
}

#[test]
fn a_source_does_not_adopt_an_account_by_hand() {
    let user = created(&Authority::Administrator);
    assert!(matches!(replan(&user, &record("ada"), &scim("okta")), Err(Error::Owned { owner: None })));
}

#[test]
fn a_source_takes_over_an_account_that_a_sign_in_created_and_not_who_is_in_it() {
    let user = created(&sign_in());
    let UserPlan::Change { after, .. } = replan(&user, &record("ada"), &scim("okta")).unwrap() else { panic!() };
    assert_eq!(after.owner, Some(source("okta")));
    assert_eq!(after.links.iter().map(|link| link.source.as_str()).collect::<Vec<_>>(), ["okta"]);
}

#[test]
fn a_sign_in_never_brings_an_inactive_account_back() {
    for owner in [scim("okta"), sign_in()] {
        let mut user = created(&owner);
        user.status = Status::Inactive;
        match replan(&user, &record("ada"), &sign_in()).unwrap() {
            UserPlan::Change { after, .. } => assert_eq!(after.status, Status::Inactive),
            UserPlan::Nothing => {}
            other @ UserPlan::Create(_) => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_sign_in_leaves_owned_attributes_and_names_alone() {
    let user = created(&scim("okta"));
    let mut other = record("eve");
    other.attributes.0.insert("title".to_owned(), "Queen".into());
    let UserPlan::Change { after, fields, .. } = replan(&user, &other, &sign_in()).unwrap() else { panic!() };
    assert_eq!((after.user_name.as_str(), &after.attributes), ("ada", &user.attributes));
    assert_eq!(fields, ["externalId"]);
}

#[test]
fn an_administrator_may_disable_but_not_rewrite_what_a_source_owns() {
    let user = created(&scim("okta"));
    let mut disabled = record("ada");
    disabled.active = Some(false);
    let UserPlan::Change { after, kind, .. } = replan(&user, &disabled, &Authority::Administrator).unwrap() else {
        panic!()
    };
    assert_eq!((after.status, kind), (Status::Inactive, EventKind::UserDeactivated));
    assert!(matches!(replan(&user, &record("eve"), &Authority::Administrator), Err(Error::Owned { .. })));
}

#[test]
fn the_plan_names_what_differs() {
    let user = created(&scim("okta"));
    let mut other = record("ada.l");
    other.attributes.0.remove("title");
    other.active = None;
    let UserPlan::Change { after, kind, fields } = replan(&user, &other, &scim("okta")).unwrap() else { panic!() };
    assert_eq!(fields, ["userName", "title"]);
    assert_eq!((kind, after.revision, after.changed), (EventKind::UserChanged, 2, NOW));
}

#[test]
fn an_empty_or_endless_external_id_is_refused() {
    for id in [String::new(), "x".repeat(513)] {
        let mut bad = record("ada");
        bad.external_id = Some(id);
        assert!(matches!(replan(&created(&scim("okta")), &bad, &scim("okta")), Err(Error::Invalid { .. })));
    }
}

#[test]
fn a_source_takes_over_from_those_it_was_told_to_and_from_nobody_else() {
    let (of_corp, by_hand) = (created(&scim("corp")), created(&Authority::Administrator));
    // An administrator's own account stays by hand when a sign-in links it later.
    let linked = match replan(&by_hand, &record("ada"), &sign_in()).unwrap() {
        UserPlan::Change { after, .. } => *after,
        other => panic!("{other:?}"),
    };
    assert!(linked.is_by_hand() && !linked.links.is_empty());
    let takes = |authority: &Authority, user: &User| match replan(user, &record("grace"), authority) {
        Ok(UserPlan::Change { after, .. }) => {
            assert_eq!(after.owner, Some(source("okta")));
            true
        }
        Err(Error::Owned { owner }) => {
            assert_eq!(owner, user.owner);
            false
        }
        other => panic!("{other:?}"),
    };
    for (authority, expected) in [
        (scim("okta"), [false, false, false]),
        (taking_over("okta", &["hr"], false), [false, false, false]),
        (taking_over("okta", &["corp"], false), [true, false, false]),
        (taking_over("okta", &[], true), [false, true, true]),
        (taking_over("okta", &["hr", "corp"], true), [true, true, true]),
    ] {
        assert_eq!([&of_corp, &by_hand, &linked].map(|user| takes(&authority, user)), expected, "{authority:?}");
    }
}

#[test]
fn an_account_kept_by_hand_stays_so_when_a_sign_in_links_it() {
    let mut made = created(&Authority::Administrator);
    for remembered in [Some(true), None] {
        made.by_hand = remembered;
        let UserPlan::Change { after, .. } = replan(&made, &record("ada"), &sign_in()).unwrap() else { panic!() };
        assert_eq!((after.links.len(), after.by_hand), (1, Some(true)));
        assert!(matches!(replan(&after, &record("eve"), &scim("okta")), Err(Error::Owned { owner: None })));
    }
    assert_eq!(created(&sign_in()).by_hand, Some(false));
}

#[test]
fn the_origin_of_a_linked_account_is_unknown_only_where_it_was_not_remembered() {
    let mut user = created(&sign_in());
    assert!(!is_of_unknown_origin(&user));
    user.by_hand = None;
    assert!(is_of_unknown_origin(&user));
    user.links.clear();
    assert!(!is_of_unknown_origin(&user), "without a link it is an administrator's");
    user = created(&scim("okta"));
    user.by_hand = None;
    assert!(!is_of_unknown_origin(&user), "a source owns it");
}

#[test]
fn what_an_administrator_disabled_only_an_administrator_enables() {
    let takes_over = TakesOver::default();
    let pulled = Authority::Provisioning { source: source("corp"), exclusive: true, takes_over };
    for owner in [scim("okta"), pulled] {
        let mut off = record("ada");
        off.active = Some(false);
        let user = created(&owner);
        let UserPlan::Change { after: disabled, .. } = replan(&user, &off, &Authority::Administrator).unwrap() else {
            panic!()
        };
        assert_eq!(disabled.disabled_by_hand, Some(true));
        // A source may say that it is disabled too; that changes nothing about who enables it.
        assert_eq!(replan(&disabled, &off, &owner).unwrap(), UserPlan::Nothing);
        match replan(&disabled, &record("ada"), &owner) {
            Ok(plan) => assert_eq!((plan, owner.is_exclusive()), (UserPlan::Nothing, true)),
            Err(error) => assert!(matches!(error, Error::Disabled) && !owner.is_exclusive(), "{error}"),
        }
        let mut renamed = record("ada.l");
        renamed.active = None;
        let UserPlan::Change { after, .. } = replan(&disabled, &renamed, &owner).unwrap() else { panic!() };
        assert_eq!((after.status, after.disabled_by_hand), (Status::Inactive, Some(true)));
        let UserPlan::Change { after, kind, .. } =
            replan(&disabled, &record("ada"), &Authority::Administrator).unwrap()
        else {
            panic!()
        };
        assert_eq!((after.disabled_by_hand, kind), (None, EventKind::UserActivated));
        let UserPlan::Change { after, .. } = replan(&after, &off, &owner).unwrap() else { panic!() };
        assert_eq!(after.disabled_by_hand, None, "a source's word is not an administrator's");
    }
}

#[test]
fn an_administrator_who_disables_what_a_source_disabled_is_remembered() {
    let mut off = record("ada");
    off.active = Some(false);
    let mut user = created(&scim("okta"));
    user.status = Status::Inactive;
    let UserPlan::Change { after, fields, .. } = replan(&user, &off, &Authority::Administrator).unwrap() else {
        panic!()
    };
    assert_eq!((after.disabled_by_hand, fields), (Some(true), vec!["disabledByHand".to_owned()]));
    assert!(matches!(replan(&after, &record("ada"), &scim("okta")), Err(Error::Disabled)));
}
