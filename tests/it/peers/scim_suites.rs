//! Two conformance suites from PyPI against a listening gateway: scim2-tester (through scim2-cli) and scim-sanity.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use cleargate::http::{Bind, ListenerSettings, serve};
use cleargate::limit::{Allowance, LimitSettings};
use cleargate::tasks::Tasks;
use serde_json::Value;

use crate::scim::Ground;

/// A SCIM surface on a port of its own, stopped with its test.
struct Server {
    tasks: Tasks,
    url: String,
    token: String,
}

impl Server {
    async fn start() -> Self {
        // The clock stands, so a limit would never recover.
        let scim = Allowance::new(1_000_000, Duration::from_secs(1), 1_000_000);
        let ground = Ground::with_limits(&LimitSettings { scim, ..LimitSettings::default() });
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let public_url = format!("http://{address}");
        let tasks = Tasks::new();
        let settings = ListenerSettings::new("suites", Bind::Tcp(address));
        serve(settings, ground.router(&public_url), &tasks).unwrap();
        Self { tasks, url: format!("{public_url}/scim/v2"), token: ground.token("suite").await }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

/// A program of the virtual environment that `./run setup-test` makes.
fn program(name: &str) -> Command {
    let venv = std::env::var_os("CLEARGATE_TEST_VENV")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.cache/venv")), PathBuf::from);
    let path = venv.join("bin").join(name);
    assert!(
        path.exists(),
        "{} is missing: run the tests by ./run test, or set CLEARGATE_TEST_VENV to an environment with \
         tests/peers/requirements.txt",
        path.display()
    );
    let mut command = Command::new(path);
    command.env("NO_COLOR", "1").env("PYTHONWARNINGS", "ignore").env_remove("HTTP_PROXY").env_remove("http_proxy");
    command
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scim2_tester_passes_every_check() {
    let server = Server::start().await;
    let mut command = program("scim2");
    command.env("SCIM_CLI_HEADERS", format!("Authorization: Bearer {}", server.token));
    command.args(["--url", &server.url, "test"]);
    let output = run(command).await;
    let text = String::from_utf8_lossy(&output.stdout);
    // Any status but success, a skipped check included, makes the program fail.
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let passed = text.lines().filter(|line| line.starts_with("SUCCESS")).count();
    assert!(passed >= 135, "only {passed} checks ran:\n{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scim_sanity_passes_strictly() {
    let server = Server::start().await;
    let mut command = program("scim-sanity");
    command.args(["probe", &server.url, "--token", &server.token, "--strict", "--json-output"]);
    command.arg("--i-accept-side-effects");
    let output = run(command).await;
    let text = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
    });
    assert!(output.status.success(), "{report:#}");
    let summary = &report["summary"];
    let count = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!((count("failed"), count("errors"), count("warnings")), (0, 0, 0), "{report:#}");
    // What it leaves out are resource types of a draft that this server does not have.
    assert_eq!((count("passed"), count("skipped")), (28, 3), "{report:#}");
}
