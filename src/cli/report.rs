//! `cleargate report`.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::client::{Client, with_query};
use super::output::Output;
use super::{Exit, Failure};
use crate::report::csv_line;

/// Rows that one request asks for.
const PAGE: &str = "200";

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  cleargate report access --output access.csv\n  cleargate report inactive --days 60\n  \
                        cleargate report tokens --user ada@example.com --format json\n\n\
                        CSV has no cell that a spreadsheet would run. A file is readable to its owner only."
)]
pub(super) struct Arguments {
    /// Which one
    #[arg(value_name = "NAME", value_parser = ["access", "employees", "inactive", "seats", "sources", "tokens", "users"])]
    name: String,
    /// How far `inactive` looks back, and `tokens` back and ahead [default: 90]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: Option<u32>,
    /// Every token that acts for this user or that they made; with `tokens`
    #[arg(long)]
    user: Option<String>,
    /// How it is written; --json writes one object a line instead
    #[arg(long, value_parser = ["csv", "json"], default_value = "csv")]
    format: String,
    /// Write it to this file, which is replaced [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// How rows are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Csv,
    Document,
    Lines,
}

pub(super) async fn run(arguments: Arguments, client: Client, output: &Output) -> Result<(), Failure> {
    let form = match arguments.format.as_str() {
        _ if output.is_json() => Form::Lines,
        "json" => Form::Document,
        _ => Form::Csv,
    };
    let days = arguments.days.map(|days| days.to_string());
    let mut fixed: Vec<(&str, &str)> = vec![("limit", PAGE)];
    fixed.extend(days.as_deref().map(|days| ("days", days)));
    fixed.extend(arguments.user.as_deref().map(|user| ("user", user)));
    let path = format!("/api/v1/reports/{}", arguments.name);
    // The first page is asked for before a file is touched: a refusal leaves what is there.
    let mut page = client.get(&with_query(&path, &fixed)).await?;
    let mut out = open(arguments.output.as_deref())?;
    let columns = page.get("columns").and_then(Value::as_array).cloned().unwrap_or_default();
    match form {
        Form::Csv => out.write_all(csv_line(columns.iter()).as_bytes())?,
        Form::Document => out.write_all(b"[")?,
        Form::Lines => {}
    }
    let mut is_first = true;
    loop {
        for item in page.get("items").and_then(Value::as_array).into_iter().flatten() {
            let line = match form {
                Form::Csv => csv_line(
                    columns.iter().map(|column| item.get(column.as_str().unwrap_or("")).unwrap_or(&Value::Null)),
                ),
                Form::Document if is_first => format!("\n{item}"),
                Form::Document => format!(",\n{item}"),
                Form::Lines => format!("{item}\n"),
            };
            out.write_all(line.as_bytes())?;
            is_first = false;
        }
        let Some(next) = page.get("next").and_then(Value::as_str) else { break };
        let mut query = fixed.clone();
        query.push(("cursor", next));
        page = client.get(&with_query(&path, &query)).await?;
    }
    if form == Form::Document {
        out.write_all(b"\n]\n")?;
    }
    Ok(out.flush()?)
}

fn open(path: Option<&Path>) -> Result<Box<dyn Write>, Failure> {
    let Some(path) = path else { return Ok(Box::new(io::stdout().lock())) };
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let file =
        file.map_err(|error| Failure::caused(Exit::Failure, error, format!("cannot write {}", path.display())))?;
    Ok(Box::new(io::BufWriter::new(file)))
}
