//! Lists of people: what an index finds is what a look at everybody finds, in every order, page by page.

use std::collections::BTreeSet;

use cleargate::directory::{GroupDraft, Member, MemberChange, SourceRecord, Term, UserIndex, UserSort};
use cleargate::filter::Operator;
use cleargate::model::{Attributes, OrganisationId, User};
use cleargate::store::{Key, KeyWriter, Range, Table};
use cleargate::tasks::Tasks;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Client, Ground, good, refused};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const FAMILIES: [&str; 7] = ["Hopper", "Lovelace", "Löve", "Turing", "", "\u{ff21}dler", "hopper"];
const DEPARTMENTS: [&str; 4] = ["Finance", "finance", "Fin", "Sales"];
const PEOPLE: usize = 60;

/// Escapes what a query cannot hold.
fn query(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn people(ground: &Ground) -> Vec<User> {
    let (directory, permit) = (ground.test.gateway.directory(), ground.test.task());
    let mut users: Vec<User> = Vec::new();
    for number in 0..PEOPLE {
        let family = FAMILIES[number % FAMILIES.len()];
        let mut attributes = json!({
            "name": {"familyName": family, "givenName": format!("G{}", number % 5)},
            "emails": [{"value": format!("a{number}@x.example")}, {"value": format!("A{}@y.example", number % 9)}],
        });
        if number % 3 == 0 {
            attributes["displayName"] = json!(format!(" {family} {}", number % 4));
        }
        if number % 5 != 0 {
            let supervisor = users.get(number % 2).map(|user| user.id.to_string());
            attributes[ENTERPRISE] = json!({"department": DEPARTMENTS[number % 4], "manager": {"value": supervisor}});
        }
        let record = SourceRecord {
            external_id: None,
            user_name: format!("{}{number}", ["ann", "Anna", "bob"][number % 3]).parse().unwrap(),
            active: Some(number % 4 != 0),
            attributes: Attributes(attributes.as_object().unwrap().clone()),
        };
        users.push(directory.create_user(&permit, &record).await.unwrap());
        ground.test.advance(std::time::Duration::from_millis(700));
    }
    let mut members = MemberChange::default();
    users.iter().step_by(4).for_each(|user| members.add(Member::User(user.id)));
    let draft =
        GroupDraft { name: "Ops".parse().unwrap(), external_id: None, attributes: Attributes::default(), members };
    directory.create_group(&permit, &draft).await.unwrap();
    for user in users.iter().step_by(3) {
        ground.grant(user, "editor").await;
        ground.grant(user, "editor").await;
    }
    users
}

/// What happens to accounts afterwards: names, addresses and status change, some go.
async fn upset(ground: &Ground, users: &[User]) {
    let directory = ground.test.gateway.directory();
    for (number, user) in users.iter().enumerate().step_by(5) {
        ground.test.advance(std::time::Duration::from_secs(1));
        match number % 4 {
            0 => directory.delete_user(&ground.test.task(), user.id, None).await.unwrap(),
            1 => drop(directory.set_active(&ground.test.task(), user.id, number % 2 == 0).await.unwrap()),
            _ => {
                let path = format!("/api/v1/users/{}", user.id);
                let body = json!({"userName": format!("cleo{number}"), "last_name": "Hopp", "email": "z@x.example"});
                good(ground.root().patch(&path, body).await, StatusCode::OK);
            }
        }
    }
}

/// Everybody on a list, page by page; every page but the last has what was asked for, unless a filter cuts it.
async fn all(client: &Client, path: &str, limit: usize) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for _ in 0..200 {
        let page = good(client.get(&format!("/api/v1/users?limit={limit}{path}{cursor}")).await, StatusCode::OK);
        found.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
    panic!("the list {path} does not end");
}

fn names(users: &[Value]) -> Vec<&str> {
    users.iter().map(|user| user["userName"].as_str().unwrap()).collect()
}

fn filters(users: &[User]) -> Vec<String> {
    let middle = users[PEOPLE / 2].created.to_string();
    let mut filters: Vec<String> = [
        r#"userName eq "ANN3""#,
        r#"userName sw "ann""#,
        r#"userName sw "nobody""#,
        r#"email eq "A1@y.example""#,
        r#"emails.value sw "a""#,
        r#"emails sw "a1" and emails sw "a2""#,
        r#"emails[value sw "a3"]"#,
        r#"displayName eq "g1 lovelace""#,
        r#"displayName eq " hopper 0""#,
        r#"displayName sw "hopper""#,
        r#"displayName sw " hopper""#,
        r#"last_name sw "l\u00f6""#,
        r#"name.familyName eq "Adler""#,
        r#"name[familyName eq "hopper"]"#,
        r#"department eq "FINANCE""#,
        r#"department sw "fin""#,
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "Sales""#,
        r#"urn:example:department eq "Sales""#,
        r#"status eq "inactive""#,
        r#"status eq "Nothing""#,
        "active eq true",
        "active eq false",
        r#"groups.display eq "ops""#,
        r#"groups.value eq "ops""#,
        r#"role eq "editor""#,
        r#"role eq "emperor""#,
        r#"supervisor eq "somebody""#,
        r#"role eq "editor" and department sw "f" and not (userName co "2")"#,
        r#"userName sw "ann" and userName ge "anna2""#,
    ]
    .map(str::to_owned)
    .to_vec();
    filters.push(format!("created ge \"{middle}\""));
    filters.push(format!("created gt \"{middle}\" and created lt \"2030-01-01T00:00:00Z\""));
    filters.push(format!("created le \"{middle}\""));
    filters.push(format!("created eq \"{middle}\""));
    filters.push(format!("changed gt \"{middle}\" and status eq \"active\""));
    filters.push(format!("changed lt \"{middle}\" and changed gt \"{middle}\""));
    filters.push(format!("supervisor eq \"{}\"", users[1].id));
    filters.push(format!("id eq \"{}\"", users[1].id));
    filters
}

#[tokio::test]
async fn every_indexed_filter_and_order_shows_what_a_look_at_everybody_shows() {
    let ground = Ground::new().await;
    let users = people(&ground).await;
    upset(&ground, &users).await;
    let root = ground.root();
    let everybody = all(&root, "", 7).await;
    assert_eq!(everybody.len(), PEOPLE - 3);
    let mut selective = 0;
    for filter in filters(&users) {
        // No index is used for what is said so.
        let slow = all(&root, &format!("&filter={}", query(&format!("not (not ({filter}))"))), 500).await;
        selective += usize::from(!slow.is_empty() && slow.len() < everybody.len());
        let wanted: BTreeSet<&str> = names(&slow).into_iter().collect();
        for limit in [1, 7, 500] {
            let quick = all(&root, &format!("&filter={}", query(&filter)), limit).await;
            assert_eq!(quick.len(), slow.len(), "{filter} by {limit}: everybody once");
            assert_eq!(names(&quick).into_iter().collect::<BTreeSet<_>>(), wanted, "{filter} by {limit}");
        }
        for sort in ["userName", "displayName", "created", "changed", "status"] {
            let path = format!("&filter={}&sort={sort}", query(&filter));
            let up = all(&root, &path, 7).await;
            assert_eq!(names(&up).into_iter().collect::<BTreeSet<_>>(), wanted, "{filter} by {sort}");
            let mut down = all(&root, &format!("{path}&order=desc"), 5).await;
            down.reverse();
            assert_eq!(names(&down), names(&up), "{filter} by {sort}, from the end");
        }
    }
    assert!(selective > 20, "only {selective} filters find some and not all");
}

#[tokio::test]
async fn a_list_goes_along_the_index_that_leaves_the_fewest() {
    let ground = Ground::new().await;
    let users = people(&ground).await;
    let directory = ground.test.gateway.directory();
    let term = |index, operator, value: &str| Term { index, operator, value: value.to_owned(), source: None };
    let active = term(UserIndex::Status, Operator::Equal, "active");
    let since = term(UserIndex::Created, Operator::GreaterThan, &users[3].created.to_string());
    let named = term(UserIndex::UserName, Operator::StartsWith, "an");
    let finance = term(UserIndex::Department, Operator::Equal, "finance");
    let own = term(UserIndex::Id, Operator::Equal, &users[3].id.to_string());
    let contains = term(UserIndex::UserName, Operator::Contains, "n");
    for (terms, sort, expected) in [
        (vec![], None, "by creation"),
        (vec![&contains], None, "by creation"),
        (vec![&active], None, "by status"),
        (vec![&active, &since], None, "by created"),
        (vec![&active, &since, &named], None, "by userName"),
        (vec![&active, &since, &named, &finance], None, "by department"),
        (vec![&active, &since, &named, &finance, &own], None, "by id"),
        (vec![&finance, &contains], Some((UserSort::Changed, true)), "changed-"),
    ] {
        let terms: Vec<Term> = terms.into_iter().cloned().collect();
        assert_eq!(directory.way_to_users(&terms, sort, None).await.unwrap().name(), expected, "{terms:?}");
    }
}

#[tokio::test]
async fn a_sorted_list_is_in_its_order() {
    let ground = Ground::new().await;
    let users = people(&ground).await;
    upset(&ground, &users).await;
    for (sort, rank) in [
        ("userName", (|user| user["userName"].as_str().unwrap().to_lowercase()) as fn(&Value) -> String),
        ("created", |user| user["created"].as_str().unwrap().to_owned()),
        ("changed", |user| user["changed"].as_str().unwrap().to_owned()),
        ("status", |user| user["status"].as_str().unwrap().replace("inactive", "z")),
    ] {
        let found: Vec<String> = all(&ground.root(), &format!("&sort={sort}"), 9).await.iter().map(rank).collect();
        assert!(found.is_sorted(), "{sort}: {found:?}");
    }
    let shown = all(&ground.root(), "&sort=displayName", 9).await;
    let fold = |user: &Value| user["displayName"].as_str().unwrap().trim().replace('\u{ff21}', "a").to_lowercase();
    assert!(shown.iter().map(fold).is_sorted(), "{:?}", shown.iter().map(fold).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_deep_page_goes_on_where_the_last_one_ended_while_people_come_and_go() {
    let ground = Ground::new().await;
    let users = people(&ground).await;
    let root = ground.root();
    let before = all(&root, "&sort=userName", 500).await;
    let mut found = Vec::new();
    let mut cursor = String::new();
    for round in 0.. {
        let page = good(root.get(&format!("/api/v1/users?sort=userName&limit=10{cursor}")).await, StatusCode::OK);
        found
            .extend(page["items"].as_array().unwrap().iter().map(|user| user["userName"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
        // The last one who was shown goes, and somebody comes who stands before everybody.
        let last = users.iter().find(|user| user.user_name.as_str() == found.last().unwrap()).unwrap();
        ground.test.gateway.directory().delete_user(&ground.test.task(), last.id, None).await.unwrap();
        ground.user(&format!("aaa{round}"), &[]).await;
    }
    assert_eq!(found, names(&before), "nobody is lost and nobody is shown twice");
}

#[tokio::test]
async fn a_cursor_is_for_its_caller_and_its_list() {
    let ground = Ground::new().await;
    people(&ground).await;
    let root = ground.root();
    let service = ground.service(&["users:read"]).await;
    let list = "/api/v1/users?limit=2&sort=userName&filter=active%20eq%20true";
    let next = good(root.get(list).await, StatusCode::OK)["next"].as_str().unwrap().to_owned();
    good(root.get(&format!("{list}&cursor={next}")).await, StatusCode::OK);
    good(root.get(&format!("{}&cursor={next}", list.replace("limit=2", "limit=9"))).await, StatusCode::OK);
    for (client, path) in [
        (&service, format!("{list}&cursor={next}")),
        (&root, format!("{list}&order=desc&cursor={next}")),
        (&root, format!("{}&cursor={next}", list.replace("userName", "created"))),
        (&root, format!("{}&cursor={next}", list.replace("true", "false"))),
        (&root, format!("/api/v1/users?cursor={next}")),
        (&root, format!("{list}&cursor={}", &next[1..])),
        (&root, format!("{list}&cursor={next}A")),
        (&root, format!("{list}&cursor={}", "A".repeat(5000))),
        (&root, format!("{list}&cursor={}", ground.test.task().actor())),
    ] {
        refused(&client.get(&path).await, 422, Some("cursor"));
    }
}

#[tokio::test]
async fn an_order_that_there_is_not_is_refused_with_the_nearest() {
    let ground = Ground::new().await;
    let reply = ground.root().get("/api/v1/users?sort=usernam").await;
    refused(&reply, 422, Some("sort"));
    assert!(reply.text.contains("did you mean `userName`?"), "{}", reply.text);
    refused(&ground.root().get("/api/v1/users?order=desc").await, 422, Some("order"));
    refused(&ground.root().get("/api/v1/users?sort=created&order=down").await, 422, Some("order"));
}

/// A key as stored.
struct Raw(Vec<u8>);

impl Key for Raw {
    fn write(&self, out: &mut KeyWriter) {
        out.fixed(&self.0);
    }
}

const FACETS: Table<Raw, ()> = Table::new(0x44, "user facets");
const FILLED: Table<str, ()> = Table::new(0x45, "user facets filled");

async fn rows(ground: &Ground) -> Vec<Vec<u8>> {
    let prefix = FACETS.prefix(OrganisationId::DEFAULT, &());
    let found = ground.test.gateway.ledger().store().range(Range::prefix(prefix, 50_000)).await.unwrap();
    found.into_iter().map(|(key, _)| key).collect()
}

#[tokio::test]
async fn a_store_of_an_earlier_release_gets_its_indexes_and_is_listed_the_long_way_until_then() {
    let ground = Ground::new().await;
    let users = people(&ground).await;
    let (directory, root) = (ground.test.gateway.directory(), ground.root());
    let filters = filters(&users);
    let expected = rows(&ground).await;
    let mut shown = Vec::new();
    for filter in &filters {
        shown.push(all(&root, &format!("&filter={}", query(filter)), 500).await.len());
    }
    // As a release before these rows left it.
    let mut change = ground.test.gateway.ledger().change();
    let prefix = FACETS.prefix(OrganisationId::DEFAULT, &()).len();
    expected.iter().for_each(|key| change.delete(&FACETS, OrganisationId::DEFAULT, &Raw(key[prefix..].to_vec())));
    change.delete(&FILLED, OrganisationId::DEFAULT, "users");
    change.commit_quietly(cleargate::audit::Housekeeping::Index).await.unwrap();
    assert!(directory.open_facets().await.unwrap(), "somebody has no rows");
    for (filter, shown) in filters.iter().zip(&shown) {
        assert_eq!(all(&root, &format!("&filter={}", query(filter)), 500).await.len(), *shown, "{filter}");
    }
    let refusal = root.get("/api/v1/users?sort=created").await;
    refused(&refusal, 503, None);
    assert_eq!(refusal.headers["retry-after"], "30");
    all(&root, "&sort=userName", 500).await;
    // Who changes before it is their turn loses nothing by it, nor does who is new.
    upset(&ground, &users[..20]).await;
    ground.user("late", &[]).await;
    let stopped = Tasks::new();
    stopped.stop();
    directory.fill_facets(&stopped.stopping()).await.unwrap();
    assert!(directory.open_facets().await.unwrap(), "a pass that was stopped goes on with the next start");
    assert!(directory.fill_facets(&Tasks::new().stopping()).await.unwrap() > 50);
    assert!(!directory.open_facets().await.unwrap());
    let filled = rows(&ground).await;
    for filter in &filters {
        let slow = all(&root, &format!("&filter={}", query(&format!("not (not ({filter}))"))), 500).await;
        let quick = all(&root, &format!("&filter={}&sort=created", query(filter)), 500).await;
        assert_eq!(quick.len(), slow.len(), "{filter}");
    }
    for user in directory.list_users::<Attributes>(None, 500).await.unwrap() {
        directory.delete_user(&ground.test.task(), user.id, None).await.unwrap();
    }
    assert_eq!(rows(&ground).await.len(), 0, "of {} rows none outlives its user", filled.len());
}

#[tokio::test]
async fn a_list_of_people_leaves_out_who_has_no_access_or_shows_nobody_else() {
    let ground = Ground::with("policy.pack = \"clearpoint-strategy\"").await;
    for (name, roles) in [("ada", &["editor"][..]), ("alan", &[]), ("grace", &["no_access"]), ("gone", &["no_access"])]
    {
        ground.user(name, roles).await;
    }
    good(ground.root().patch("/api/v1/users/gone", json!({"active": false})).await, StatusCode::OK);
    for (wish, expected) in [
        ("", &["ada", "alan", "gone", "grace"][..]),
        ("&no_access=include", &["ada", "alan", "gone", "grace"]),
        ("&no_access=exclude", &["ada", "alan"]),
        ("&no_access=only", &["gone", "grace"]),
        ("&no_access=only&filter=active%20eq%20true", &["grace"]),
        ("&no_access=exclude&sort=userName&order=desc", &["ada", "alan"]),
    ] {
        let mut found: Vec<String> = all(&ground.root(), wish, 1)
            .await
            .iter()
            .map(|user| user["userName"].as_str().unwrap().to_owned())
            .collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{wish}");
    }
    refused(&ground.root().get("/api/v1/users?no_access=exlude").await, 422, Some("no_access"));
    let page = good(ground.root().get("/api/v1/users?no_access=only&limit=1").await, StatusCode::OK);
    let cursor = page["next"].as_str().unwrap();
    refused(&ground.root().get(&format!("/api/v1/users?limit=1&cursor={cursor}")).await, 422, Some("cursor"));
}
