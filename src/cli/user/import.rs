//! `cleargate user import`.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::api::{MAX_ROWS, Row, parse};
use crate::cli::client::Client;
use crate::cli::output::Output;
use crate::cli::{Exit, Failure, password};

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 8 << 20;
/// Accounts of one request: small enough for progress to be seen.
const CHUNK: usize = 500;

#[derive(Args, Debug)]
pub(in crate::cli) struct Import {
    /// File with first name, last name, e-mail address and, where there is one, employee number, separated by tabs or commas; `-` for standard input
    file: PathBuf,
    /// Role of all of them
    #[arg(long)]
    role: String,
    /// Scope within which the role holds, KIND:SLUG; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Group to be in, by name or slug; may be given several times
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// Company that they belong to, and the only one they see, by its slug; may be given several times
    #[arg(long = "company", value_name = "SLUG")]
    companies: Vec<String>,
    /// Whose accounts they are: staff, or member, who administers nothing here [default: staff]
    #[arg(long, value_name = "REALM")]
    realm: Option<String>,
    /// File with the password of all, `-` for standard input; everybody must change it
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Only tell what is wrong
    #[arg(long)]
    dry_run: bool,
    /// Take the good rows although others are bad
    #[arg(long)]
    partial: bool,
}

pub(in crate::cli) async fn run(import: Import, client: &Client, output: &Output) -> Result<(), Failure> {
    let text = read(&import.file)?;
    let listed = parse(&text);
    let rows = listed.iter().filter(|row| row.is_ok()).count();
    if listed.len() > MAX_ROWS {
        return Err(Failure::new(Exit::Usage, format!("the file has {} rows; {MAX_ROWS} at most", listed.len())));
    }
    let mut members = Map::new();
    members.insert("role".to_owned(), json!(import.role));
    members.insert("access_groups".to_owned(), json!(import.groups));
    if !import.scopes.is_empty() {
        members.insert("scopes".to_owned(), json!(import.scopes));
    }
    if !import.companies.is_empty() {
        members.insert("companies".to_owned(), json!(import.companies));
    }
    if let Some(realm) = &import.realm {
        members.insert("realm".to_owned(), json!(realm));
    }
    if let Some(file) = &import.password_file {
        members.insert("password".to_owned(), password::read_file(file)?.expose().into());
    }
    let body = |is_dry: bool, rows: Value| {
        let mut members = members.clone();
        members.insert("dry_run".to_owned(), is_dry.into());
        members.insert("rows".to_owned(), rows);
        Value::Object(members)
    };
    output.message(&format!("looking through {} rows", listed.len()));
    let found = client.post("/api/v1/users:bulk", &body(true, text.as_str().into())).await?;
    let problems = found.get("problems").and_then(Value::as_array).cloned().unwrap_or_default();
    if import.dry_run || (!problems.is_empty() && !import.partial) {
        return told(&found, &problems, rows, output, import.dry_run);
    }
    let bad: Vec<u64> = problems.iter().filter_map(|problem| problem.get("row").and_then(Value::as_u64)).collect();
    let is_good = |row: &Row| !u64::try_from(row.number).is_ok_and(|number| bad.contains(&number));
    let good: Vec<Row> = listed.into_iter().flatten().filter(is_good).collect();
    let mut made = Vec::new();
    for some in good.chunks(CHUNK) {
        let rows = some
            .iter()
            .map(|row| json!({"first_name": row.first_name, "last_name": row.last_name, "email": row.email, "employee": row.employee}));
        let answer = client.post("/api/v1/users:bulk", &body(false, rows.collect())).await;
        let answer = answer.inspect_err(|_| {
            if !made.is_empty() {
                output.message(&format!("{} of {} accounts are made and stay", made.len(), good.len()));
            }
        })?;
        made.extend(answer.get("users").and_then(Value::as_array).cloned().unwrap_or_default());
        output.message(&format!("{} of {} accounts", made.len(), good.len()));
    }
    tell_problems(&problems, output);
    output.list(&made, &[("USER", "userName"), ("NAME", "displayName"), ("ID", "id")])
}

fn told(found: &Value, problems: &[Value], rows: usize, output: &Output, is_dry: bool) -> Result<(), Failure> {
    tell_problems(problems, output);
    if problems.is_empty() {
        return output.result(found, &format!("{rows} rows are good; nothing was written"));
    }
    if is_dry && output.is_json() {
        output.result(found, "")?;
    }
    let text = format!("{} problems; nothing was written. --partial takes the good rows", problems.len());
    Err(Failure::new(Exit::Failure, text))
}

fn tell_problems(problems: &[Value], output: &Output) {
    for problem in problems {
        let row = problem.get("row").and_then(Value::as_u64).unwrap_or(0);
        let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
        output.message(format!("row {row}: {} {}", text("field"), text("detail")).trim());
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let failed =
        |error: std::io::Error| Failure::caused(Exit::Failure, error, format!("cannot read {}", path.display()));
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
    } else {
        std::fs::File::open(path).map_err(failed)?.take(MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
    }
    Ok(text)
}
