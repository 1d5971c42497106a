//! `cleargate init` on an empty folder, as the program.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

fn init(folder: &Path, more: &[&str]) -> Output {
    let (config, data) = (folder.join("etc/cleargate.toml"), folder.join("data"));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cleargate"));
    command.arg("--json").arg("--config").arg(config).arg("init").args(["--yes", "--hash-time", "1ms"]);
    command.arg("--data").arg(data).args(more).output().unwrap()
}

const GOOD: [&str; 4] = ["--public-url", "http://localhost:8080", "--admin", "ada@example.org"];

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_fresh_machine_gets_a_configuration_a_key_a_store_and_a_link_and_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let made = init(folder.path(), &GOOD);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let told: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(told["administrator"], "ada@example.org");
    assert!(told["link"].as_str().unwrap().starts_with("http://localhost:8080/login/reset?token="), "{told}");
    // A millisecond is not enough for anything: the floor holds.
    assert_eq!((&told["hashing"]["memory"], &told["hashing"]["passes"]), (&"19MiB".into(), &2.into()));
    let config = folder.path().join("etc/cleargate.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains("public_url = \"http://localhost:8080\"") && text.contains("#[[saml]]"), "{text}");
    assert_eq!((mode(&config), mode(&folder.path().join("data"))), (0o640, 0o700));
    assert_eq!(mode(&folder.path().join("data/cleargate.key")), 0o600);
    let again = init(folder.path(), &GOOD);
    assert_eq!(again.status.code(), Some(6), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(std::fs::read_to_string(&config).unwrap(), text);
    // Without the configuration the store still tells that somebody administers it.
    std::fs::remove_file(&config).unwrap();
    let again = init(folder.path(), &GOOD);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(6), "{said}");
    assert!(said.contains("administers") && !config.exists(), "{said}");
}

#[test]
fn what_cannot_be_used_makes_nothing() {
    for wrong in [
        &["--public-url", "http://sso.example.com", "--admin", "ada"][..],
        &["--public-url", "https://a.example\"\n[store]", "--admin", "ada"],
        &["--public-url", "https://sso.example.com"],
        &["--public-url", "https://sso.example.com", "--admin", "ada", "--listen", "0.0.0.0:443"],
        &["--public-url", "https://sso.example.com", "--admin", ""],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let made = init(folder.path(), wrong);
        assert_eq!(made.status.code(), Some(2), "{wrong:?}: {}", String::from_utf8_lossy(&made.stderr));
        assert!(!folder.path().join("etc/cleargate.toml").exists(), "{wrong:?}");
    }
}

#[test]
fn a_folder_in_which_there_is_more_is_not_given_to_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let other = folder.path().join("other");
    std::fs::write(&other, "x").unwrap();
    std::os::unix::fs::symlink(&other, folder.path().join("data/cleargate.redb")).unwrap();
    let output = init(folder.path(), &GOOD);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("is in the way") && !folder.path().join("etc/cleargate.toml").exists(), "{said}");
}
