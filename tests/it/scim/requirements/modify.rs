//! RFC 7644 section 3.5: PUT and PATCH.

use http::Method;
use serde_json::{Value, json};

use super::super::score::Score;
use super::super::{Answer, Client, ENTERPRISE, GROUP, Ground, PATCH, USER, client};
use super::user_with;

/// A user, its address and a way to patch it.
struct Patient {
    client: Client,
    path: String,
}

impl Patient {
    async fn new(client: &Client, name: &str, extra: Value) -> Self {
        let id = user_with(client, name, extra).await.expect(201).id();
        Self { client: client.clone(), path: format!("/Users/{id}") }
    }

    async fn patch(&self, operations: Value) -> Answer {
        self.client.patch(&self.path, operations).await
    }

    async fn read(&self) -> Value {
        self.client.get(&self.path).await.expect(200).body
    }

    /// The answer's status, and what of the user is read afterwards.
    async fn after(&self, operations: Value, attribute: &str) -> (u16, Value) {
        let status = self.patch(operations).await.status;
        (status, self.read().await.pointer(attribute).cloned().unwrap_or_default())
    }
}

#[tokio::test]
async fn rfc_7644_section_3_5_1_put_replaces_what_may_be_written() {
    let client = client().await;
    let mut score = Score::default();
    let user = Patient::new(&client, "put", json!({"title": "old", "nickName": "old", "externalId": "e"})).await;
    let before = user.read().await;
    let put = async |extra: Value| {
        let mut body = json!({"schemas": [USER], "userName": "put"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        client.put(&user.path, &body).await
    };
    let after = put(json!({"title": "new", "displayName": "new"})).await;
    score.equal("PUT is answered with the resource", after.status, 200);
    score.equal("PUT replaces", &after.body["title"], &json!("new"));
    score.equal("PUT adds", &after.body["displayName"], &json!("new"));
    score.check("PUT takes away what it does not name", after.body.get("nickName").is_none(), &after.body);
    let after =
        put(json!({"id": "another", "meta": {"created": "1999-01-01T00:00:00Z"}, "groups": [{"value": "g"}]})).await;
    score.equal("readOnly in a PUT is no error", after.status, 200);
    score.equal("the id stays", &after.body["id"], &before["id"]);
    score.equal("the time of creation stays", &after.body["meta"]["created"], &before["meta"]["created"]);
    score.check("groups stay", after.body.get("groups").is_none(), &after.body);
    let nameless = client.put(&user.path, &json!({"schemas": [USER], "displayName": "no name"})).await;
    score.equal("PUT names what is required", nameless.status, 400);
    score.equal(
        "PUT created nothing",
        client.put("/Users/none", &json!({"schemas": [USER], "userName": "n"})).await.status,
        404,
    );
    let group = format!("/Groups/{}", client.group("put", &[]).await);
    let renamed = client.put(&group, &json!({"schemas": [GROUP], "displayName": "renamed"})).await;
    score.equal("PUT of a group too", (renamed.status, &renamed.body["displayName"]), (200, &json!("renamed")));
    score.finish(11);
}

#[tokio::test]
async fn rfc_7644_section_3_5_2_a_patch_is_a_message_of_operations() {
    let client = client().await;
    let mut score = Score::default();
    let user = Patient::new(&client, "form", json!({})).await;
    let add = json!([{"op": "add", "path": "nickName", "value": "n"}]);
    for (body, status) in [
        (json!({"schemas": [PATCH], "Operations": add}), 200),
        (json!({"Operations": add}), 400),
        (json!({"schemas": [USER], "Operations": add}), 400),
        (json!({"schemas": [PATCH]}), 400),
        (json!({"schemas": [PATCH], "Operations": []}), 400),
        (json!({"schemas": [PATCH], "Operations": {"op": "add"}}), 400),
        (json!({"schemas": [PATCH], "Operations": [{"path": "nickName", "value": "n"}]}), 400),
        (json!({"schemas": [PATCH], "Operations": [{"op": "move", "path": "nickName"}]}), 400),
        (json!({"schemas": [PATCH], "Operations": [{"op": "add", "path": "nickName"}]}), 400),
        (json!({"schemas": [PATCH], "Operations": [{"op": "add"}]}), 400),
        (json!({"schemas": [PATCH], "Operations": ["add"]}), 400),
    ] {
        let answer = client.send(Method::PATCH, &user.path, &[], body.to_string()).await;
        score.equal("a request has its form", (body, answer.status).1, status);
    }
    score.finish(11);
}

#[tokio::test]
async fn rfc_7644_section_3_5_2_mutability_holds_in_a_patch() {
    let client = client().await;
    let mut score = Score::default();
    let user = Patient::new(&client, "mutable", json!({"emails": [{"value": "a@x"}]})).await;
    for path in ["id", "meta", "meta.created", "groups", "groups.value", "meta.version"] {
        for op in ["add", "replace", "remove"] {
            let answer = user.patch(json!([{"op": op, "path": path, "value": "x"}])).await;
            score.equal(path, (answer.status, answer.body["scimType"].as_str()), (400, Some("mutability")));
        }
    }
    let without = user.patch(json!([{"op": "remove", "path": "userName"}])).await;
    score.equal(
        "what is required stays",
        (without.status, without.body["scimType"].as_str()),
        (400, Some("mutability")),
    );
    let taken = user.after(json!([{"op": "replace", "path": "displayName", "value": "d"}]), "/displayName").await;
    score.equal("what may be written is written", taken, (200, json!("d")));
    for (path, kind) in [
        ("nothing", "invalidPath"),
        ("name.nothing", "invalidPath"),
        ("emails[", "invalidPath"),
        ("emails[nothing eq 1]", "invalidFilter"),
    ] {
        let answer = user.patch(json!([{"op": "add", "path": path, "value": "x"}])).await;
        score.equal(path, (answer.status, answer.body["scimType"].as_str()), (400, Some(kind)));
    }
    score.finish(24);
}

#[tokio::test]
async fn rfc_7644_section_3_5_2_a_patch_is_done_as_a_whole() {
    let client = client().await;
    let mut score = Score::default();
    let user = Patient::new(&client, "whole", json!({"displayName": "before"})).await;
    let before = user.read().await;
    for failing in [
        json!({"op": "replace", "path": "id", "value": "x"}),
        json!({"op": "remove", "path": "userName"}),
        json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "x"}),
        json!({"op": "add", "path": "active", "value": "perhaps"}),
        json!({"op": "add", "path": "nothing", "value": 1}),
    ] {
        let operations = json!([{"op": "replace", "path": "displayName", "value": "after"}, failing,
            {"op": "add", "path": "title", "value": "after"}]);
        score.equal("a failing request fails", user.patch(operations).await.status, 400);
        score.equal("a failing request changes nothing", user.read().await, before.clone());
    }
    // Each operation sees what the one before it did.
    let order = json!([{"op": "add", "path": "title", "value": "1"}, {"op": "replace", "path": "title", "value": "2"},
        {"op": "remove", "path": "displayName"}, {"op": "add", "value": {"displayName": "3"}}]);
    score.equal("operations are done in their order", user.patch(order).await.status, 200);
    let read = user.read().await;
    score.equal(
        "operations are done in their order",
        (&read["title"], &read["displayName"]),
        (&json!("2"), &json!("3")),
    );
    score.finish(12);
}

#[tokio::test]
async fn rfc_7644_section_3_5_2_a_new_primary_value_replaces_the_old() {
    let client = client().await;
    let mut score = Score::default();
    let first = json!({"value": "first@x", "type": "work", "primary": true});
    let user = Patient::new(&client, "primary", json!({"emails": [first]})).await;
    let primary = |emails: &Value| -> Vec<String> {
        let list = emails.as_array().unwrap().iter().filter(|email| email["primary"] == true);
        list.map(|email| email["value"].as_str().unwrap().to_owned()).collect()
    };
    let second = json!([{"value": "second@x", "type": "home", "primary": true}]);
    let (status, emails) = user.after(json!([{"op": "add", "path": "emails", "value": second}]), "/emails").await;
    score.equal("a second primary value is taken", status, 200);
    score.equal("the first is primary no more", primary(&emails), vec!["second@x".to_owned()]);
    let back = json!([{"op": "replace", "path": "emails[type eq \"work\"].primary", "value": true}]);
    let (status, emails) = user.after(back, "/emails").await;
    score.equal("primary is given back", (status, primary(&emails)), (200, vec!["first@x".to_owned()]));
    let both = json!([{"op": "replace", "path": "emails", "value": [{"value": "a", "primary": true}, {"value": "b", "primary": true}]}]);
    score.equal("two at once are refused", user.patch(both).await.status, 400);
    score.finish(4);
}

#[tokio::test]
async fn rfc_7644_section_3_5_2_1_add() {
    let ground = Ground::new();
    let client = ground.client("req").await;
    let mut score = Score::default();
    let user =
        Patient::new(&client, "add", json!({"displayName": "there", "emails": [{"value": "a@x", "type": "work"}]}))
            .await;
    let before = user.read().await;
    ground.wait();
    for same in [
        json!([{"op": "add", "path": "displayName", "value": "there"}]),
        json!([{"op": "add", "path": "emails", "value": [{"value": "a@x", "type": "work"}]}]),
        json!([{"op": "add", "value": {"displayName": "there"}}]),
        json!([{"op": "replace", "path": "displayName", "value": "there"}]),
    ] {
        score.equal("what is there already is no change", user.patch(same).await.status, 200);
        score.equal("no change is no new time", &user.read().await["meta"], &before["meta"]);
    }
    for (operations, attribute, expected) in [
        (json!([{"op": "add", "path": "title", "value": "t"}]), "/title", json!("t")),
        (json!([{"op": "add", "path": "title", "value": "u"}]), "/title", json!("u")),
        (json!([{"op": "add", "path": "name", "value": {"givenName": "G"}}]), "/name", json!({"givenName": "G"})),
        (
            json!([{"op": "add", "path": "name", "value": {"familyName": "F"}}]),
            "/name",
            json!({"familyName": "F", "givenName": "G"}),
        ),
        (json!([{"op": "add", "path": "name.middleName", "value": "M"}]), "/name/middleName", json!("M")),
        (json!([{"op": "add", "value": {"nickName": "n", "locale": "cy"}}]), "/nickName", json!("n")),
        (json!([{"op": "add", "path": "emails", "value": {"value": "b@x"}}]), "/emails/1", json!({"value": "b@x"})),
        (
            json!([{"op": "add", "path": "emails", "value": [{"value": "c@x"}, {"value": "d@x"}]}]),
            "/emails/3",
            json!({"value": "d@x"}),
        ),
        (
            json!([{"op": "add", "path": format!("{ENTERPRISE}:department"), "value": "d"}]),
            "/schemas/1",
            json!(ENTERPRISE),
        ),
        (json!([{"op": "add", "path": format!("{USER}:title"), "value": "v"}]), "/title", json!("v")),
    ] {
        score.equal("add adds", user.after(operations, attribute).await, (200, expected));
    }
    score.finish(18);
}

#[tokio::test]
async fn rfc_7644_section_3_5_2_2_remove() {
    let client = client().await;
    let mut score = Score::default();
    let emails =
        json!([{"value": "a@x", "type": "work"}, {"value": "b@x", "type": "home"}, {"value": "c@x", "type": "home"}]);
    let extra = json!({"schemas": [USER, ENTERPRISE], "displayName": "d", "name": {"givenName": "G", "familyName": "F"},
        "emails": emails, "phoneNumbers": [{"value": "1"}], ENTERPRISE: {"department": "d"}});
    let user = Patient::new(&client, "remove", extra).await;
    for (path, attribute, expected) in [
        ("displayName", "/displayName", Value::Null),
        ("displayName", "/displayName", Value::Null),
        ("name.givenName", "/name", json!({"familyName": "F"})),
        ("name", "/name", Value::Null),
        ("phoneNumbers", "/phoneNumbers", Value::Null),
        ("emails[value eq \"b@x\"]", "/emails", json!([emails[0], emails[2]])),
        ("emails[type eq \"work\"].type", "/emails/0", json!({"value": "a@x"})),
        ("emails[type eq \"home\"]", "/emails", json!([{"value": "a@x"}])),
        ("emails[value eq \"a@x\"]", "/emails", Value::Null),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "/schemas", json!([USER])),
    ] {
        score.equal(path, user.after(json!([{"op": "remove", "path": path}]), attribute).await, (200, expected));
    }
    let nowhere = user.patch(json!([{"op": "remove"}])).await;
    score.equal("remove needs a path", (nowhere.status, nowhere.body["scimType"].as_str()), (400, Some("noTarget")));
    score.finish(11);
}

#[tokio::test]
async fn rfc_7644_section_3_5_2_3_replace() {
    let client = client().await;
    let mut score = Score::default();
    let extra = json!({"title": "old", "name": {"givenName": "G", "familyName": "F"},
        "emails": [{"value": "a@x", "type": "work"}, {"value": "b@x", "type": "home"}, {"value": "c@x", "type": "home"}]});
    let user = Patient::new(&client, "replace", extra).await;
    for (operations, attribute, expected) in [
        (json!([{"op": "replace", "path": "title", "value": "new"}]), "/title", json!("new")),
        (json!([{"op": "replace", "path": "nickName", "value": "n"}]), "/nickName", json!("n")),
        (json!([{"op": "replace", "value": {"locale": "cy", "title": "newer"}}]), "/title", json!("newer")),
        (
            json!([{"op": "replace", "path": "name", "value": {"givenName": "H"}}]),
            "/name",
            json!({"givenName": "H", "familyName": "F"}),
        ),
        (json!([{"op": "replace", "path": "name.familyName", "value": "I"}]), "/name/familyName", json!("I")),
        (
            json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "w@x"}]),
            "/emails/0/value",
            json!("w@x"),
        ),
        // Every value that matches is replaced.
        (
            json!([{"op": "replace", "path": "emails[type eq \"home\"].display", "value": "h"}]),
            "/emails/2/display",
            json!("h"),
        ),
        (
            json!([{"op": "replace", "path": "emails[value eq \"b@x\"]", "value": {"value": "z@x", "type": "other"}}]),
            "/emails/1/type",
            json!("other"),
        ),
        (
            json!([{"op": "replace", "path": "emails", "value": [{"value": "only@x"}]}]),
            "/emails",
            json!([{"value": "only@x"}]),
        ),
    ] {
        score.equal("replace replaces", user.after(operations, attribute).await, (200, expected));
    }
    let before = user.read().await;
    for path in ["emails[type eq \"none\"].value", "emails[value eq \"none\"]", "phoneNumbers[type eq \"work\"].value"]
    {
        let answer = user.patch(json!([{"op": "replace", "path": path, "value": "x"}])).await;
        score.equal(path, (answer.status, answer.body["scimType"].as_str()), (400, Some("noTarget")));
    }
    score.equal("what has no target changes nothing", user.read().await, before);
    score.finish(13);
}
