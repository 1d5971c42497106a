//! Problems are found all at once, each at its place.

use std::path::Path;

use cleargate::config::{Credentials, Severity, load};

use crate::support::golden;

use super::{LEAST, messages, print, read, read_in, read_with, refused};

#[test]
fn every_problem_of_a_file_is_told_in_one_run() {
    let text = r#"public_url = "http://sso.example.com/path"
colour = "blue"

[listen]
address = "0.0.0.0:443"
operations = 9440

[[ldap]]
id = "corp"
sevrers = ["ldaps://dc1.corp.example"]
base = "dc=corp,dc=example"
bind = { dn = "cn=sync,dc=corp,dc=example", password = "hunter2" }
every = "5"
guard = { removals = "150%" }

[[scim]]
id = "corp"

[[mapping]]
from = "corpo"
when = 'groups eq'
grant = { role = "Data Analyst", scope = "finance" }

[session]
idle = "2d"
"#;
    golden::check("config/everything.txt", &refused(text));
}

#[test]
fn a_syntax_error_does_not_hide_the_other_problems() {
    let text = "public_url = \"https://sso.example.com\"\n[listen\naddress = \"x\"\n[session]\nidle = 5\nabsolute = \n[store]\npth = \"y\"\n";
    golden::check("config/syntax.txt", &refused(text));
}

#[test]
fn a_complete_file_has_no_problems_and_the_least_one_has_defaults() {
    let config = read(LEAST).unwrap();
    assert!(config.warnings.is_empty(), "{}", print(&config.warnings));
    assert_eq!(config.listen.address.to_string(), "127.0.0.1:8080");
    assert_eq!(config.store.path, Path::new("/var/lib/cleargate/cleargate.redb"));
    assert_eq!(config.lockout.attempts, 10);
}

#[test]
fn an_empty_file_says_what_is_missing() {
    assert_eq!(refused(""), "cleargate.toml:1:1: error: `public_url` is missing; it must be text that is not empty\n");
}

#[test]
fn an_unknown_key_is_told_with_the_nearest_or_all_valid_ones() {
    let problems = read_with("[session]\nidel = \"1h\"\n[log]\nverbosity = 3\n").unwrap_err();
    assert_eq!(problems[0].help.as_deref(), Some("did you mean `idle`?"));
    assert_eq!(problems[0].key, "session.idel");
    assert_eq!(problems[1].help.as_deref(), Some("known here: `filter` and `format`"));
}

#[test]
fn a_table_where_a_list_is_and_a_list_where_a_table_is_are_told_apart() {
    assert_eq!(messages("[ldap]\nid = \"corp\"\n"), ["2:1 `ldap` must be a list of tables, not a table"]);
    assert_eq!(messages("[[session]]\nidle = \"1h\"\n"), ["2:1 `session` must be a table, not a list"]);
    assert_eq!(messages("session = 3\n"), ["2:11 `session` must be a table, not an integer"]);
    assert_eq!(messages("scim = [\"okta\"]\n"), ["2:9 `scim[0]` must be a table, not text"]);
}

#[test]
fn columns_count_characters_and_tabs_and_control_characters_do_not_move_the_carets() {
    let printed = refused("public_url = \"https://a.example\"\n\t\"größe\" = 1 # \u{1b}[31m\n");
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "cleargate.toml:2:2: error: unknown key `größe`");
    assert_eq!(lines[2], " 2 |  \"größe\" …");
    assert_eq!(lines[3], "   |  ^^^^^^^");
    assert!(!printed.contains('\u{1b}'));
}

#[test]
fn line_ends_of_windows_and_a_last_line_without_end_have_their_places() {
    let problems = read("public_url = \"https://a.example\"\r\n[session]\r\nidle = 5").unwrap_err();
    assert_eq!((problems[0].position.line, problems[0].position.column), (3, 8));
    assert!(problems[0].to_string().contains(" 3 | idle = 5\n"));
}

#[test]
fn later_files_replace_values_and_add_to_lists() {
    let main = format!("{LEAST}[session]\nidle = \"1h\"\nabsolute = \"8h\"\n[[scim]]\nid = \"okta\"\n");
    let files = [
        ("etc/cleargate.toml", main.as_str()),
        ("etc/conf.d/10-a.toml", "[session]\nidle = \"30m\"\n[[scim]]\nid = \"entra\"\n"),
        (
            "etc/conf.d/20-b.toml",
            "[session]\nidle = \"20m\"\n[[mapping]]\nfrom = \"okta\"\nwhen = 'groups pr'\ngrant = { role = \"viewer\" }\n",
        ),
    ];
    let config = read_in(Path::new("etc"), &files, &Credentials::None).unwrap();
    assert_eq!((config.session.idle.as_secs(), config.session.absolute.as_secs()), (1200, 28_800));
    assert_eq!(config.scim.iter().map(|scim| scim.id.as_str()).collect::<Vec<_>>(), ["okta", "entra"]);
    assert_eq!(config.mappings[0].position, "conf.d/20-b.toml:3");
}

#[test]
fn a_mapping_keeps_its_place_however_it_is_written() {
    let config = read_with(
        "[[scim]]\nid = \"okta\"\n\n[[mapping]]\nfrom = \"okta\"\nwhen = 'groups pr'\ngrant = { role = \"viewer\" }\n\
         [[mapping]]\nfrom = \"okta\"\nwhen = 'groups eq \"x\"'\n[mapping.grant]\nrole = \"viewer\"\nscope = \"department:finance\"\n",
    )
    .unwrap();
    let places: Vec<&str> = config.mappings.iter().map(|mapping| mapping.position.as_str()).collect();
    assert_eq!(places, ["cleargate.toml:5", "cleargate.toml:9"]);
    assert_eq!(config.mappings[1].grant().unwrap().scope.as_ref().unwrap().to_string(), "department:finance");
}

#[test]
fn one_key_as_table_and_as_value_in_two_files_is_told_with_both_places() {
    let main = format!("{LEAST}[log]\nfilter = \"info\"\n");
    let files = [("cleargate.toml", main.as_str()), ("conf.d/10.toml", "log = \"info\"\n")];
    let problems = read_in(Path::new(""), &files, &Credentials::None).unwrap_err();
    assert_eq!(
        problems[0].to_string().lines().next(),
        Some("conf.d/10.toml:1:1: error: `log` is text here, but a table at cleargate.toml:2")
    );
}

#[test]
fn files_are_read_from_their_folder_in_name_order_and_others_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("cleargate.toml");
    std::fs::write(&main, LEAST).unwrap();
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    for (name, idle) in
        [("20.toml", "20m"), ("10.toml", "10m"), (".30.toml", "30m"), ("40.toml~", "40m"), ("50.conf", "50m")]
    {
        std::fs::write(folder.path().join("conf.d").join(name), format!("[session]\nidle = \"{idle}\"\n")).unwrap();
    }
    assert_eq!(load(&main, &Credentials::None).unwrap().session.idle.as_secs(), 1200);
}

#[test]
fn files_that_cannot_be_read_are_problems_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("cleargate.toml");
    let problem = |text: &[u8]| {
        std::fs::write(&main, text).unwrap();
        load(&main, &Credentials::None).unwrap_err().remove(0).message
    };
    assert_eq!(problem(b"public_url = \"\xff\""), "is not UTF-8 text");
    assert_eq!(problem(&vec![b'#'; (1 << 20) + 1]), "is larger than 1 MiB");
    std::fs::remove_file(&main).unwrap();
    let problems = load(&main, &Credentials::None).unwrap_err();
    assert!(problems[0].to_string().starts_with(&format!("{}: error: cannot be read: ", main.display())));
    assert_eq!(problems[0].severity, Severity::Error);
}

#[test]
fn a_broken_file_in_conf_d_does_not_hide_the_problems_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("cleargate.toml");
    std::fs::write(&main, format!("{LEAST}colour = 1\n")).unwrap();
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    std::fs::write(folder.path().join("conf.d/10.toml"), [0xff]).unwrap();
    let problems = load(&main, &Credentials::None).unwrap_err();
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(messages, ["is not UTF-8 text", "unknown key `colour`"]);
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let deep = format!("x = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(!messages(&deep).is_empty());
}
