//! `cleargate doctor`.

use clap::Args;
use serde_json::{Value, json};

use super::client::{Client, with_query};
use super::output::{Output, plain};
use super::{Exit, Failure};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  cleargate doctor --access\n  cleargate doctor --access --days 180\n  cleargate doctor --access --json | jq .findings\n\n\
                        Ends with 1 when something is severe, so that a job can watch it."
)]
pub(super) struct Arguments {
    /// Look at roles, grants, administrators and tokens
    #[arg(long, required_unless_present = "seats")]
    access: bool,
    /// How far back it looks for rights that nobody uses [default: 90]
    #[arg(long, value_name = "COUNT", requires = "access", value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: Option<u32>,
    /// Count the seats anew, and correct what is wrong
    #[arg(long)]
    seats: bool,
}

pub(super) async fn run(arguments: Arguments, client: Client, output: &Output) -> Result<(), Failure> {
    if arguments.seats {
        let counted = client.post("/api/v1/seats:recount", &json!({})).await?;
        let corrected = counted.get("corrected").and_then(Value::as_u64).unwrap_or(0);
        output.result(&counted, &format!("seats were counted anew; {corrected} counts were wrong"))?;
    }
    if !arguments.access {
        return Ok(());
    }
    let days = arguments.days.map(|days| days.to_string());
    let query: Vec<(&str, &str)> = days.as_deref().map(|days| ("days", days)).into_iter().collect();
    let posture = client.get(&with_query("/api/v1/reports/posture", &query)).await?;
    output.result(&posture, &tell(&posture))?;
    match posture.get("severe").and_then(Value::as_u64) {
        Some(0) => Ok(()),
        Some(1) => Err(Failure::new(Exit::Failure, "one finding is severe")),
        Some(count) => Err(Failure::new(Exit::Failure, format!("{count} findings are severe"))),
        None => Err(Failure::new(Exit::Failure, "the daemon answered with something else than findings")),
    }
}

fn tell(posture: &Value) -> String {
    /// Names in one line of a finding.
    const MAX_NAMED: usize = 10;
    let text = |value: &Value, name: &str| plain(value.get(name).unwrap_or(&Value::Null));
    let mut lines = Vec::new();
    for finding in posture.get("findings").and_then(Value::as_array).into_iter().flatten() {
        lines.push(format!(
            "{:8} {} ({})",
            text(finding, "severity"),
            text(finding, "summary"),
            text(finding, "check")
        ));
        let items: Vec<String> =
            finding.get("items").and_then(Value::as_array).into_iter().flatten().map(plain).collect();
        if !items.is_empty() {
            let more = finding.get("count").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
            let more = more.unwrap_or(items.len()).saturating_sub(MAX_NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named: Vec<&str> = items.iter().take(MAX_NAMED).map(String::as_str).collect();
            lines.push(format!("         {}{more}", named.join(", ")));
        }
        lines.push(format!("         -> {}", text(finding, "advice")));
    }
    let uses = posture.get("uses").unwrap_or(&Value::Null);
    if uses.get("enough") == Some(&Value::Bool(false)) {
        let (days, from) = (text(uses, "days"), text(uses, "known_from"));
        let from = if from.is_empty() { "later".to_owned() } else { format!("from {from} on") };
        lines.push(format!("which rights were not used for {days} days can be told {from}"));
    }
    if posture.get("complete") == Some(&Value::Bool(false)) {
        lines.push("there are more grants than were looked at; numbers are the least there can be".to_owned());
    }
    lines.join("\n")
}
