//! The documentation tells of everything there is, its links lead somewhere, and its examples are good.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cleargate::config::{self, Credentials, Severity};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every page, by its path from the root.
fn pages() -> BTreeMap<PathBuf, String> {
    let mut pages = BTreeMap::new();
    for folder in ["", "docs"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).unwrap();
                pages.insert(path.strip_prefix(root()).unwrap().to_owned(), text);
            }
        }
    }
    assert!(pages.len() > 15, "the pages were not found: {pages:?}");
    pages
}

/// The lines outside fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_fenced = false;
    text.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        is_fenced ^= is_fence;
        !is_fenced && !is_fence
    })
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_configuration_key_is_explained_with_its_default() {
    let page = read("docs/configuration.md");
    let mut told: BTreeMap<&str, &str> = BTreeMap::new();
    for row in prose(&page).filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        if let [key, _, default, _] = cells[..] {
            told.insert(key.trim_matches('`'), default);
        }
    }
    let all = config::schema();
    let holds_keys = |key: &str| {
        all.iter().any(|other| other.key.starts_with(&format!("{key}.")) || other.key.starts_with(&format!("{key}[]")))
    };
    let known: BTreeMap<&str, Option<&str>> = all
        .iter()
        .filter(|known| !holds_keys(&known.key))
        .map(|known| (known.key.as_str(), known.default.as_deref()))
        .collect();
    assert_eq!(told.keys().collect::<BTreeSet<_>>(), known.keys().collect::<BTreeSet<_>>());
    for (key, default) in known {
        // A default that is worked out is explained in words; a required list has none to show.
        if let Some(default) = default.filter(|default| *default != "[]" || told[key].starts_with('`')) {
            assert_eq!(told[key].trim_matches('`'), default, "{key}");
        }
    }
}

/// The subcommands that the help of a command lists.
fn subcommands(command: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_cleargate")).args(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "{command:?}");
    let help = String::from_utf8(output.stdout).unwrap();
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let names = list.lines().take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn every_command_is_explained() {
    let page = read("docs/command-line.md");
    let told: Vec<&str> = code(&page).collect();
    let first = subcommands(&[]);
    assert!(first.len() > 10, "{first:?}");
    for noun in first {
        let verbs = subcommands(&[&noun]);
        let lines: Vec<String> = match verbs.is_empty() {
            true => vec![format!("cleargate {noun}")],
            false => verbs.iter().map(|verb| format!("cleargate {noun} {verb}")).collect(),
        };
        for line in lines {
            let is_told = told.iter().any(|code| *code == line || code.starts_with(&format!("{line} ")));
            assert!(is_told, "`{line}` is not in docs/command-line.md");
        }
    }
}

/// `GET /users/{}` of `GET /users/{user}?filter=`.
fn shape(route: &str) -> String {
    let route = route.split('?').next().unwrap();
    let parts = route.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_of_the_management_surface_is_explained_and_no_other() {
    let page = read("docs/api.md");
    let rows = page.split("## Addresses").nth(1).unwrap().split("## ").next().unwrap();
    let methods = ["GET /", "POST /", "PATCH /", "PUT /", "DELETE /"];
    let told: BTreeSet<String> =
        code(rows).filter(|code| methods.iter().any(|method| code.starts_with(method))).map(shape).collect();
    let routes = cleargate::api::table();
    let known: BTreeSet<String> =
        routes.iter().map(|route| shape(&format!("{} {}", route.method, &route.path["/api/v1".len()..]))).collect();
    assert_eq!(told, known);
}

/// Every line of every file of Rust below a folder.
fn rust(folder: &str) -> String {
    let (mut text, mut folders) = (String::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    text
}

#[test]
fn every_requirement_has_its_line_and_every_test_that_a_line_names_is_there() {
    let page = read("docs/requirements.md");
    let (tests, sources) = (rust("tests/it"), rust("src"));
    let mut told = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| S")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [ids, _, shown] = cells[..] else { panic!("{row}") };
        for id in ids.split(", ") {
            assert!(told.insert(id[1..].parse::<u32>().unwrap()), "{id} has two lines");
        }
        assert!(shown.contains('`') || shown.starts_with("not yet"), "{row}");
        for name in code(shown) {
            let head = format!("fn {name}()");
            let found = [&tests, &sources].iter().filter_map(|text| text.split_once(&head)).next();
            let (before, _) = found.unwrap_or_else(|| panic!("`{name}` is no test"));
            let line = before.trim_end_matches("async ").trim_end().lines().next_back().unwrap_or("");
            assert!(line.contains("test"), "`{name}` is a function and no test");
        }
    }
    let expected: BTreeSet<u32> = (1..=158).chain([166]).chain(179..=190).collect();
    assert_eq!(told, expected);
}

/// The fragment of a heading, as renderers of Markdown make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn links_between_pages_lead_somewhere() {
    let pages = pages();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (page, text) in &pages {
        for line in prose(text) {
            for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                if target.starts_with("https://") {
                    continue;
                }
                count += 1;
                let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
                let folder = page.parent().unwrap_or(Path::new(""));
                let path = if file.is_empty() { page.clone() } else { folder.join(file) };
                if !root().join(&path).exists() {
                    wrong.push(format!("{}: {target}", page.display()));
                } else if !fragment.is_empty() {
                    let text = fs::read_to_string(root().join(&path)).unwrap();
                    if !prose(&text).filter(|line| line.starts_with('#')).any(|line| anchor(line) == fragment) {
                        wrong.push(format!("{}: {target} has no such heading", page.display()));
                    }
                }
            }
        }
    }
    assert!(count > 60, "{count} links found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_is_in_the_index() {
    let index = read("docs/README.md");
    for page in pages().keys().filter(|page| page.starts_with("docs") && !page.ends_with("README.md")) {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(index.contains(&format!("]({name})")), "{name}");
    }
}

#[test]
fn configurations_that_the_pages_show_are_good() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cleargate.toml");
    let mut count = 0;
    for (page, text) in pages() {
        for block in blocks(&text, "toml").iter().filter(|block| block.starts_with("public_url")) {
            count += 1;
            fs::write(&path, block).unwrap();
            let problems = match config::load(&path, &Credentials::Unchecked) {
                Ok(config) => config.warnings,
                Err(problems) => problems,
            };
            // Certificates are on the reader's machine.
            let is_absent = |message: &str| message.contains("cannot be read");
            for problem in problems.iter().filter(|problem| !is_absent(&problem.message)) {
                assert!(problem.severity == Severity::Warning, "{}:\n{problem}", page.display());
            }
        }
    }
    assert!(count > 10, "{count} examples found");
}
