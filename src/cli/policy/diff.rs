//! `cleargate policy diff` and `cleargate policy import`.

use std::fs::{File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::access::{Chosen, Differing, Fate, Options as PackOptions, Pack, compare_roles, run_role_tests};
use crate::cli::client::{Client, with_query};
use crate::cli::confirm::confirm;
use crate::cli::output::Output;
use crate::cli::{Exit, Failure, Options, serve};
use crate::{config, gateway};

/// Largest pack file, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// People that one request brings.
const PAGE: usize = 500;

/// What to compare with what is in force.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cleargate policy diff ./own.toml\n  \
                        cleargate policy diff clearvantage --option iolta=on --all --json\n  \
                        cleargate policy diff ./own.toml --offline\n\nNothing is changed.")]
pub(in crate::cli) struct Diff {
    /// The file of a pack, or the name of one that comes with the program
    #[arg(value_name = "FILE|PACK")]
    pack: String,
    /// An option of the pack, may be repeated; without one, those in force count as far as the pack has them
    #[arg(long, value_name = "NAME=VALUE")]
    option: Vec<String>,
    /// Show at most so many people
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "all")]
    limit: usize,
    /// Show everybody
    #[arg(long)]
    all: bool,
    /// Ask no daemon: compare roles and their tests with the pack of the configuration
    #[arg(long)]
    offline: bool,
}

/// What to put in force.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  cleargate policy import ./own.toml\n\nThe configuration must take its pack from a \
                        file: policy.pack = \"./NAME.toml\". That file is replaced, and the\ndaemon reads it again. \
                        When it refuses, the old file is put back."
)]
pub(in crate::cli) struct Import {
    /// The file of the pack
    file: PathBuf,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) async fn diff(arguments: Diff, options: &Options, output: &Output) -> Result<(), Failure> {
    let chosen = chosen(&arguments.option)?;
    let text = file_text(&arguments.pack)?;
    if arguments.offline {
        let answer = offline(&arguments.pack, text.as_deref(), &chosen, options)?;
        return output.result(&answer, &told(&answer));
    }
    let client = Client::open(options)?;
    let limit = if arguments.all { usize::MAX } else { arguments.limit };
    let answer = ask(&client, &body(&arguments.pack, text, &chosen), limit).await?;
    output.result(&answer, &told(&answer))
}

pub(super) async fn import(arguments: Import, options: &Options, output: &Output) -> Result<(), Failure> {
    if options.url.is_some() {
        return Err(Failure::new(
            Exit::Usage,
            "a pack is a file of the daemon's machine; import it there, without --url",
        ));
    }
    let (config, _) = serve::load_beside(&options.config_path())?;
    let config::Pack::File(target) = &config.policy.pack else {
        let reason = "the configuration takes its pack from the program and not from a file: copy the new pack beside \
                      it, say policy.pack = \"./NAME.toml\", and let the daemon read it with `cleargate reload`";
        return Err(Failure::new(Exit::Configuration, reason));
    };
    let text = read(&arguments.file)?;
    let client = Client::open(options)?;
    let answer = ask(&client, &json!({"text": text}), PAGE).await?;
    if !output.is_json() {
        output.message(&told(&answer));
    }
    let count = |list: &str| answer.get(list).and_then(Value::as_array).map_or(0, Vec::len);
    if count("tests") > 0 || count("mappings") > 0 {
        let reason =
            "this would break tests of the policy, or leave mapping rules without their role; nothing was changed";
        return Err(Failure::new(Exit::Conflict, reason));
    }
    let people = |what: &str| answer.pointer(&format!("/people/{what}")).and_then(Value::as_u64).unwrap_or(0);
    let (gaining, losing) = (people("gaining"), people("losing"));
    let effect = format!("replaces {}; {gaining} people gain rights and {losing} lose some", target.display());
    confirm(&effect, arguments.yes)?;
    let before = read(target)?;
    replace(target, &text)?;
    match client.post("/api/v1/reload", &json!({})).await {
        Ok(reloaded) => {
            for warning in reloaded.get("warnings").and_then(Value::as_array).into_iter().flatten() {
                output.message(warning.as_str().unwrap_or_default());
            }
            output.result(&answer, &format!("{} is in force", target.display()))
        }
        Err(failure) if failure.exit() == Exit::Unreachable || failure.exit() == Exit::Dependency => {
            // It may be in force: what was before is not put back under a daemon that reads the new one.
            let text = format!("{} is the new one; whether the daemon has read it is not known", target.display());
            output.message(&format!("{text}: say `cleargate reload` and look at the answer"));
            Err(failure)
        }
        Err(failure) => {
            replace(target, &before)?;
            output.message(&format!("{} was put back as it was", target.display()));
            Err(failure)
        }
    }
}

/// The whole answer, with at most `limit` people, page by page.
async fn ask(client: &Client, body: &Value, limit: usize) -> Result<Value, Failure> {
    let mut whole: Option<Value> = None;
    let mut cursor: Option<String> = None;
    loop {
        let known = whole.as_ref().and_then(|whole| whole.get("users")?.as_array()).map_or(0, Vec::len);
        let size = limit.saturating_sub(known).clamp(1, PAGE).to_string();
        let mut query = vec![("limit", size.as_str())];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let answer = client.post(&with_query("/api/v1/policy:diff", &query), body).await?;
        let next = answer.get("next").and_then(Value::as_str).map(str::to_owned);
        match &mut whole {
            None => whole = Some(answer),
            Some(whole) => {
                let more = answer.get("users").and_then(Value::as_array).cloned().unwrap_or_default();
                if let Some(users) = whole.get_mut("users").and_then(Value::as_array_mut) {
                    users.extend(more);
                }
                if let Some(object) = whole.as_object_mut() {
                    object.insert("next".to_owned(), next.clone().into());
                }
            }
        }
        let known = whole.as_ref().and_then(|whole| whole.get("users")?.as_array()).map_or(0, Vec::len);
        match next.filter(|_| known < limit) {
            Some(next) => cursor = Some(next),
            None => return Ok(whole.unwrap_or(Value::Null)),
        }
    }
}

fn chosen(texts: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let split = |text: &String| {
        let parts = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        parts.ok_or_else(|| Failure::new(Exit::Usage, format!("--option {text}: must be NAME=VALUE")))
    };
    texts.iter().map(split).collect()
}

fn body(pack: &str, text: Option<String>, chosen: &[(String, String)]) -> Value {
    let mut body = Map::new();
    match text {
        Some(text) => body.insert("text".to_owned(), text.into()),
        None => body.insert("pack".to_owned(), pack.into()),
    };
    if !chosen.is_empty() {
        let options = chosen.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        body.insert("options".to_owned(), Value::Object(options));
    }
    Value::Object(body)
}

/// The text of a pack that is a file; `None` for the name of one that comes with the program.
fn file_text(pack: &str) -> Result<Option<String>, Failure> {
    if !pack.contains('/') && !pack.ends_with(".toml") {
        return Ok(None);
    }
    read(Path::new(pack)).map(Some)
}

fn read(path: &Path) -> Result<String, Failure> {
    let cannot = |error| Failure::caused(Exit::Failure, error, format!("cannot read {}", path.display()));
    let size = std::fs::metadata(path).map_err(cannot)?.len();
    if size > MAX_BYTES {
        let reason = format!("{} has {size} bytes, and a pack may have {MAX_BYTES}", path.display());
        return Err(Failure::new(Exit::Usage, reason));
    }
    std::fs::read_to_string(path).map_err(cannot)
}

/// Writes a file whole or not at all, with the owner and the permissions that it has: whoever reads it goes on reading it.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let cannot = |error| Failure::caused(Exit::Failure, error, format!("cannot write {}", path.display()));
    // A link stays one: what it leads to is replaced.
    let path = &std::fs::canonicalize(path).map_err(cannot)?;
    let old = std::fs::metadata(path).map_err(cannot)?;
    let fresh = path.with_extension("toml.new");
    // What a run that was cut off left behind.
    if fresh.exists() {
        std::fs::remove_file(&fresh).map_err(cannot)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(cannot)?;
    let mut write = || {
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
        // Whatever the umask is.
        file.set_permissions(Permissions::from_mode(old.mode() & 0o777))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    };
    if let Err(error) = write() {
        // What cannot be removed is removed by the next one.
        drop(std::fs::remove_file(&fresh));
        return Err(cannot(error));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(cannot)
}

/// The pack of the configuration and the other one, without a daemon: roles and what tests of roles say.
fn offline(name: &str, text: Option<&str>, chosen: &[(String, String)], options: &Options) -> Result<Value, Failure> {
    let (config, _) = serve::load_beside(&options.config_path())?;
    let unusable = |error: crate::access::Error| Failure::caused(Exit::Configuration, error, "a pack cannot be used");
    let old = gateway::open_pack(&config).map_err(unusable)?;
    let read = |options: &PackOptions| match text {
        Some(text) => Pack::parse(name, text, options),
        None => Pack::open(name, options),
    };
    let mut wanted: PackOptions =
        chosen.iter().map(|(name, value)| (name.clone(), Chosen::from(value.as_str()))).collect();
    if wanted.is_empty() {
        let offered = read(&wanted).map_err(unusable)?;
        let kept = old.options().iter().filter(|(name, _)| offered.options().contains_key(*name));
        wanted = kept.map(|(name, value)| (name.clone(), Chosen::from(value.as_str()))).collect();
    }
    let new = read(&wanted).map_err(unusable)?;
    let rights = |list: &[Differing]| {
        let told = |d: &Differing| json!({"permission": d.permission.to_string(), "if_owner": d.if_owner});
        list.iter().map(told).collect::<Vec<_>>()
    };
    let (changes, _) = compare_roles(old.roles(), new.roles());
    let roles: Vec<Value> = changes
        .iter()
        .map(|change| {
            let texts = |list: &[crate::model::Permission]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
            let fate = match change.fate {
                Fate::Added => "added",
                Fate::Changed => "changed",
                Fate::Removed => "removed",
            };
            json!({
                "id": change.id.to_string(), "name": change.name, "change": fate, "gained": rights(&change.gained),
                "lost": rights(&change.lost), "denied": texts(&change.denied), "undenied": texts(&change.undenied),
            })
        })
        .collect();
    let given = config.mappings.iter().filter_map(|mapping| Some((mapping, mapping.grant()?)));
    let orphaned = given.filter(|(_, grant)| new.roles().find(&grant.role).is_none());
    let mappings: Vec<Value> =
        orphaned.map(|(m, grant)| json!({"position": m.position, "role": grant.role.to_string()})).collect();
    let (before, after) = (run_role_tests(&config.tests, old.roles()), run_role_tests(&config.tests, new.roles()));
    let broken = before.iter().zip(&after).filter(|(before, after)| before.held && !after.held);
    let tests: Vec<Value> =
        broken.map(|(_, t)| json!({"name": t.name, "position": t.position, "why": t.failures.join("; ")})).collect();
    let pack = |pack: &Pack| json!({"pack": pack.name(), "title": pack.title(), "options": pack.options()});
    Ok(json!({"before": pack(&old), "after": pack(&new), "roles": roles, "mappings": mappings, "tests": tests}))
}

/// An answer for people, what matters most first.
fn told(answer: &Value) -> String {
    let mut lines = Vec::new();
    let items = |path: &str| answer.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    lines.push(format!("{} -> {}", text(answer, "/before/title"), text(answer, "/after/title")));
    if answer.pointer("/administrators/none_left") == Some(&Value::Bool(true)) {
        lines.push("WARNING: nobody would be left who may give roles in the whole organization".to_owned());
    }
    for (path, what) in [("/administrators/gained", "gains"), ("/administrators/lost", "LOSES")] {
        for user in items(path) {
            lines.push(format!("{} {what} rights of an administrator", text(&user, "/userName")));
        }
    }
    for test in items("/tests") {
        let (name, place, why) = (text(&test, "/name"), text(&test, "/position"), text(&test, "/why"));
        lines.push(format!("BREAKS the policy test `{name}` ({place}): {why}"));
    }
    for mapping in items("/mappings") {
        let (place, role) = (text(&mapping, "/position"), text(&mapping, "/role"));
        lines.push(format!("LEAVES the mapping rule at {place} without its role `{role}`"));
    }
    for problem in items("/problems") {
        lines.push(format!("of your role `{}`: {}", text(&problem, "/role"), text(&problem, "/problem")));
    }
    let roles = items("/roles");
    if roles.is_empty() {
        lines.push("no role differs".to_owned());
    }
    for role in roles {
        let grants = role.get("grants").and_then(Value::as_u64);
        let grants = grants.map(|grants| format!(", {grants} grants")).unwrap_or_default();
        lines.push(format!("role {} {}{grants}", text(&role, "/id"), text(&role, "/change")));
        lines.extend(signed(&role, "  "));
    }
    if let Some(people) = answer.get("people") {
        let count = |what: &str| people.get(what).and_then(Value::as_u64).unwrap_or(0);
        let (concerned, gaining, losing) = (count("concerned"), count("gaining"), count("losing"));
        lines.push(format!("people: {concerned} hold one of these roles; {gaining} gain, {losing} lose"));
        if people.get("complete") == Some(&Value::Bool(false)) {
            lines.push("  more people hold them than are counted".to_owned());
        }
    }
    for user in items("/users") {
        lines.push(format!("  {}", text(&user, "/user/userName")));
        for place in user.get("places").and_then(Value::as_array).into_iter().flatten() {
            let scope = place.get("scope").and_then(Value::as_str).unwrap_or("organization");
            lines.push(format!("    {scope}"));
            lines.extend(signed(place, "      "));
        }
    }
    if answer.get("next").is_some_and(Value::is_string) {
        lines.push("  more people are concerned: --all shows them".to_owned());
    }
    lines.join("\n")
}

/// What is gained with `+`, lost with `-`, and denied with `!`.
fn signed(value: &Value, indent: &str) -> Vec<String> {
    let list = |name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let right = |right: &Value| {
        let permission = right.get("permission").and_then(Value::as_str).unwrap_or_default();
        let owner = right.get("if_owner") == Some(&Value::Bool(true));
        format!("{permission}{}", if owner { " (of one's own)" } else { "" })
    };
    let plain = |text: &Value| text.as_str().unwrap_or_default().to_owned();
    let mut lines = Vec::new();
    lines.extend(list("gained").iter().map(|item| format!("{indent}+ {}", right(item))));
    lines.extend(list("lost").iter().map(|item| format!("{indent}- {}", right(item))));
    lines.extend(list("denied").iter().map(|item| format!("{indent}! denies {}", plain(item))));
    lines.extend(list("undenied").iter().map(|item| format!("{indent}! denies no more {}", plain(item))));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_replaced_stays_whose_it_was_and_as_readable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pack.toml");
        std::fs::write(&path, "old").unwrap();
        // More than the usual umask lets through.
        std::fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        // Only root gives files away.
        let owner = std::os::unix::fs::chown(&path, Some(54_321), Some(54_321)).is_ok().then_some((54_321, 54_321));
        replace(&path, "new").unwrap();
        let now = std::fs::metadata(&path).unwrap();
        assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), now.mode() & 0o777), ("new", 0o666));
        assert!(owner.is_none_or(|owner| (now.uid(), now.gid()) == owner));
    }
}
