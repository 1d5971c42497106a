//! `cleargate init`: a fresh machine gets its configuration, its key, the cost of its password hashes and a link for the
//! first administrator. Nothing that is there is overwritten, and there is no account that anybody knows the password of.

mod text;

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown, lchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::output::Output;
use super::{Exit, Failure, Options, serve};
use crate::access::NewGrant;
use crate::config::{self, Config, parse_duration};
use crate::credential::{Cost, calibrate};
use crate::directory::SourceRecord;
use crate::gateway::{Foundation, Gateway};
use crate::model::{Attributes, RoleId, Subject};
use crate::store;
use text::Answers;

/// How long one hash may take when nobody says.
const TARGET: &str = "50ms";
/// Most memory of one hash, in KiB.
const MAX_MEMORY_KIB: u32 = 64 * 1024;
/// The role of the first administrator.
const ADMINISTRATOR: &str = "administrator";
/// What is made in the folder of the data.
const MADE: [&str; 3] = ["cleargate.key", "cleargate.redb", "cleargate.redb.run"];
/// The user as whom the unit runs the daemon.
const DAEMON: &str = "cleargate";
/// How long the daemon's files take to be closed.
const CLOSING: Duration = Duration::from_secs(10);
/// Longest answer at the terminal, in bytes.
const MAX_ANSWER: u64 = 1024;

/// What to set up.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cleargate init\n  \
                        cleargate init --yes --public-url https://sso.example.com --admin ada@example.com\n\n\
                        Run as root it gives what it makes to the user `cleargate`, if there is one. A file that exists \
                        is never\noverwritten; where somebody administers already, nothing is made.")]
pub(super) struct Arguments {
    /// The address that people and providers use, such as `https://sso.example.com`
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Address and port to listen at [default: 127.0.0.1:8080, behind a proxy that ends TLS]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Folder of the store and its key [default: /var/lib/cleargate]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// User name of the first administrator, best an e-mail address
    #[arg(long, value_name = "NAME")]
    admin: Option<String>,
    /// How long hashing one password may take on this machine
    #[arg(long, value_name = "DURATION", default_value = TARGET)]
    hash_time: String,
    /// Ask nothing; --public-url and --admin must be given
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(arguments: Arguments, options: &Options, output: &Output) -> Result<(), Failure> {
    let path = options.config_path();
    if fs::symlink_metadata(&path).is_ok() {
        let text =
            format!("{} exists and is not overwritten; edit it, or give another path by --config", path.display());
        return Err(Failure::new(Exit::Conflict, text));
    }
    let answers = ask(&arguments)?;
    let target = parse_duration(&arguments.hash_time).filter(|time| !time.is_zero() && *time <= Duration::from_secs(2));
    let target =
        target.ok_or_else(|| Failure::new(Exit::Usage, "--hash-time must be a duration up to 2s, such as 50ms"))?;
    output.message("measuring how long hashing a password takes here");
    let measured = calibrate(target, MAX_MEMORY_KIB);
    let (cost, took) = measured.map_err(|error| Failure::caused(Exit::Failure, error, "cannot measure"))?;
    let written = text::write(&answers, cost).map_err(|reason| Failure::new(Exit::Usage, reason))?;
    let owner = owner()?;
    check_own(&answers.data)?;
    make_folder(&answers.data, 0o700)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder, 0o755)?;
    }
    write_new(&path, &written)?;
    let made = set_up(&path, &answers).await;
    let link = match made {
        Ok(link) => link,
        Err(failure) => {
            // What this run wrote is of no use to the next one.
            if let Err(error) = fs::remove_file(&path) {
                output.message(&format!("{} cannot be removed: {error}", path.display()));
            }
            return Err(failure);
        }
    };
    if let Some(owner) = owner {
        give(&path, &answers.data, owner)?;
    }
    tell(output, &path, &answers, (cost, took), &link)
}

/// What the options do not say is asked for at a terminal.
fn ask(arguments: &Arguments) -> Result<Answers, Failure> {
    let asks = !arguments.yes && io::stdin().is_terminal();
    let answer = |given: Option<String>, option: &str, question: &str, usual: Option<&str>| match (given, usual) {
        (Some(given), _) => Ok(given),
        (None, usual) if asks => ask_for(question, usual),
        (None, Some(usual)) => Ok(usual.to_owned()),
        (None, None) => Err(Failure::new(Exit::Usage, format!("{option} is needed"))),
    };
    let url = answer(arguments.public_url.clone(), "--public-url", "Address that people use (https://…)", None)?;
    let listen = arguments.listen.map(|address| address.to_string());
    let listen = answer(listen, "--listen", "Address and port to listen at", Some("127.0.0.1:8080"))?;
    let data = arguments.data.as_ref().map(|path| path.display().to_string());
    let data = answer(data, "--data", "Folder of the store and its key", Some("/var/lib/cleargate"))?;
    let admin = answer(arguments.admin.clone(), "--admin", "User name of the first administrator", None)?;
    let listen = listen.parse().map_err(|_| Failure::new(Exit::Usage, "--listen must be ADDRESS:PORT"))?;
    let data = std::path::absolute(data).map_err(|error| Failure::caused(Exit::Usage, error, "--data"))?;
    Ok(Answers { public_url: url.trim_end_matches('/').to_owned(), listen, data, admin })
}

fn ask_for(question: &str, usual: Option<&str>) -> Result<String, Failure> {
    let mut terminal = io::stderr().lock();
    let shown = usual.map(|usual| format!(" [{usual}]")).unwrap_or_default();
    write!(terminal, "{question}{shown}: ")?;
    terminal.flush()?;
    let mut line = String::new();
    io::stdin().lock().take(MAX_ANSWER).read_line(&mut line)?;
    match (line.trim(), usual) {
        ("", Some(usual)) => Ok(usual.to_owned()),
        ("", None) => Err(Failure::new(Exit::Usage, "nothing was answered")),
        (answer, _) => Ok(answer.to_owned()),
    }
}

/// Whom the files go to: with root's rights the daemon's user, where there is one.
fn owner() -> Result<Option<(u32, u32)>, Failure> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let Ok(users) = fs::read_to_string("/etc/passwd") else { return Ok(None) };
    let found = users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [DAEMON, _, user, group, ..] = fields.as_slice() else { return None };
        Some((user.parse().ok()?, group.parse().ok()?))
    });
    Ok(found)
}

/// Refuses a folder in which there is more than a store and its key: it would be the daemon's.
fn check_own(data: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::caused(Exit::Failure, error, format!("cannot read {}", data.display()));
    let entries = match fs::read_dir(data) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    // Of a set-up that was killed.
    let journal = store::journal(&data.join("cleargate.redb"));
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let is_file = entry.file_type().map_err(failed)?.is_file();
        let is_made = MADE.iter().any(|name| entry.file_name() == *name) || entry.path() == journal;
        if !is_file || !is_made {
            let reason =
                format!("{} is in the way: give the daemon a folder of its own with --data", entry.path().display());
            return Err(Failure::new(Exit::Conflict, reason));
        }
    }
    Ok(())
}

fn make_folder(path: &Path, mode: u32) -> Result<(), Failure> {
    let made = fs::DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(|error| Failure::caused(Exit::Failure, error, format!("cannot make {}", path.display())))
}

/// Writes a file that was not there.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o640).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| {
        let exit = if error.kind() == io::ErrorKind::AlreadyExists { Exit::Conflict } else { Exit::Failure };
        Failure::caused(exit, error, format!("cannot write {}", path.display()))
    })
}

fn give(path: &Path, data: &Path, (user, group): (u32, u32)) -> Result<(), Failure> {
    let failed =
        |path: &Path, error| Failure::caused(Exit::Failure, error, format!("cannot give away {}", path.display()));
    // The configuration stays root's; the daemon reads it.
    chown(path, None, Some(group)).map_err(|error| failed(path, error))?;
    chown(data, Some(user), Some(group)).map_err(|error| failed(data, error))?;
    for name in MADE {
        let path = data.join(name);
        lchown(&path, Some(user), Some(group)).map_err(|error| failed(&path, error))?;
    }
    let journal = store::journal(&data.join("cleargate.redb"));
    if journal.exists() {
        lchown(&journal, Some(user), Some(group)).map_err(|error| failed(&journal, error))?;
    }
    Ok(())
}

/// Makes the store with its key and the first administrator; the link by which they come in.
async fn set_up(path: &Path, answers: &Answers) -> Result<String, Failure> {
    let config: Config = config::load(path, &serve::credentials()).map_err(|problems| {
        let first = problems.first().map(|problem| format!("`{}`: {}", problem.key, problem.message));
        Failure::new(Exit::Usage, first.unwrap_or_else(|| "the configuration cannot be used".to_owned()))
    })?;
    let opened = Gateway::open(config, Foundation::system()).await;
    let gateway = opened.map_err(|error| Failure::caused(Exit::Failure, error, "the store cannot be made"))?;
    let link = first_administrator(&gateway, answers).await;
    let tasks = gateway.tasks().clone();
    drop(gateway);
    tasks.join(CLOSING).await;
    link
}

async fn first_administrator(gateway: &Gateway, answers: &Answers) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Failure, error);
    if gateway.access().has_administrator().await.map_err(|error| failed(&error))? {
        let text = format!("somebody administers the store in {} already; nothing was made", answers.data.display());
        return Err(Failure::new(Exit::Conflict, text));
    }
    let role: RoleId = ADMINISTRATOR.parse().map_err(|error| failed(&error))?;
    if gateway.access().roles().find(&role).is_none() {
        return Err(failed(&format!("the policy pack has no role `{role}`")));
    }
    let permit = gateway.access().task_permit("init", None);
    let user_name = answers.admin.parse().map_err(|error| Failure::new(Exit::Usage, format!("--admin {error}")))?;
    let mut attributes = Attributes::default();
    if answers.admin.contains('@') {
        let emails = json!([{"value": answers.admin, "primary": true}]);
        attributes.0.insert("emails".to_owned(), emails);
    }
    let record = SourceRecord { external_id: None, user_name, active: Some(true), attributes };
    let user = match gateway.directory().create_user(&permit, &record).await {
        Ok(user) => user,
        Err(error) => return Err(failed(&error)),
    };
    let grant = NewGrant::new(Subject::User(user.id), role);
    let access = gateway.access();
    access.grants().create(&permit, &access.roles(), grant).await.map_err(|error| failed(&error))?;
    let link = gateway.login().reset_link(&permit, &user, None).await.map_err(|error| failed(&error))?;
    Ok(format!("{}{}", answers.public_url, link.path.expose()))
}

fn tell(
    output: &Output,
    path: &Path,
    answers: &Answers,
    (cost, took): (Cost, Duration),
    link: &str,
) -> Result<(), Failure> {
    let (memory_mib, took_ms) = (cost.memory_kib / 1024, took.as_millis());
    let object = json!({
        "configuration": path.display().to_string(),
        "data": answers.data.display().to_string(),
        "public_url": answers.public_url,
        "listen": answers.listen.to_string(),
        "administrator": answers.admin,
        "link": link,
        "hashing": {"memory": format!("{memory_mib}MiB"), "passes": cost.passes, "lanes": cost.lanes, "takes": format!("{took_ms}ms")},
    });
    let text = format!(
        "configuration: {}\nstore and key:  {}\npasswords:      {memory_mib} MiB, {} passes, {took_ms} ms each\n\
         administrator:  {}\n\nNext:\n  1. Copy the key ({}) to a safe place, apart from backups of the store.\n  \
         2. Look at the configuration, then: cleargate check-config\n  3. Start the daemon: systemctl enable --now cleargate\n  \
         4. Within the hour, choose the administrator's password here (the link works once):\n     {link}\n",
        path.display(),
        answers.data.display(),
        cost.passes,
        answers.admin,
        answers.data.join("cleargate.key").display(),
    );
    output.result(&object, &text)
}
