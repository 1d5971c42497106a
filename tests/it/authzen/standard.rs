//! What the standard says beside its scenarios: options that nobody knows, failures in each semantic, searches through groups,
//! pages that say nothing.

use cleargate::access::NewGrant;
use cleargate::directory::{GroupDraft, Member, MemberChange};
use cleargate::model::{Attributes, Subject};
use serde_json::{Value, json};

use super::{EVALUATIONS, Ground, names, person, question};

fn record(id: &str) -> Value {
    json!({"type": "record", "id": id})
}

/// Section 7.1.2: `options` is for whatever a caller likes to say; only the semantic means something here.
#[tokio::test]
async fn options_that_are_not_known_change_nothing() {
    let ground = Ground::new().await;
    ground.user("ada", &["reader"]).await;
    let asker = ground.application(&["decisions:read"]).await;
    let entries = json!([{"action": {"name": "write"}}, {}]);
    for options in
        [json!({}), json!({"another_option": "value"}), json!({"evaluation_semantics": "deny_on_first_deny"})]
    {
        let mut asked = question("ada", "read", record("1"));
        asked["evaluations"] = entries.clone();
        asked["options"] = options.clone();
        assert_eq!(asker.batch(asked).await, [false, true], "{options}");
    }
}

/// Section 7.2.1: a failure of one entry is a denial of that entry, whichever way the batch is to stop.
#[tokio::test]
async fn an_entry_that_fails_stops_at_the_first_denial_and_does_not_stop_at_the_first_permit() {
    let ground = Ground::new().await;
    ground.user("ada", &["reader"]).await;
    let asker = ground.application(&["decisions:read"]).await;
    let broken = json!({"resource": {"type": "record"}});
    for (semantic, expected) in [
        ("execute_all", vec![false, true, true]),
        ("deny_on_first_deny", vec![false]),
        ("permit_on_first_permit", vec![false, true]),
    ] {
        let mut asked = question("ada", "read", record("1"));
        asked["evaluations"] = json!([broken, {}, {}]);
        asked["options"] = json!({"evaluations_semantic": semantic});
        let answer = asker.ask(EVALUATIONS, asked.clone()).await;
        assert_eq!(answer["evaluations"][0]["context"]["error"]["status"], 400, "{answer}");
        assert_eq!(asker.batch(asked).await, expected, "{semantic}");
    }
}

/// Section 8.1: who may by a group in a group is found, and what is found is permitted when it is asked about, in each place.
#[tokio::test]
async fn searches_go_through_groups_in_groups_and_agree_with_the_evaluation() {
    let ground = Ground::new().await;
    let (ada, bob) = (ground.user("ada", &[]).await, ground.user("bob", &["writer@department:it"]).await);
    ground.user("eve", &["remover"]).await;
    let (directory, access) = (ground.test.gateway.directory(), ground.test.gateway.access());
    let group = async |name: &str, member: Member| {
        let mut members = MemberChange::default();
        members.add(member);
        let name = name.parse().unwrap();
        let draft = GroupDraft { name, external_id: None, attributes: Attributes::default(), members };
        directory.create_group(&ground.test.task(), &draft).await.unwrap().id
    };
    let inner = group("Inner", Member::User(ada.id)).await;
    let middle = group("Middle", Member::Group(inner)).await;
    let outer = group("Outer", Member::Group(middle)).await;
    let grant = NewGrant::new(Subject::Group(outer), "reader".parse().unwrap());
    access.grants().create(&ground.test.task(), &access.roles(), grant).await.unwrap();
    let asker = ground.application(&["decisions:read", "users:read"]).await;
    for (action, resource, expected) in [
        ("read", record("1"), vec!["ada"]),
        ("read", record("department:it"), vec!["ada", "bob"]),
        ("write", record("department:it"), vec!["bob"]),
        ("delete", record("department:it"), vec!["eve"]),
    ] {
        let who = json!({"subject": {"type": "user"}, "action": {"name": action}, "resource": resource});
        assert_eq!(asker.finds("subject", who).await, expected, "{action} {resource}");
        for name in ["ada", "bob", "eve"] {
            let asked = question(name, action, resource.clone());
            assert_eq!(asker.decides(asked).await, expected.contains(&name), "{name} {action} {resource}");
        }
    }
    assert_eq!(
        asker.finds("resource", question("ada", "read", json!({"type": "record"}))).await,
        ["*", "department:it"]
    );
    assert_eq!(asker.finds("action", json!({"subject": person("ada"), "resource": record("1")})).await, ["read"]);
    let of_bob = json!({"subject": person("bob"), "resource": record("department:it")});
    assert_eq!(asker.finds("action", of_bob).await, ["read", "write"]);
    assert_eq!(bob.user_name.as_str(), "bob");
}

/// Section 8.2: a page that says nothing, or what nobody knows, is the first one.
#[tokio::test]
async fn a_page_that_says_nothing_is_the_first_one() {
    let ground = Ground::new().await;
    for name in ["ada", "bob"] {
        ground.user(name, &["reader"]).await;
    }
    let asker = ground.application(&["decisions:read", "users:read"]).await;
    let mut asked = json!({"subject": {"type": "user"}, "action": {"name": "read"}, "resource": record("1")});
    for page in [json!({}), json!({"properties": {"sort": "name"}, "unknown": 1})] {
        asked["page"] = page.clone();
        let answer = asker.ask("/access/v1/search/subject", asked.clone()).await;
        assert_eq!(names(&answer), ["ada", "bob"], "{page}");
        assert_eq!(answer["page"]["next_token"], "", "{page}");
    }
}
