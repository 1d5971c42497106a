//! RFC 7644 sections 2 and 3 but for changes of resources: authentication, creation, reading, searching, deletion,
//! media types, projection, errors and versions.

use http::Method;
use serde_json::{Value, json};

use super::super::score::Score;
use super::super::{Answer, BASE, Client, ENTERPRISE, ERROR, GROUP, LIST, NOBODY, SEARCH, USER, client, encoded};
use super::{texts, user_with};

async fn find(client: &Client, filter: &str) -> Answer {
    client.get(&format!("/Users?filter={}", encoded(filter))).await
}

#[tokio::test]
async fn rfc_7644_section_2_strangers_are_told_how_to_authenticate() {
    let client = client().await;
    let mut score = Score::default();
    let paths = ["/Users", "/Users/1", "/Groups", "/Schemas", "/ServiceProviderConfig", "/Nothing", "/.search"];
    for token in [None, Some("cgs_wrong".to_owned())] {
        let stranger = Client { token, ..client.clone() };
        for path in paths {
            let answer = stranger.get(path).await;
            score.equal("a stranger is refused", answer.status, 401);
            score.check("a stranger is told the scheme", answer.header("www-authenticate").starts_with("Bearer"), path);
        }
    }
    score.finish(28);
}

#[tokio::test]
async fn rfc_7644_sections_3_1_and_3_12_errors_are_messages() {
    let client = client().await;
    let mut score = Score::default();
    let id = client.user("taken").await;
    let path = format!("/Users/{id}");
    let taken = json!({"schemas": [USER], "userName": "taken"});
    let unsound = json!({"schemas": [USER], "userName": 5});
    let remove = |path: &str| json!([{"op": "remove", "path": path}]);
    let stale = [("if-match", "W/\"99\"")];
    for (answer, status, scim_type) in [
        (client.get(&format!("/Users/{NOBODY}")).await, 404, None),
        (client.send(Method::POST, "/Users", &[], "{").await, 400, Some("invalidSyntax")),
        (client.post("/Users", &unsound).await, 400, Some("invalidValue")),
        (client.post("/Users", &taken).await, 409, Some("uniqueness")),
        (find(&client, "userName zz \"x\"").await, 400, Some("invalidFilter")),
        (client.patch(&path, remove("nothing")).await, 400, Some("invalidPath")),
        (client.patch(&path, remove("userName")).await, 400, Some("mutability")),
        (client.patch(&path, json!([{"op": "remove"}])).await, 400, Some("noTarget")),
        (client.send(Method::DELETE, &path, &stale, "").await, 412, None),
        (client.send(Method::DELETE, "/Schemas", &[], "").await, 405, None),
    ] {
        score.equal("an error has its status", answer.status, status);
        score.equal("an error is a message", texts(&answer.body["schemas"]), vec![ERROR]);
        score.equal("an error says its status as text", &answer.body["status"], &json!(status.to_string()));
        score.equal("an error has its type", answer.body["scimType"].as_str(), scim_type);
        score.is_there("an error is explained", &answer.body["detail"]);
        score.equal("an error is SCIM", answer.header("content-type"), "application/scim+json");
    }
    score.check("messages have their prefix", ERROR.starts_with("urn:ietf:params:scim:api:messages:"), ERROR);
    score.finish(61);
}

#[tokio::test]
async fn rfc_7644_sections_3_2_and_3_3_resources_are_created_by_post_alone() {
    let client = client().await;
    let mut score = Score::default();
    for (endpoint, kind, body) in [
        ("Users", "User", json!({"schemas": [USER], "userName": "once"})),
        ("Groups", "Group", json!({"schemas": [GROUP], "displayName": "once"})),
    ] {
        let put = client.put(&format!("/{endpoint}/{NOBODY}"), &body).await;
        score.equal("PUT creates nothing", put.status, 404);
        let mut own = body.clone();
        own["id"] = json!("own-id");
        own["meta"] = json!({"resourceType": "Wrong", "location": "https://elsewhere.example"});
        let created = client.post(&format!("/{endpoint}"), &own).await;
        score.equal("POST creates", created.status, 201);
        let id = created.body["id"].as_str().unwrap_or_default().to_owned();
        score.check("the answer is the resource", created.body.get("meta").is_some() && !id.is_empty(), &created.body);
        score.check("the client's id is passed over", id != "own-id", &id);
        let location = format!("{BASE}/{endpoint}/{id}");
        score.equal("the address is in the header", created.header("location"), location.as_str());
        score.equal("the address is in meta", &created.body["meta"]["location"], &json!(location));
        score.equal("meta has the endpoint's type", &created.body["meta"]["resourceType"], &json!(kind));
        let again = client.post(&format!("/{endpoint}"), &body).await;
        score.equal("a second one is a conflict", again.status, 409);
        score.equal("a conflict is of uniqueness", again.body["scimType"].as_str(), Some("uniqueness"));
    }
    score.finish(18);
}

#[tokio::test]
async fn rfc_7644_section_3_4_2_lists_are_list_responses() {
    let client = client().await;
    let mut score = Score::default();
    for name in ["a", "b", "c"] {
        client.user(name).await;
    }
    let list = client.get("/Users").await;
    score.equal("a list is a list response", texts(&list.body["schemas"]), vec![LIST]);
    score.equal("a list says how many there are", &list.body["totalResults"], &json!(3));
    let none = find(&client, "userName eq \"nobody\"").await;
    score.equal("nothing found is no error", none.status, 200);
    score.equal("nothing found counts none", &none.body["totalResults"], &json!(0));
    for (query, shown, start) in [
        ("startIndex=0", 3, 1),
        ("startIndex=-5", 3, 1),
        ("count=1", 1, 1),
        ("count=0", 0, 1),
        ("startIndex=3", 1, 3),
        ("count=-1", 0, 1),
    ] {
        let page = client.get(&format!("/Users?{query}")).await;
        score.equal("a page is answered", page.status, 200);
        score.equal("a page has no more than asked for", page.body["Resources"].as_array().map_or(0, Vec::len), shown);
        score.equal("a page starts at one or later", &page.body["startIndex"], &json!(start));
    }
    let most = client.get("/ServiceProviderConfig").await.body["filter"]["maxResults"].as_u64().unwrap();
    let many = client.get(&format!("/Users?count={}", most * 10)).await.expect(200);
    let shown = many.body["Resources"].as_array().map_or(0, Vec::len) as u64;
    score.check("no page is above the limit that is told", shown <= most, shown);
    score.finish(4 + 18 + 1);
}

#[tokio::test]
async fn rfc_7644_section_3_4_2_2_filters_follow_the_grammar() {
    let client = client().await;
    let mut score = Score::default();
    let extra = json!({"name": {"givenName": "Ada", "familyName": "L"}, "title": "Dr", "schemas": [USER, ENTERPRISE],
        "emails": [{"value": "ada@work", "type": "work"}, {"value": "ada@home", "type": "home"}], ENTERPRISE: {"department": "d"}});
    user_with(&client, "Ada", extra).await.expect(201);
    user_with(&client, "Bob", json!({"active": false})).await.expect(201);
    for (filter, found) in [
        ("userName eq \"Ada\"", 1),
        ("userName eq \"ADA\"", 1),
        ("USERNAME EQ \"ada\"", 1),
        ("name.givenName pr", 1),
        ("not (name.givenName pr)", 1),
        ("title co \"r\" and active eq true", 1),
        ("title eq \"Dr\" or userName sw \"b\"", 2),
        ("not (title eq \"Dr\" or userName sw \"b\")", 0),
        ("(title eq \"x\" or title eq \"Dr\") and not (active eq false)", 1),
        ("title pr or title eq \"x\" and userName eq \"Bob\"", 1),
        ("emails[type eq \"work\" and value ew \"work\"]", 1),
        ("emails[type eq \"home\" and value ew \"work\"]", 0),
        ("emails co \"home\"", 1),
        ("urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"bob\"", 1),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"D\"", 1),
        ("meta.created gt \"2011-05-13T04:42:34Z\"", 2),
        ("id pr", 2),
        ("active ne true", 1),
    ] {
        let answer = find(&client, filter).await;
        score.equal(filter, (answer.status, &answer.body["totalResults"]), (200, &json!(found)));
    }
    for filter in [
        "",
        "(((",
        "userName",
        "userName eq",
        "userName regex \"x\"",
        "active gt true",
        "active co \"t\"",
        "x509Certificates.value gt \"YQ==\"",
        "userName eq \"x",
        "eq \"x\"",
        "userName eq \"x\" and",
        "and",
        "emails[type eq \"work\"",
        "not userName eq \"x\"",
        "nothing eq \"x\"",
        "name.nothing eq \"x\"",
    ] {
        let answer = find(&client, filter).await;
        score.equal(filter, (answer.status, answer.body["scimType"].as_str()), (400, Some("invalidFilter")));
    }
    score.finish(34);
}

#[tokio::test]
async fn rfc_7644_section_3_4_2_3_lists_are_sorted() {
    let client = client().await;
    let mut score = Score::default();
    for (name, external) in [("alice", "b"), ("Bob", "A"), ("charlie", "a")] {
        user_with(&client, name, json!({"externalId": external})).await.expect(201);
    }
    for (query, expected) in [
        ("sortBy=userName", ["alice", "Bob", "charlie"]),
        ("sortBy=userName&sortOrder=ascending", ["alice", "Bob", "charlie"]),
        ("sortBy=userName&sortOrder=descending", ["charlie", "Bob", "alice"]),
        // A case-exact attribute has its capitals first.
        ("sortBy=externalId", ["Bob", "charlie", "alice"]),
    ] {
        score.equal(query, client.names(&format!("/Users?{query}")).await, expected.map(str::to_owned).to_vec());
    }
    score.finish(4);
}

#[tokio::test]
async fn rfc_7644_section_3_4_3_a_search_is_a_list() {
    let client = client().await;
    let mut score = Score::default();
    user_with(&client, "seen", json!({"title": "t"})).await.expect(201);
    let search = json!({"schemas": [SEARCH], "filter": "userName eq \"seen\"", "attributes": ["title"], "count": 5});
    for path in ["/Users/.search", "/.search"] {
        let answer = client.post(path, &search).await;
        score.equal("a search is answered", answer.status, 200);
        score.equal("a search is a list response", texts(&answer.body["schemas"]), vec![LIST]);
        score.equal("a search finds", &answer.body["Resources"][0]["title"], &json!("t"));
        score.check("a search shows what was asked for", answer.body["Resources"][0].get("userName").is_none(), path);
        let plain = client.post(path, &json!({"filter": "id pr"})).await;
        score.equal("a search says that it is one", plain.status, 400);
    }
    score.finish(10);
}

#[tokio::test]
async fn rfc_7644_section_3_6_what_is_deleted_is_gone() {
    let client = client().await;
    let mut score = Score::default();
    for (path, filter) in [
        (format!("/Users/{}", client.user("gone").await), "/Users?filter=userName+eq+%22gone%22"),
        (format!("/Groups/{}", client.group("gone", &[]).await), "/Groups?filter=displayName+eq+%22gone%22"),
    ] {
        let answer = client.delete(&path).await;
        score.equal("a deletion has no content", (answer.status, answer.body), (204, Value::Null));
        let body = json!({"schemas": [USER, GROUP], "userName": "gone", "displayName": "gone"});
        let patch = json!([{"op": "replace", "path": "displayName", "value": "back"}]);
        for answer in [
            client.get(&path).await,
            client.put(&path, &body).await,
            client.patch(&path, patch).await,
            client.delete(&path).await,
        ] {
            score.equal("what is deleted is not there", answer.status, 404);
        }
        score.equal("what is deleted is not listed", &client.get(filter).await.body["totalResults"], &json!(0));
    }
    let again = client.post("/Users", &json!({"schemas": [USER], "userName": "gone"})).await;
    score.equal("a name is free again", again.status, 201);
    score.finish(13);
}

#[tokio::test]
async fn rfc_7644_section_3_8_answers_are_scim_json_in_utf_8() {
    let client = client().await;
    let mut score = Score::default();
    for accept in ["application/scim+json", "application/json", "*/*", "application/scim+json; charset=utf-8"] {
        let answer = client.send(Method::GET, "/ServiceProviderConfig", &[("accept", accept)], "").await;
        score.equal("any client is answered", answer.status, 200);
        score.equal("an answer is SCIM", answer.header("content-type"), "application/scim+json");
    }
    let name = "Zoë Łukasiewicz 山田 🚀";
    let answer = user_with(&client, "utf8", json!({"displayName": name})).await;
    score.equal("text is UTF-8", &answer.body["displayName"], &json!(name));
    score.finish(9);
}

#[tokio::test]
async fn rfc_7644_sections_3_4_2_5_and_3_9_answers_show_what_was_asked_for() {
    let client = client().await;
    let mut score = Score::default();
    let extra = json!({"displayName": "d", "title": "t", "name": {"givenName": "g", "familyName": "f"}});
    let id = user_with(&client, "shown", extra).await.expect(201).id();
    for (query, expected) in [
        ("attributes=userName", vec!["id", "schemas", "userName"]),
        ("attributes=USERNAME,title", vec!["id", "schemas", "title", "userName"]),
        ("attributes=name.givenName", vec!["id", "name", "schemas"]),
        ("attributes=nothing", vec!["id", "schemas"]),
        ("attributes=", vec!["id", "schemas"]),
        (
            "excludedAttributes=id,schemas,meta,active",
            vec!["displayName", "id", "name", "schemas", "title", "userName"],
        ),
        ("excludedAttributes=displayName,meta,active,name", vec!["id", "schemas", "title", "userName"]),
        ("attributes=urn:ietf:params:scim:schemas:core:2.0:User:title", vec!["id", "schemas", "title"]),
    ] {
        let one = client.get(&format!("/Users/{id}?{query}")).await.body;
        let list = client.get(&format!("/Users?{query}")).await.body["Resources"][0].clone();
        for shown in [one, list] {
            let mut names: Vec<&str> = shown.as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            score.equal(query, names, expected.clone());
        }
    }
    let put = json!({"schemas": [USER], "userName": "shown", "title": "u"});
    let changed = client.put(&format!("/Users/{id}?attributes=title"), &put).await.body;
    score.equal("an answer to a change too", changed, json!({"schemas": [USER], "id": id, "title": "u"}));
    score.finish(17);
}

#[tokio::test]
async fn rfc_7644_sections_3_13_and_3_14_versions_are_kept() {
    let client = client().await;
    let mut score = Score::default();
    let user = user_with(&client, "versioned", json!({})).await.expect(201);
    let path = format!("/Users/{}", user.id());
    let read = client.get(&path).await;
    let version = read.header("etag").to_owned();
    score.check("a version is an entity tag", version.starts_with("W/\"") && version.ends_with('"'), &version);
    score.equal("a new user has the version that is read", user.header("etag"), version.as_str());
    let put = json!({"schemas": [USER], "userName": "versioned", "title": "t"}).to_string();
    let wrong = client.send(Method::PUT, &path, &[("if-match", "W/\"another\"")], put.clone()).await;
    score.equal("a wrong version is refused", wrong.status, 412);
    let right = client.send(Method::PUT, &path, &[("if-match", &version)], put.clone()).await;
    score.equal("the right version is taken", right.status, 200);
    score.check("a change is a new version", right.header("etag") != version, right.header("etag"));
    let stale = client.send(Method::PUT, &path, &[("if-match", &version)], put).await;
    score.equal("the old version is refused", stale.status, 412);
    let current = right.header("etag");
    let known = client.send(Method::GET, &path, &[("if-none-match", current)], "").await;
    score.equal("a known version is not sent again", (known.status, known.body), (304, Value::Null));
    let newer = client.send(Method::GET, &path, &[("if-none-match", &version)], "").await;
    score.equal("a newer version is sent", newer.status, 200);
    score.finish(8);
}
