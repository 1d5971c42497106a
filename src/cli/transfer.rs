//! `cleargate export` and `cleargate import`.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use serde_json::Value;

use super::client::Client;
use super::confirm::confirm;
use super::output::Output;
use super::{Exit, Failure};
use crate::transfer::MAX_BYTES;

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cleargate export --output today.ndjson\n\n\
                        The document has everybody's names and addresses, and no password or token.")]
pub(super) struct Export {
    /// Write to this file, which must not exist, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cleargate import today.ndjson --dry-run\n  cleargate import today.ndjson --yes")]
pub(super) struct Import {
    /// The document
    file: PathBuf,
    /// Only tell what would be different
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) async fn export(arguments: Export, client: Client, output: &Output) -> Result<(), Failure> {
    let document = client.document("/api/v1/export").await?;
    match arguments.output {
        Some(path) => write(&path, &document),
        None => output.raw(&document),
    }
}

pub(super) async fn import(arguments: Import, client: Client, output: &Output) -> Result<(), Failure> {
    let path = &arguments.file;
    let cannot = |error| Failure::caused(Exit::Failure, error, format!("cannot read {}", path.display()));
    let size = std::fs::metadata(path).map_err(cannot)?.len();
    if usize::try_from(size).map_or(true, |size| size > MAX_BYTES) {
        let reason = format!("{} has {size} bytes, and a document may have {MAX_BYTES}", path.display());
        return Err(Failure::new(Exit::Usage, reason));
    }
    let document = Bytes::from(std::fs::read(path).map_err(cannot)?);
    let planned = client.send_document("/api/v1/import?dry_run=true", document.clone()).await?;
    if arguments.dry_run {
        return told(&planned, output);
    }
    let sum = |what: &str| -> u64 {
        let kinds = planned.get("records").and_then(Value::as_object);
        kinds.into_iter().flatten().filter_map(|(_, counts)| counts.get(what)?.as_u64()).sum()
    };
    let (created, changed) = (sum("created"), sum("changed"));
    if created + changed > 0 {
        confirm(&format!("creates {created} records and changes {changed}"), arguments.yes)?;
    }
    told(&client.send_document("/api/v1/import", document).await?, output)
}

/// The file is for its owner alone, and none is overwritten.
fn write(path: &Path, document: &[u8]) -> Result<(), Failure> {
    let cannot = |error| Failure::caused(Exit::Failure, error, format!("cannot write {}", path.display()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(cannot)?;
    file.write_all(document).and_then(|()| file.sync_all()).map_err(cannot)
}

fn told(summary: &Value, output: &Output) -> Result<(), Failure> {
    let dry_run = summary.get("dry_run").and_then(Value::as_bool).unwrap_or(false);
    let mut lines = vec![if dry_run { "This would be done:".to_owned() } else { "Done:".to_owned() }];
    for (kind, counts) in summary.get("records").and_then(Value::as_object).into_iter().flatten() {
        let count = |what: &str| counts.get(what).and_then(Value::as_u64).unwrap_or(0);
        let (created, changed, same) = (count("created"), count("changed"), count("same"));
        lines.push(format!("{kind:8} {created} created, {changed} changed, {same} the same"));
    }
    output.result(summary, &lines.join("\n"))
}
