//! Walks by cursor (RFC 9865).

use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, Client, ENTERPRISE, Ground, LIST, SEARCH, USER, client, encoded};

/// The page that a cursor leads to.
async fn page(client: &Client, path: &str, cursor: &str) -> Answer {
    let joint = if path.contains('?') { '&' } else { '?' };
    client.get(&format!("{path}{joint}cursor={cursor}")).await.expect(200)
}

fn next(answer: &Answer) -> Option<String> {
    answer.body.get("nextCursor").map(|cursor| cursor.as_str().unwrap().to_owned())
}

/// Every name of a walk, page by page.
async fn walk(client: &Client, path: &str) -> Vec<Vec<String>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = page(client, path, &cursor).await;
        pages.push(answer.names());
        match next(&answer) {
            Some(next) => cursor = next,
            None => return pages,
        }
    }
}

async fn people(client: &Client, count: usize) -> Vec<(String, String)> {
    let mut people = Vec::new();
    for number in 0..count {
        let name = format!("user{number:03}");
        let body = json!({"schemas": [USER, ENTERPRISE], "userName": name, "title": format!("t{}", number % 3),
            ENTERPRISE: {"department": format!("d{}", number % 2)}});
        people.push((client.post("/Users", &body).await.expect(201).id(), name));
    }
    people
}

#[tokio::test]
async fn a_walk_shows_everybody_once_and_says_where_it_ends() {
    let client = client().await;
    let names: Vec<String> = people(&client, 10).await.into_iter().map(|(_, name)| name).collect();
    let first = client.get("/Users?cursor&count=4").await.expect(200);
    assert_eq!(first.body["schemas"], json!([LIST]));
    assert_eq!((&first.body["totalResults"], &first.body["itemsPerPage"]), (&json!(10), &json!(4)));
    assert!(first.body.get("startIndex").is_none(), "{}", first.body);
    let cursor = next(&first).unwrap();
    assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)), "{cursor}");
    for (path, sizes) in [
        ("/Users?count=4", &[4, 4, 2][..]),
        ("/Users?count=5", &[5, 5]),
        ("/Users?count=10", &[10]),
        ("/Users", &[10]),
        ("/Users?count=4&attributes=userName", &[4, 4, 2]),
        ("/Users?count=4&filter=userName+sw+%22user%22", &[4, 4, 2]),
        ("/Users?count=6&sortBy=userName", &[6, 4]),
    ] {
        let pages = walk(&client, path).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{path}");
        assert_eq!(pages.concat(), names, "{path}");
    }
    let answer = client.get("/Users?cursor=&filter=userName+eq+%22nobody%22").await.expect(200);
    assert_eq!((&answer.body["totalResults"], next(&answer)), (&json!(0), None));
    // By number nothing has changed.
    let by_index = client.get("/Users?count=4").await.expect(200);
    assert_eq!((&by_index.body["startIndex"], next(&by_index)), (&json!(1), None));
}

/// Pages of a search by filter know the total that the first one counted.
#[tokio::test]
async fn filtered_and_sorted_walks_are_complete() {
    let client = client().await;
    people(&client, 20).await;
    for (query, expected) in [
        ("filter=title+eq+%22t1%22", (0..20).filter(|n| n % 3 == 1).collect::<Vec<usize>>()),
        ("filter=department+eq+%22d1%22+and+title+pr", (0..20).filter(|n| n % 2 == 1).collect()),
        ("sortBy=userName&sortOrder=descending", (0..20).rev().collect()),
        ("sortBy=title", [0, 1, 2].into_iter().flat_map(|t| (0..20).filter(move |n| n % 3 == t)).collect()),
        (
            "sortBy=title&sortOrder=descending",
            [2, 1, 0].into_iter().flat_map(|t| (0..20).rev().filter(move |n| n % 3 == t)).collect(),
        ),
        (
            "sortBy=department&filter=title+eq+%22t0%22",
            [0, 1].into_iter().flat_map(|d| (0..20).filter(move |n| n % 3 == 0 && n % 2 == d)).collect(),
        ),
        // Nobody has a value: the order of creation.
        ("sortBy=nickName", (0..20).collect()),
    ] {
        let expected: Vec<String> = expected.into_iter().map(|number| format!("user{number:03}")).collect();
        for count in [1, 3, 20] {
            let path = format!("/Users?{query}&count={count}");
            let pages = walk(&client, &path).await;
            assert_eq!(pages.concat(), expected, "{path}");
            assert!(pages.iter().all(|page| !page.is_empty() && page.len() <= count), "{path}: {pages:?}");
        }
        let second = page(&client, &format!("/Users?{query}&count=2"), "").await;
        let second = page(&client, &format!("/Users?{query}&count=2"), &next(&second).unwrap()).await;
        assert_eq!(second.body["totalResults"], json!(expected.len()), "{query}");
    }
}

#[tokio::test]
async fn nobody_is_lost_or_shown_twice_while_others_come_and_go() {
    for query in ["count=3", "count=3&filter=userName+sw+%22user%22", "count=3&sortBy=userName&sortOrder=descending"] {
        // More leave than the brake lets go within an hour.
        let ground = Ground::new().with_connections("[[scim]]\nid = \"okta\"\nbrake.at_least = 1000");
        let client = ground.client("okta").await;
        let people = people(&client, 21).await;
        let (mut seen, mut cursor, mut gone) = (Vec::new(), String::new(), Vec::new());
        for round in 0.. {
            let answer = page(&client, &format!("/Users?{query}"), &cursor).await;
            let shown = answer.names();
            seen.extend(shown.clone());
            let Some(next) = next(&answer) else { break };
            cursor = next;
            // The one on which the cursor stands, one that was shown, and one that was not yet.
            let later = people.iter().map(|(_, name)| name).filter(|name| !seen.contains(name));
            let later: Vec<&String> = later.filter(|name| !gone.contains(*name)).collect();
            let third = if query.contains("descending") { later.first() } else { later.last() };
            let victims: Vec<String> =
                [shown.last(), shown.first(), third.copied()].into_iter().flatten().cloned().collect();
            for name in victims {
                if let Some((id, _)) = people.iter().find(|(_, known)| *known == name) {
                    client.delete(&format!("/Users/{id}")).await.expect(204);
                    gone.push(name);
                }
            }
            client.user(&format!("user9{round:02}")).await;
        }
        let mut distinct = seen.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), seen.len(), "{query}: {seen:?}");
        for (_, name) in &people {
            assert!(seen.contains(name) || gone.contains(name), "{query}: {name} was lost");
        }
        assert!(gone.len() >= 9, "{query}: {gone:?}");
    }
}

#[tokio::test]
async fn a_search_walks_by_cursor_too_also_over_all_types() {
    let client = client().await;
    let mut expected: Vec<String> = people(&client, 5).await.into_iter().map(|(_, name)| name).collect();
    for name in ["cooks", "pilots", "tailors"] {
        client.group(name, &[]).await;
        expected.push(name.to_owned());
    }
    for (path, more, expected) in [
        ("/.search", json!({}), &expected[..]),
        ("/.search", json!({"filter": "id pr"}), &expected[..]),
        ("/Users/.search", json!({"excludedAttributes": ["meta"]}), &expected[..5]),
        ("/Groups/.search", json!({"sortBy": "displayName"}), &expected[5..]),
    ] {
        for count in [1, 2, 3, 8] {
            let (mut names, mut cursor) = (Vec::new(), String::new());
            loop {
                let mut body = json!({"schemas": [SEARCH], "cursor": cursor, "count": count});
                body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                let answer = client.post(path, &body).await.expect(200);
                assert_eq!(answer.body["totalResults"], json!(expected.len()), "{path} {more}");
                names.extend(answer.names());
                match next(&answer) {
                    Some(next) => cursor = next,
                    None => break,
                }
            }
            assert_eq!(names, expected, "{path} {more} by {count}");
        }
    }
    // A walk that began by address goes on by search: it is the same query.
    let first = client.get("/Users?cursor&count=2").await.expect(200);
    let body = json!({"schemas": [SEARCH], "cursor": next(&first).unwrap(), "count": 2});
    assert_eq!(client.post("/Users/.search", &body).await.expect(200).names(), ["user002", "user003"]);
}

#[tokio::test]
async fn cursors_that_were_not_given_for_the_query_are_refused() {
    let ground = Ground::new();
    let (client, other) = (ground.client("okta").await, ground.client("entra").await);
    people(&client, 5).await;
    client.group("cooks", &[]).await;
    let given = next(&client.get("/Users?cursor&count=2").await).unwrap();
    let sorted = next(&client.get("/Users?cursor&count=2&sortBy=title").await).unwrap();
    let wrong = |path: String| {
        let client = client.clone();
        async move {
            client.get(&path).await.expect_error(400, Some("invalidCursor"));
        }
    };
    for query in ["filter=userName+pr", "sortBy=userName", "sortBy=title&sortOrder=descending"] {
        wrong(format!("/Users?{query}&cursor={given}")).await;
        wrong(format!("/Users?{query}&cursor={sorted}")).await;
    }
    wrong(format!("/Users?cursor={sorted}")).await;
    wrong(format!("/Groups?cursor={given}")).await;
    other.get(&format!("/Users?cursor={given}")).await.expect_error(400, Some("invalidCursor"));
    for forged in
        ["x".to_owned(), given[1..].to_owned(), given[..given.len() - 1].to_owned(), given.repeat(99), encoded("ü\0")]
    {
        wrong(format!("/Users?cursor={forged}")).await;
    }
    wrong(format!("/Users?startIndex=1&cursor={given}")).await;
    wrong("/Users?startIndex=1&cursor=".to_owned()).await;
    let mixed = json!({"schemas": [SEARCH], "startIndex": 1, "cursor": given});
    client.post("/Users/.search", &mixed).await.expect_error(400, Some("invalidCursor"));
    let search = json!({"schemas": [SEARCH], "cursor": given});
    client.post("/.search", &search).await.expect_error(400, Some("invalidCursor"));
    for count in ["0", "-1", "1001", "x"] {
        client.get(&format!("/Users?cursor&count={count}")).await.expect_error(400, Some("invalidCount"));
    }
    // Another token of the same connection is the same caller.
    let token = Some(ground.token("okta").await);
    let rotated = Client { token, ..client.clone() };
    assert_eq!(rotated.get(&format!("/Users?cursor={given}")).await.expect(200).names().len(), 3);
}

#[tokio::test]
async fn a_cursor_expires_when_discovery_says_so() {
    let ground = Ground::new();
    let client = ground.client("okta").await;
    people(&client, 3).await;
    let pagination = client.get("/ServiceProviderConfig").await.body["pagination"].clone();
    assert_eq!(
        pagination,
        json!({"cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": 100,
            "maxPageSize": 1000, "cursorTimeout": 3600})
    );
    let given = next(&client.get("/Users?cursor&count=1").await).unwrap();
    ground.clock.advance(Duration::from_secs(3599));
    let again: Value = client.get(&format!("/Users?cursor={given}&count=1")).await.expect(200).body;
    ground.clock.advance(Duration::from_secs(2));
    client.get(&format!("/Users?cursor={given}")).await.expect_error(400, Some("expiredCursor"));
    // Each page brings a fresh one.
    let fresh = again["nextCursor"].as_str().unwrap();
    assert_eq!(client.get(&format!("/Users?cursor={fresh}")).await.expect(200).names(), ["user002"]);
}

/// What clients ask instead of a list of changes: who changed since the last time, page by page.
#[tokio::test]
async fn nobody_is_lost_to_a_poll_for_changes_while_others_change() {
    let ground = Ground::new();
    let client = ground.client("okta").await;
    let people = people(&client, 12).await;
    ground.wait();
    let last = client.get(&format!("/Users/{}", people[11].0)).await.body["meta"]["lastModified"].clone();
    let title = json!([{"op": "replace", "path": "title", "value": "changed"}]);
    for (id, _) in people.iter().step_by(2) {
        client.patch(&format!("/Users/{id}"), title.clone()).await.expect(200);
    }
    let filter = encoded(&format!("meta.lastModified gt {last}"));
    let path = format!("/Users?filter={filter}&count=2");
    let (mut seen, mut cursor, mut rounds) = (Vec::new(), String::new(), 0);
    loop {
        let answer = page(&client, &path, &cursor).await;
        seen.extend(answer.names());
        // Others change meanwhile, before and behind the place of the walk, and one who was shown again.
        for number in [1, 11 - rounds, 0] {
            let again = json!([{"op": "replace", "path": "title", "value": format!("round {rounds}")}]);
            client.patch(&format!("/Users/{}", people[number].0), again).await.expect(200);
        }
        rounds += 1;
        match next(&answer) {
            Some(next) => cursor = next,
            None => break,
        }
    }
    let changed: Vec<&String> = people.iter().step_by(2).map(|(_, name)| name).collect();
    assert!(changed.iter().all(|name| seen.contains(name)), "{changed:?} of {seen:?}");
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), seen.len(), "nobody is shown twice: {seen:?}");
}
