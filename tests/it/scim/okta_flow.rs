//! The flow by which Okta admits an integration: twelve requests and the fifty-two things that must be so. The requests
//! are written as Okta's agent writes them: a media type with a charset, and one body as plain JSON.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::score::Score;
use super::{Answer, Client, ERROR, LIST, USER, client, encoded};

/// Okta gives a list 600 ms. This is a bound for a busy machine that builds; the benchmarks hold the real figure.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a user must have so that Okta can import it.
const IMPORTED: [&str; 5] = ["/name/familyName", "/name/givenName", "/userName", "/active", "/emails/0/value"];

async fn ask(client: &Client, path: &str) -> Answer {
    let headers = [
        ("accept", "application/scim+json"),
        ("accept-charset", "utf-8"),
        ("content-type", "application/scim+json; charset=utf-8"),
        ("user-agent", "OKTA SCIM Integration"),
    ];
    client.send(Method::GET, path, &headers, "").await
}

async fn create(client: &Client, body: &Value) -> Answer {
    let headers = [("accept", "application/scim+json; charset=utf-8"), ("content-type", "application/json")];
    client.send(Method::POST, "/Users", &headers, body.to_string()).await
}

fn named(name: &str) -> String {
    format!("/Users?filter={}", encoded(&format!("userName eq \"{name}\"")))
}

fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn lists(answer: &Answer, urn: &str) -> bool {
    answer.body["schemas"].as_array().is_some_and(|urns| urns.contains(&json!(urn)))
}

fn person(given: &str, family: &str) -> Value {
    json!({
        "schemas": [USER], "userName": format!("{given}.{family}@flow.example"), "active": true,
        "displayName": format!("{given} {family}"), "name": {"givenName": given, "familyName": family},
        "emails": [{"primary": true, "type": "work", "value": format!("{given}.{family}@flow.example")}],
    })
}

/// Whoever is there already is listed and read with everything that an import needs.
async fn existing_users_are_read(client: &Client, score: &mut Score) {
    let page = ask(client, "/Users?count=1&startIndex=1").await;
    score.equal("a page is answered", page.status, 200);
    score.is_there("a page has resources", &page.body["Resources"]);
    score.check("a page is a list response", lists(&page, LIST), &page.body);
    for number in ["itemsPerPage", "startIndex", "totalResults"] {
        score.check("a page counts in whole numbers", page.body[number].is_u64(), (number, &page.body));
    }
    let first = page.body["Resources"][0].clone();
    score.is_there("a listed user has an id", &first["id"]);
    for pointer in IMPORTED {
        score.is_there("a listed user has what an import needs", at(&first, pointer));
    }
    let id = first["id"].as_str().unwrap_or_default();
    let user = ask(client, &format!("/Users/{id}")).await;
    score.equal("a listed user is read by its id", user.status, 200);
    score.is_there("a user has an id", &user.body["id"]);
    for pointer in IMPORTED {
        score.is_there("a user has what an import needs", at(&user.body, pointer));
    }
    score.equal("a user has the id that it was asked for by", user.body["id"].as_str(), Some(id));
}

/// Who is not there is no error as a list, and an error as an address.
async fn nobody_is_found(client: &Client, score: &mut Score, newcomer: &str) {
    let nobody = ask(client, &named("nobody@elsewhere.example")).await;
    score.equal("a search without result is answered", nobody.status, 200);
    score.check("a search without result is a list response", lists(&nobody, LIST), &nobody.body);
    score.equal("a search without result counts none", &nobody.body["totalResults"], &json!(0));
    let unknown = ask(client, "/Users/77001122334455667788").await;
    score.equal("an unknown id is not found", unknown.status, 404);
    score.is_there("an unknown id is explained", &unknown.body["detail"]);
    score.check("an unknown id is a SCIM error", lists(&unknown, ERROR), &unknown.body);
    let free = ask(client, &named(newcomer)).await;
    score.equal("a free name is looked up", free.status, 200);
    score.equal("a free name is nobody's", &free.body["totalResults"], &json!(0));
    score.check("a free name is looked up in a list response", lists(&free, LIST), &free.body);
}

/// A user is created once.
async fn a_user_is_created(client: &Client, score: &mut Score, body: &Value) {
    let created = create(client, body).await;
    score.equal("a user is created", created.status, 201);
    score.equal("a new user is active", &created.body["active"], &json!(true));
    score.is_there("a new user has an id", &created.body["id"]);
    score.equal("a new user keeps its family name", &created.body["name"]["familyName"], &body["name"]["familyName"]);
    score.equal("a new user keeps its given name", &created.body["name"]["givenName"], &body["name"]["givenName"]);
    score.check("a new user has its schema", lists(&created, USER), &created.body);
    score.equal("a new user keeps its login name", &created.body["userName"], &body["userName"]);
    let read = ask(client, &format!("/Users/{}", created.body["id"].as_str().unwrap_or_default())).await;
    score.equal("a new user is read", read.status, 200);
    score.equal("a read user has its login name", &read.body["userName"], &body["userName"]);
    score.equal("a read user has its family name", &read.body["name"]["familyName"], &body["name"]["familyName"]);
    score.equal("a read user has its given name", &read.body["name"]["givenName"], &body["name"]["givenName"]);
    score.equal("a user is not created twice", create(client, body).await.status, 409);
    let capitals = body["userName"].as_str().unwrap_or_default().to_uppercase();
    score.equal("a name is looked up in capitals", ask(client, &named(&capitals)).await.status, 200);
}

/// Groups are listed; strangers and unknown addresses get SCIM errors.
async fn groups_and_errors(client: &Client, score: &mut Score) {
    let began = Instant::now();
    let groups = ask(client, "/Groups").await;
    score.equal("groups are listed", groups.status, 200);
    score.check("groups are listed without delay", began.elapsed() < PATIENCE, began.elapsed());
    let headers = [("authorization", "not-a-token"), ("accept", "application/scim+json")];
    let stranger = Client { token: None, ..client.clone() };
    for (answer, status) in [
        (stranger.send(Method::GET, &named("anybody"), &headers, "").await, 401),
        (ask(client, "/Users/00998877665544").await, 404),
    ] {
        score.equal("an error has its status", answer.status, status);
        score.is_there("an error is explained", &answer.body["detail"]);
        score.equal("an error says its status as text", &answer.body["status"], &json!(status.to_string()));
        score.check("an error is a SCIM error", lists(&answer, ERROR), &answer.body);
    }
}

#[tokio::test]
async fn every_check_of_the_admission_flow_holds() {
    let client = client().await;
    client.post("/Users", &person("Grace", "Hopper")).await.expect(201);
    let newcomer = person("Jean", "Bartik");
    let mut score = Score::default();
    existing_users_are_read(&client, &mut score).await;
    nobody_is_found(&client, &mut score, newcomer["userName"].as_str().unwrap()).await;
    a_user_is_created(&client, &mut score, &newcomer).await;
    groups_and_errors(&client, &mut score).await;
    score.finish(52);
}
