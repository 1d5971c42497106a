//! The session check, and signing in by password.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;

use super::Extent;
use super::client::{Call, Connection};
use super::measure::{Measure, Watch};
use super::support::daemon::Daemon;
use super::support::http::Client;

const PASSWORD: &str = "three otters juggle warm marbles";
/// People who sign in, in turn.
const PEOPLE: usize = 20;
pub const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Every operation by name, a measure for each round.
pub async fn measure(daemon: &Daemon, extent: &Extent) -> Vec<(&'static str, Vec<Measure>)> {
    for number in 0..PEOPLE {
        let user = json!({"userName": format!("password-{number}@example.org"), "password": PASSWORD,
            "must_change_password": false});
        let answer = daemon.admin().post("/api/v1/users").json(&user).send().await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    let (mut checks, mut passwords) = (Vec::new(), Vec::new());
    for _ in 0..extent.rounds {
        checks.push(session_check(daemon, extent).await);
        passwords.push(by_password(daemon, extent.sign_ins).await);
    }
    vec![("Session check: GET /api/v1/me", checks), ("Sign-in by password (Argon2id, 19 MiB, 2 passes)", passwords)]
}

/// Opens the sign-in page: the anti-forgery value of its form.
async fn open(browser: &Client) -> String {
    let page = browser.get("/login?return_to=/").send().await;
    let marker = "name=\"csrf\" value=\"";
    let start = page.text().find(marker).unwrap() + marker.len();
    page.text()[start..].split('"').next().unwrap().to_owned()
}

/// A browser's pre-login cookie, and the anti-forgery value that goes with it.
pub async fn form(daemon: &Daemon) -> (String, String) {
    let browser = daemon.client();
    let csrf = open(&browser).await;
    let cookie = browser.cookie(&browser.host(), "cleargate-login").unwrap();
    (format!("cleargate-login={cookie}"), csrf)
}

fn sign_in_call(number: usize, csrf: &str) -> Call {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("username", &format!("password-{}@example.org", number % PEOPLE))
        .append_pair("password", PASSWORD)
        .append_pair("csrf", csrf)
        .append_pair("return_to", "/")
        .finish();
    Call { method: Method::POST, path: "/login/password".to_owned(), body, expected: &[303] }
}

async fn by_password(daemon: &Daemon, count: usize) -> Measure {
    let (cookie, csrf) = form(daemon).await;
    let mut connection = Connection::new(&daemon.url(), &[("cookie", &cookie), FORM]);
    connection.send(&sign_in_call(0, &csrf)).await;
    let watch = Watch::start(daemon.id());
    for number in 0..count {
        connection.send(&sign_in_call(number, &csrf)).await;
    }
    watch.stop(count as u64)
}

/// How long checks take while others try passwords.
pub async fn under_flood(daemon: &Daemon, extent: &Extent) -> String {
    let name = "flooded@example.org";
    let user = json!({"userName": name, "password": PASSWORD, "must_change_password": false});
    let answer = daemon.admin().post("/api/v1/users").json(&user).send().await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let browser = daemon.client();
    let csrf = open(&browser).await;
    let fields = [("username", name), ("password", PASSWORD), ("csrf", csrf.as_str()), ("return_to", "/")];
    assert_eq!(browser.post("/login/password").form(&fields).send().await.status, 303);
    let cookie = format!("cleargate={}", browser.cookie(&browser.host(), "cleargate").unwrap());
    let forms = [form(daemon).await];
    super::sessions::under_flood(daemon, &cookie, &forms, extent.each).await
}

/// How long a wrong password takes for names that are somebody's and for names that are nobody's.
pub async fn of_names(daemon: &Daemon) -> String {
    const NAMES: usize = 100;
    const TRIES: usize = 5;
    for number in 0..NAMES {
        let user = json!({"userName": format!("known-{number}@example.org"), "password": PASSWORD,
            "must_change_password": false});
        let answer = daemon.admin().post("/api/v1/users").json(&user).send().await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    let (cookie, csrf) = form(daemon).await;
    let mut connection = Connection::new(&daemon.url(), &[("cookie", &cookie), FORM]);
    let mut took: [Vec<Duration>; 2] = Default::default();
    // Each password once, so that nothing looks like spraying; five tries of a name, so that nothing is locked.
    for number in 0..NAMES * TRIES {
        for (took, kind) in took.iter_mut().zip(["known", "nobody"]) {
            let body = form_urlencoded::Serializer::new(String::new())
                .append_pair("username", &format!("{kind}-{}@example.org", number % NAMES))
                .append_pair("password", &format!("wrong {kind} {number}"))
                .append_pair("csrf", &csrf)
                .finish();
            let call = Call { method: Method::POST, path: "/login/password".to_owned(), body, expected: &[401] };
            let began = Instant::now();
            connection.send(&call).await;
            took.push(began.elapsed());
        }
    }
    let [known, nobody] = took.map(|mut took| {
        took.sort_unstable();
        took[took.len() / 2].as_secs_f64() * 1000.0
    });
    let apart = (known / nobody - 1.0).abs() * 100.0;
    format!(
        "A wrong password takes {known:.2} ms for a name of somebody and {nobody:.2} ms for one of nobody: {apart:.1} % apart \
         (medians of {}).",
        NAMES * TRIES
    )
}

async fn session_check(daemon: &Daemon, extent: &Extent) -> Measure {
    let browser = daemon.client();
    let csrf = open(&browser).await;
    let name = "password-0@example.org";
    let fields = [("username", name), ("password", PASSWORD), ("csrf", csrf.as_str()), ("return_to", "/")];
    assert_eq!(browser.post("/login/password").form(&fields).send().await.status, 303);
    let cookie = format!("cleargate={}", browser.cookie(&browser.host(), "cleargate").unwrap());
    let mut connection = Connection::new(&daemon.url(), &[("cookie", &cookie)]);
    let call = Call::get("/api/v1/me".to_owned());
    connection.send(&call).await;
    let watch = Watch::start(daemon.id());
    let (began, mut count) = (std::time::Instant::now(), 0);
    while began.elapsed() < extent.each {
        connection.send(&call).await;
        count += 1;
    }
    watch.stop(count)
}
