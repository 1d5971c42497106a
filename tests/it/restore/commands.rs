//! `cleargate backup` and `cleargate restore` beside a real daemon.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cleargate::audit::{self, Event, EventKind, Ledger, Sealer};
use cleargate::clock::Clock;
use cleargate::config::MasterKey;
use cleargate::model::Actor;
use cleargate::secret::IdSource;
use cleargate::store;
use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::http::Client;

const GOOD: &str = "violet anchor under seven bridges";

async fn daemon() -> Daemon {
    let daemon = Daemon::serving("").await;
    let ada = json!({"userName": "ada@example.org", "name": "Ada Lovelace", "role": "editor", "password": GOOD,
        "must_change_password": false});
    assert_eq!(daemon.admin().post("/api/v1/users").json(&ada).send().await.status, 201);
    daemon
}

/// A browser in which Ada is signed in.
async fn signed_in(daemon: &Daemon) -> Client {
    let browser = daemon.client();
    let page = browser.get("/login").send().await;
    let csrf = page.text().split_once("name=\"csrf\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
    let fields = [("username", "ada@example.org"), ("password", GOOD), ("csrf", csrf.as_str())];
    let answer = browser.post("/login/password").form(&fields).send().await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(state(&browser).await, 200);
    browser
}

async fn state(browser: &Client) -> u16 {
    browser.get("/api/v1/me").send().await.status
}

async fn end(daemon: &Daemon, browser: &Client) {
    let sessions = browser.get("/api/v1/me/sessions").send().await.json();
    let own = sessions["items"].as_array().unwrap().iter().find(|session| session["current"] == true);
    let id = own.unwrap_or_else(|| panic!("{sessions}"))["id"].as_str().unwrap().to_owned();
    let answer = daemon.admin().delete(&format!("/api/v1/sessions/{id}")).send().await;
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    assert_eq!(state(browser).await, 401);
}

/// Runs a command; exit code, standard output, standard error.
async fn run(daemon: &Daemon, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cleargate"));
    command.args(arguments).arg("--config").arg(daemon.config()).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

async fn events(daemon: &Daemon, action: &str) -> Vec<Value> {
    let answer = daemon.admin().get(&format!("/api/v1/audit-logs?action={action}")).send().await.json();
    answer["logs"].as_array().unwrap().clone()
}

async fn back_up(daemon: &Daemon, name: &str) -> String {
    let path = daemon.path(name).display().to_string();
    let told = daemon.run(&["backup", "--to", &path]).await;
    assert_eq!(told["bytes"].as_u64(), Some(fs::metadata(&path).unwrap().len()), "{told}");
    path
}

/// Files beside the store that a command left behind.
fn left(daemon: &Daemon) -> Vec<String> {
    let names = fs::read_dir(daemon.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| [".part", ".restore", "-copy", ".new"].iter().any(|end| name.ends_with(end))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_made_while_writes_go_on_and_what_ended_since_is_over_after_it_was_restored() {
    let mut daemon = daemon().await;
    let (ended, open) = (signed_in(&daemon).await, signed_in(&daemon).await);
    let goes_on = Arc::new(AtomicBool::new(true));
    let (admin, going) = (daemon.admin(), Arc::clone(&goes_on));
    let writing = tokio::spawn(async move {
        let mut count = 0;
        while going.load(Ordering::SeqCst) {
            let user = json!({"userName": format!("writer{count}"), "name": "W"});
            assert_eq!(admin.post("/api/v1/users").json(&user).send().await.status, 201);
            count += 1;
        }
        count
    });
    let backup = back_up(&daemon, "backup.redb").await;
    goes_on.store(false, Ordering::SeqCst);
    assert!(writing.await.unwrap() > 0);
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(left(&daemon), Vec::<String>::new());
    let made = events(&daemon, "store.back-up").await;
    assert!(made.len() == 1 && made[0]["user"].as_str().unwrap().starts_with("local:"), "{made:?}");

    // What is there is not written over, and a backup can be looked at beside the daemon.
    let (code, _, told) = run(&daemon, &["backup", "--to", &backup]).await;
    assert!(code == 6 && told.contains("--force"), "{code} {told}");
    daemon.run(&["backup", "--to", &backup, "--force"]).await;
    let looked = daemon.run(&["restore", &backup, "--dry-run"]).await;
    assert_eq!((looked["restored"].as_bool(), looked["made"].is_string()), (Some(false), true), "{looked}");

    end(&daemon, &ended).await;
    daemon.restart().await;
    assert_eq!((state(&ended).await, state(&open).await), (401, 200), "a start alone ends no session");
    daemon.kill().await;
    daemon.start().await;
    assert_eq!((state(&ended).await, state(&open).await), (401, 200), "a kill alone ends no session");

    let (code, _, told) = run(&daemon, &["restore", &backup, "--yes"]).await;
    assert!(code == 6 && told.contains("stop it first"), "{code} {told}");
    daemon.terminate().await;
    let (code, _, told) = run(&daemon, &["restore", &backup]).await;
    assert!(code == 2 && told.contains("--yes"), "{code} {told}");
    let store = fs::read(daemon.path("cleargate.redb")).unwrap();
    let told = daemon.run(&["restore", &backup, "--yes"]).await;
    assert_eq!(fs::read(told["kept"].as_str().unwrap()).unwrap(), store, "what was there is kept as it was");
    let now = fs::metadata(daemon.path("cleargate.redb")).unwrap();
    assert_eq!((now.permissions().mode() & 0o777, now.uid()), (0o600, fs::metadata(&backup).unwrap().uid()));
    assert_eq!(left(&daemon), Vec::<String>::new());

    daemon.start().await;
    assert_eq!((state(&ended).await, state(&open).await), (401, 401), "whose session ended later is not known");
    let restored = events(&daemon, "store.restore").await;
    assert!(restored.len() == 1 && restored[0].to_string().contains("a backup of "), "{restored:?}");
    assert_eq!(daemon.run(&["audit", "verify"]).await["intact"], true);
    let again = signed_in(&daemon).await;
    daemon.restart().await;
    assert_eq!(state(&again).await, 200, "once is enough");
    assert_eq!(events(&daemon, "store.restore").await.len(), 1);
}

/// Puts a file into the place of the store as somebody would by hand: over it, or instead of it.
fn put_back(daemon: &Daemon, from: &Path, is_over: bool) {
    let store = daemon.path("cleargate.redb");
    if !is_over {
        fs::remove_file(&store).unwrap();
    }
    fs::copy(from, &store).unwrap();
}

#[tokio::test]
async fn a_store_that_was_put_back_by_hand_is_known_as_one() {
    for (by_command, is_over) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut daemon = daemon().await;
        let (ended, open) = (signed_in(&daemon).await, signed_in(&daemon).await);
        let copy = daemon.path("copy.redb");
        if by_command {
            back_up(&daemon, "copy.redb").await;
        } else {
            daemon.terminate().await;
            fs::copy(daemon.path("cleargate.redb"), &copy).unwrap();
            daemon.start().await;
        }
        end(&daemon, &ended).await;
        daemon.terminate().await;
        put_back(&daemon, &copy, is_over);
        daemon.start().await;
        let case = format!("by command: {by_command}, over the file: {is_over}");
        assert_eq!((state(&ended).await, state(&open).await), (401, 401), "{case}");
        assert_eq!(events(&daemon, "store.restore").await.len(), 1, "{case}");
        let again = signed_in(&daemon).await;
        daemon.kill().await;
        daemon.start().await;
        assert_eq!(state(&again).await, 200, "{case}");
    }
}

#[tokio::test]
async fn a_folder_that_was_put_back_as_a_whole_is_known_as_one_and_so_is_a_store_on_a_new_machine() {
    for is_over in [true, false] {
        let mut daemon = daemon().await;
        let open = signed_in(&daemon).await;
        daemon.terminate().await;
        let names = ["cleargate.redb", "cleargate.redb.run", "cleargate.key"];
        fs::create_dir(daemon.path("kept")).unwrap();
        for name in names {
            fs::copy(daemon.path(name), daemon.path("kept").join(name)).unwrap();
        }
        daemon.start().await;
        assert_eq!(state(&open).await, 200);
        daemon.terminate().await;
        for name in names {
            if !is_over {
                fs::remove_file(daemon.path(name)).unwrap();
            }
            fs::copy(daemon.path("kept").join(name), daemon.path(name)).unwrap();
        }
        daemon.start().await;
        assert_eq!(state(&open).await, 401, "over the files: {is_over}");
    }
    // The new machine has the key, and no store.
    let mut old = daemon().await;
    let open = signed_in(&old).await;
    let backup = back_up(&old, "backup.redb").await;
    old.terminate().await;
    let mut new = Daemon::new();
    new.configure("");
    let (code, _, told) = run(&new, &["restore", &backup, "--yes"]).await;
    assert!(code == 1 && told.contains("cleargate.key"), "{code} {told}");
    assert!(!new.path("cleargate.key").exists() && !new.path("cleargate.redb").exists(), "nothing is made");
    fs::copy(old.path("cleargate.key"), new.path("cleargate.key")).unwrap();
    new.run(&["restore", &backup, "--yes"]).await;
    new.start().await;
    let moved = new.client();
    moved.set_cookie(&moved.host(), "cleargate", &open.cookie(&open.host(), "cleargate").unwrap());
    assert_eq!(state(&moved).await, 401);
    assert_eq!(state(&signed_in(&new).await).await, 200);
}

#[tokio::test]
async fn an_invitation_that_was_accepted_since_waits_again_and_its_link_is_void() {
    let mut daemon = daemon().await;
    let told = daemon.run(&["invitation", "create", "grace@example.org", "--role", "editor", "--no-mail"]).await;
    let origin = daemon.url();
    let path = |told: &Value| told["link"].as_str().unwrap().strip_prefix(&origin).unwrap().to_owned();
    let (id, link) = (told["id"].as_str().unwrap().to_owned(), path(&told));
    let backup = back_up(&daemon, "backup.redb").await;
    let browser = daemon.client();
    let page = browser.get(&link).send().await;
    let field = |name: &str| {
        let marker = format!("name=\"{name}\" value=\"");
        page.text().split_once(&marker).unwrap().1.split('"').next().unwrap().to_owned()
    };
    let (token, csrf) = (field("token"), field("csrf"));
    let form = [("token", token.as_str()), ("csrf", &csrf), ("name", "Grace"), ("new", GOOD), ("again", GOOD)];
    let accepted = browser.post("/login/invitation").form(&form).send().await;
    assert_eq!((accepted.status, state(&browser).await), (303, 200), "{}", accepted.text());
    daemon.terminate().await;
    daemon.run(&["restore", &backup, "--yes"]).await;
    daemon.start().await;
    assert_eq!(state(&browser).await, 401);
    assert_eq!(daemon.client().get(&link).send().await.status, 403, "the link was used");
    let again = daemon.run(&["invitation", "resend", &id, "--no-mail"]).await;
    let link = path(&again);
    assert_eq!(daemon.client().get(&link).send().await.status, 200);
}

#[tokio::test]
async fn a_backup_that_is_not_as_it_was_made_is_refused_and_the_store_stays() {
    let mut daemon = daemon().await;
    let backup = back_up(&daemon, "backup.redb").await;
    let other = Daemon::serving("").await;
    let foreign = back_up(&other, "backup.redb").await;
    daemon.terminate().await;
    let good = fs::read(&backup).unwrap();
    let store = fs::read(daemon.path("cleargate.redb")).unwrap();
    let mut flipped = good.clone();
    // In the middle of the largest table, by a byte that a page surely has.
    let place = good.windows(15).position(|window| window == b"ada@example.org").unwrap();
    flipped[place] ^= 0x01;
    let bad: [(&str, Vec<u8>, &str); 5] = [
        ("cut", good[..good.len() / 2].to_vec(), "cannot be restored"),
        ("flipped", flipped, "cannot be restored"),
        ("foreign", fs::read(&foreign).unwrap(), "another key"),
        ("plain", store.clone(), "--plain"),
        ("text", b"no store at all".to_vec(), "cannot be restored"),
    ];
    for (name, bytes, reason) in bad {
        let path = daemon.path(name);
        fs::write(&path, &bytes).unwrap();
        for more in ["--yes", "--dry-run"] {
            let (code, _, told) = run(&daemon, &["restore", path.to_str().unwrap(), more]).await;
            assert!(code == 1 && told.contains(reason), "{name}: {code} {told}");
        }
        assert_eq!(fs::read(&path).unwrap(), bytes, "{name}: what was looked at stays as it is");
        assert_eq!(fs::read(daemon.path("cleargate.redb")).unwrap(), store, "{name}");
    }
    assert_eq!(run(&daemon, &["restore", "nowhere.redb", "--yes"]).await.0, 5);
    assert_eq!(left(&daemon), Vec::<String>::new());
    let told = daemon.run(&["restore", daemon.path("plain").to_str().unwrap(), "--plain", "--yes"]).await;
    assert_eq!(told["made"], Value::Null);
    daemon.start().await;
    assert_eq!(events(&daemon, "store.restore").await.len(), 1);
}

#[tokio::test]
async fn a_backup_that_was_used_as_a_store_is_called_no_backup_that_is_intact() {
    let mut daemon = daemon().await;
    let backup = back_up(&daemon, "backup.redb").await;
    daemon.terminate().await;
    let looked = daemon.run(&["restore", &backup, "--dry-run"]).await;
    assert_eq!(looked["sealed"], true);
    {
        let place = daemon.path("backup.redb");
        let source = MasterKey::Beside(daemon.path("cleargate.key"));
        let master = audit::open_master_key(&source, &place, &IdSource::system()).unwrap();
        let settings = store::Settings { path: place, cache_bytes: 1 << 20 };
        let (store, writer) = store::open(&settings, Clock::system(), Arc::new(Sealer::new(&master))).unwrap();
        let actor = Actor::System { task: "test".to_owned() };
        let event = Event::new(Clock::system().now(), EventKind::GatewayStarted, &actor);
        Ledger::new(store, writer).record(event).await.unwrap();
    }
    let (code, told, _) = run(&daemon, &["restore", &backup, "--plain", "--dry-run"]).await;
    assert_eq!(code, 0);
    assert!(told.contains("plain copy") && !told.contains("and intact"), "{told}");
    let looked = daemon.run(&["restore", &backup, "--plain", "--dry-run"]).await;
    assert_eq!((looked["sealed"].as_bool(), looked["made"].is_string()), (Some(false), true));
}

#[tokio::test]
async fn a_store_that_is_gone_is_not_made_anew_where_its_run_file_says_that_there_was_one() {
    let mut daemon = daemon().await;
    daemon.terminate().await;
    let (store, file) = (daemon.path("cleargate.redb"), daemon.path("cleargate.redb.run"));
    fs::rename(&store, daemon.path("kept.redb")).unwrap();
    let (code, _, told) = run(&daemon, &["serve"]).await;
    assert!(code == 78 && told.contains("cleargate.redb.run"), "{code} {told}");
    assert!(!store.exists(), "nothing was made");
    fs::remove_file(&file).unwrap();
    daemon.start().await;
    assert_eq!(daemon.admin().get("/api/v1/users/ada@example.org").send().await.status, 404, "by will it begins anew");
}

#[tokio::test]
async fn a_backup_is_looked_at_where_only_the_service_has_its_credentials() {
    let daemon = daemon().await;
    let backup = back_up(&daemon, "backup.redb").await;
    let folder = daemon.config().parent().unwrap().join("conf.d");
    fs::create_dir_all(&folder).unwrap();
    let secret = "[listen.tls]\ncertificate = \"cert.pem\"\nkey = { credential = \"tls.key\" }\n";
    fs::write(daemon.config().with_file_name("cert.pem"), "").unwrap();
    fs::write(folder.join("secret.toml"), secret).unwrap();
    let (code, told, problems) = run(&daemon, &["restore", &backup, "--dry-run"]).await;
    assert!(code == 0 && told.contains("and intact"), "{code} {told} {problems}");
    fs::write(folder.join("secret.toml"), "[store]\nkey = { credential = \"store.key\" }\n").unwrap();
    let (code, _, told) = run(&daemon, &["restore", &backup, "--dry-run"]).await;
    assert!(code == 2 && told.contains("--key"), "{code} {told}");
    let (store, key) = (daemon.path("cleargate.redb"), daemon.path("cleargate.key"));
    let named = ["--store", store.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let (code, _, told) = run(&daemon, &[&["restore", &backup, "--dry-run"][..], &named[..]].concat()).await;
    assert_eq!(code, 0, "{told}");
}

#[tokio::test]
async fn a_run_file_that_cannot_be_read_is_named_and_one_that_root_leaves_is_the_daemons() {
    let mut daemon = daemon().await;
    daemon.terminate().await;
    let (store, file) = (daemon.path("cleargate.redb"), daemon.path("cleargate.redb.run"));
    let kept = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let (code, _, told) = run(&daemon, &["serve"]).await;
    assert!(code != 0 && told.contains("cleargate.redb.run"), "{code} {told}");
    fs::remove_dir(&file).unwrap();
    fs::write(&file, kept).unwrap();
    // Only root gives files away.
    if std::os::unix::fs::chown(&store, Some(54_321), Some(54_321)).is_ok() {
        daemon.start().await;
        let owner = fs::metadata(&file).unwrap();
        assert_eq!((owner.uid(), owner.gid()), (54_321, 54_321));
    }
}

#[tokio::test]
async fn a_command_that_is_killed_leaves_the_store_or_the_backup_and_never_half_of_one() {
    let mut daemon = daemon().await;
    for number in 0..200 {
        let user = json!({"userName": format!("user{number}"), "name": "U"});
        assert_eq!(daemon.admin().post("/api/v1/users").json(&user).send().await.status, 201);
    }
    let backup = back_up(&daemon, "backup.redb").await;
    let folder = daemon.path("killed");
    fs::create_dir(&folder).unwrap();
    let spawn = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cleargate"));
        command.args(arguments).arg("--config").arg(daemon.config()).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    for wait in [5, 20, 40, 80, 160] {
        let to = folder.join(format!("{wait}.redb"));
        let mut child = spawn(&["backup", "--to", to.to_str().unwrap()]);
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        if to.exists() {
            daemon.run(&["restore", to.to_str().unwrap(), "--dry-run"]).await;
        }
    }
    assert_eq!(daemon.admin().get("/api/v1/users").send().await.status, 200);
    daemon.terminate().await;
    for wait in [5, 20, 40, 80, 160] {
        let mut child = {
            let mut command = Command::new(env!("CARGO_BIN_EXE_cleargate"));
            command.args(["restore", &backup, "--yes", "--config"]).arg(daemon.config());
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        daemon.start().await;
        let status = daemon.admin().get("/api/v1/status").send().await.json();
        assert_eq!(status["users"], 201, "after {wait} ms");
        assert_eq!(daemon.run(&["audit", "verify"]).await["intact"], true);
        daemon.terminate().await;
    }
}
