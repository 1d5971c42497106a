//! A daemon that is killed (SIGKILL) among sign-ins: no session that was answered is lost, and no wrong try.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::support::daemon::Daemon;
use crate::support::http::Client;

const SIGN_INS: usize = 500;
const CLIENTS: usize = 4;
const ACCOUNTS: usize = 5;
const GOOD: &str = "violet anchor under seven bridges";
/// Nothing but the count itself stands in the way.
const LINES: &str = "[limits]\nsign_in = \"1000000/1m\"\nsign_in_account = \"1000000/1m\"\nsign_in_global = \"1000000/1m\"\n\
                     page = \"1000000/1m\"\nspray_names = 0\nspray_same_password = 0\n\
                     [lockout]\nattempts = 100\nknown_devices = \"same\"\n";

/// What was answered before the daemon was gone.
#[derive(Default)]
struct Answered {
    sessions: Vec<Client>,
    /// How many wrong passwords, by account.
    wrong: BTreeMap<String, u64>,
}

/// One sign-in by a new browser; `None` when it was not answered whole.
async fn sign_in(client: &Client, host: &str, name: &str, password: &str) -> Option<u16> {
    let page = client.get("/login").try_send().await.ok()?;
    let marker = "name=\"csrf\" value=\"";
    let csrf = page.text().split_once(marker)?.1.split('"').next()?.to_owned();
    let fields = [("username", name), ("password", password), ("csrf", csrf.as_str())];
    let answer = client.post("/login/password").form(&fields).try_send().await.ok()?;
    assert!([303, 401].contains(&answer.status), "{host}: {} {}", answer.status, answer.text());
    Some(answer.status)
}

/// Signs in until all sign-ins are done or the daemon is gone: every second one with a wrong password, and the two kinds on
/// accounts of their own, since a right password forgets what failed before it.
async fn work(url: String, next: Arc<AtomicUsize>) -> Answered {
    let mut done = Answered::default();
    loop {
        let number = next.fetch_add(1, Ordering::SeqCst);
        if number >= SIGN_INS {
            return done;
        }
        let client = Client::new(&url);
        let account = (number / 2) % ACCOUNTS;
        let (name, password) = match number % 2 {
            0 => (format!("in{account}"), GOOD),
            _ => (format!("out{account}"), "wrong"),
        };
        match sign_in(&client, &url, &name, password).await {
            Some(303) => done.sessions.push(client),
            Some(_) => *done.wrong.entry(name).or_default() += 1,
            None => return done,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_killed_among_five_hundred_sign_ins_loses_no_session_and_no_wrong_try() {
    let mut daemon = Daemon::serving(LINES).await;
    for kind in ["in", "out"] {
        for account in 0..ACCOUNTS {
            let user = json!({"userName": format!("{kind}{account}"), "name": "Ada Lovelace", "role": "editor",
                "password": GOOD, "must_change_password": false});
            let made = daemon.admin().post("/api/v1/users").json(&user).send().await;
            assert_eq!(made.status, 201, "{}", made.text());
        }
    }
    let next = Arc::new(AtomicUsize::new(0));
    let mut all = Answered::default();
    // Killed three times on the way; the last part runs to its end.
    for until in [SIGN_INS / 5, SIGN_INS / 2, SIGN_INS * 4 / 5, usize::MAX] {
        let workers: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(work(daemon.url(), Arc::clone(&next)))).collect();
        if until < SIGN_INS {
            while next.load(Ordering::SeqCst) < until {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            daemon.kill().await;
        }
        for worker in workers {
            let done = worker.await.unwrap();
            all.sessions.extend(done.sessions);
            for (name, count) in done.wrong {
                *all.wrong.entry(name).or_default() += count;
            }
        }
        if until < SIGN_INS {
            daemon.start().await;
        }
        for session in &all.sessions {
            assert_eq!(session.get("/api/v1/me").send().await.status, 200, "a session that was answered is lost");
        }
        let locks = daemon.admin().get("/api/v1/locks").send().await.json();
        let counted: BTreeMap<String, u64> = locks["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|lock| (lock["user"]["userName"].as_str().unwrap().to_owned(), lock["failures"].as_u64().unwrap()))
            .collect();
        for (name, answered) in &all.wrong {
            let counted = counted.get(name).copied().unwrap_or_default();
            assert!(counted >= *answered, "{name}: {answered} wrong tries were answered and {counted} are counted");
            // What was under way at a kill may be counted without an answer, and nothing else.
            assert!(counted <= answered + 3 * CLIENTS as u64, "{name}: {answered} answered, {counted} counted");
        }
    }
    let answered = all.sessions.len() + usize::try_from(all.wrong.values().sum::<u64>()).unwrap();
    assert!(answered >= SIGN_INS - 3 * CLIENTS, "{answered} of {SIGN_INS} were answered");
}
