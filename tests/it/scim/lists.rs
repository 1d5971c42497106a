//! Lists and searches: filters, order, pages.

use cleargate::directory::{GroupDraft, Member, MemberChange};
use serde_json::json;

use super::{Client, ENTERPRISE, GROUP, Ground, LIST, NOBODY, SEARCH, USER, client, encoded};

async fn staff() -> Client {
    let client = client().await;
    for (name, family, title, active, department) in [
        ("ada", "Lovelace", Some("Analyst"), true, Some("Engines")),
        ("bob", "Baker", None, true, Some("Kitchen")),
        ("Eve", "archer", Some("director"), false, None),
    ] {
        let mut body = json!({"schemas": [USER], "userName": name, "externalId": format!("e-{name}"), "active": active,
            "name": {"familyName": family},
            "emails": [{"value": format!("{name}@work.example"), "type": "work"},
                {"value": format!("{name}@home.example"), "type": "home", "primary": true}]});
        if let Some(title) = title {
            body["title"] = json!(title);
        }
        if let Some(department) = department {
            body[ENTERPRISE] = json!({"department": department});
        }
        client.post("/Users", &body).await.expect(201);
    }
    client
}

/// RFC 7644 section 3.4.2.2.
#[tokio::test]
async fn filters_find_whom_they_describe() {
    let client = staff().await;
    for (filter, expected) in [
        (r#"userName eq "ADA""#, &["ada"][..]),
        (r#"userName eq "nobody""#, &[]),
        (r#"userName ne "ada""#, &["bob", "Eve"]),
        (r#"userName sw "e""#, &["Eve"]),
        (r#"externalId eq "e-bob""#, &["bob"]),
        (r#"externalId eq "E-BOB""#, &[]),
        (r#"emails eq "ADA@work.example""#, &["ada"]),
        (r#"emails.value eq "bob@home.example""#, &["bob"]),
        (r#"emails[type eq "work" and value co "ada"]"#, &["ada"]),
        (r#"emails[type eq "home" and value ew "work.example"]"#, &[]),
        (r#"emails[type eq "work"].value eq "eve@work.example""#, &["Eve"]),
        (r#"userName eq "ada" and title eq "analyst""#, &["ada"]),
        (r#"userName eq "ada" and title eq "cook""#, &[]),
        (r#"userName eq "ada" or userName eq "bob""#, &["ada", "bob"]),
        (r#"not (title pr)"#, &["bob"]),
        (r#"active eq false or title eq null"#, &["bob", "Eve"]),
        (r#"active eq "True""#, &["ada", "bob"]),
        (r#"department eq "kitchen""#, &["bob"]),
        (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department sw "E""#, &["ada"]),
        (r#"urn:ietf:params:scim:schemas:core:2.0:User:name.familyName co "A""#, &["ada", "bob", "Eve"]),
        (r#"name.familyName lt "b""#, &["Eve"]),
        (r#"meta.created ge "2027-01-15T09:00:00+01:00""#, &["ada", "bob", "Eve"]),
        (r#"meta.created gt "2027-01-15T09:00:01+01:00""#, &[]),
        (r#"meta.resourceType eq "User""#, &["ada", "bob", "Eve"]),
        // Without quotes, where only one thing can be meant.
        ("userName sw E", &["Eve"]),
        ("meta.created gt 2015-10-10T14:38:21.8617979-07:00", &["ada", "bob", "Eve"]),
        ("name.familyName eq baker and (emails.value co work.example or emails.value co nowhere)", &["bob"]),
        (r#"schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User""#, &["ada", "bob"]),
    ] {
        let answer = client.get(&format!("/Users?filter={}", encoded(filter))).await.expect(200);
        assert_eq!(answer.names(), expected, "{filter}");
        assert_eq!(answer.body["totalResults"], json!(expected.len()), "{filter}");
        // The same as a search (section 3.4.3).
        let search = json!({"schemas": [SEARCH], "filter": filter});
        assert_eq!(client.post("/Users/.search", &search).await.expect(200).names(), expected, "{filter}");
    }
}

#[tokio::test]
async fn filters_that_cannot_be_evaluated_are_refused_with_the_place() {
    let client = staff().await;
    for filter in [
        "userName eq",
        "userName eq bob baker",
        "userName eq 'bob'",
        "active eq ture",
        "(title pr",
        "favourite eq \"x\"",
        "title gt 5",
        "name eq \"x\"",
        "password pr",
    ] {
        let answer = client.get(&format!("/Users?filter={}", encoded(filter))).await;
        answer.expect_error(400, Some("invalidFilter"));
    }
    let answer = client.get("/Users?filter=userName%20is%20x").await.expect_error(400, Some("invalidFilter"));
    assert!(answer.body["detail"].as_str().unwrap().contains("position 10"), "{}", answer.body);
}

/// RFC 7644 section 3.4.2.3.
#[tokio::test]
async fn lists_are_sorted_as_asked() {
    let client = staff().await;
    for (query, expected) in [
        ("", ["ada", "bob", "Eve"]),
        ("sortBy=userName", ["ada", "bob", "Eve"]),
        ("sortBy=userName&sortOrder=descending", ["Eve", "bob", "ada"]),
        ("sortBy=name.familyName", ["Eve", "bob", "ada"]),
        // Who has no value comes last in ascending order and first in descending.
        ("sortBy=title", ["ada", "Eve", "bob"]),
        ("sortBy=title&sortOrder=descending", ["bob", "Eve", "ada"]),
        ("sortBy=emails", ["ada", "bob", "Eve"]),
        ("sortBy=department&sortOrder=ascending", ["ada", "bob", "Eve"]),
    ] {
        assert_eq!(client.names(&format!("/Users?{query}")).await, expected, "{query}");
    }
    assert_eq!(client.names("/Users?sortBy=userName&sortOrder=descending&startIndex=2&count=1").await, ["bob"]);
    client.get("/Users?sortBy=favourite").await.expect_error(400, Some("invalidPath"));
    client.get("/Users?sortBy=userName&sortOrder=sideways").await.expect_error(400, Some("invalidValue"));
}

/// RFC 7644 section 3.4.2.4.
#[tokio::test]
async fn pages_show_everybody_once_in_the_order_of_creation() {
    let client = client().await;
    let mut expected = Vec::new();
    for number in 0..25 {
        let name = format!("user{}", 99 - number);
        client.user(&name).await;
        expected.push(name);
    }
    let mut seen = Vec::new();
    for start in (1..=30).step_by(7) {
        let answer = client.get(&format!("/Users?startIndex={start}&count=7")).await.expect(200);
        assert_eq!(answer.body["schemas"], json!([LIST]));
        assert_eq!(answer.body["totalResults"], json!(25));
        assert_eq!(answer.body["startIndex"], json!(start));
        assert_eq!(answer.body["itemsPerPage"], json!(answer.names().len()));
        seen.extend(answer.names());
    }
    assert_eq!(seen, expected);
    // A change of somebody moves nobody.
    let first = client.get("/Users?count=1").await.body["Resources"][0]["id"].as_str().unwrap().to_owned();
    client.patch(&format!("/Users/{first}"), json!([{"op": "add", "path": "title", "value": "x"}])).await.expect(200);
    assert_eq!(client.names("/Users?startIndex=1&count=7").await, expected[..7]);
    // The same through a filter.
    let filtered = client.get("/Users?filter=userName%20sw%20%22user%22&startIndex=24&count=7").await.expect(200);
    assert_eq!(filtered.names(), expected[23..]);
    assert_eq!(filtered.body["totalResults"], json!(25));
}

#[tokio::test]
async fn a_page_of_nothing_tells_the_total() {
    let client = staff().await;
    for (query, start, count) in
        [("count=0", 1, 0), ("startIndex=99", 99, 0), ("count=-3", 1, 0), ("startIndex=-3&count=1", 1, 1)]
    {
        let answer = client.get(&format!("/Users?{query}")).await.expect(200);
        assert_eq!(answer.body["totalResults"], json!(3), "{query}");
        assert_eq!(answer.body["startIndex"], json!(start), "{query}");
        assert_eq!(answer.body["itemsPerPage"], json!(count), "{query}");
        assert_eq!(answer.body["Resources"].as_array().unwrap().len(), count, "{query}");
    }
    client.get("/Users?count=many").await.expect_error(400, Some("invalidValue"));
}

#[tokio::test]
async fn lists_show_what_was_asked_for() {
    let client = staff().await;
    let answer = client.get("/Users?filter=userName%20eq%20%22ada%22&attributes=userName").await.expect(200);
    let resource = &answer.body["Resources"][0];
    assert_eq!(resource, &json!({"schemas": [USER, ENTERPRISE], "id": resource["id"], "userName": "ada"}));
    let search = json!({"schemas": [SEARCH], "excludedAttributes": ["meta", "emails", "name", ENTERPRISE]});
    let answer = client.post("/Users/.search", &search).await.expect(200);
    assert!(answer.body["Resources"][0].get("emails").is_none());
    assert_eq!(answer.body["Resources"][0]["title"], "Analyst");
}

#[tokio::test]
async fn groups_are_found_by_member_without_listing_members() {
    let client = staff().await;
    let ada = client.get("/Users?filter=userName%20eq%20%22ada%22").await.body["Resources"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (ops, _) = (client.group("ops", &[&ada]).await, client.group("empty", &[]).await);
    for (filter, expected) in [
        (format!("members eq \"{ada}\""), &["ops"][..]),
        (format!("members[value eq \"{ada}\"]"), &["ops"]),
        (format!("id eq \"{ops}\" and members eq \"{ada}\""), &["ops"]),
        (format!("id eq \"{ops}\" and members eq \"{NOBODY}\""), &[]),
        (format!("members.value eq \"{NOBODY}\""), &[]),
        ("members pr".to_owned(), &["ops"]),
        ("members[type eq \"User\"]".to_owned(), &["ops"]),
        (format!("not (members eq \"{ada}\")"), &["empty"]),
        ("displayName eq \"OPS\"".to_owned(), &["ops"]),
    ] {
        let path = format!("/Groups?filter={}&attributes=displayName", encoded(&filter));
        assert_eq!(client.names(&path).await, expected, "{filter}");
    }
    assert_eq!(client.names(&format!("/Users?filter=groups.value+eq+%22{ops}%22")).await, ["ada"]);
    assert_eq!(client.names("/Users?filter=groups+pr").await, ["ada"]);
    let listed = client.get("/Groups?filter=displayName+eq+%22ops%22").await.expect(200);
    assert_eq!(listed.body["Resources"][0]["members"][0]["value"], json!(ada));
    let listed = client.get("/Groups?excludedAttributes=members").await.expect(200);
    assert!(listed.body["Resources"][0].get("members").is_none());
}

/// RFC 7644 section 3.4.3: a search at the root is over all resource types.
#[tokio::test]
async fn a_search_at_the_root_finds_users_and_groups() {
    let client = staff().await;
    client.group("archers", &[]).await;
    let search = |extra: serde_json::Value| {
        let mut body = json!({"schemas": [SEARCH]});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    for (extra, expected) in [
        (json!({}), &["ada", "bob", "Eve", "archers"][..]),
        (json!({"startIndex": 3, "count": 2}), &["Eve", "archers"]),
        (json!({"startIndex": 4}), &["archers"]),
        (json!({"filter": "userName eq \"bob\" or displayName eq \"archers\""}), &["bob", "archers"]),
        (json!({"filter": "meta.resourceType eq \"Group\""}), &["archers"]),
        (json!({"filter": "displayName pr"}), &["archers"]),
    ] {
        let answer = client.post("/.search", &search(extra.clone())).await.expect(200);
        assert_eq!(answer.names(), expected, "{extra}");
    }
    let answer = client.post("/.search", &search(json!({"startIndex": 4}))).await;
    assert_eq!(answer.body["totalResults"], json!(4));
    assert_eq!(answer.body["Resources"][0]["schemas"], json!([GROUP]));
    client.post("/.search", &search(json!({"filter": "favourite pr"}))).await.expect_error(400, Some("invalidFilter"));
    client.post("/.search", &json!({"filter": "id pr"})).await.expect_error(400, Some("invalidSyntax"));
    client.get("/.search").await.expect_error(405, None);
    client.get("/Users/.search").await.expect_error(405, None);
}

#[tokio::test]
async fn a_list_shows_a_bounded_number_of_members() {
    let ground = Ground::new();
    let (client, permit) = (ground.client("okta").await, ground.access.task_permit("test", None));
    let record = |number: usize| cleargate::directory::SourceRecord {
        external_id: None,
        user_name: format!("user{number}").parse().unwrap(),
        active: Some(true),
        attributes: Default::default(),
    };
    let records: Vec<_> = (0..1_000).map(|number| (None, record(number))).collect();
    let users = ground.directory.apply_users(&permit, &records).await.unwrap();
    let mut members = MemberChange::default();
    users.iter().for_each(|user| members.add(Member::User(user.id)));
    for number in 0..51 {
        let name = format!("group {number}").parse().unwrap();
        let draft = GroupDraft { name, external_id: None, attributes: Default::default(), members: members.clone() };
        ground.directory.create_group(&permit, &draft).await.unwrap();
        ground.wait();
    }
    let refused = client.get("/Groups").await.expect_error(400, Some("tooMany"));
    assert!(refused.body["detail"].as_str().unwrap().contains("excludedAttributes=members"), "{}", refused.body);
    let all = client.get("/Groups?excludedAttributes=members").await.expect(200);
    assert_eq!(all.body["Resources"].as_array().unwrap().len(), 51);
    client.get("/Groups?count=2").await.expect(200);
}
