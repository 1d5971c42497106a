//! `cleargate scim log`.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::super::Failure;
use super::super::client::{Client, path, with_query};
use super::super::output::{Output, plain};

/// How often a log that is followed is asked for.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Requests that are shown before those to come.
const BEFORE: usize = 10;
/// Requests that the daemon keeps.
const ALL: usize = 1_000;

#[derive(Args, Debug)]
pub(in super::super) struct Arguments {
    /// The connection's id
    connection: String,
    /// Only what was refused or failed
    #[arg(long)]
    failed: bool,
    /// Most requests to show
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50)]
    count: usize,
    /// Show the last ten and go on with what comes, oldest first
    #[arg(long, conflicts_with = "count")]
    follow: bool,
}

/// Shows requests; a log that is followed ends with the program.
pub(super) async fn run(arguments: &Arguments, client: &Client, output: &Output) -> Result<(), Failure> {
    let path = path("sources", &arguments.connection, "/requests");
    let query: &[(&str, &str)] = if arguments.failed { &[("status", "failed")] } else { &[] };
    if !arguments.follow {
        let requests = client.list(&path, query, arguments.count.min(ALL)).await?;
        return requests.iter().try_for_each(|request| show(request, output));
    }
    let mut seen = None;
    loop {
        let fresh = fresh(client, &path, query, seen).await?;
        seen = fresh.first().and_then(number).or(seen);
        fresh.iter().rev().try_for_each(|request| show(request, output))?;
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Requests that were not seen yet, newest first.
async fn fresh(client: &Client, path: &str, query: &[(&str, &str)], seen: Option<u64>) -> Result<Vec<Value>, Failure> {
    let Some(seen) = seen else { return client.list(path, query, BEFORE).await };
    let newest = client.get(&with_query(path, &[query, &[("limit", "1")]].concat())).await?;
    match newest.pointer("/items/0").and_then(number) {
        Some(number) if number == seen => return Ok(Vec::new()),
        None => return Ok(Vec::new()),
        Some(_) => {}
    }
    let mut requests = client.list(path, query, ALL).await?;
    // A daemon that began anew counts from one again.
    if requests.first().and_then(number).is_some_and(|newest| newest > seen) {
        requests.retain(|request| number(request).is_some_and(|number| number > seen));
    }
    Ok(requests)
}

fn number(request: &Value) -> Option<u64> {
    request.get("number").and_then(Value::as_u64)
}

fn show(request: &Value, output: &Output) -> Result<(), Failure> {
    if output.is_json() {
        return output.line(&request.to_string());
    }
    let text = |name: &str| plain(request.get(name).unwrap_or(&Value::Null));
    output.line(&format!(
        "{}  {}  {:>8} µs  {} {}  (request {})",
        text("at"),
        text("status"),
        text("duration_us"),
        text("method"),
        text("path"),
        text("request_id")
    ))?;
    if request.get("status").and_then(Value::as_u64).is_some_and(|status| status >= 400) {
        for (heading, name) in [("sent", "request"), ("told", "answer")] {
            let text = text(name);
            if !text.is_empty() {
                output.line(&format!("    {heading}  {text}"))?;
            }
        }
    }
    Ok(())
}
