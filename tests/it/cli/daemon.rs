//! The whole program: `serve` as a process, administered by the other commands over its socket.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{program, text};

/// Longest wait for the daemon to begin or to end.
const DEADLINE: Duration = Duration::from_secs(60);

/// A daemon in a folder of its own; it is killed when dropped.
struct Daemon {
    child: Child,
    folder: tempfile::TempDir,
}

impl Daemon {
    fn start(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Unix sockets have short names, and the store wants a folder of its own.
        let config = format!(
            "public_url = \"http://127.0.0.1:8080\"\n\
             listen = {{ address = \"127.0.0.1:0\", operations = \"127.0.0.1:0\", admin = \"run/admin.sock\" }}\n\
             store.path = \"data/cleargate.redb\"\n{lines}\n"
        );
        std::fs::write(folder.path().join("cleargate.toml"), config).unwrap();
        for name in ["run", "data"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        let child = Self::spawn(folder.path().join("cleargate.toml"));
        let mut daemon = Self { child, folder };
        daemon.wait();
        daemon
    }

    fn spawn(config: PathBuf) -> Child {
        let log = std::fs::File::create(config.with_file_name("log")).unwrap();
        program().args(["serve", "--config"]).arg(config).stderr(Stdio::from(log)).spawn().unwrap()
    }

    /// Until the socket answers; a daemon that ends instead tells why.
    fn wait(&mut self) {
        let begin = Instant::now();
        while UnixStream::connect(self.folder.path().join("run/admin.sock")).is_err() {
            let ended = self.child.try_wait().unwrap();
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(ended.is_none() && begin.elapsed() < DEADLINE, "{ended:?}: {}", log());
            std::thread::yield_now();
        }
    }

    /// Runs a command against it.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> (i32, String, String) {
        let mut command = program();
        command.args(arguments).arg("--config").arg(self.folder.path().join("cleargate.toml"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that does not read may have ended before.
        child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
    }

    /// The object that a command prints, which must end with 0.
    #[track_caller]
    fn object(&self, arguments: &[&str]) -> Value {
        let (code, out, err) = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(code, 0, "{arguments:?}: {err}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// The objects that a list prints, one a line.
    #[track_caller]
    fn list(&self, arguments: &[&str]) -> Vec<Value> {
        let (code, out, err) = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn a_daemon_is_administered_from_its_machine() {
    let daemon = Daemon::start("[[scim]]\nid = \"okta\"");
    let status = daemon.object(&["status"]);
    assert_eq!((status["users"].as_u64(), &status["connections"]), (Some(0), &serde_json::json!(["okta"])));

    let token = daemon.object(&["token", "create", "--connection", "okta"]);
    assert!(token["token"].as_str().unwrap().starts_with("cgs_"));
    let (_, bare, hint) = daemon.run(&["token", "create", "--name", "ci", "--scope", "admin", "--expires", "1d"]);
    assert!(bare.starts_with("cgp_") && bare.lines().count() == 1 && hint.contains("only time"), "{bare}{hint}");
    assert_eq!(daemon.list(&["token", "list"]).len(), 2);
    assert_eq!(daemon.run(&["token", "create", "--connection", "entra"]).0, 1);

    let user = daemon.object(&["user", "create", "ada@example.com", "--name", "Ada Lovelace", "--role", "browser"]);
    assert_eq!(user["displayName"], "Ada Lovelace");
    assert_eq!(daemon.run(&["user", "create", "ADA@example.com"]).0, 6);
    assert_eq!(daemon.run(&["user", "show", "nobody"]).0, 5);
    let (code, _, err) = daemon.run_with(&["user", "set-password", "ada@example.com"], "short\n");
    assert_eq!(code, 1);
    assert!(err.contains("password: must have at least 15 characters"), "{err}");
    let (code, _, err) =
        daemon.run_with(&["user", "set-password", "ada@example.com"], "violet anchors drift at noon\n");
    assert_eq!(code, 0, "{err}");

    let yes = daemon.object(&["explain", "ada@example.com", "pages:read"]);
    assert_eq!(yes["allowed"], true);
    let (code, told, _) = daemon.run(&["explain", "ada@example.com", "users:read"]);
    assert!(code == 0 && told.starts_with("denied: ") && told.contains("administrator"), "{told}");

    assert_eq!(daemon.run(&["scope", "create", "finance", "--name", "Finance"]).0, 2);
    let finance = daemon.object(&["scope", "create", "department:finance", "--name", "Finance"]);
    assert_eq!(finance["id"], "department:finance");
    daemon.object(&["scope", "create", "department:payroll", "--name", "Pay", "--parent", "finance"]);
    assert_eq!(daemon.object(&["scope", "rename", "department:payroll", "Payroll"])["name"], "Payroll");
    let circle = daemon.run(&["scope", "move", "department:finance", "--below", "payroll"]);
    assert!(circle.0 == 1 && circle.2.contains("circle: department:finance below department:payroll"), "{circle:?}");
    assert_eq!(daemon.run(&["scope", "delete", "department:finance", "--yes"]).0, 6);
    daemon.object(&["scope", "move", "department:payroll", "--top"]);
    assert_eq!(daemon.list(&["scope", "list", "department"]).len(), 2);

    let grant = daemon.object(&[
        "grant",
        "create",
        "--user",
        "ada@example.com",
        "--role",
        "editor",
        "--scope",
        "department:finance",
    ]);
    assert_eq!(daemon.list(&["grant", "list", "--user", "ada@example.com"]).len(), 2);
    let listed = daemon.list(&["grant", "list", "--scope", "department:finance"]);
    assert_eq!((listed.len(), listed[0]["name"].as_str()), (1, Some("ada@example.com")));
    let id = grant["id"].as_str().unwrap();
    // Nobody at a terminal and no yes; a try needs none.
    assert_eq!(daemon.run(&["grant", "delete", id]).0, 2);
    assert_eq!(daemon.run(&["grant", "delete", id, "--dry-run"]).0, 0);
    assert_eq!(daemon.list(&["grant", "list", "--scope", "department:finance"]).len(), 1);
    assert_eq!(daemon.run(&["scope", "delete", "department:payroll"]).0, 2);

    let tried = daemon.object(&["user", "update", "ada@example.com", "--department", "Finance", "--dry-run"]);
    assert_eq!(tried["department"], "finance");
    assert_eq!(daemon.object(&["user", "show", "ada@example.com"])["department"], Value::Null);
    daemon.object(&["user", "update", "ada@example.com", "--department", "Finance"]);
    assert_eq!(daemon.object(&["user", "show", "ada@example.com"])["department"], "finance");
    let (code, told, _) = daemon.run(&["user", "permissions", "ada@example.com"]);
    assert!(code == 0 && told.contains("department:finance") && told.contains("pages:read"), "{told}");
    daemon.object(&["person", "create", "--first-name", "Grace", "--last-name", "Hopper", "--number", "7"]);
    assert_eq!(daemon.object(&["person", "update", "7", "--email", "grace@example.com"])["first_name"], "Grace");
    assert_eq!(daemon.object(&["person", "show", "7"])["email"], "grace@example.com");
    assert_eq!(daemon.list(&["person", "list"]).len(), 1);
    assert_eq!(daemon.run(&["person", "delete", "7"]).0, 2);
    assert_eq!(daemon.run(&["person", "delete", "7", "--yes"]).0, 0);
    assert!(daemon.list(&["role", "permissions"]).len() > 10);

    assert_eq!(daemon.run(&["grant", "delete", grant["id"].as_str().unwrap(), "--yes"]).0, 0);
    assert_eq!(daemon.run(&["grant", "delete", grant["id"].as_str().unwrap(), "--yes"]).0, 5);
    assert_eq!(daemon.run(&["scope", "delete", "department:payroll", "--yes"]).0, 0);

    assert_eq!(daemon.object(&["user", "deactivate", "ada@example.com"])["status"], "inactive");
    let (_, table, _) = daemon.run(&["user", "list"]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("USER") && lines[1].contains("inactive"), "{table}");
    assert!(daemon.list(&["user", "list", "--filter", "status eq \"active\""]).is_empty());
    assert_eq!(daemon.run(&["user", "list", "--filter", "status"]).0, 1);

    assert!(daemon.list(&["session", "list"]).is_empty() && daemon.list(&["lock", "list"]).is_empty());
    assert_eq!(daemon.object(&["lock", "clear", "ada@example.com"])["cleared"], false);
    assert_eq!(daemon.run(&["sync", "run", "corp"]).0, 5);
    assert!(daemon.list(&["group", "list"]).is_empty());

    let events = daemon.list(&["audit", "tail", "--action", "user.*"]);
    assert_eq!(events.last().unwrap()["action"], "user.deactivate");
    assert_eq!(daemon.object(&["audit", "verify"])["intact"], true);
    let log = std::fs::read_to_string(daemon.folder.path().join("log")).unwrap();
    assert!(!log.contains("violet anchors") && !log.contains(token["token"].as_str().unwrap()), "{log}");
}

#[test]
fn a_daemon_reads_its_configuration_again_or_keeps_the_old_one() {
    let daemon = Daemon::start("");
    let path = daemon.folder.path().join("cleargate.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{good}\n[session]\nidle = 5\n")).unwrap();
    let socket = daemon.folder.path().join("run/admin.sock");
    let reload = || program().args(["reload", "--socket"]).arg(&socket).output().unwrap();
    let output = reload();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("session.idle"), "{}", text(&output.stderr));
    std::fs::write(&path, format!("{good}\n[session]\nidle = \"5m\"\n")).unwrap();
    let output = reload();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("session"), "what needs a start is named: {}", text(&output.stderr));
    // The ledger tells whether it was the same configuration and the same pack, and nothing that they say.
    assert_eq!(reload().status.code(), Some(0));
    std::fs::write(&path, format!("{good}\n[policy.options]\nupdater_scope = \"permitted\"\n")).unwrap();
    assert_eq!(reload().status.code(), Some(0));
    let told = |action: &str| daemon.list(&["audit", "tail", "--action", action]);
    let events: Vec<_> = told("gateway.start").into_iter().chain(told("configuration.reload")).collect();
    let digests = |name: &str| -> Vec<String> {
        events.iter().map(|event| event["details"][name].as_str().unwrap().to_owned()).collect()
    };
    let (configurations, packs) = (digests("configuration digest"), digests("policy digest"));
    let [started, first, again, last] = &configurations[..] else { panic!("{events:?}") };
    assert!(started != first && first == again && again != last && started.len() == 64, "{configurations:?}");
    assert!(packs[0] == packs[1] && packs[1] == packs[2] && packs[2] != packs[3], "{packs:?}");
}

#[test]
fn a_daemon_stops_when_it_is_told_and_its_ledger_is_intact() {
    let mut daemon = Daemon::start("");
    daemon.object(&["user", "create", "ada"]);
    daemon.signal("-TERM");
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = daemon.child.try_wait().unwrap() {
            break status;
        }
        assert!(begin.elapsed() < DEADLINE, "it does not end");
        std::thread::yield_now();
    };
    assert_eq!(status.code(), Some(0));
    assert_eq!(daemon.run(&["status"]).0, 3);
    let data = daemon.folder.path().join("data");
    let (store, key) = (data.join("cleargate.redb"), data.join("cleargate.key"));
    let report =
        daemon.object(&["audit", "verify", "--store", store.to_str().unwrap(), "--key", key.to_str().unwrap()]);
    assert_eq!(report["intact"], true);
    assert!(report["entries"].as_u64().unwrap() >= 2, "{report}");
}

#[test]
fn a_second_daemon_on_one_store_is_refused() {
    let daemon = Daemon::start("");
    let path = daemon.folder.path().join("second.toml");
    let config = std::fs::read_to_string(daemon.folder.path().join("cleargate.toml")).unwrap();
    std::fs::write(&path, config.replace("run/admin.sock", "run/second.sock")).unwrap();
    let output = program().args(["serve", "--config"]).arg(&path).output().unwrap();
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("open in another process"), "{}", text(&output.stderr));
    assert_eq!(daemon.object(&["status"])["store"], "ready");
}

#[test]
fn a_daemon_elsewhere_is_administered_with_a_token() {
    // The public listener's port is not told by the commands: it is chosen here, free a moment before.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start("");
    drop(daemon);
    let url = format!("http://127.0.0.1:{port}");
    let config = format!(
        "public_url = \"{url}\"\nlisten = {{ address = \"127.0.0.1:{port}\", operations = \"127.0.0.1:0\", admin = \"a.sock\" }}\n\
         store.path = \"data/s.redb\"\n"
    );
    std::fs::create_dir(folder.path().join("run")).unwrap();
    std::fs::write(folder.path().join("cleargate.toml"), config.replace("a.sock", "run/admin.sock")).unwrap();
    let child = Daemon::spawn(folder.path().join("cleargate.toml"));
    let mut daemon = Daemon { child, folder };
    daemon.wait();
    let token = daemon.object(&["token", "create", "--name", "ci", "--scope", "users:read"]);
    let file = daemon.folder.path().join("token");
    std::fs::write(&file, token["token"].as_str().unwrap()).unwrap();
    let remote = |arguments: &[&str]| {
        let output = program().args(arguments).args(["--url", &url, "--token-file"]).arg(&file).output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
    };
    let (code, _, err) = remote(&["user", "list", "--json"]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = remote(&["user", "create", "ada"]);
    assert_eq!(code, 4, "{err}");
    assert!(err.contains("users:create"), "{err}");
    std::fs::write(&file, "cgp_wrong").unwrap();
    assert_eq!(remote(&["user", "list"]).0, 4);
}

#[test]
fn connections_are_listed_released_and_their_requests_shown() {
    let daemon = Daemon::start("[[scim]]\nid = \"okta\"\n[[scim]]\nid = \"hr\"");
    let (code, out, _) = daemon.run(&["scim", "list"]);
    assert_eq!((code, out.lines().count()), (0, 3), "{out}");
    assert!(out.lines().next().unwrap().starts_with("CONNECTION") && out.contains("okta"), "{out}");
    let released = daemon.object(&["scim", "release", "okta"]);
    assert_eq!((&released["id"], &released["released"]), (&"okta".into(), &false.into()));
    assert_eq!(daemon.run(&["scim", "release", "nobody"]).0, 5);
    let (code, out, _) = daemon.run(&["scim", "log", "okta", "--failed"]);
    assert_eq!((code, out.as_str()), (0, ""));
    assert_eq!(daemon.run(&["scim", "log", "nobody"]).0, 5);
    let client = daemon.object(&["token", "create", "--connection", "okta", "--client"]);
    assert!(client["client_secret"].as_str().unwrap().starts_with("cgc_"));
    let (_, out, _) = daemon.run(&["token", "list", "--connection", "okta"]);
    assert!(out.contains("client") && out.lines().count() == 2, "{out}");
    let (_, out, _) = daemon.run(&["token", "list", "--connection", "hr"]);
    assert_eq!(out.lines().count(), 1, "{out}");
}

#[test]
fn people_are_imported_grouped_and_deleted() {
    let daemon = Daemon::start("");
    let list = daemon.folder.path().join("people.csv");
    std::fs::write(&list, "First,Last,E-mail\r\nAda,Lovelace,ada@example.com\r\nAlan,Turing,alan@example.com\r\n")
        .unwrap();
    let (file, bad) = (list.to_str().unwrap().to_owned(), daemon.folder.path().join("bad.csv"));
    std::fs::write(&bad, "Grace,Hopper,grace@example.com\nEve,,eve@example.com\n").unwrap();
    let (code, _, told) = daemon.run(&["user", "import", bad.to_str().unwrap(), "--role", "browser"]);
    assert!(code == 1 && told.contains("row 2: last_name is required"), "{told}");
    let (code, told, _) = daemon.run(&["user", "import", &file, "--role", "browser", "--dry-run"]);
    assert_eq!((code, told.as_str()), (0, "2 rows are good; nothing was written\n"));
    let (code, told, progress) = daemon.run(&["user", "import", &file, "--role", "browser"]);
    assert!(code == 0 && told.contains("alan@example.com") && progress.contains("2 of 2 accounts"), "{told}{progress}");
    assert_eq!(daemon.run(&["group", "create", "Data Analysts", "--user", "ada@example.com"]).0, 0);
    let (code, told, _) = daemon.run(&["group", "add", "data_analysts", "--user", "alan@example.com", "--dry-run"]);
    assert_eq!((code, told.as_str()), (0, "1 of members would be added, 0 stay as they are\n"));
    assert_eq!(daemon.run(&["group", "add", "data_analysts", "--user", "alan@example.com"]).0, 0);
    assert_eq!(daemon.run(&["group", "remove", "data_analysts", "--user", "ada@example.com"]).0, 0);
    assert_eq!(daemon.run(&["group", "rename", "data_analysts", "Analysts"]).0, 0);
    let (code, told, _) = daemon.run(&["group", "members", "analysts", "--json"]);
    assert!(code == 0 && told.lines().count() == 1 && told.contains("alan@example.com"), "{told}");
    let (code, _, told) = daemon.run(&["user", "delete", "ada@example.com"]);
    assert!(code == 2 && told.contains("--yes") && told.contains("for ever"), "{told}");
    assert_eq!(daemon.run(&["user", "delete", "ada@example.com", "--yes"]).0, 0);
    assert_eq!(daemon.run(&["user", "show", "ada@example.com"]).0, 5);
    assert_eq!(daemon.run(&["group", "delete", "analysts", "--yes"]).0, 0);
    let named = ["group", "create", "Ruled", "--rule", "userName sw \"alan\"", "--dry-run"];
    assert_eq!(daemon.object(&named)["members"], 1);
    assert_eq!(daemon.object(&named[..5])["members"], 1);
    let none = daemon.object(&["group", "update", "ruled", "--rule", "userName sw \"nobody\""]);
    assert_eq!((&none["members"], none["rule"].as_str()), (&serde_json::json!(0), Some("userName sw \"nobody\"")));
    assert!(daemon.object(&["group", "update", "ruled", "--no-rule"])["rule"].is_null());
    assert_eq!(daemon.run(&["group", "add", "ruled", "--user", "alan@example.com"]).0, 0);
}

#[test]
fn reports_are_written_and_practice_is_looked_through() {
    let daemon = Daemon::start("[[scim]]\nid = \"okta\"");
    for name in ["ada", "grace"] {
        daemon.object(&["user", "create", name, "--name", "=1+1", "--role", "administrator"]);
    }
    let file = daemon.folder.path().join("access.csv");
    let (code, out, err) = daemon.run(&["report", "access", "--output", file.to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    let csv = std::fs::read_to_string(&file).unwrap();
    assert!(csv.lines().count() == 3 && csv.contains("\"ada\"") && csv.contains("\"'=1+1\""), "{csv}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let (_, out, _) = daemon.run(&["report", "users"]);
    assert!(out.starts_with("\"id\",\"user\"") && out.lines().count() == 3, "{out}");
    let (_, out, _) = daemon.run(&["report", "users", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&out).unwrap().len(), 2, "{out}");
    assert_eq!(daemon.list(&["report", "sources"]).len(), 1);
    assert_eq!(daemon.run(&["report", "tokens", "--user", "nobody", "--output", file.to_str().unwrap()]).0, 5);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), csv, "a refusal leaves what is there");
    assert_eq!(daemon.run(&["report", "everything"]).0, 2);
    assert_eq!(daemon.run(&["doctor"]).0, 2);

    let (code, told, err) = daemon.run(&["doctor", "--access"]);
    assert!(code == 0 && told.contains("2 active users may give roles"), "{code} {told}{err}");
    assert!(told.contains("which rights were not used for 90 days can be told from "), "{told}");
    let (_, told, _) = daemon.run(&["doctor", "--access", "--days", "7"]);
    assert!(told.contains("not used for 7 days"), "{told}");
    let posture = daemon.object(&["doctor", "--access"]);
    assert_eq!((&posture["severe"], &posture["uses"]["days"]), (&Value::from(0), &Value::from(90)));
    assert_eq!(daemon.run(&["doctor", "--seats", "--days", "7"]).0, 2);
}

#[test]
fn access_requests_are_listed_and_decided_from_the_command_line() {
    let daemon = Daemon::start("");
    let (code, told, err) = daemon.run(&["access-requests", "list"]);
    assert!(code == 0 && told.starts_with("USER"), "{code} {told}{err}");
    assert_eq!(daemon.list(&["access-requests", "list", "--status", "all"]), Vec::<Value>::new());
    assert_eq!(daemon.run(&["access-requests", "list", "--status", "lost"]).0, 2);
    let nobodys = "0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d";
    for verb in ["approve", "refuse"] {
        assert_eq!(daemon.run(&["access-requests", verb, nobodys]).0, 5, "{verb}");
    }
}

#[test]
fn attempts_and_links_for_tests_come_from_the_daemon() {
    let metadata = "metadata = { url = \"http://127.0.0.1:9/metadata\" }";
    let daemon = Daemon::start(&format!("[[saml]]\nid = \"entra\"\n{metadata}"));
    assert_eq!(daemon.list(&["saml", "attempts", "entra"]), Vec::<Value>::new());
    assert_eq!(daemon.run(&["saml", "attempts", "nobody"]).0, 5);
    let made = daemon.object(&["saml", "test", "entra", "--sign-in"]);
    assert!(made["link"].as_str().unwrap().starts_with("http://127.0.0.1:8080/login/trial?token="), "{made}");
    let (code, out, hint) = daemon.run(&["saml", "test", "entra", "--sign-in"]);
    assert!(code == 0 && out.lines().count() == 1 && hint.contains("once"), "{out}{hint}");
    assert_eq!(daemon.run(&["oidc", "test", "nobody", "--sign-in"]).0, 5);
    // What is tried is the file, and the provider of this one is not there.
    let (code, out, _) = daemon.run(&["saml", "test", "entra"]);
    assert!(code == 1 && out.contains("FAIL  reachable"), "{out}");
}
