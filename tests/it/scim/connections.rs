//! Several connections: what one of them may take over from the others.

use cleargate::directory::{Kind, SourceRecord};
use cleargate::model::Circumstance;
use serde_json::{Value, json};

use super::{GROUP, Ground, USER};
use crate::support::gateway::{TestGateway, record};

fn off() -> Value {
    json!([{"op": "replace", "path": "active", "value": false}])
}

#[tokio::test]
async fn a_connection_takes_over_what_it_was_told_to_and_owns_it_from_then_on() {
    let ground = Ground::new().with_connections(
        "[[scim]]\nid = \"okta\"\n[[scim]]\nid = \"hr\"\n[[scim]]\nid = \"entra\"\ntakes_over = [\"okta\"]",
    );
    let (okta, hr, entra) = (ground.client("okta").await, ground.client("hr").await, ground.client("entra").await);
    let user = format!("/Users/{}", okta.user("ada").await);
    let body = json!({"schemas": [GROUP], "displayName": "ops", "externalId": "g1"});
    let group = format!("/Groups/{}", okta.post("/Groups", &body).await.expect(201).id());
    let of_hr = format!("/Users/{}", hr.user("grace").await);

    entra.patch(&user, json!([{"op": "replace", "path": "title", "value": "Countess"}])).await.expect(200);
    entra.put(&group, &json!({"schemas": [GROUP], "displayName": "operators"})).await.expect(200);
    for path in [&user, &group] {
        let answer = okta.delete(path).await.expect_error(409, None);
        assert!(answer.body["detail"].as_str().unwrap().contains("entra"), "{}", answer.body);
    }
    let events = ground.events().await;
    let told = |kind: &str| {
        let event = events.iter().find(|event| event.kind.name() == kind).unwrap();
        assert!(event.actor.contains("entra"), "{event:?}");
        event.details.iter().find(|(name, _)| name == "taken_over_from").map(|(_, value)| value.clone())
    };
    assert_eq!((told("user.update").as_deref(), told("group.update").as_deref()), (Some("okta"), Some("okta")));

    // The old owner's name and id of the group are free; the new owner's are taken.
    assert!(okta.names("/Groups?filter=externalId+eq+%22g1%22").await.is_empty());
    okta.group("ops", &[]).await;
    let same = json!({"schemas": [GROUP], "displayName": "Operators"});
    entra.post("/Groups", &same).await.expect_error(409, Some("uniqueness"));
    entra.patch(&of_hr, off()).await.expect_error(409, None);
    entra.delete(&user).await.expect(204);
    entra.delete(&group).await.expect(204);
}

#[tokio::test]
async fn taking_over_moves_what_each_owns() {
    let ground =
        Ground::new().with_connections("[[scim]]\nid = \"okta\"\n[[scim]]\nid = \"entra\"\ntakes_over = [\"okta\"]");
    let (okta, entra) = (ground.client("okta").await, ground.client("entra").await);
    let users = [okta.user("ada").await, okta.user("grace").await];
    let group = okta.group("ops", &[]).await;
    let owned = async |source: &str| {
        let source = source.parse().unwrap();
        let (users, groups) =
            (ground.directory.count_owned(&source, Kind::Users), ground.directory.count_owned(&source, Kind::Groups));
        (users.await.unwrap(), groups.await.unwrap())
    };
    assert_eq!((owned("okta").await, owned("entra").await), ((2, 1), (0, 0)));
    entra.patch(&format!("/Users/{}", users[0]), off()).await.expect(200);
    entra.patch(&format!("/Groups/{group}"), json!([{"op": "replace", "path": "displayName", "value": "x"}])).await;
    assert_eq!((owned("okta").await, owned("entra").await), ((1, 0), (1, 1)));
    entra.delete(&format!("/Users/{}", users[0])).await.expect(204);
    entra.delete(&format!("/Users/{}", users[1])).await.expect(204);
    entra.delete(&format!("/Groups/{group}")).await.expect(204);
    assert_eq!((owned("okta").await, owned("entra").await), ((0, 0), (0, 0)));
}

#[tokio::test]
async fn an_administrator_kept_by_hand_is_out_of_reach_unless_that_is_said() {
    let ground = Ground::new().with_connections(
        "[[scim]]\nid = \"hr\"\n[[scim]]\nid = \"okta\"\ntakes_over = [\"hr\"]\n\
         [[scim]]\nid = \"owner\"\ntakes_over = [\"by-hand\"]",
    );
    let (okta, owner) = (ground.client("okta").await, ground.client("owner").await);
    let permit = ground.access.task_permit("test", None);
    let root = ground.directory.create_user(&permit, &record("root")).await.unwrap();
    // Signing in through a provider links the account, and leaves it in its administrators' hands.
    let sign_in = ground.access.sign_in_permit("entra".parse().unwrap(), Circumstance::default());
    let linked = |_: &cleargate::model::User, record: &mut SourceRecord| {
        record.external_id = Some("sub-1".to_owned());
        Ok::<(), cleargate::directory::Error>(())
    };
    ground.directory.change_user(&sign_in, root.id, None, linked).await.unwrap();
    let path = format!("/Users/{}", root.id);
    okta.patch(&path, off()).await.expect_error(409, None);
    okta.put(&path, &json!({"schemas": [USER], "userName": "root", "active": false})).await.expect_error(409, None);
    okta.delete(&path).await.expect_error(409, None);
    assert_eq!(ground.directory.load_user(root.id).await.unwrap().owner, None);
    owner.patch(&path, off()).await.expect(200);
    let event = ground.events().await.pop().unwrap();
    assert!(event.details.contains(&("taken_over_from".to_owned(), "by-hand".to_owned())), "{event:?}");
}

#[tokio::test]
async fn what_the_old_owners_rules_gave_goes_with_it() {
    let rule = |from: &str, role: &str| {
        format!("[[mapping]]\nfrom = \"{from}\"\nwhen = 'groups eq \"ops\"'\ngrant = {{ role = \"{role}\" }}\n")
    };
    let gateway = TestGateway::with(&format!(
        "[[scim]]\nid = \"hr\"\n[[scim]]\nid = \"okta\"\ntakes_over = [\"hr\"]\n{}{}",
        rule("hr", "administrator"),
        rule("okta", "browser")
    ))
    .await;
    let directory = gateway.gateway.directory();
    let (hr, okta) = (gateway.connection("hr").await, gateway.connection("okta").await);
    let (ada, grace) = (
        directory.create_user(&hr, &record("ada")).await.unwrap(),
        directory.create_user(&hr, &record("grace")).await.unwrap(),
    );
    let mut draft = cleargate::directory::GroupDraft {
        name: "ops".parse().unwrap(),
        external_id: None,
        attributes: Default::default(),
        members: Default::default(),
    };
    draft.members.add(cleargate::directory::Member::User(ada.id));
    draft.members.add(cleargate::directory::Member::User(grace.id));
    let group = directory.create_group(&hr, &draft).await.unwrap();
    let roles = async |user: cleargate::model::UserId| {
        let grants = gateway.gateway.access().grants().list(cleargate::model::Subject::User(user)).await.unwrap();
        grants.iter().map(|grant| grant.role.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        (roles(ada.id).await, roles(grace.id).await),
        (vec!["administrator".into()], vec!["administrator".into()])
    );
    directory.set_active(&okta, ada.id, false).await.unwrap();
    assert!(roles(ada.id).await.is_empty(), "okta owns her, and the group is of hr");
    let rename = |_: &cleargate::model::Group, draft: &mut cleargate::directory::GroupDraft| {
        draft.external_id = Some("g1".to_owned());
        Ok::<(), cleargate::directory::Error>(())
    };
    directory.change_group(&okta, group.id, None, rename).await.unwrap();
    assert_eq!(roles(ada.id).await, ["browser"], "both are of okta now");
    assert!(roles(grace.id).await.is_empty(), "she is of hr, the group is not");
}
