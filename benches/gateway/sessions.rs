//! The check of a session by itself, without the HTTP around it: kept ready, and read from the store; what a million
//! sessions take in memory and at the start; and how long checks take while others try to sign in.

use std::cell::Cell;
use std::time::{Duration, Instant};

use cleargate::audit::{Event, EventKind};
use cleargate::config::{self, Credentials};
use cleargate::gateway::{Foundation, Gateway};
use cleargate::model::{Actor, Presence, UserId};
use cleargate::secret::Secret;
use cleargate::session::{Details, Method};
use futures_util::future::{join, join_all};
use http::request::Parts;
use http::{Request, header};

use super::client::{Call, Connection};
use super::measure::{Measure, Watch, resident_mib};
use super::support::daemon::Daemon;
use super::{Extent, LINES, seeding};

/// Sessions of one commit.
const BATCH: usize = 2_000;
/// Connections that try to sign in at the same time.
const FLOOD: usize = 8;

fn details() -> Details {
    Details {
        connector: "corp".parse().unwrap(),
        method: Method::Password,
        address: Some("192.0.2.7".parse().unwrap()),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0".to_owned()),
        upstream_session: None,
        at_upstream: None,
        groups: Vec::new(),
        presence: Presence::default(),
    }
}

async fn open(daemon: &Daemon) -> Gateway {
    let config = config::load(&daemon.config(), &Credentials::None).unwrap();
    Gateway::open(config, Foundation::system()).await.unwrap()
}

/// A session of each of these users.
async fn sessions(gateway: &Gateway, users: &[UserId]) -> Vec<Secret> {
    let mut secrets = Vec::with_capacity(users.len());
    for users in users.chunks(BATCH) {
        let mut change = gateway.ledger().change();
        for user in users {
            secrets.push(gateway.sessions().open(&mut change, *user, details()).await.unwrap().0);
        }
        let now = Foundation::system().clock.now();
        change.commit(Event::new(now, EventKind::SessionCreated, &Actor::Anonymous)).await.unwrap();
    }
    secrets
}

/// The head of a request with this session.
fn request(secret: &Secret) -> Parts {
    let cookie = format!("cleargate={}", secret.expose());
    Request::builder().uri("/").header(header::COOKIE, cookie).body(()).unwrap().into_parts().0
}

/// Checks of sessions in this process, a measure for each round: of one that is kept ready, and of many that are not.
pub async fn measure(extent: &Extent) -> Vec<(&'static str, Vec<Measure>)> {
    let daemon = Daemon::new();
    daemon.configure(LINES);
    let (people, _) = seeding::seed(&daemon, extent.people).await;
    let users: Vec<UserId> = people.iter().map(|(id, _)| id.parse().unwrap()).collect();
    let (mut warm, mut cold) = (Vec::new(), Vec::new());
    for _ in 0..extent.rounds {
        let gateway = open(&daemon).await;
        let browser = gateway.login().browser().clone();
        let requests: Vec<Parts> = sessions(&gateway, &users).await.iter().map(request).collect();
        let watch = Watch::start(std::process::id());
        for request in &requests {
            assert!(browser.signed_in(request).await.unwrap().is_some());
        }
        cold.push(watch.stop(requests.len() as u64));
        let (watch, began, mut count) = (Watch::start(std::process::id()), Instant::now(), 0);
        while began.elapsed() < extent.each {
            for _ in 0..100 {
                assert!(browser.signed_in(&requests[0]).await.unwrap().is_some());
            }
            count += 100;
        }
        warm.push(watch.stop(count));
    }
    vec![("Session check by itself, kept ready", warm), ("Session check by itself, from the store", cold)]
}

/// What many live sessions take: memory after the start, and how long the start took.
pub async fn many(count: usize) -> String {
    let mut daemon = Daemon::new();
    daemon.configure(LINES);
    let gateway = open(&daemon).await;
    let began = Instant::now();
    let mut made = 0;
    while made < count {
        let users: Vec<UserId> = (made..count.min(made + BATCH)).map(|number| user(number + 1)).collect();
        sessions(&gateway, &users).await;
        made += users.len();
    }
    eprintln!("{count} sessions took {:?}", began.elapsed());
    drop(gateway);
    let took = daemon.start().await;
    let memory = resident_mib(daemon.id());
    format!("{count} live sessions: {memory} MiB resident after a start of {} ms.", took.as_millis())
}

fn user(number: usize) -> UserId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&(number as u64).to_be_bytes());
    UserId::from_bytes(bytes)
}

/// How long a session check takes over HTTP, with and without others who try passwords at the same time: the 99th of a
/// hundred.
pub async fn under_flood(daemon: &Daemon, cookie: &str, forms: &[(String, String)], each: Duration) -> String {
    let mut checks = Connection::new(&daemon.url(), &[("cookie", cookie)]);
    let call = Call::get("/api/v1/me".to_owned());
    checks.send(&call).await;
    let alone = p99(&mut checks, &call, each).await;
    let ends = Cell::new(false);
    let attempts = forms.iter().cycle().take(FLOOD).enumerate().map(|(number, (cookie, csrf))| {
        let (ends, url) = (&ends, daemon.url());
        async move {
            let headers = [("cookie", cookie.as_str()), ("content-type", "application/x-www-form-urlencoded")];
            let mut connection = Connection::new(&url, &headers);
            let mut tries = 0_u64;
            while !ends.get() {
                let body = form_urlencoded::Serializer::new(String::new())
                    .append_pair("username", &format!("nobody-{number}-{tries}@example.org"))
                    .append_pair("password", "wrong")
                    .append_pair("csrf", csrf)
                    .finish();
                let path = "/login/password".to_owned();
                let expected = &[401, 429, 503];
                connection.send(&Call { method: http::Method::POST, path, body, expected }).await;
                tries += 1;
            }
            tries
        }
    });
    let flooded = async {
        let took = p99(&mut checks, &call, each).await;
        ends.set(true);
        took
    };
    let (flooded, tries) = join(flooded, join_all(attempts)).await;
    let tries: u64 = tries.into_iter().sum();
    let times = flooded.as_secs_f64() / alone.as_secs_f64();
    format!(
        "Session check, 99th of a hundred: {alone:?} alone, {flooded:?} beside {tries} sign-ins ({times:.1} times)."
    )
}

async fn p99(connection: &mut Connection, call: &Call, each: Duration) -> Duration {
    let (began, mut took) = (Instant::now(), Vec::new());
    while began.elapsed() < each {
        let sent = Instant::now();
        connection.send(call).await;
        took.push(sent.elapsed());
    }
    took.sort();
    took[took.len() * 99 / 100]
}
