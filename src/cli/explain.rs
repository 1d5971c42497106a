//! `cleargate explain` and `cleargate who-can`.

use clap::Args;
use serde_json::Value;

use super::Failure;
use super::client::{Client, with_query};
use super::output::{Output, plain};

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cleargate explain ada@example.com reports:read\n  \
                        cleargate explain ada@example.com reports:create --scope department:finance --at 2026-12-24T18:00:00Z\n\n\
                        The exit code tells whether the question could be answered, not whether the answer is yes.")]
pub(super) struct Arguments {
    /// User name or id
    user: String,
    /// Permission, RESOURCE:ACTION
    permission: String,
    /// Where, KIND:SLUG [default: the whole organisation]
    #[arg(long)]
    scope: Option<String>,
    /// From which address
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<std::net::IpAddr>,
    /// At which moment, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cleargate who-can users:create\n  \
                        cleargate who-can reports:create --scope department:finance --json")]
pub(super) struct WhoCan {
    /// Permission, RESOURCE:ACTION
    permission: String,
    /// Where, KIND:SLUG [default: the whole organisation]
    #[arg(long)]
    scope: Option<String>,
}

/// Most people that are listed.
const MAX_LISTED: usize = 1_000_000;

pub(super) async fn who_can(arguments: WhoCan, client: Client, output: &Output) -> Result<(), Failure> {
    let mut query = vec![("permission", arguments.permission.as_str())];
    query.extend(arguments.scope.as_deref().map(|scope| ("scope", scope)));
    let able = client.list("/api/v1/who-can", &query, MAX_LISTED).await?;
    let columns = [
        ("USER", "user.userName"),
        ("NAME", "user.displayName"),
        ("ROLE", "role"),
        ("SCOPE", "scope"),
        ("GRANT", "grant"),
    ];
    output.list(&able, &columns)
}

pub(super) async fn run(arguments: Arguments, client: Client, output: &Output) -> Result<(), Failure> {
    let ip = arguments.ip.map(|ip| ip.to_string());
    let mut query = vec![("user", arguments.user.as_str()), ("permission", arguments.permission.as_str())];
    query.extend(arguments.scope.as_deref().map(|scope| ("scope", scope)));
    query.extend(ip.as_deref().map(|ip| ("ip", ip)));
    query.extend(arguments.at.as_deref().map(|at| ("at", at)));
    let answer = client.get(&with_query("/api/v1/explain", &query)).await?;
    output.result(&answer, &tell(&answer))
}

fn tell(answer: &Value) -> String {
    let text = |value: &Value, name: &str| plain(value.get(name).unwrap_or(&Value::Null));
    let verdict = if answer.get("allowed") == Some(&Value::Bool(true)) { "allowed" } else { "denied" };
    let mut lines = vec![format!("{verdict}: {}", text(answer, "reason"))];
    for step in answer.get("steps").and_then(Value::as_array).into_iter().flatten() {
        let mut line = format!("  {}: role {}", text(step, "outcome"), text(step, "role"));
        for (name, word) in [
            ("scope", "in"),
            ("rule", "by"),
            ("rule_at", "written at"),
            ("includes", "through"),
            ("origin", "given"),
            ("maker_name", "from"),
            ("made", "on"),
        ] {
            let value = text(step, name);
            if !value.is_empty() {
                line.push_str(&format!(", {word} {value}"));
            }
        }
        for through in step.get("through").and_then(Value::as_array).into_iter().flatten() {
            let source = text(through, "source");
            let source = if source.is_empty() { "by hand".to_owned() } else { format!("by {source}") };
            line.push_str(&format!(", to group `{}` (joined {source})", text(through, "group")));
        }
        lines.push(line);
    }
    let remedy = text(answer, "remedy");
    if !remedy.is_empty() {
        lines.push(format!("  to change that: {remedy}"));
    }
    let needed = text(answer, "needed");
    if !needed.is_empty() {
        lines.push(format!("  one of these roles would be needed: {needed}"));
    }
    lines.join("\n")
}
