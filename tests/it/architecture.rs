//! The rules of the layout: who imports whom, where protocol libraries stay, how long a file may be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A module imports modules with a smaller number, and its own parts. Changing this table is a design decision.
const LEVELS: &[(usize, &[&str])] = &[
    (0, &["clock", "error", "secret"]),
    (1, &["filter", "model"]),
    (2, &["config", "http", "ldap", "store", "tasks"]),
    (3, &["audit", "limit"]),
    (4, &["access"]),
    (5, &["credential", "directory", "lockout", "notify", "session", "tokens"]),
    (6, &["report", "sync", "transfer", "upstream"]),
    (7, &["login"]),
    (8, &["api", "authzen", "scim"]),
    (9, &["bench", "cli", "gateway", "main", "sandbox"]),
];

/// Imports inside a level that are allowed, because both sides are one subject.
const SIDEWAYS: &[(&str, &str, &str)] = &[
    ("model", "filter", "a role's condition is an expression"),
    ("filter", "model", "expressions are evaluated over attribute values"),
    ("credential", "access", "who sets a password shows a permit"),
    ("lockout", "access", "who clears a lock shows a permit"),
    ("tokens", "access", "who makes or revokes a token shows a permit"),
    ("http", "tasks", "the listener's loops are tasks"),
];

/// Protocol libraries and the only places that import them.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("ldap3", &["src/ldap/client.rs", "src/ldap/client/"]),
    ("openidconnect", &["src/upstream/oidc.rs", "src/upstream/oidc/"]),
    ("lettre", &["src/notify/line.rs", "src/notify/rounds.rs", "src/notify/smtp.rs"]),
    ("redb", &["src/store/engine/embedded.rs", "src/store/engine/embedded/"]),
    ("samael", &["src/upstream/saml/second_opinion.rs"]),
    ("governor", &["src/limit.rs", "src/limit/"]),
    ("argon2", &["src/credential.rs", "src/credential/"]),
];

const MAX_FILE_LINES: usize = 700;
const MAX_FUNCTION_LINES: usize = 100;

fn sources(root: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(root)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let relative = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_owned();
                found.push((relative, text));
            }
        }
    }
    assert!(found.len() > 5, "the walk found nothing under {root}");
    found
}

fn levels() -> BTreeMap<&'static str, usize> {
    LEVELS.iter().flat_map(|(level, names)| names.iter().map(|name| (*name, *level))).collect()
}

fn module_of(path: &Path) -> String {
    let name = path.components().nth(1).unwrap().as_os_str().to_str().unwrap();
    name.trim_end_matches(".rs").to_owned()
}

/// The top-level modules that a text names after `crate::`, also within `crate::{…}`; comments left out.
fn imports(text: &str) -> Vec<String> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    let mut names = Vec::new();
    for (index, _) in code.match_indices("crate::") {
        let rest = &code[index + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.push(std::mem::take(&mut word)),
                    _ if depth == 0 => word.push(c),
                    _ => {}
                }
            }
            names.push(word);
        } else {
            names.push(rest.to_owned());
        }
    }
    let name = |text: String| -> String {
        text.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    names.into_iter().map(name).filter(|n| !n.is_empty()).collect()
}

#[test]
fn every_module_imports_downwards_only() {
    let levels = levels();
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let module = module_of(&path);
        if module == "lib" {
            continue;
        }
        let Some(level) = levels.get(module.as_str()) else {
            wrong.push(format!("{}: module `{module}` is not in the table", path.display()));
            continue;
        };
        for import in imports(&text) {
            let sideways = SIDEWAYS.iter().any(|(from, to, _)| *from == module && *to == import);
            match levels.get(import.as_str()) {
                Some(other) if other < level || import == module || sideways || *level == 9 => {}
                Some(other) => {
                    wrong.push(format!("{}: `{module}` ({level}) imports `{import}` ({other})", path.display()));
                }
                None => wrong.push(format!("{}: imports `crate::{import}`, which is no module", path.display())),
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_protocol_library_is_imported_in_one_place() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let path = path.to_str().unwrap().to_owned();
        for (library, places) in LIBRARIES {
            let used = text.lines().any(|line| {
                let code = line.split("//").next().unwrap_or("");
                code.match_indices(&format!("{library}::")).any(|(at, _)| {
                    let before = code[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
                })
            });
            if used && !places.iter().any(|place| path == *place || (place.ends_with('/') && path.starts_with(place))) {
                wrong.push(format!("{path} uses {library}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a test sign-in brought back is looked at where its preview is made, and nothing is committed there.
#[test]
fn who_was_tried_is_looked_at_in_the_preview_only() {
    const PREVIEW: &str = "src/login/finish/preview.rs";
    for (path, text) in sources("src") {
        let path = path.to_str().unwrap().to_owned();
        let looks = text.contains(".said()") || text.contains("TriedIdentity::said");
        assert!(!looks || path == PREVIEW, "{path} takes what a test sign-in brought back for a sign-in");
        let is_reached = path != PREVIEW || (looks && !text.contains("commit("));
        assert!(is_reached, "{path} commits what a test sign-in brought back, or looks at none any more");
    }
}

#[test]
fn files_and_functions_stay_short() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > MAX_FILE_LINES {
            wrong.push(format!("{}: {} lines", path.display(), lines.len()));
        }
        let mut start: Option<(usize, usize)> = None;
        for (number, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let is_function = line.split_whitespace().any(|word| word == "fn")
                && !line.trim_start().starts_with("//")
                && !line.trim_end().ends_with(';');
            if is_function && start.is_none() {
                start = Some((number, indent));
            } else if let Some((from, at)) = start
                && indent == at
                && line.trim() == "}"
            {
                if number - from + 1 > MAX_FUNCTION_LINES {
                    wrong.push(format!("{}:{}: a function of {} lines", path.display(), from + 1, number - from + 1));
                }
                start = None;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A text of a page begins with a capital letter; one that does not go through `say` is in one language only.
#[test]
fn pages_say_nothing_in_one_language_only() {
    let mut wrong = Vec::new();
    let pages = sources("src/login").into_iter().filter(|(path, _)| {
        path.components().any(|part| part.as_os_str().to_string_lossy().trim_end_matches(".rs") == "pages")
    });
    for (path, text) in pages {
        let shown = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in shown.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            let begins = line
                .match_indices("{ \"")
                .any(|(at, found)| line[at + found.len()..].starts_with(|c: char| c.is_uppercase()));
            if begins && !line.contains("say(") {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_named_by_subject() {
    let by_kind = ["mod.rs", "utils.rs", "util.rs", "common.rs", "helpers.rs", "misc.rs", "types.rs", "prelude.rs"];
    for (path, _) in sources("src").into_iter().chain(sources("tests")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(!by_kind.contains(&name), "{} is named by kind, not by subject", path.display());
    }
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::model::User;\nuse crate::{clock, store::{Key, Table}};\n// crate::gateway\nfn f() { crate::secret::sha256(b\"\"); }";
    assert_eq!(imports(text), ["model", "clock", "store", "secret"]);
}
