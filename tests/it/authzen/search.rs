//! Searches: pages, what is not looked at, what is refused.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Asker, Ground, names, person, question, refused};

const SUBJECTS: &str = "/access/v1/search/subject";

fn who(action: &str, resource: Value) -> Value {
    json!({"subject": {"type": "user"}, "action": {"name": action}, "resource": resource})
}

fn record() -> Value {
    json!({"type": "record", "id": "1"})
}

/// Walks the pages of a search; the results of each.
async fn pages(asker: &Asker, path: &str, mut asked: Value, limit: usize) -> Vec<Vec<String>> {
    asked["page"] = json!({"limit": limit});
    let mut pages = Vec::new();
    loop {
        let answer = asker.ask(path, asked.clone()).await;
        assert_eq!(answer["page"]["count"], answer["results"].as_array().unwrap().len());
        pages.push(names(&answer));
        let token = answer["page"]["next_token"].as_str().unwrap();
        if token.is_empty() {
            return pages;
        }
        assert!(pages.len() < 100, "the search has no end");
        asked["page"] = json!({"token": token, "unknown": 1});
    }
}

#[tokio::test]
async fn pages_hold_what_was_asked_for_and_together_everything_once() {
    let ground = Ground::new().await;
    let mut expected = Vec::new();
    for number in 0..7 {
        let name = format!("user-{number}");
        ground.user(&name, if number == 3 { &[] } else { &["reader"] }).await;
        expected.extend((number != 3).then_some(name));
    }
    let asker = ground.application(&["decisions:read", "users:read"]).await;
    for limit in [1, 2, 3, 6, 7, 500] {
        let pages = pages(&asker, SUBJECTS, who("read", record()), limit).await;
        assert!(pages.iter().all(|page| page.len() <= limit));
        assert_eq!(pages.concat(), expected, "{limit}");
    }
    let ada = ground.user("ada", &["reader", "writer@department:it", "remover@department:legal"]).await;
    let places = question("ada", "read", json!({"type": "record"}));
    let found = pages(&asker, "/access/v1/search/resource", places, 1).await;
    assert!(found.iter().all(|page| page.len() <= 1));
    assert_eq!(found.concat(), ["*", "department:it"], "an override in department:legal takes reading away");
    ground.grant(&ada, "remover").await;
    let what = json!({"subject": person("ada"), "resource": record()});
    assert_eq!(pages(&asker, "/access/v1/search/action", what, 1).await, [["delete"], ["read"]]);
}

#[tokio::test]
async fn a_page_of_none_says_whether_there_are_any() {
    let ground = Ground::new().await;
    ground.user("ada", &["reader"]).await;
    let asker = ground.application(&["decisions:read", "users:read"]).await;
    for (path, mut asked) in [
        (SUBJECTS, who("read", record())),
        ("/access/v1/search/resource", question("ada", "read", json!({"type": "record"}))),
        ("/access/v1/search/action", json!({"subject": person("ada"), "resource": record()})),
    ] {
        asked["page"] = json!({"limit": 0});
        let answer = asker.ask(path, asked).await;
        assert_eq!(answer["results"], json!([]));
        assert_ne!(answer["page"]["next_token"], "", "{path}");
    }
}

#[tokio::test]
async fn what_is_searched_for_needs_no_id_and_has_none() {
    let ground = Ground::new().await;
    ground.user("ada", &["reader"]).await;
    ground.user("bob", &["reader"]).await;
    let asker = ground.application(&["decisions:read", "users:read"]).await;
    for id in [json!("ada"), json!("nobody"), json!(7), json!(null)] {
        let mut asked = who("read", record());
        asked["subject"]["id"] = id.clone();
        assert_eq!(asker.finds("subject", asked).await, ["ada", "bob"]);
        let places = question("ada", "read", json!({"type": "record", "id": id}));
        assert_eq!(asker.finds("resource", places).await, ["*"]);
        let mut what = json!({"subject": person("ada"), "resource": record()});
        what["action"] = id;
        assert_eq!(asker.finds("action", what).await, ["read"]);
    }
    let results = asker.ask(SUBJECTS, who("read", record())).await;
    assert_eq!(results["results"][0], json!({"type": "user", "id": "ada"}), "and nothing else");
}

#[tokio::test]
async fn what_is_unknown_finds_nothing() {
    let ground = Ground::new().await;
    ground.user("ada", &["reader"]).await;
    let asker = ground.application(&["decisions:read", "users:read"]).await;
    let none: [&str; 0] = [];
    assert_eq!(asker.finds("subject", who("fly", record())).await, none);
    assert_eq!(asker.finds("subject", who("read", json!({"type": "spaceship", "id": "1"}))).await, none);
    let mut robots = who("read", record());
    robots["subject"]["type"] = json!("spaceship");
    assert_eq!(asker.finds("subject", robots).await, none);
    for (user, kind) in [("eve", "record"), ("ada", "spaceship")] {
        assert_eq!(asker.finds("resource", question(user, "read", json!({"type": kind}))).await, none);
        let what = json!({"subject": person(user), "resource": {"type": kind, "id": "1"}});
        assert_eq!(asker.finds("action", what).await, none);
    }
}

#[tokio::test]
async fn what_is_no_search_is_refused() {
    let ground = Ground::new().await;
    let asker = ground.application(&["decisions:read", "users:read"]).await;
    let without = |mut asked: Value, entity: &str, member: Option<&str>| {
        match member {
            Some(member) => asked[entity].as_object_mut().unwrap().remove(member).unwrap(),
            None => asked.as_object_mut().unwrap().remove(entity).unwrap(),
        };
        asked
    };
    let subject = who("read", record());
    let resource = question("ada", "read", json!({"type": "record"}));
    let action = json!({"subject": person("ada"), "resource": record()});
    for (kind, asked) in [
        ("subject", without(subject.clone(), "subject", None)),
        ("subject", without(subject.clone(), "subject", Some("type"))),
        ("subject", without(subject.clone(), "action", None)),
        ("subject", without(subject.clone(), "action", Some("name"))),
        ("subject", without(subject.clone(), "resource", None)),
        ("subject", without(subject, "resource", Some("id"))),
        ("resource", without(resource.clone(), "subject", None)),
        ("resource", without(resource.clone(), "subject", Some("id"))),
        ("resource", without(resource.clone(), "action", None)),
        ("resource", without(resource.clone(), "resource", None)),
        ("resource", without(resource, "resource", Some("type"))),
        ("action", without(action.clone(), "subject", None)),
        ("action", without(action.clone(), "subject", Some("id"))),
        ("action", without(action.clone(), "resource", None)),
        ("action", without(action, "resource", Some("id"))),
    ] {
        refused(&asker.post(&format!("/access/v1/search/{kind}"), &asked).await, 400);
    }
    for page in [json!(null), json!([]), json!({"limit": -1}), json!({"limit": "1"}), json!({"token": 1})] {
        let mut asked = who("read", record());
        asked["page"] = page;
        assert!(refused(&asker.post(SUBJECTS, &asked).await, 400).contains("`page"));
    }
}

#[tokio::test]
async fn a_token_is_good_for_its_own_search_and_caller_for_a_while() {
    let ground = Ground::new().await;
    for name in ["ada", "bob", "cleo"] {
        ground.user(name, &["writer"]).await;
    }
    let asker = ground.application(&["decisions:read", "users:read"]).await;
    let other = ground.application(&["decisions:read", "users:read"]).await;
    let mut asked = who("read", record());
    asked["page"] = json!({"limit": 1});
    let token = asker.ask(SUBJECTS, asked.clone()).await["page"]["next_token"].as_str().unwrap().to_owned();
    asked["page"] = json!({"token": token, "limit": 1});
    assert_eq!(names(&asker.ask(SUBJECTS, asked.clone()).await), ["bob"]);
    assert_eq!(names(&asker.ask(SUBJECTS, asked.clone()).await), ["bob"], "the same again");
    refused(&other.post(SUBJECTS, &asked).await, 400);
    for (member, value) in [
        ("action", json!({"name": "write"})),
        ("resource", json!({"type": "record", "id": "2"})),
        ("context", json!({"ip": "10.0.0.1"})),
        ("page", json!({"token": token, "limit": 2})),
        ("page", json!({"token": format!("{token}A")})),
    ] {
        let mut changed = asked.clone();
        changed[member] = value;
        refused(&asker.post(SUBJECTS, &changed).await, 400);
    }
    asked["subject"]["id"] = json!("not looked at");
    asked["unknown"] = json!(true);
    assert_eq!(names(&asker.ask(SUBJECTS, asked.clone()).await), ["bob"]);
    ground.test.advance(Duration::from_secs(3_601));
    refused(&asker.post(SUBJECTS, &asked).await, 400);
}

#[tokio::test]
async fn a_walk_over_many_people_stops_and_says_where_to_go_on() {
    let ground = Ground::new().await;
    for number in 0..1_150 {
        ground.test.user(&format!("user-{number:04}"), None).await;
    }
    ground.user("last", &["reader"]).await;
    let asker = ground.application(&["decisions:read", "users:read"]).await;
    // Who owns the object is looked at user by user; who was granted something is found by the grants.
    let mut owned = record();
    owned["properties"] = json!({"owner": "nobody"});
    assert_eq!(pages(&asker, SUBJECTS, who("read", record()), 10).await, [["last"]]);
    let found = pages(&asker, SUBJECTS, who("read", owned), 10).await;
    assert_eq!(found.concat(), ["last"]);
    assert!(found.len() <= 3, "{} pages", found.len());
}
