//! Sorted lists (RFC 7644 section 3.4.2.3): the same by an index as in memory, and of more people than are sorted in memory.

use cleargate::audit::Housekeeping;
use cleargate::model::OrganisationId;
use cleargate::store::{Key, KeyWriter, Range, Table};
use cleargate::tasks::Tasks;
use serde_json::{Value, json};

use super::bounds::crowd;
use super::{Client, ENTERPRISE, Ground, USER, encoded};

/// By what an index sorts, and where the value is.
const INDEXED: [(&str, &str); 11] = [
    ("userName", "/userName"),
    ("id", "/id"),
    ("externalId", "/externalId"),
    ("displayName", "/displayName"),
    ("name.familyName", "/name/familyName"),
    ("emails", ""),
    ("emails.value", ""),
    ("meta.created", "/meta/created"),
    ("urn:ietf:params:scim:schemas:core:2.0:User:meta.lastModified", "/meta/lastModified"),
    ("department", "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/department"),
    (
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/department",
    ),
];

/// People with and without each value, some of whom share one, have several addresses or names made of others.
async fn people(ground: &Ground, client: &Client) {
    let cases = ["Ada", "ada lovelace", "Éva", "bob", "", "Zoe", "BOB", "\u{ff21}da"];
    for number in 0..40_usize {
        let name = cases[number % cases.len()];
        let mut body = json!({"schemas": [USER, ENTERPRISE], "userName": format!("{}{}", ["u", "U", "ü"][number % 3], 97 * number % 40)});
        if number % 3 > 0 {
            body["displayName"] = json!(name);
        }
        if number % 4 > 0 {
            body["name"] = json!({"familyName": cases[number * 3 % cases.len()], "formatted": format!("f{number}")});
        }
        if number % 5 > 0 {
            body["externalId"] = json!(["x", "X", "10", "9", "y"][number % 5].repeat(1 + number % 2));
        }
        body["emails"] = match number % 6 {
            0 => {
                json!([{"value": format!("Z{}@e.example", number % 4)}, {"value": "a@e.example", "primary": true, "type": "home"}])
            }
            1 => json!([{"value": "m@e.example"}, {"value": "A@e.example", "type": "home"}]),
            2 => json!([{"value": "n@e.example"}, {"type": "home", "primary": true, "display": "none"}]),
            3 => json!([{"value": format!("b{number}@e.example")}]),
            _ => Value::Null,
        };
        if number % 7 > 1 {
            body[ENTERPRISE] = json!({"department": cases[number % 4]});
        }
        let id = client.post("/Users", &body).await.expect(201).id();
        if number % 9 == 0 {
            ground.wait();
        }
        if number % 8 == 3 {
            client
                .patch(&format!("/Users/{id}"), json!([{"op": "add", "path": "title", "value": "x"}]))
                .await
                .expect(200);
        }
    }
    let hr = ground.client("hr").await;
    hr.post("/Users", &json!({"schemas": [USER], "userName": "of-hr", "externalId": "a"})).await.expect(201);
}

/// What a resource is sorted by, in a form that compares.
fn key(resource: &Value, by: &str, pointer: &str) -> Option<String> {
    let text = if pointer.is_empty() {
        let emails = resource["emails"].as_array()?;
        let primary = emails.iter().find(|email| email["primary"] == true);
        primary.or_else(|| emails.first())?["value"].as_str()?
    } else {
        resource.pointer(pointer)?.as_str()?
    };
    let is_exact = by == "externalId";
    (!text.is_empty()).then(|| if is_exact { text.to_owned() } else { text.replace('\u{ff21}', "a").to_lowercase() })
}

async fn resources(client: &Client, path: &str) -> Vec<Value> {
    client.get(path).await.expect(200).body["Resources"].as_array().unwrap().clone()
}

fn ids(resources: &[Value]) -> Vec<String> {
    resources.iter().map(|resource| resource["id"].as_str().unwrap().to_owned()).collect()
}

/// The ids of all pages of a walk.
async fn walk(client: &Client, path: &str) -> Vec<String> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = client.get(&format!("{path}&cursor={cursor}")).await.expect(200);
        seen.extend(ids(answer.body["Resources"].as_array().unwrap()));
        match answer.body["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return seen,
        }
    }
}

/// Every list in every order by every way, against the order that the values say.
async fn check(client: &Client) {
    let all = resources(client, "/Users?count=1000").await;
    for (by, pointer) in INDEXED {
        let mut expected: Vec<(bool, Option<String>, String)> = all
            .iter()
            .map(|resource| {
                let key = key(resource, by, pointer);
                (key.is_none(), key, resource["id"].as_str().unwrap().to_owned())
            })
            .collect();
        expected.sort();
        let mut expected: Vec<String> = expected.into_iter().map(|(_, _, id)| id).collect();
        for order in ["ascending", "descending"] {
            let path = format!("/Users?attributes=userName&sortBy={}&sortOrder={order}", encoded(by));
            assert_eq!(ids(&resources(client, &format!("{path}&count=1000")).await), expected, "{path}");
            for count in [1, 7] {
                let path = format!("{path}&count={count}");
                assert_eq!(walk(client, &path).await, expected, "{path}");
                for start in [1, 2, 13, 35, 40, 41, 42, 99] {
                    let answer = client.get(&format!("{path}&startIndex={start}")).await.expect(200);
                    let shown: Vec<String> = expected.iter().skip(start - 1).take(count).cloned().collect();
                    assert_eq!(ids(answer.body["Resources"].as_array().unwrap()), shown, "{path} from {start}");
                    assert_eq!(answer.body["totalResults"], json!(41), "{path}");
                }
            }
            let none = client.get(&format!("{path}&count=0")).await.expect(200);
            assert_eq!((&none.body["totalResults"], none.names().len()), (&json!(41), 0));
            // A filter is sorted in memory.
            let filtered = format!("{path}&count=9&filter={}", encoded("userName pr"));
            assert_eq!(walk(client, &filtered).await, expected, "{filtered}");
            expected.reverse();
        }
    }
}

/// A key as stored.
struct Raw(Vec<u8>);

impl Key for Raw {
    fn write(&self, out: &mut KeyWriter) {
        out.fixed(&self.0);
    }
}

#[tokio::test]
async fn an_index_sorts_as_memory_does() {
    const FACETS: Table<Raw, ()> = Table::new(0x44, "user facets");
    const FILLED: Table<str, ()> = Table::new(0x45, "user facets filled");
    let ground = Ground::new();
    ground.directory.open_facets().await.unwrap();
    let client = ground.client("okta").await;
    people(&ground, &client).await;
    check(&client).await;
    // A store of an earlier release has none of the rows, and is sorted in memory until they are made.
    let prefix = FACETS.prefix(OrganisationId::DEFAULT, &());
    let rows = ground.ledger.store().range(Range::prefix(prefix.clone(), 10_000)).await.unwrap();
    let mut change = ground.ledger.change();
    rows.iter()
        .for_each(|(key, _)| change.delete(&FACETS, OrganisationId::DEFAULT, &Raw(key[prefix.len()..].to_vec())));
    ["users", "companies", "blanks"].iter().for_each(|part| change.delete(&FILLED, OrganisationId::DEFAULT, part));
    change.commit_quietly(Housekeeping::Index).await.unwrap();
    assert!(ground.directory.open_facets().await.unwrap(), "something is to be filled");
    check(&client).await;
    ground.directory.fill_facets(&Tasks::new().stopping()).await.unwrap();
    assert!(!ground.directory.open_facets().await.unwrap());
    check(&client).await;
    let again = ground.ledger.store().range(Range::prefix(prefix, 10_000)).await.unwrap();
    let keys = |rows: &[(Vec<u8>, _)]| rows.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&again), keys(&rows), "the rows are those that writes make");
}

/// A text of which an index has more than memory compares is sorted in memory.
#[tokio::test]
async fn long_texts_are_sorted_by_what_decides_their_place() {
    let ground = Ground::new();
    ground.directory.open_facets().await.unwrap();
    let client = ground.client("okta").await;
    let long = "l".repeat(300);
    let mut expected = Vec::new();
    for name in ["a".to_owned(), format!("{long}z"), format!("{long}a"), "z".to_owned()] {
        expected.push(client.user(&name).await);
    }
    for count in [1, 3, 10] {
        let path = format!("/Users?sortBy=userName&count={count}");
        assert_eq!(walk(&client, &path).await, expected, "by {count}");
        let turned: Vec<String> = expected.iter().rev().cloned().collect();
        assert_eq!(walk(&client, &format!("{path}&sortOrder=descending")).await, turned, "by {count}");
    }
}

/// More people than one request may read.
#[tokio::test]
async fn lists_of_more_people_than_are_sorted_in_memory_are_read_off_an_index() {
    const PEOPLE: usize = 50_500;
    let ground = Ground::new();
    ground.directory.open_facets().await.unwrap();
    let client = ground.client("okta").await;
    let ids = crowd(&client, PEOPLE).await;
    ground.wait();
    let changed = format!("/Users/{}", ids[40_000]);
    let body = json!({"schemas": [USER, ENTERPRISE], "userName": "Aaron", "displayName": "Aaa", "active": false,
        "emails": [{"value": "zed@e.example"}], "name": {"familyName": "Zed"}, ENTERPRISE: {"department": "Z"}});
    let changed = client.put(&changed, &body).await.expect(200);
    // Those of one bulk request are made in the same moment, in any order.
    let aaron = changed.id();
    let others = || ids.iter().filter(|id| **id != aaron);
    let (oldest, newest) = (others().min().unwrap(), others().max().unwrap());
    for (by, first, last) in [
        ("userName", &aaron, &ids[9_999]),
        ("displayName", &aaron, newest),
        ("emails.value", &aaron, newest),
        ("name.familyName", &aaron, newest),
        ("department", &aaron, newest),
        ("meta.lastModified", oldest, &aaron),
        ("meta.created", oldest, newest),
        ("id", oldest, newest),
    ] {
        for (order, id) in [("ascending", first), ("descending", last)] {
            for page in ["count=1", "count=1&cursor="] {
                let answer = client.get(&format!("/Users?sortBy={by}&sortOrder={order}&{page}")).await.expect(200);
                assert_eq!(answer.body["Resources"][0]["id"], json!(id), "{by} {order} {page}");
                assert_eq!(answer.body["totalResults"], json!(PEOPLE));
            }
        }
    }
    let far = client.get("/Users?sortBy=userName&startIndex=50500&count=5").await.expect(200);
    assert_eq!(far.names(), ["user-9999"]);
    // Conditions that an index serves are searched for, whoever else there is.
    let since = encoded(changed.body["meta"]["lastModified"].as_str().unwrap());
    for filter in [
        format!("meta.lastModified%20ge%20%22{since}%22"),
        encoded(r#"displayName eq "AAA""#),
        encoded(r#"userName sw "AAR" and title eq null"#),
        encoded(r#"emails[value sw "zed"]"#),
        encoded(r#"name.familyName eq "zed""#),
        encoded(r#"department sw "z""#),
        encoded("active eq false"),
        encoded(r#"active eq "False""#),
    ] {
        for more in ["", "&cursor=", "&sortBy=title", "&sortBy=userName&cursor="] {
            let answer = client.get(&format!("/Users?filter={filter}{more}")).await.expect(200);
            assert_eq!(
                (answer.names(), &answer.body["totalResults"]),
                (vec!["Aaron".to_owned()], &json!(1)),
                "{filter}{more}"
            );
        }
    }
    // What no index tells is refused with what to do, and goes on by cursor where the order does.
    for query in
        ["sortBy=title", "filter=title+eq+null", "sortBy=userName&filter=title+eq+null", "sortBy=title&cursor="]
    {
        let answer = client.get(&format!("/Users?{query}")).await.expect_error(400, Some("tooMany"));
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains("userName") && detail.contains("cursor"), "{detail}");
    }
    let path = "/Users?sortBy=userName&filter=title+eq+null+and+userName+co+%22user-5049%22&attributes=userName";
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let answer = client.get(&format!("{path}&cursor={cursor}")).await.expect(200);
        seen.extend(answer.names());
        pages += 1;
        let Some(next) = answer.body["nextCursor"].as_str() else { break };
        assert!(answer.body.get("totalResults").is_none(), "nobody has counted them");
        cursor = next.to_owned();
    }
    let expected: Vec<String> = (50_490..50_500).map(|number| format!("user-{number}")).collect();
    assert_eq!(seen, [vec!["user-5049".to_owned()], expected].concat());
    assert!(pages > 1, "a page ends where it may read no further");
}
