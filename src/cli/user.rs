//! `cleargate user`.

mod import;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Client, path, tried, with_query};
use super::confirm::confirm;
use super::output::Output;
use super::{Failure, password};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Let an account sign in again
    Activate {
        /// User name or id
        user: String,
        /// Tell what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Say which companies an account belongs to, and that it sees those only, or all of them
    #[command(after_help = "Examples:\n  cleargate user companies ada@example.com --company north --company south\n  \
                            cleargate user companies ada@example.com --company north --all")]
    Companies {
        /// User name or id
        user: String,
        /// Company by its slug; may be given several times
        #[arg(long = "company", value_name = "SLUG", required_unless_present_any = ["all", "none"])]
        companies: Vec<String>,
        /// It sees what belongs to any company or to none
        #[arg(long)]
        all: bool,
        /// It belongs to no company, and without --all it sees nothing but itself
        #[arg(long, conflicts_with = "companies")]
        none: bool,
        /// Also when nobody would be left who sees all companies; for administrators of the machine
        #[arg(long)]
        force: bool,
        /// Tell what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Make an account
    #[command(
        after_help = "Examples:\n  cleargate user create ada@example.com --name 'Ada Lovelace' --role data_analyst\n  \
                            cleargate user create ada --email ada@example.com --password-file ./password --must-change-password"
    )]
    Create(Box<Create>),
    /// Demand a second factor or single sign-on of an account from its next sign-in on
    #[command(
        after_help = "Examples:\n  cleargate user demand ada@example.com --sso true\n  cleargate user demand ada@example.com --factor true --sso false",
        group = clap::ArgGroup::new("what").required(true).multiple(true).args(["factor", "sso"])
    )]
    Demand {
        /// User name or id
        user: String,
        /// Whether it must have a second factor; what roles and the configuration demand stays
        #[arg(long, value_name = "BOOL")]
        factor: Option<bool>,
        /// Whether it signs in by single sign-on only; what roles and the configuration demand stays
        #[arg(long, value_name = "BOOL")]
        sso: Option<bool>,
        /// Tell what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Disable an account everywhere, at once
    #[command(after_help = "Example:\n  cleargate user deactivate ada@example.com")]
    Deactivate {
        /// User name or id
        user: String,
        /// Tell what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Delete an account that should never have been; who leaves is deactivated instead
    #[command(after_help = "Example:\n  cleargate user delete test@example.com --yes\n\n\
                            The id stays taken, and the ledger goes on naming the account.")]
    Delete {
        /// User name or id
        user: String,
        /// Also when people, tokens or other things refer to it
        #[arg(long)]
        force: bool,
        /// Tell what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Tell what an account holds: roles, groups, tokens, sessions, people under it
    #[command(after_help = "Example:\n  cleargate user holdings ada@example.com --json")]
    Holdings {
        /// User name or id
        user: String,
    },
    /// Make accounts for everybody in a file, all of them or none
    #[command(after_help = "Examples:\n  cleargate user import people.csv --role browser --dry-run\n  \
                            cleargate user import people.tsv --role updater --scope scorecard:sales --password-file ./first")]
    Import(import::Import),
    /// List accounts
    #[command(
        after_help = "Examples:\n  cleargate user list --filter 'active eq false'\n  cleargate user list --sort changed --reverse --limit 20\n  cleargate user list --json | jq -r .userName"
    )]
    List {
        /// Only those that meet this expression, in the language of SCIM filters
        #[arg(long, value_name = "EXPRESSION")]
        filter: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 10_000, value_name = "COUNT")]
        limit: usize,
        /// In the order of userName, displayName, created, changed or status [default: that of creation]
        #[arg(long, value_name = "FIELD")]
        sort: Option<String>,
        /// From the end of that order
        #[arg(long, requires = "sort")]
        reverse: bool,
    },
    /// End an account's access at once: inactive, sessions ended, tokens revoked; what it owns stays its own
    #[command(
        after_help = "Examples:\n  cleargate user offboard ada@example.com --dry-run\n  cleargate user offboard ada@example.com --yes"
    )]
    Offboard {
        /// User name or id
        user: String,
        /// Only tell what would end and what would stay
        #[arg(long)]
        dry_run: bool,
        /// Token of a connection, by id, that is yours from now on instead of revoked; may be given several times
        #[arg(long, value_name = "TOKEN")]
        hand_over: Vec<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Tell what an account may, level by level, and why
    #[command(after_help = "Example:\n  cleargate user permissions ada@example.com --json")]
    Permissions {
        /// User name or id
        user: String,
    },
    /// Set an account's password and end its sessions
    #[command(after_help = "Examples:\n  cleargate user set-password ada@example.com\n  \
                            pass show ada | cleargate user set-password ada@example.com --must-change-password\n\n\
                            Without --password-file a terminal is asked twice; otherwise the first line of standard input is taken.")]
    SetPassword {
        /// User name or id
        user: String,
        /// File with the password, `-` for standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Whether it must be changed at the next sign-in
        #[arg(long)]
        must_change_password: bool,
    },
    /// Make a link on which the owner of an account chooses a new password
    #[command(
        after_help = "The link is shown once, works once, for an hour. Whoever has it can choose the password: hand it to its owner only.\n\n\
                            Examples:\n  \
                            cleargate user reset-password ada@example.com"
    )]
    ResetPassword {
        /// User name or id
        user: String,
        /// Mail it to its owner, and show it to nobody else
        #[arg(long)]
        mail: bool,
    },
    /// Show an account with its roles and groups
    Show {
        /// User name or id
        user: String,
    },
    /// Change an account; what is not given stays, and an empty text removes what may be absent
    #[command(
        after_help = "Examples:\n  cleargate user update ada@example.com --department finance --supervisor grace@example.com\n  \
                            cleargate user update ada@example.com --user-name ada.lovelace@example.com --dry-run"
    )]
    Update(Box<Update>),
}

/// What a new and a known account are told of alike.
#[derive(Args, Debug)]
struct Profile {
    /// Supervisor, by user name or id
    #[arg(long, value_name = "USER")]
    supervisor: Option<String>,
    /// Language tag, such as en or de-CH
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// Telephone number
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// Address of a photo
    #[arg(long, value_name = "URL")]
    photo: Option<String>,
    /// Time zone, such as Europe/Berlin
    #[arg(long, value_name = "NAME")]
    timezone: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct Update {
    /// User name or id
    user: String,
    /// Another user name, by which the person signs in
    #[arg(long)]
    user_name: Option<String>,
    /// The person's name
    #[arg(long)]
    name: Option<String>,
    /// First name
    #[arg(long)]
    first_name: Option<String>,
    /// Last name
    #[arg(long)]
    last_name: Option<String>,
    /// E-mail address
    #[arg(long)]
    email: Option<String>,
    /// Department, by its slug or name
    #[arg(long)]
    department: Option<String>,
    #[command(flatten)]
    profile: Profile,
    /// Tell what would happen, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args, Debug)]
pub(super) struct Create {
    /// User name, by which the person signs in
    user_name: String,
    /// The person's name
    #[arg(long)]
    name: Option<String>,
    /// First name; with it or the last name, both, an e-mail address and a role are required
    #[arg(long)]
    first_name: Option<String>,
    /// Last name
    #[arg(long)]
    last_name: Option<String>,
    /// E-mail address
    #[arg(long)]
    email: Option<String>,
    /// Employee whose account it is, by number or id
    #[arg(long, value_name = "NUMBER")]
    employee: Option<String>,
    /// Department
    #[arg(long)]
    department: Option<String>,
    #[command(flatten)]
    profile: Profile,
    /// Role for the whole organisation, or for the scopes that are named
    #[arg(long)]
    role: Option<String>,
    /// Scope within which the role holds, KIND:SLUG; may be given several times
    #[arg(long = "scope", value_name = "SCOPE", requires = "role")]
    scopes: Vec<String>,
    /// Group to be in, by name; may be given several times
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// Company that it belongs to, and the only one it sees, by its slug; may be given several times
    #[arg(long = "company", value_name = "SLUG")]
    companies: Vec<String>,
    /// Whose account it is: staff, or member, who administers nothing here [default: staff]
    #[arg(long, value_name = "REALM")]
    realm: Option<String>,
    /// File with the password, `-` for standard input; without, the account has none
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Whether the password must be changed at the first sign-in, as it must unless --keep-password is given
    #[arg(long, requires = "password_file")]
    must_change_password: bool,
    /// The owner of the account need not change the password
    #[arg(long, requires = "password_file", conflicts_with = "must_change_password")]
    keep_password: bool,
    /// Tell what would happen, and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Activate { user, dry_run } => set_active(&client, &user, true, dry_run, output).await,
        Command::Companies { user, companies, all, none, force, dry_run } => {
            let mut body = json!({"all_companies": all});
            if let Some(members) = body.as_object_mut().filter(|_| none || !companies.is_empty()) {
                members.insert("companies".to_owned(), companies.into());
            }
            let word = |flag: bool| if flag { "true" } else { "false" };
            let query = [("force", word(force)), ("dry_run", word(dry_run))];
            output.object(&client.patch(&with_query(&path("users", &user, ""), &query), &body).await?)
        }
        Command::Create(create) => {
            let address = tried("/api/v1/users", create.dry_run);
            output.object(&client.post(&address, &body(*create)?).await?)
        }
        Command::Demand { user, factor, sso, dry_run } => {
            let wishes = [("requires_factor", factor), ("requires_sso", sso), ("dry_run", dry_run.then_some(true))];
            let wishes = wishes.into_iter().filter_map(|(name, wish)| Some((name.to_owned(), wish?.into())));
            let body = Value::Object(wishes.collect());
            output.object(&client.post(&path("users", &user, ":demand"), &body).await?)
        }
        Command::Deactivate { user, dry_run } => set_active(&client, &user, false, dry_run, output).await,
        Command::Delete { user, force, dry_run, yes } => delete(&client, &user, (force, dry_run, yes), output).await,
        Command::Holdings { user } => {
            let held = client.get(&path("users", &user, "/holdings")).await?;
            output.result(&held, &told(&held))
        }
        Command::Offboard { user, dry_run, hand_over, yes } => {
            if !dry_run {
                confirm(&format!("ends the access of {user}, with all sessions and tokens"), yes)?;
            }
            let answer = client
                .post(&path("users", &user, ":offboard"), &json!({"dry_run": dry_run, "hand_over": hand_over}))
                .await?;
            output.result(&answer, &told(&answer))
        }
        Command::Import(import) => import::run(import, &client, output).await,
        Command::List { filter, limit, sort, reverse } => {
            let named =
                [("filter", filter.as_deref()), ("sort", sort.as_deref()), ("order", reverse.then_some("desc"))];
            let query: Vec<(&str, &str)> = named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            let users = client.list("/api/v1/users", &query, limit).await?;
            let columns = [
                ("USER", "userName"),
                ("NAME", "displayName"),
                ("STATUS", "status"),
                ("SOURCE", "source"),
                ("ID", "id"),
            ];
            output.list(&users, &columns)
        }
        Command::Permissions { user } => {
            let told = client.get(&path("users", &user, "/permissions")).await?;
            output.result(&told, &levels(&told))
        }
        Command::SetPassword { user, password_file, must_change_password } => {
            let password = password::read(password_file)?;
            let body = json!({"password": password.expose(), "must_change_password": must_change_password});
            let answer = client.patch(&path("users", &user, ""), &body).await?;
            output.result(&answer, "the password is set")
        }
        Command::ResetPassword { user, mail } => {
            let answer = client.post(&path("users", &user, ":reset-password"), &json!({"send": mail})).await?;
            let text = |name: &str| answer.get(name).and_then(Value::as_str);
            let shown = match (text("link"), text("sent_to")) {
                (None, Some(address)) => format!("a link is on its way to {address}"),
                (link, _) => link.unwrap_or_default().to_owned(),
            };
            output.result(&answer, &shown)
        }
        Command::Show { user } => output.object(&client.get(&path("users", &user, "")).await?),
        Command::Update(update) => {
            let address = tried(&path("users", &update.user, ""), update.dry_run);
            output.object(&client.patch(&address, &edit(*update)).await?)
        }
    }
}

/// The members of a body: what was given.
fn edit(update: Update) -> Value {
    let texts = [
        ("userName", update.user_name),
        ("name", update.name),
        ("first_name", update.first_name),
        ("last_name", update.last_name),
        ("email", update.email),
        ("department", update.department),
        ("supervisor", update.profile.supervisor),
        ("language", update.profile.language),
        ("phone", update.profile.phone),
        ("photo", update.profile.photo),
        ("timezone", update.profile.timezone),
    ];
    texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?)))).collect()
}

/// What somebody may, a line for each permission of each level, with the role that gives it.
fn levels(told: &Value) -> String {
    let list = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut lines = Vec::new();
    for level in list(told, "levels") {
        lines.push(text(&level, "scope").unwrap_or_else(|| "organization".to_owned()));
        for right in list(&level, "permissions") {
            let word = |name: &str| text(&right, name).unwrap_or_default();
            lines.push(format!("  {:32}{} {}", word("permission"), word("role"), word("grant")));
        }
    }
    lines.join("\n")
}

fn body(create: Create) -> Result<Value, Failure> {
    let password = create.password_file.as_deref().map(password::read_file).transpose()?;
    let mut body = json!({
        "userName": create.user_name,
        "name": create.name,
        "first_name": create.first_name,
        "last_name": create.last_name,
        "email": create.email,
        "employee": create.employee,
        "department": create.department,
        "supervisor": create.profile.supervisor,
        "language": create.profile.language,
        "phone": create.profile.phone,
        "photo": create.profile.photo,
        "timezone": create.profile.timezone,
        "role": create.role,
        "scopes": Some(create.scopes).filter(|scopes| !scopes.is_empty()),
        "access_groups": create.groups,
        "companies": Some(create.companies).filter(|companies| !companies.is_empty()),
        "realm": create.realm,
    });
    if let (Some(password), Some(members)) = (password, body.as_object_mut()) {
        members.insert("password".to_owned(), password.expose().into());
        members.insert("must_change_password".to_owned(), (!create.keep_password).into());
    }
    Ok(body)
}

/// What an account holds, a line each.
fn told(held: &Value) -> String {
    let lists = ["grants", "groups", "tokens", "sessions", "supervised"];
    let count = |name: &str| held.get(name).and_then(Value::as_array).map_or(0, Vec::len);
    let mut told: Vec<String> = lists.iter().map(|name| format!("{name:12}{}", count(name))).collect();
    // Secrets that a leaver could have seen.
    for token in held.get("rotate").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| token.get(name).and_then(Value::as_str).unwrap_or_default();
        told.push(format!("rotate      {} {} {}", text("kind"), text("name"), text("id")));
    }
    told.join("\n")
}

async fn delete(
    client: &Client,
    user: &str,
    (force, dry_run, yes): (bool, bool, bool),
    output: &Output,
) -> Result<(), Failure> {
    let found = client.get(&path("users", user, "")).await?;
    let text = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (id, name) = (text("id"), text("userName"));
    let roles = found.get("roles").and_then(Value::as_array).map_or(0, Vec::len);
    let groups = found.get("groups").and_then(Value::as_array).map_or(0, Vec::len);
    if !dry_run {
        confirm(&format!("deletes the account {name} with its {roles} roles and {groups} memberships for ever"), yes)?;
    }
    let word = |flag: bool| if flag { "true" } else { "false" };
    let query = [("confirm", name.as_str()), ("force", word(force)), ("dry_run", word(dry_run))];
    let answer = client.delete(&with_query(&path("users", &id, ""), &query)).await?;
    let mut told = vec![format!("{name} {} deleted", if dry_run { "can be" } else { "is" })];
    let references = answer.get("references").and_then(Value::as_object).into_iter().flatten();
    let counts = references.filter_map(|(what, count)| Some((what, count.as_u64().filter(|count| *count > 0)?)));
    told.extend(counts.map(|(what, count)| format!("{what:18}{count}")));
    output.result(&answer, &told.join("\n"))
}

async fn set_active(client: &Client, user: &str, active: bool, dry_run: bool, output: &Output) -> Result<(), Failure> {
    let answer = client.patch(&tried(&path("users", user, ""), dry_run), &json!({"active": active})).await?;
    let verb = if dry_run { "can be" } else { "is" };
    output.result(&answer, &format!("{user} {verb} {}", if active { "active" } else { "inactive" }))
}
