//! Secrets are referred to, read, and never printed.

use std::path::Path;

use cleargate::config::{Credentials, MasterKey};

use super::{LEAST, print, read_in, read_with};

const OIDC: &str = "[[oidc]]\nid = \"google\"\nissuer = \"https://accounts.example\"\nclient_id = \"x\"\n";

fn with_secret(folder: &Path, secret: &str, credentials: &Credentials) -> Result<String, String> {
    let text = format!("{LEAST}{OIDC}client_secret = {secret}\n");
    match read_in(folder, &[("cleargate.toml", &text)], credentials) {
        Ok(config) => Ok(config.oidc[0].client_secret.as_ref().unwrap().expose().to_owned()),
        Err(problems) => Err(print(&problems)),
    }
}

#[test]
fn a_secret_is_read_from_a_file_without_its_last_line_break() {
    let folder = tempfile::tempdir().unwrap();
    for (content, secret) in
        [("s3cret", "s3cret"), ("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), (" a \n\n", " a \n")]
    {
        std::fs::write(folder.path().join("secret"), content).unwrap();
        assert_eq!(with_secret(folder.path(), "{ file = \"secret\" }", &Credentials::None).unwrap(), secret);
    }
}

#[test]
fn a_credential_is_read_from_the_folder_that_systemd_names() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("google.secret"), "s3cret").unwrap();
    let credentials = Credentials::Folder(folder.path().to_owned());
    let read = |secret: &str, credentials| with_secret(Path::new("/nonexistent"), secret, credentials);
    assert_eq!(read("{ credential = \"google.secret\" }", &credentials).unwrap(), "s3cret");
    assert!(read("{ credential = \"other\" }", &credentials).unwrap_err().contains("cannot be read, entity not found"));
    let without = read("{ credential = \"google.secret\" }", &Credentials::None).unwrap_err();
    assert!(
        without.contains("started without credentials") && without.contains("LoadCredential=google.secret:"),
        "{without}"
    );
    assert_eq!(read("{ credential = \"google.secret\" }", &Credentials::Unchecked).unwrap(), "");
}

#[test]
fn a_credential_name_does_not_lead_out_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("inner")).unwrap();
    std::fs::write(folder.path().join("secret"), "s3cret").unwrap();
    let credentials = Credentials::Folder(folder.path().join("inner"));
    for name in ["../secret", "..", ".secret", "/etc/passwd", "a/b", "a\\u0000b"] {
        let problem = with_secret(folder.path(), &format!("{{ credential = \"{name}\" }}"), &credentials).unwrap_err();
        assert!(problem.contains("must be a name in letters"), "{name}: {problem}");
    }
}

#[test]
fn an_inline_secret_is_refused_with_the_way_out_and_not_shown() {
    let problem = with_secret(Path::new(""), "\"hunter2\"", &Credentials::None).unwrap_err();
    crate::support::golden::check("config/inline-secret.txt", &problem);
}

#[test]
fn no_problem_shows_what_may_be_a_secret() {
    let inline =
        |line: &str| format!("{LEAST}[[ldap]]\nid = \"corp\"\nservers = [\"ldaps://a\"]\nbase = \"dc=a\"\n{line}\n");
    for line in [
        "bind = { dn = 5, password = \"hunter2\" }",
        "bind = { password = 'hunter2', dn = 5 }",
        "bind = { dn = \"cn=a\", pasword = \"hunter2\" }",
        "bind = { dn = \"cn=a\", password = hunter2 }",
        "bind = { dn = \"cn=a\", password = \"hunter2 }",
        "bind.password = \"\"\"hunter2\"\"\"",
        "bind.password = \"\"\"\nhunter2 \\q\n\"\"\"",
        "bind.password = \"esc\\\"hunter2\"",
        "\"bind\".\"password\" = \"hunter2\"",
        "bindpw = \"hunter2\"",
        "my-thing = \"hunter2\"",
        "password = [\"hunter2\"]",
        "bind = \"hunter2\"",
        "key = \"hunter2\" x",
        "api_token=\"hunter2\" x",
    ] {
        let problems = read_in(Path::new(""), &[("cleargate.toml", &inline(line))], &Credentials::None).unwrap_err();
        let printed = print(&problems);
        assert!(!printed.contains("hunter2"), "{line}\n{printed}");
        assert!(!format!("{problems:?}").contains("hunter2"), "{line}");
    }
}

#[test]
fn a_secret_reference_has_one_of_two_forms() {
    let read = |secret: &str| with_secret(Path::new("/nonexistent"), secret, &Credentials::None).unwrap_err();
    assert!(read("{}").contains("must have either `file` or `credential`"));
    assert!(read("{ file = \"a\", credential = \"b\" }").contains("must have either `file` or `credential`"));
    assert!(read("{ file = 3 }").contains("`oidc[0].client_secret.file` must be a path, not an integer"));
    assert!(read("{ fil = \"a\" }").contains("did you mean `file`?"));
    assert!(read("{ env = \"SECRET\" }").contains("unknown key `oidc[0].client_secret.env`"));
}

#[test]
fn a_secret_file_that_is_empty_large_or_no_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (content, reason) in [
        (&b""[..], "is empty"),
        (b"\n", "is empty"),
        (b"\xff", "is not UTF-8 text"),
        (&[b'a'; 65_537], "is larger than 64 KiB"),
    ] {
        std::fs::write(folder.path().join("secret"), content).unwrap();
        let problem = with_secret(folder.path(), "{ file = \"secret\" }", &Credentials::None).unwrap_err();
        assert!(problem.contains(reason), "{problem}");
    }
}

#[test]
fn a_secret_file_that_everybody_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "s3cret").unwrap();
    for (mode, warnings) in [(0o644, 1), (0o640, 0), (0o600, 0)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let text = format!("{LEAST}{OIDC}client_secret = {{ file = \"secret\" }}\n");
        let config = read_in(folder.path(), &[("cleargate.toml", &text)], &Credentials::None).unwrap();
        assert_eq!(config.warnings.len(), warnings, "{mode:o}: {}", print(&config.warnings));
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}

#[test]
fn the_store_key_is_beside_the_store_or_given() {
    let config = read_with("[store]\npath = \"/srv/gate/store.redb\"\n").unwrap();
    assert!(matches!(&config.store.key, MasterKey::Beside(path) if path == Path::new("/srv/gate/cleargate.key")));
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{LEAST}[store]\nkey = {{ file = \"store.key\" }}\n");
    let read = || read_in(folder.path(), &[("cleargate.toml", &text)], &Credentials::None);
    std::fs::write(folder.path().join("store.key"), format!("{}\n", "0f".repeat(32))).unwrap();
    assert!(matches!(&read().unwrap().store.key, MasterKey::Given(key) if **key == [15; 32]));
    std::fs::write(folder.path().join("store.key"), "too short").unwrap();
    let problem = print(&read().unwrap_err());
    assert!(problem.contains("must be 32 random bytes") && !problem.contains("too short"), "{problem}");
}
