//! The program as a shell sees it: help, exit codes, standard output and standard error.

mod daemon;
mod follow;
mod init;
mod offline;
mod providers;
mod proxied;
mod trial;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::golden;

/// The program without anything of this process's environment that it reads.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cleargate"));
    for name in ["CLEARGATE_CONFIG", "CLEARGATE_LOG", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Exit code, standard output, standard error.
fn ended(arguments: &[&str]) -> (i32, String, String) {
    let output = run(arguments);
    (output.status.code().unwrap(), text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
}

const COMMANDS: &[&[&str]] = &[
    &[],
    &["access-requests"],
    &["access-requests", "approve"],
    &["access-requests", "list"],
    &["access-requests", "refuse"],
    &["audit"],
    &["audit", "events"],
    &["audit", "tail"],
    &["audit", "verify"],
    &["backup"],
    &["check-config"],
    &["demo"],
    &["doctor"],
    &["explain"],
    &["export"],
    &["factor"],
    &["factor", "list"],
    &["factor", "remove"],
    &["factor", "require"],
    &["grant"],
    &["grant", "create"],
    &["grant", "delete"],
    &["grant", "list"],
    &["group"],
    &["group", "add"],
    &["group", "create"],
    &["group", "delete"],
    &["group", "list"],
    &["group", "members"],
    &["group", "remove"],
    &["group", "rename"],
    &["group", "update"],
    &["import"],
    &["init"],
    &["invitation"],
    &["invitation", "create"],
    &["invitation", "list"],
    &["invitation", "resend"],
    &["invitation", "revoke"],
    &["lock"],
    &["lock", "clear"],
    &["lock", "list"],
    &["lock", "networks"],
    &["lock", "release"],
    &["mail"],
    &["mail", "test"],
    &["network"],
    &["network", "set"],
    &["network", "show"],
    &["oidc"],
    &["oidc", "admit"],
    &["oidc", "attempts"],
    &["oidc", "test"],
    &["person"],
    &["person", "create"],
    &["person", "delete"],
    &["person", "list"],
    &["person", "show"],
    &["person", "update"],
    &["policy"],
    &["policy", "diff"],
    &["policy", "import"],
    &["policy", "samples"],
    &["policy", "test"],
    &["reload"],
    &["role"],
    &["role", "create"],
    &["role", "delete"],
    &["role", "duplicate"],
    &["role", "list"],
    &["role", "matrix"],
    &["role", "permissions"],
    &["role", "show"],
    &["role", "update"],
    &["report"],
    &["restore"],
    &["saml"],
    &["saml", "admit"],
    &["saml", "attempts"],
    &["saml", "test"],
    &["scim"],
    &["scim", "list"],
    &["scim", "log"],
    &["scim", "release"],
    &["scim", "test"],
    &["scope"],
    &["scope", "create"],
    &["scope", "delete"],
    &["scope", "list"],
    &["scope", "move"],
    &["scope", "rename"],
    &["serve"],
    &["session"],
    &["session", "end"],
    &["session", "list"],
    &["status"],
    &["sync"],
    &["sync", "plan"],
    &["sync", "run"],
    &["token"],
    &["token", "create"],
    &["token", "list"],
    &["token", "revoke"],
    &["token", "rotate"],
    &["user"],
    &["user", "activate"],
    &["user", "companies"],
    &["user", "create"],
    &["user", "deactivate"],
    &["user", "delete"],
    &["user", "demand"],
    &["user", "holdings"],
    &["user", "import"],
    &["user", "list"],
    &["user", "offboard"],
    &["user", "permissions"],
    &["user", "reset-password"],
    &["user", "set-password"],
    &["user", "show"],
    &["user", "update"],
    &["who-can"],
];

#[test]
fn the_help_of_every_command_is_as_it_was_read() {
    let mut picture = String::new();
    for command in COMMANDS {
        let (code, out, err) = ended(&[command, &["--help"][..]].concat());
        assert_eq!((code, err.as_str()), (0, ""), "{command:?}");
        picture.push_str(&format!("$ cleargate {}\n{out}\n", [command, &["--help"][..]].concat().join(" ")));
    }
    golden::check("cli/help.txt", &picture);
}

#[test]
fn every_command_of_the_tree_has_its_help_compared() {
    let listed = |help: &str| -> Vec<String> {
        let commands = help.split("Commands:\n").nth(1).unwrap_or("").split("\n\n").next().unwrap_or("");
        commands.lines().filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
    };
    for command in COMMANDS {
        let (_, help, _) = ended(&[command, &["--help"][..]].concat());
        for below in listed(&help) {
            let inner = [command, &[below.as_str()][..]].concat();
            assert!(COMMANDS.iter().any(|known| **known == inner[..]), "{inner:?} is not compared");
        }
    }
}

#[test]
fn mistakes_on_the_command_line_end_with_2_and_say_what_was_meant() {
    for (arguments, hint) in [
        (&["sevre"][..], "serve"),
        (&["user", "creat"], "create"),
        (&["token", "create"], "--connection"),
        (&["token", "create", "--connection", "okta", "--scope", "admin"], "cannot be used with"),
        (&["status", "--url", "https://a.example"], "--token-file"),
        (&["grant", "list"], "--user"),
        (&["user", "set-password"], "<USER>"),
        (&["user", "set-password", "ada", "hunter2"], "unexpected argument"),
        (&["status", "--sockt", "x"], "--socket"),
        (&["audit", "verify", "--store", "x"], "--key"),
        (&[], "Usage"),
    ] {
        let (code, out, err) = ended(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains(hint), "{arguments:?}: {err}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    assert_eq!(ended(&["--version"]), (0, format!("cleargate {}\n", env!("CARGO_PKG_VERSION")), String::new()));
}

#[test]
fn without_a_daemon_administration_ends_with_3() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let socket = socket.to_str().unwrap();
    for arguments in [
        &["status"][..],
        &["reload"],
        &["user", "list"],
        &["user", "deactivate", "ada"],
        &["token", "create", "--connection", "okta"],
        &["grant", "list", "--user", "ada"],
        &["session", "end", "x"],
        &["lock", "clear", "ada"],
        &["audit", "tail"],
        &["audit", "verify"],
        &["explain", "ada", "reports:read"],
        &["sync", "run", "corp"],
        &["group", "list"],
    ] {
        let (code, out, err) = ended(&[arguments, &["--socket", socket][..]].concat());
        assert_eq!((code, out.as_str()), (3, ""), "{arguments:?}: {err}");
        assert!(err.starts_with(&format!("cleargate: no daemon answers at {socket}: ")), "{err}");
    }
    // A socket that nobody listens on any more.
    drop(std::os::unix::net::UnixListener::bind(socket).unwrap());
    assert_eq!(ended(&["status", "--socket", socket]).0, 3);
}

#[test]
fn a_daemon_that_breaks_off_is_unreachable_and_one_that_speaks_no_json_fails() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    for (answer, code) in [
        ("", 3),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{", 3),
        ("no http\r\n\r\n", 3),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 1),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 5),
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 13\r\n\r\n{\"detail\":\"\"}", 4),
        ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", 69),
    ] {
        std::fs::remove_file(&socket).ok();
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // Read the request's head first: closing with unread bytes would reset the connection.
            let mut head = [0; 4096];
            let read = std::io::Read::read(&mut stream, &mut head).unwrap();
            assert!(read > 0);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let (found, out, err) = ended(&["status", "--socket", socket.to_str().unwrap()]);
        peer.join().unwrap();
        assert_eq!((found, out.as_str()), (code, ""), "{answer:?}: {err}");
    }
}

#[test]
fn a_failure_is_an_object_with_json() {
    let (code, out, err) = ended(&["status", "--json", "--socket", "/nonexistent/admin.sock"]);
    let object: serde_json::Value = serde_json::from_str(&err).unwrap();
    assert_eq!((code, out.as_str(), object["exit_code"].as_u64()), (3, "", Some(3)));
    assert!(object["error"].as_str().unwrap().contains("no daemon answers"));
}

#[test]
fn a_daemon_elsewhere_that_does_not_answer_ends_with_3_and_its_token_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "cgp_hunter2\n").unwrap();
    let token = token.to_str().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, _, err) = ended(&["status", "--url", &format!("http://{closed}"), "--token-file", token]);
    assert_eq!(code, 3, "{err}");
    assert!(!err.contains("hunter2"), "{err}");
    // A token never travels in plain text to another machine.
    let (code, _, err) = ended(&["status", "--url", "http://192.0.2.1", "--token-file", token]);
    assert_ne!(code, 0);
    assert!(err.contains("TLS") || err.contains("https") || err.contains("loopback"), "{err}");
    let (code, _, err) = ended(&["status", "--url", "https://127.0.0.1:1", "--token-file", "/nonexistent"]);
    assert_eq!(code, 1, "{err}");
}

#[test]
fn the_socket_is_that_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cleargate.toml");
    std::fs::write(&config, "public_url = \"https://a.example\"\nlisten.admin = \"run/a.sock\"\n").unwrap();
    let (code, _, err) = ended(&["status", "--config", config.to_str().unwrap()]);
    assert_eq!(code, 3);
    assert!(err.contains(folder.path().join("run/a.sock").to_str().unwrap()), "{err}");
    let output = program().arg("status").env("CLEARGATE_CONFIG", &config).output().unwrap();
    assert!(text(&output.stderr).contains("run/a.sock"));
}

#[test]
fn check_config_tells_every_problem_and_ends_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cleargate.toml");
    std::fs::write(&path, "public_url = \"sso\"\ncolour = 1\n[session]\nidle = 5\n").unwrap();
    let name = path.to_str().unwrap();
    for arguments in [&["check-config", name][..], &["check-config", "--config", name]] {
        let (code, out, err) = ended(arguments);
        assert_eq!((code, out.as_str()), (78, ""));
        for place in [":1:14: error", ":2:1: error", ":4:8: error"] {
            assert!(err.contains(&format!("{name}{place}")), "{err}");
        }
        assert!(err.ends_with(&format!("cleargate: 3 problems in the configuration {name}\n")), "{err}");
    }
    let (code, out, _) = ended(&["check-config", name, "--json"]);
    let objects: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, objects.len()), (78, 3));
    assert_eq!((objects[2]["key"].as_str(), objects[2]["line"].as_u64()), (Some("session.idle"), Some(4)));
    let (code, _, err) = ended(&["check-config", "/nonexistent/cleargate.toml"]);
    assert_eq!(code, 78, "{err}");
}

#[test]
fn check_config_takes_a_good_file_and_the_sample() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cleargate.toml");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/cleargate.toml"), &path).unwrap();
    let name = path.to_str().unwrap();
    assert_eq!(ended(&["check-config", name]), (0, format!("{name} is good\n"), String::new()));
    assert_eq!(ended(&["check-config", name, "--json"]), (0, String::new(), String::new()));
    // What a credential holds is known to the service only.
    std::fs::write(&path, "public_url = \"https://a.example\"\n[store]\nkey = { credential = \"store.key\" }\n")
        .unwrap();
    assert_eq!(ended(&["check-config", name]).0, 0);
    let output = program().args(["check-config", name]).env("CREDENTIALS_DIRECTORY", folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(78), "{}", text(&output.stderr));
}

#[test]
fn check_config_knows_the_roles_of_the_policy_pack() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cleargate.toml");
    let mapping = "[[mapping]]\nfrom = \"okta\"\nwhen = 'groups pr'\ngrant = { role = \"emperor\" }\n";
    let text = format!("public_url = \"https://a.example\"\n[[scim]]\nid = \"okta\"\n{mapping}{mapping}");
    std::fs::write(&path, text).unwrap();
    let (code, _, err) = ended(&["check-config", path.to_str().unwrap()]);
    assert_eq!(code, 0, "it may be a role of one's own: the store knows: {err}");
    assert!(err.contains("cleargate.toml:4: warning: names the role `emperor`"), "{err}");
    assert!(err.contains("cleargate.toml:8: warning: ") && err.contains("`administrator`"), "{err}");
    std::fs::write(folder.path().join("pack.toml"), "nonsense = ").unwrap();
    std::fs::write(&path, "public_url = \"https://a.example\"\npolicy.pack = \"./pack.toml\"\n").unwrap();
    let (code, _, err) = ended(&["check-config", path.to_str().unwrap()]);
    assert_eq!(code, 78, "{err}");
    assert!(err.contains("policy.pack: error: "), "{err}");
}

#[test]
fn serve_with_a_bad_configuration_ends_with_78_and_tells_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cleargate.toml");
    std::fs::write(&path, "public_url = \"https://a.example\"\n[[oidc]]\nid = \"x\"\nissuer = \"https://i.example\"\nclient_id = \"c\"\nclient_secret = \"hunter2\"\n").unwrap();
    let (code, out, err) = ended(&["serve", "--config", path.to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (78, ""));
    assert!(err.contains("client_secret` is a secret") && !err.contains("hunter2"), "{err}");
}

#[test]
fn an_output_that_is_closed_early_is_no_failure() {
    let mut child = program().arg("--help").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
}
