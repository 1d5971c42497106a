//! The demo as a newcomer and a program see it: the built binary, its exit code, its one line, and what it serves.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use cleargate::sandbox::play::Step;
use serde_json::{Value, json};

use crate::support::http::Client;

/// The program without anything of this process's environment that it reads.
fn program(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cleargate"));
    for name in ["CLEARGATE_CONFIG", "CLEARGATE_LOG", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM"] {
        command.env_remove(name);
    }
    command.arg("demo").args(arguments).env("TMPDIR", folder).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Plays once; nothing is left in the temporary folder, whatever the outcome.
fn once(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let output = program(&[&["--once"], arguments].concat(), folder.path()).output().unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    output
}

#[test]
fn the_play_ends_well_and_says_so_in_one_line() {
    let output = once(&["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line: Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(line["outcome"], "passed");
    assert_eq!(line["steps"], json!(Step::ALL.map(Step::name)));
    assert!(line["events"].as_u64().unwrap() > 50 && line["root"].as_str().unwrap().len() == 64, "{line}");
    for step in Step::ALL {
        let told = format!("[{}/9] {}", step.number(), step.title());
        assert!(text(&output.stderr).contains(&told), "no progress of {step}: {}", text(&output.stderr));
    }
}

#[test]
fn a_step_that_is_broken_ends_the_demo_with_1_and_is_named() {
    for step in Step::ALL {
        let output = once(&["--json", "--break", step.name()]);
        assert_eq!(output.status.code(), Some(1), "{step}: {}", text(&output.stderr));
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&line["outcome"], &line["step"]), (&json!("failed"), &json!(step.name())), "{line}");
        let last = text(&output.stderr).lines().last().unwrap();
        let failure: Value = serde_json::from_str(last).unwrap();
        let error = failure["error"].as_str().unwrap();
        assert!(error.contains(&format!("step {} ({step}) failed", step.number())), "{error}");
        assert!(error.contains(line["reason"].as_str().unwrap()), "{error}");
    }
}

#[test]
fn for_people_progress_is_on_standard_output_and_the_failure_on_standard_error() {
    let output = once(&["--break", "scim"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("[1/9] the gateway starts"), "{}", text(&output.stdout));
    let error = text(&output.stderr);
    assert!(error.starts_with("cleargate: step 2 (scim) failed") && error.contains("401"), "{error}");
}

#[test]
fn a_step_that_does_not_exist_is_a_usage_error() {
    let output = once(&["--break", "dinner"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there is no such step"), "{}", text(&output.stderr));
}

/// A demo that serves.
struct Served {
    child: Child,
    stdout: BufReader<ChildStdout>,
    line: Value,
    ca: String,
    folder: tempfile::TempDir,
}

impl Served {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = program(&["--json"], folder.path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
            let mut told = String::new();
            child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
            panic!("{error}: {told}")
        });
        let ca = std::fs::read_to_string(line["ca_file"].as_str().unwrap()).unwrap();
        Self { child, stdout, line, ca, folder }
    }

    fn told(&self, key: &str) -> &str {
        self.line[key].as_str().unwrap_or_else(|| panic!("no `{key}` in {}", self.line))
    }

    fn client(&self) -> Client {
        Client::new(self.told("url")).trusting(&self.ca)
    }

    /// Tells the program to stop; it must end by itself, with 0 and nothing left.
    fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "more than one line");
        assert_eq!(std::fs::read_dir(self.folder.path()).unwrap().count(), 0, "something was left behind");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // A test that failed before it told the program to stop.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

/// The value of a hidden field.
fn field(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    page.split(&start).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_else(|| panic!("{page}")).to_owned()
}

#[tokio::test]
async fn what_is_printed_works_until_the_demo_is_told_to_stop() {
    let demo = Served::start();
    let people = demo.line["people"].as_array().unwrap().clone();
    for person in people.iter().filter(|person| person["password"].is_string()) {
        let client = demo.client();
        let page = client.get("/login").send().await;
        let (name, password) = (person["user_name"].as_str().unwrap(), person["password"].as_str().unwrap());
        let csrf = field(page.text(), "csrf");
        let form = [("username", name), ("password", password), ("csrf", csrf.as_str()), ("return_to", "/")];
        let answer = client.post("/login/password").form(&form).send().await;
        assert_eq!((answer.status, answer.location()), (303, Some("/")), "{name}");
        assert_eq!(client.get("/api/v1/me").send().await.json()["user"]["userName"], json!(name));
    }

    let link = demo.told("admin_link").strip_prefix(demo.told("url")).unwrap();
    let client = demo.client();
    let page = client.get(link).send().await;
    let form = [("token", field(page.text(), "token")), ("csrf", field(page.text(), "csrf"))];
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(client.post("/login/link").form(&form).send().await.status, 303);
    let me = client.get("/api/v1/me").send().await.json();
    assert_eq!((&me["user"]["userName"], &me["roles"]), (&json!("admin"), &json!(["system_administrator"])));

    assert_eq!(demo.told("scim_url"), format!("{}/scim/v2", demo.told("url")));
    let pushed =
        json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "zoe@clearpoint.example"});
    let scim = demo.client().with_bearer(demo.told("scim_token"));
    assert_eq!(scim.post("/scim/v2/Users").body("application/scim+json", pushed.to_string()).send().await.status, 201);
    let admin = demo.client().with_bearer(demo.told("admin_token"));
    assert_eq!(admin.get("/api/v1/users/zoe@clearpoint.example").send().await.json()["source"], json!("okta"));
    assert_eq!(demo.client().get("/api/v1/users").send().await.status, 401);

    for connector in demo.line["connectors"].as_array().unwrap() {
        let address = connector["sign_in"].as_str().unwrap();
        let next = demo.client().get(address).send().await.next().unwrap();
        assert!(next.starts_with(connector["provider"].as_str().unwrap()), "{next}");
    }
    let local = Client::unix(Path::new(demo.told("admin_socket")));
    assert_eq!(local.get("/api/v1/status").send().await.status, 200);
    demo.stop();
}
