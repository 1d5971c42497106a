//! `cleargate scim log --follow`: what an administrator sees while a client is being set up.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::support::daemon::Daemon;

/// Longest wait for a line, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// The command under way; it ends with this.
struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Follower {
    fn of(daemon: &Daemon, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cleargate"));
        command.args(["scim", "log", "okta", "--follow", "--config"]).arg(daemon.config()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines() {
                if sender.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// The next line, when it is there.
    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line of the log")
    }

    /// Whether the next line is about the request of this address.
    fn expect(&self, address: &str) {
        let line = self.line();
        assert!(line.contains(&format!("GET {address}  (request ")), "{line} instead of {address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_followed_shows_what_was_and_then_each_request_once_in_its_order() {
    let daemon = Daemon::serving("[[scim]]\nid = \"okta\"").await;
    let client = daemon.client().with_bearer(&daemon.scim_token("okta").await);
    let ask = async |path: String, status: u16| {
        let answer = client.get(&format!("/scim/v2{path}")).send().await;
        assert_eq!(answer.status, status, "{path}");
    };
    for number in 0..12 {
        ask(format!("/Users?count={number}"), 200).await;
    }
    let follower = Follower::of(&daemon, &[]);
    // The last ten, oldest first.
    for number in 2..12 {
        follower.expect(&format!("/scim/v2/Users?count={number}"));
    }
    for number in 20..45 {
        ask(format!("/Users?count={number}"), 200).await;
    }
    for number in 20..45 {
        follower.expect(&format!("/scim/v2/Users?count={number}"));
    }
    // What failed comes with the answer; whoever follows that alone sees nothing else.
    let failures = Follower::of(&daemon, &["--failed", "--json"]);
    ask("/Users?count=50".to_owned(), 200).await;
    ask("/Users/nobody".to_owned(), 404).await;
    ask("/Users?count=51".to_owned(), 200).await;
    follower.expect("/scim/v2/Users?count=50");
    follower.expect("/scim/v2/Users/nobody");
    let told = follower.line();
    assert!(told.contains("told") && told.contains("404"), "{told}");
    follower.expect("/scim/v2/Users?count=51");
    let failure: serde_json::Value = serde_json::from_str(&failures.line()).unwrap();
    assert_eq!((&failure["path"], &failure["status"]), (&"/scim/v2/Users/nobody".into(), &404.into()));
}
