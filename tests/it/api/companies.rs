//! Companies: a filter over what people see, and no right.

use axum::body::Body;
use cleargate::directory::Within;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Client, Ground, PASSWORD, good, refused};

/// Two companies; `north` sees the one of that name only, `chief` sees all. Each company has a user, a person and a group,
/// and there are some of none.
async fn two_companies() -> (Ground, Client) {
    let ground = Ground::new().await;
    let root = ground.root();
    for name in ["North", "South"] {
        good(root.post("/api/v1/companies", json!({"name": name})).await, StatusCode::CREATED);
        let slug = name.to_lowercase();
        let user = json!({"userName": format!("u-{slug}"), "email": format!("u@{slug}.example"), "companies": [slug]});
        let user = good(root.post("/api/v1/users", user).await, StatusCode::CREATED);
        assert_eq!((&user["companies"], &user["all_companies"]), (&json!([slug]), &json!(false)));
        let person = json!({"first_name": "P", "last_name": name, "companies": [slug]});
        good(root.post("/api/v1/people", person).await, StatusCode::CREATED);
        let group = json!({"name": format!("G {name}"), "companies": [slug]});
        assert_eq!(good(root.post("/api/v1/groups", group).await, StatusCode::CREATED)["companies"], json!([slug]));
        good(
            root.post("/api/v1/grants", json!({"user": format!("u-{slug}"), "role": "editor"})).await,
            StatusCode::CREATED,
        );
    }
    good(root.post("/api/v1/people", json!({"first_name": "P", "last_name": "None"})).await, StatusCode::CREATED);
    good(root.post("/api/v1/groups", json!({"name": "G None"})).await, StatusCode::CREATED);
    ground.user("u-none", &[]).await;
    ground.user("chief", &["administrator"]).await;
    ground.user("north", &["administrator"]).await;
    good(root.patch("/api/v1/users/north", json!({"companies": ["north"]})).await, StatusCode::OK);
    let client = ground.sign_in("north").await;
    (ground, client)
}

/// What the items of a page are called, by name: ids of one moment come in any order.
fn names<'v>(page: &'v Value, field: &str) -> Vec<&'v str> {
    let mut names: Vec<&str> =
        page["items"].as_array().unwrap().iter().map(|item| item[field].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn who_is_limited_to_companies_is_listed_what_has_one_of_them_and_nothing_else() {
    let (ground, north) = two_companies().await;
    let listed = |path: &'static str, field: &'static str| {
        let client = north.clone();
        async move {
            let page = good(client.get(path).await, StatusCode::OK);
            names(&page, field).into_iter().map(str::to_owned).collect::<Vec<_>>()
        }
    };
    assert_eq!(listed("/api/v1/users", "userName").await, ["north", "u-north"]);
    assert_eq!(listed("/api/v1/users?filter=userName%20sw%20%22u-%22", "userName").await, ["u-north"]);
    assert_eq!(listed("/api/v1/users?filter=userName%20eq%20%22u-south%22", "userName").await, [] as [&str; 0]);
    assert_eq!(listed("/api/v1/people", "last_name").await, ["North"]);
    assert_eq!(listed("/api/v1/groups", "name").await, ["G North"]);
    assert_eq!(listed("/api/v1/companies", "slug").await, ["north"]);
    assert_eq!(listed("/api/v1/reports/users", "user").await, ["north", "u-north"]);
    assert_eq!(listed("/api/v1/reports/access", "user").await, ["north", "u-north"]);
    assert_eq!(listed("/api/v1/reports/employees", "last_name").await, ["North"]);
    let able = good(north.get("/api/v1/who-can?permission=elements:create").await, StatusCode::OK);
    let mut able: Vec<&str> =
        able["items"].as_array().unwrap().iter().map(|i| i["user"]["userName"].as_str().unwrap()).collect();
    able.sort_unstable();
    assert_eq!(able, ["north", "u-north"]);
    let sessions = good(north.get("/api/v1/sessions").await, StatusCode::OK);
    ground.sign_in("chief").await;
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1);
    assert_eq!(good(north.get("/api/v1/sessions").await, StatusCode::OK)["items"].as_array().unwrap().len(), 1);
    let holders = good(north.get("/api/v1/roles/editor/holders").await, StatusCode::OK);
    assert_eq!(names(&holders, "name"), ["u-north"]);
    // Who sees all companies sees what has none, too.
    let chief = ground.sign_in("chief").await;
    let all = good(chief.get("/api/v1/users").await, StatusCode::OK);
    assert_eq!(names(&all, "userName"), ["chief", "north", "u-none", "u-north", "u-south"]);
    assert_eq!(
        names(&good(chief.get("/api/v1/people").await, StatusCode::OK), "last_name"),
        ["None", "North", "South"]
    );
    assert_eq!(
        names(&good(chief.get("/api/v1/groups").await, StatusCode::OK), "name"),
        ["G None", "G North", "G South"]
    );
}

#[tokio::test]
async fn what_is_not_seen_is_as_if_it_were_not_there() {
    let (ground, north) = two_companies().await;
    let south =
        good(ground.root().get("/api/v1/users/u-south").await, StatusCode::OK)["id"].as_str().unwrap().to_owned();
    for name in ["u-south", "u-none", "chief", south.as_str()] {
        for path in ["", "/permissions", "/provenance", "/holdings", "/history"] {
            refused(&north.get(&format!("/api/v1/users/{name}{path}")).await, 404, None);
        }
        refused(&north.patch(&format!("/api/v1/users/{name}"), json!({"displayName": "X"})).await, 404, None);
        refused(&north.delete(&format!("/api/v1/users/{name}?confirm={name}")).await, 404, None);
        refused(&north.post(&format!("/api/v1/users/{name}:offboard"), json!({})).await, 404, None);
        refused(&north.get(&format!("/api/v1/explain?user={name}&permission=elements:read")).await, 404, None);
        refused(&north.post("/api/v1/grants", json!({"user": name, "role": "browser"})).await, 422, Some("user"));
    }
    for group in ["G%20South", "g_south", "G%20None"] {
        refused(&north.get(&format!("/api/v1/groups/{group}")).await, 404, None);
        refused(&north.get(&format!("/api/v1/groups/{group}/members")).await, 404, None);
        refused(&north.delete(&format!("/api/v1/groups/{group}")).await, 404, None);
    }
    for person in ["2", "3"] {
        refused(&north.get(&format!("/api/v1/people/{person}")).await, 404, None);
        refused(&north.patch(&format!("/api/v1/people/{person}"), json!({"last_name": "X"})).await, 404, None);
    }
    refused(&north.get("/api/v1/companies/south").await, 404, None);
    refused(&north.delete("/api/v1/scopes/company:south").await, 404, None);
    let reply = north.post("/api/v1/users", json!({"userName": "x", "access_groups": ["G Sout"]})).await;
    refused(&reply, 422, Some("access_groups"));
    assert!(!reply.text.contains("South"), "no name of what is not seen is suggested: {}", reply.text);
    // What tells of all companies at once is for who sees all of them.
    for path in ["/api/v1/audit-logs", "/api/v1/export", "/api/v1/reports/posture", "/api/v1/reports/tokens"] {
        refused(&north.get(path).await, 403, None);
    }
    let grants = good(ground.root().get("/api/v1/grants?user=u-south").await, StatusCode::OK);
    let grant = format!("/api/v1/grants/{}", grants["items"][0]["id"].as_str().unwrap());
    refused(&north.delete(&grant).await, 404, None);
    good(north.get("/api/v1/users/u-north").await, StatusCode::OK);
    good(north.get("/api/v1/users/north").await, StatusCode::OK);
}

#[tokio::test]
async fn nobody_gives_companies_that_they_have_not() {
    let (ground, north) = two_companies().await;
    let root = ground.root();
    let reply = north.patch("/api/v1/users/u-north", json!({"companies": ["north", "south"]})).await;
    refused(&reply, 422, Some("companies"));
    refused(&north.patch("/api/v1/users/u-north", json!({"all_companies": true})).await, 422, Some("all_companies"));
    refused(&north.patch("/api/v1/users/north", json!({"all_companies": true})).await, 422, Some("all_companies"));
    refused(
        &north.post("/api/v1/people", json!({"first_name": "A", "last_name": "B", "companies": ["south"]})).await,
        422,
        Some("companies"),
    );
    refused(&north.post("/api/v1/groups", json!({"name": "Z", "companies": ["south"]})).await, 422, Some("companies"));
    // What the limited make belongs to their companies, and sees no more than they do.
    let made = good(north.post("/api/v1/users", json!({"userName": "made"})).await, StatusCode::CREATED);
    assert_eq!((&made["companies"], &made["all_companies"]), (&json!(["north"]), &json!(false)));
    let rows = json!({"rows": "A\tB\ta@north.example", "role": "browser"});
    good(north.post("/api/v1/users:bulk", rows).await, StatusCode::CREATED);
    assert_eq!(good(root.get("/api/v1/users/a@north.example").await, StatusCode::OK)["all_companies"], false);
    let group = good(north.post("/api/v1/groups", json!({"name": "Made"})).await, StatusCode::CREATED);
    assert_eq!(group["companies"], json!(["north"]));
    let person =
        good(north.post("/api/v1/people", json!({"first_name": "A", "last_name": "B"})).await, StatusCode::CREATED);
    assert_eq!(person["companies"], json!(["north"]));
    // Companies that one has not are neither shown nor taken away.
    good(root.patch("/api/v1/users/u-north", json!({"companies": ["north", "south"]})).await, StatusCode::OK);
    assert_eq!(good(north.get("/api/v1/users/u-north").await, StatusCode::OK)["companies"], json!(["north"]));
    good(north.patch("/api/v1/users/u-north", json!({"companies": ["north"]})).await, StatusCode::OK);
    assert_eq!(good(root.get("/api/v1/users/u-north").await, StatusCode::OK)["companies"], json!(["south", "north"]));
    // Nor is an account taken over that sees more.
    refused(&north.patch("/api/v1/users/u-north", json!({"password": "copper lanterns hum at dusk"})).await, 403, None);
    let token = json!({"name": "t", "scope": "read", "user": "u-north"});
    refused(&north.post("/api/v1/tokens", token).await, 403, None);
    good(north.patch("/api/v1/users/made", json!({"password": "copper lanterns hum at dusk"})).await, StatusCode::OK);
    let token = good(north.post("/api/v1/tokens", json!({"name": "own", "scope": "read"})).await, StatusCode::CREATED);
    let own = ground.bearer(token["token"].as_str().unwrap());
    assert!(
        names(&good(own.get("/api/v1/users").await, StatusCode::OK), "userName").iter().all(|name| *name != "chief")
    );
}

#[tokio::test]
async fn somebody_who_may_sign_in_always_sees_all_companies() {
    let ground = Ground::new().await;
    let root = ground.root();
    good(root.post("/api/v1/companies", json!({"name": "North"})).await, StatusCode::CREATED);
    ground.user("ada", &["administrator"]).await;
    ground.user("bob", &["administrator"]).await;
    good(root.patch("/api/v1/users/bob", json!({"companies": ["north"]})).await, StatusCode::OK);
    let limit = json!({"companies": ["north"]});
    for reply in [
        root.patch("/api/v1/users/ada", limit.clone()).await,
        root.patch("/api/v1/users/ada", json!({"all_companies": false})).await,
        root.patch("/api/v1/users/ada", json!({"active": false})).await,
        root.delete("/api/v1/users/ada?confirm=ada").await,
        root.post("/api/v1/users/ada:offboard", json!({})).await,
        root.post("/api/v1/users/ada:offboard", json!({"dry_run": true})).await,
        root.post("/api/v1/grants", json!({"user": "ada", "role": "no_access"})).await,
    ] {
        refused(&reply, 409, None);
        assert!(reply.text.contains("sees all companies"), "{}", reply.text);
    }
    let document = root.get("/api/v1/export").await.text;
    let lines: Vec<String> = document
        .lines()
        .map(|line| match line.contains("\"userName\":\"ada\"") {
            true => line.replace("\"status\":\"active\"", "\"status\":\"inactive\""),
            false => line.to_owned(),
        })
        .collect();
    let send = |path: &'static str| {
        let (root, text) = (ground.root(), lines.join("\n"));
        async move { root.send(Method::POST, path, "application/x-ndjson", Body::from(text)).await }
    };
    refused(&send("/api/v1/import").await, 409, None);
    assert_eq!(good(root.get("/api/v1/users/ada").await, StatusCode::OK)["all_companies"], true);
    // Somebody else who sees them all, but may not sign in, does not count; one who may, does.
    ground.user("locked", &["no_access"]).await;
    refused(&root.patch("/api/v1/users/ada", limit.clone()).await, 409, None);
    ground.user("carl", &[]).await;
    good(root.patch("/api/v1/users/ada", limit.clone()).await, StatusCode::OK);
    refused(&root.patch("/api/v1/users/carl", limit.clone()).await, 409, None);
    // The way back is the machine itself, where somebody insists.
    good(root.patch("/api/v1/users/carl?force=true", limit).await, StatusCode::OK);
    good(root.patch("/api/v1/users/bob", json!({"all_companies": true})).await, StatusCode::OK);
}

#[tokio::test]
async fn sources_are_not_held_up_and_take_no_companies_away() {
    let ground = Ground::new().await;
    let root = ground.root();
    good(root.post("/api/v1/companies", json!({"name": "North"})).await, StatusCode::CREATED);
    let okta = ground.test.connection("okta").await;
    let directory = ground.test.gateway.directory();
    let mut record = crate::support::gateway::record("linus");
    record.external_id = Some("00u1".to_owned());
    let linus = directory.create_user(&okta, &record).await.unwrap();
    good(
        root.patch("/api/v1/users/linus?force=true", json!({"companies": ["north"], "all_companies": true})).await,
        StatusCode::OK,
    );
    directory.set_active(&okta, linus.id, false).await.unwrap();
    let linus = good(root.get("/api/v1/users/linus").await, StatusCode::OK);
    assert_eq!((&linus["active"], &linus["companies"]), (&json!(false), &json!(["north"])));
}

#[tokio::test]
async fn companies_give_no_right_and_are_told_in_events_and_documents() {
    let (ground, _) = two_companies().await;
    let root = ground.root();
    ground.user("plain", &[]).await;
    good(root.patch("/api/v1/users/plain", json!({"companies": ["north", "south"]})).await, StatusCode::OK);
    let log = good(root.get("/api/v1/users/plain/history").await, StatusCode::OK);
    assert_eq!(log["logs"][0]["details"]["companies"], "north south", "{log}");
    assert_eq!(log["logs"][0]["details"]["all_companies"], "false");
    let plain = ground.sign_in("plain").await;
    refused(&plain.get("/api/v1/users").await, 403, None);
    refused(&root.patch("/api/v1/users/plain", json!({"companies": []})).await, 422, Some("companies"));
    let none =
        good(root.patch("/api/v1/users/plain", json!({"companies": [], "all_companies": false})).await, StatusCode::OK);
    assert_eq!(none["companies"], json!([]));
    let document = root.get("/api/v1/export").await.text;
    let elsewhere = Ground::new().await;
    let body = Body::from(document.clone());
    let reply = elsewhere.root().send(Method::POST, "/api/v1/import", "application/x-ndjson", body).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    assert_eq!(elsewhere.root().get("/api/v1/export").await.text, document);
    assert_eq!(elsewhere.test.gateway.directory().count_limited().await.unwrap(), 4);
    assert!(ground.test.visitor().sign_in("u-none", PASSWORD).await.status.is_redirection());
}

#[tokio::test]
async fn no_message_and_no_cursor_tells_of_what_is_not_seen() {
    let (ground, north) = two_companies().await;
    let explain = "/api/v1/explain?user=north&permission=elements:create&scope=company";
    let near = north.get(&format!("{explain}:sout")).await;
    let there = north.get(&format!("{explain}:south")).await;
    for reply in [&near, &there] {
        refused(reply, 422, Some("scope"));
        assert!(!reply.text.contains("did you mean `company:south`"), "{}", reply.text);
    }
    let detail = |reply: &crate::support::gateway::Reply| reply.json()["detail"].as_str().unwrap().to_owned();
    assert_eq!(detail(&near).replace(":sout`", ":south`"), detail(&there));
    for path in
        ["/api/v1/companies/sout/users", "/api/v1/companies/south/users", "/api/v1/companies/south/users/u-north"]
    {
        refused(&north.get(path).await, 404, None);
    }
    let body = json!({"user": "u-north", "role": "editor"});
    refused(&north.post("/api/v1/companies/south/users", body).await, 404, None);
    for slug in ["sout", "south"] {
        let scope = format!("company:{slug}");
        let body = json!({"user": "u-north", "role": "editor", "scope": scope});
        let reply = north.post("/api/v1/grants", body).await;
        refused(&reply, 422, Some("scope"));
        assert!(!reply.text.contains("did you mean `company:south`"), "{}", reply.text);
        let body = json!({"userName": "new", "role": "editor", "scopes": [scope]});
        refused(&north.post("/api/v1/users", body).await, 422, Some("scopes"));
        let reply = north.post("/api/v1/companies", json!({"name": "Below", "parent": slug})).await;
        refused(&reply, 422, Some("parent"));
        assert!(!reply.text.contains("did you mean `company:south`"), "{}", reply.text);
    }
    let reply = north.post("/api/v1/companies", json!({"name": "South"})).await;
    refused(&reply, 409, Some("slug"));
    assert!(!reply.text.contains("South"), "not even what it is called: {}", reply.text);
    // Where a list goes on is a row of an index, and its text is not to be read.
    use base64::Engine as _;
    let page = good(ground.root().get("/api/v1/users?sort=userName&limit=1").await, StatusCode::OK);
    let next = page["next"].as_str().unwrap();
    let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(next).unwrap();
    let name = page["items"][0]["userName"].as_str().unwrap().as_bytes();
    assert!(!bytes.windows(name.len()).any(|window| window == name));
    let again = good(ground.root().get("/api/v1/users?sort=userName&limit=1").await, StatusCode::OK);
    assert_ne!(again["next"], page["next"], "nor to be compared");
}

/// Everybody on a list by login name, page by page.
async fn everybody(client: &Client, query: &str, limit: usize) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = good(client.get(&format!("/api/v1/users?limit={limit}{query}{cursor}")).await, StatusCode::OK);
        let items = page["items"].as_array().unwrap();
        found.extend(items.iter().map(|item| item["userName"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test]
async fn lists_by_company_and_of_who_is_limited_go_along_an_index() {
    let ground = Ground::new().await;
    ground.test.place(&["company:north", "company:deep < company:north", "company:south", "company:east"]).await;
    let root = ground.root();
    let of = |number: usize| match number % 6 {
        0 => vec!["north"],
        1 => vec!["south"],
        2 => vec!["deep"],
        3 => vec!["north", "deep", "east"],
        4 => vec!["east"],
        _ => vec![],
    };
    for number in 0..36 {
        let named = of(number);
        let body = match named.is_empty() {
            true => json!({"userName": format!("u{number:02}")}),
            false => json!({"userName": format!("u{number:02}"), "companies": named}),
        };
        good(root.post("/api/v1/users", body).await, StatusCode::CREATED);
        ground.test.advance(std::time::Duration::from_millis(3));
    }
    let named = |keep: &dyn Fn(&[&str]) -> bool| -> Vec<String> {
        (0..36).filter(|number| keep(&of(*number))).map(|number| format!("u{number:02}")).collect()
    };
    let filter = |company: &str| format!("&filter=companies%20eq%20%22{company}%22");
    for company in ["north", "South", "deep", "east", "none"] {
        let wanted = named(&|named: &[&str]| named.iter().any(|name| name.eq_ignore_ascii_case(company)));
        for limit in [1, 5, 500] {
            assert_eq!(everybody(&root, &filter(company), limit).await, wanted, "{company} by {limit}");
        }
    }
    // Who sees two companies, one of them by the one above it, sees everybody of these once, and themselves.
    ground.user("north", &["administrator"]).await;
    good(root.patch("/api/v1/users/north", json!({"companies": ["north"]})).await, StatusCode::OK);
    let north = ground.sign_in("north").await;
    let mut seen = named(&|named: &[&str]| named.contains(&"north") || named.contains(&"deep"));
    for limit in [1, 5, 500] {
        let mut wanted = seen.clone();
        wanted.push("north".to_owned());
        assert_eq!(everybody(&north, "", limit).await, wanted, "by {limit}");
        assert_eq!(everybody(&north, "&filter=active%20eq%20true", limit).await, wanted, "by {limit}");
        wanted.reverse();
        wanted.rotate_left(1);
        let mut sorted = everybody(&north, "&sort=userName", limit).await;
        sorted.sort();
        wanted.sort();
        assert_eq!(sorted, wanted, "by {limit}");
    }
    assert_eq!(
        everybody(&north, &filter("east"), 500).await,
        [] as [&str; 0],
        "a company that they do not see is none"
    );
    // The way is along the index, whether somebody is limited or asks for a company.
    let directory = ground.test.gateway.directory();
    let within = Within { companies: vec!["company:north".parse().unwrap()], own: None };
    let way = async |within| directory.way_to_users(&[], None, within).await.unwrap().name().to_owned();
    assert_eq!((way(Some(&within)).await, way(None).await), ("by companies".to_owned(), "by creation".to_owned()));
    // Who leaves a company, or is deleted, leaves its list.
    good(root.patch("/api/v1/users/u00", json!({"companies": ["south"]})).await, StatusCode::OK);
    good(root.delete("/api/v1/users/u02?confirm=u02").await, StatusCode::OK);
    seen.retain(|name| name != "u00" && name != "u02");
    seen.push("north".to_owned());
    assert_eq!(everybody(&north, "", 4).await, seen);
}

#[tokio::test]
async fn a_store_of_a_release_before_gets_the_index_of_companies() {
    use cleargate::audit::Housekeeping;
    use cleargate::model::OrganisationId;
    use cleargate::store::{Key, KeyWriter, Range, Table};
    use cleargate::tasks::Tasks;
    struct Raw(Vec<u8>);
    impl Key for Raw {
        fn write(&self, out: &mut KeyWriter) {
            out.fixed(&self.0);
        }
    }
    const FACETS: Table<Raw, ()> = Table::new(0x44, "user facets");
    const FILLED: Table<str, ()> = Table::new(0x45, "user facets filled");
    let (ground, north) = two_companies().await;
    let ledger = ground.test.gateway.ledger();
    // The rows of companies are the last kind.
    let prefix = FACETS.prefix(OrganisationId::DEFAULT, &Raw(vec![6]));
    let rows = async || ledger.store().range(Range::prefix(prefix.clone(), 100)).await.unwrap();
    let before: Vec<Vec<u8>> = rows().await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(before.len(), 3, "u-north, u-south, north");
    let mut change = ledger.change();
    let start = FACETS.prefix(OrganisationId::DEFAULT, &()).len();
    before.iter().for_each(|key| change.delete(&FACETS, OrganisationId::DEFAULT, &Raw(key[start..].to_vec())));
    change.delete(&FILLED, OrganisationId::DEFAULT, "companies");
    change.commit_quietly(Housekeeping::Index).await.unwrap();
    let directory = ground.test.gateway.directory();
    assert!(directory.open_facets().await.unwrap(), "somebody has no rows");
    assert_eq!(everybody(&north, "", 500).await.len(), 2, "the long way");
    assert_eq!(everybody(&north, "&sort=created", 500).await.len(), 2, "what was there serves");
    assert_eq!(directory.fill_facets(&Tasks::new().stopping()).await.unwrap(), 5);
    assert!(!directory.open_facets().await.unwrap());
    assert_eq!(rows().await.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), before);
    assert_eq!(everybody(&north, "", 500).await.len(), 2);
}

#[tokio::test]
async fn a_company_goes_when_nothing_belongs_to_it_any_more() {
    let (ground, _) = two_companies().await;
    let root = ground.root();
    for (what, path, body) in [
        ("accounts", "/api/v1/users/u-south", json!({"companies": ["north"]})),
        ("groups", "/api/v1/groups/g_south", json!({"companies": []})),
        ("people", "/api/v1/people/2", json!({"companies": []})),
    ] {
        let reply = root.delete("/api/v1/companies/south").await;
        refused(&reply, 409, None);
        assert!(reply.text.contains(what), "{}", reply.text);
        good(root.patch(path, body).await, StatusCode::OK);
    }
    good(root.delete("/api/v1/companies/south").await, StatusCode::OK);
}

#[tokio::test]
async fn filters_tell_of_no_group_and_no_role_that_is_not_seen() {
    let (ground, north) = two_companies().await;
    let root = ground.root();
    good(root.post("/api/v1/groups/G%20South/members", json!({"users": ["u-north"]})).await, StatusCode::OK);
    good(root.post("/api/v1/groups/G%20North/members", json!({"users": ["u-north"]})).await, StatusCode::OK);
    let hidden = json!({"user": "u-north", "role": "browser", "scope": "company:south"});
    good(root.post("/api/v1/grants", hidden).await, StatusCode::CREATED);
    let south = good(root.get("/api/v1/groups/G%20South").await, StatusCode::OK)["id"].as_str().unwrap().to_owned();
    let found = async |client: &Client, filter: &str| {
        let filter = form_urlencoded::byte_serialize(filter.as_bytes()).collect::<String>();
        let page = good(client.get(&format!("/api/v1/users?filter={filter}")).await, StatusCode::OK);
        page["items"].as_array().unwrap().len()
    };
    for filter in [
        "groups.display sw \"G S\"",
        "groups.display co \"outh\"",
        "groups.display eq \"G South\"",
        &format!("groups.value eq \"{south}\""),
        &format!("groups eq \"{south}\""),
        "role eq \"browser\"",
        "role sw \"brow\"",
        "companies eq \"south\"",
    ] {
        assert_eq!(found(&north, filter).await, 0, "{filter}");
        assert_ne!(found(&root, filter).await, 0, "{filter}");
    }
    assert_eq!(found(&north, "groups.display sw \"G N\"").await, 1);
    assert_eq!(found(&north, "role eq \"editor\"").await, 1);
}

#[tokio::test]
async fn what_is_told_of_one_account_is_what_is_seen_of_it() {
    let (ground, north) = two_companies().await;
    let root = ground.root();
    let both = json!({"userName": "u-both", "companies": ["north", "south"]});
    good(root.post("/api/v1/users", both).await, StatusCode::CREATED);
    for group in ["G%20North", "G%20South"] {
        let path = format!("/api/v1/groups/{group}/members");
        good(root.post(&path, json!({"users": ["u-both"]})).await, StatusCode::OK);
    }
    let south = json!({"user": "u-both", "role": "browser", "scope": "company:south"});
    good(root.post("/api/v1/grants", south).await, StatusCode::CREATED);
    let by_group = json!({"group": "G South", "role": "editor"});
    good(root.post("/api/v1/grants", by_group).await, StatusCode::CREATED);
    for path in [
        "/users/u-both",
        "/users/u-both/holdings",
        "/users/u-both/permissions",
        "/users/u-both/provenance",
        "/reports/access",
        "/reports/users",
    ] {
        let told = |client: &Client| {
            let client = client.clone();
            async move { good(client.get(&format!("/api/v1{path}")).await, StatusCode::OK).to_string() }
        };
        let (all, seen) = (told(&root).await, told(&north).await);
        assert!(all.contains("G South") || all.contains("company:south"), "{path}: {all}");
        assert!(!seen.contains("G South") && !seen.contains("company:south"), "{path}: {seen}");
        // Of what they hold elsewhere, nothing is left to tell in the report of rights.
        assert!(seen.contains("u-both") || path == "/reports/access", "{path}: {seen}");
    }
    refused(&north.get("/api/v1/users/u-both/history").await, 403, None);
    good(root.get("/api/v1/users/u-both/history").await, StatusCode::OK);
    for path in ["/sources", "/sources/nobody", "/sources/nobody/sync"] {
        refused(&north.get(&format!("/api/v1{path}")).await, 403, None);
    }
    let feed = json!({"name": "shared", "scope": "read"});
    let shared = good(root.post("/api/v1/tokens", feed).await, StatusCode::CREATED)["id"].as_str().unwrap().to_owned();
    refused(&north.post(&format!("/api/v1/tokens/{shared}:rotate"), json!({"overlap": "0"})).await, 404, None);
}

#[tokio::test]
async fn what_was_given_a_company_while_it_was_taken_away_is_not_whose_who_makes_it_again() {
    let (ground, _) = two_companies().await;
    let root = ground.root();
    refused(&root.delete("/api/v1/companies/south").await, 409, None);
    // As if the accounts, the group and the person had got it between the look and the deletion.
    let grants = good(root.get("/api/v1/grants?scope=company:south").await, StatusCode::OK);
    assert_eq!(grants["items"], json!([]));
    let south = "company:south".parse().unwrap();
    ground.test.gateway.access().scopes().delete(&ground.test.task(), &south, None).await.unwrap();
    let again = root.post("/api/v1/companies", json!({"name": "South"})).await;
    refused(&again, 409, None);
    assert!(again.text.contains("take another slug"), "{}", again.text);
    good(root.post("/api/v1/companies", json!({"name": "South", "slug": "south_2"})).await, StatusCode::CREATED);
}

#[tokio::test]
async fn who_holds_a_role_is_told_of_ones_own_companies_and_that_there_are_more_is_not() {
    let (ground, north) = two_companies().await;
    let root = ground.root();
    let place = json!({"user": "u-north", "role": "browser", "scope": "company:south"});
    good(root.post("/api/v1/grants", place).await, StatusCode::CREATED);
    for (client, path, expected, more) in [
        (&north, "/api/v1/roles/editor/holders", &["u-north"][..], false),
        (&north, "/api/v1/roles/editor/holders?limit=1", &["u-north"], false),
        (&north, "/api/v1/roles/browser/holders", &[], false),
        (&root, "/api/v1/roles/editor/holders", &["u-north", "u-south"], false),
        (&root, "/api/v1/roles/browser/holders", &["u-north"], false),
    ] {
        let told = good(client.get(path).await, StatusCode::OK);
        assert_eq!((names(&told, "name"), &told["more"]), (expected.to_vec(), &json!(more)), "{path}");
    }
    let cut = good(root.get("/api/v1/roles/editor/holders?limit=1").await, StatusCode::OK);
    assert_eq!((cut["items"].as_array().unwrap().len(), &cut["more"]), (1, &json!(true)));
}
