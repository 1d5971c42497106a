//! Lists of people over the management surface's router, in this process: the first page and a deep one, by every index
//! and in every order. Everybody has the same names and department, so that an index that finds somebody finds all.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use cleargate::http::PeerUid;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::measure::{Measure, Watch};

/// Pages that are walked to be deep, of 500 people each.
const DEEP: usize = 20;

/// What is measured: name and query.
fn queries(user: &str, group: &str) -> Vec<(&'static str, String)> {
    let filter = |filter: &str| {
        let escaped: String = form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        format!("&filter={escaped}")
    };
    vec![
        ("all", String::new()),
        ("userName eq", filter(&format!("userName eq \"{user}\""))),
        ("userName sw", filter("userName sw \"seed\"")),
        ("email eq", filter(&format!("email eq \"{user}\""))),
        ("email sw", filter("email sw \"seed\"")),
        ("displayName sw", filter("displayName sw \"ada\"")),
        ("last_name eq", filter("last_name eq \"lovelace\"")),
        ("department eq", filter("department eq \"engineering\"")),
        ("status eq", filter("status eq \"active\"")),
        ("created gt", filter("created gt \"2020-01-01T00:00:00Z\"")),
        ("changed gt", filter("changed gt \"2020-01-01T00:00:00Z\"")),
        ("group eq", filter(&format!("groups.value eq \"{group}\""))),
        ("role eq", filter("role eq \"browser\"")),
        ("department eq, email ew", filter("department eq \"engineering\" and email ew \"example.org\"")),
        ("sort=userName", "&sort=userName".to_owned()),
        ("sort=displayName, desc", "&sort=displayName&order=desc".to_owned()),
        ("sort=changed, desc", "&sort=changed&order=desc".to_owned()),
        ("sort=created, department eq", format!("&sort=created{}", filter("department eq \"engineering\""))),
    ]
}

/// The cost of a page of 100, the first one and, where there is one, one that is deep.
pub async fn measure(router: &Router, user: &str, group: &str, time: Duration, mut add: impl FnMut(String, Measure)) {
    for (name, query) in queries(user, group) {
        let first = format!("/api/v1/users?limit=100{query}");
        add(format!("People, {name}, first page (5,000 µs)"), again(router, &first, time).await);
        let (mut cursor, mut depth) = (String::new(), 0);
        while depth < DEEP {
            let page = get(router, &format!("/api/v1/users?limit=500{query}{cursor}")).await;
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
            depth += 1;
        }
        if depth > 0 {
            let deep = format!("{first}{cursor}");
            add(format!("People, {name}, behind {}", depth * 500), again(router, &deep, time).await);
        }
    }
}

async fn again(router: &Router, path: &str, time: Duration) -> Measure {
    let end = Instant::now() + time;
    let (mut count, watch) = (0, Watch::start(std::process::id()));
    while Instant::now() < end {
        std::hint::black_box(send(router, path).await);
        count += 1;
    }
    watch.stop(count)
}

async fn get(router: &Router, path: &str) -> Value {
    serde_json::from_slice(&send(router, path).await).unwrap()
}

async fn send(router: &Router, path: &str) -> Vec<u8> {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    request.extensions_mut().insert(PeerUid(0));
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes().to_vec();
    assert_eq!(status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&bytes));
    bytes
}
