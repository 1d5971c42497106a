//! `cleargate group`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use super::client::{Client, path, with_query};
use super::confirm::confirm;
use super::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Put users and groups into a group that is kept by hand
    #[command(
        after_help = "Examples:\n  cleargate group add data_analysts --user ada@example.com --user grace@example.com\n  \
                            cleargate group add Staff --group data_analysts --dry-run"
    )]
    Add(Members),
    /// Make a group
    #[command(after_help = "Examples:\n  cleargate group create 'Data Analysts' --user ada@example.com\n  \
                            cleargate group create Engineers --rule 'title sw \"Engineer\"' --dry-run")]
    Create {
        /// Name; it may also be called by its slug, data_analysts
        name: String,
        /// User to be in it, by name or id; may be given several times
        #[arg(long = "user", value_name = "USER")]
        users: Vec<String>,
        /// Group to be in it, by name, slug or id; may be given several times
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// Company that it belongs to, by its slug; may be given several times
        #[arg(long = "company", value_name = "SLUG")]
        companies: Vec<String>,
        /// Who is in it, as a filter over attributes: then nobody is put in by hand
        #[arg(long, value_name = "EXPRESSION", conflicts_with_all = ["users", "groups"])]
        rule: Option<String>,
        /// Only tell what would be made, and whom the rule names
        #[arg(long)]
        dry_run: bool,
    },
    /// Delete a group with its memberships and what it holds
    #[command(after_help = "Example:\n  cleargate group delete data_analysts --yes")]
    Delete {
        /// Name, slug or id
        group: String,
        /// Also when it holds roles
        #[arg(long)]
        force: bool,
        /// Tell what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// List groups
    #[command(after_help = "Example:\n  cleargate group list --json")]
    List {
        /// At most so many
        #[arg(long, default_value_t = 10_000, value_name = "COUNT")]
        limit: usize,
    },
    /// List the direct members of a group
    #[command(after_help = "Example:\n  cleargate group members data_analysts")]
    Members {
        /// Name, slug or id
        group: String,
        /// At most so many
        #[arg(long, default_value_t = 10_000, value_name = "COUNT")]
        limit: usize,
    },
    /// Take users and groups out of a group that is kept by hand
    #[command(after_help = "Example:\n  cleargate group remove data_analysts --user ada@example.com")]
    Remove(Members),
    /// Give a group another name
    #[command(after_help = "Example:\n  cleargate group rename data_analysts 'Report Builders'")]
    Rename {
        /// Name, slug or id
        group: String,
        /// The new name
        name: String,
        /// Tell what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Give a group another rule that says who is in it, or none
    #[command(
        after_help = "Examples:\n  cleargate group update engineers --rule 'title sw \"Engineer\"' --dry-run\n  \
                            cleargate group update engineers --no-rule"
    )]
    Update {
        /// Name, slug or id
        group: String,
        /// Who is in it, as a filter over attributes
        #[arg(long, value_name = "EXPRESSION", required_unless_present = "no_rule")]
        rule: Option<String>,
        /// Keep the members as they are from now on, by hand
        #[arg(long, conflicts_with = "rule")]
        no_rule: bool,
        /// Only tell what would change
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Args, Debug)]
pub(super) struct Members {
    /// Name, slug or id
    group: String,
    /// User, by name or id; may be given several times
    #[arg(long = "user", value_name = "USER", required_unless_present = "groups")]
    users: Vec<String>,
    /// Group, by name, slug or id; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Only tell what would change
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Add(members) => {
            let answer = client.post(&path("groups", &members.group, "/members"), &members.body()).await?;
            members.told(&answer, "added", "are added", output)
        }
        Command::Create { name, users, groups, companies, rule, dry_run } => {
            let companies = Some(companies).filter(|companies| !companies.is_empty());
            let mut body = json!({
                "name": name, "users": users, "groups": groups, "companies": companies, "dry_run": dry_run,
            });
            if let (Some(rule), Some(members)) = (rule, body.as_object_mut()) {
                members.insert("rule".to_owned(), rule.into());
            }
            output.object(&client.post("/api/v1/groups", &body).await?)
        }
        Command::Delete { group, force, dry_run, yes } => {
            let found = client.get(&path("groups", &group, "")).await?;
            let text = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let members = found.get("members").and_then(Value::as_u64).unwrap_or(0);
            if !dry_run {
                confirm(&format!("deletes the group {} with its {members} memberships", text("name")), yes)?;
            }
            let word = |flag: bool| if flag { "true" } else { "false" };
            let query = [("force", word(force)), ("dry_run", word(dry_run))];
            let answer = client.delete(&with_query(&path("groups", &text("id"), ""), &query)).await?;
            let told =
                if dry_run { format!("can be deleted, with {members} memberships") } else { "is deleted".to_owned() };
            output.result(&answer, &format!("{} {told}", text("name")))
        }
        Command::List { limit } => {
            let groups = client.list("/api/v1/groups", &[], limit).await?;
            let columns =
                [("NAME", "name"), ("SLUG", "slug"), ("MEMBERS", "members"), ("SOURCE", "source"), ("ID", "id")];
            output.list(&groups, &columns)
        }
        Command::Members { group, limit } => {
            let members = client.list(&path("groups", &group, "/members"), &[], limit).await?;
            let columns = [
                ("TYPE", "type"),
                ("USER", "userName"),
                ("GROUP", "name"),
                ("SINCE", "since"),
                ("SOURCE", "source"),
                ("ID", "id"),
            ];
            output.list(&members, &columns)
        }
        Command::Remove(members) => {
            let path = path("groups", &members.group, "/members");
            let answer = client.delete_with(&path, &members.body()).await?;
            members.told(&answer, "removed", "are removed", output)
        }
        Command::Rename { group, name, dry_run } => {
            let body = json!({"name": name, "dry_run": dry_run});
            let answer = client.patch(&path("groups", &group, ""), &body).await?;
            output.result(&answer, &format!("{group} {} {name} now", if dry_run { "could be" } else { "is" }))
        }
        Command::Update { group, rule, no_rule: _, dry_run } => {
            let body = json!({"rule": rule, "dry_run": dry_run});
            output.object(&client.patch(&path("groups", &group, ""), &body).await?)
        }
    }
}

impl Members {
    fn body(&self) -> Value {
        json!({"users": self.users, "groups": self.groups, "dry_run": self.dry_run})
    }

    fn told(&self, answer: &Value, list: &str, done: &str, output: &Output) -> Result<(), Failure> {
        let count = answer.get(list).and_then(Value::as_array).map_or(0, Vec::len);
        let unchanged = answer.get("unchanged").and_then(Value::as_u64).unwrap_or(0);
        let done = if self.dry_run { format!("of members would be {list}") } else { done.to_owned() };
        output.result(answer, &format!("{count} {done}, {unchanged} stay as they are"))
    }
}
