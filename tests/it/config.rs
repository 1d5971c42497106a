//! The configuration: what is refused, where, and in which words.

mod places;
mod sample;
mod schemas;
mod secrets;
mod unit;
mod values;

use std::path::{Path, PathBuf};

use cleargate::config::{Config, Credentials, File, Problem, Source, resolve};

/// A configuration of one file called `cleargate.toml`.
fn read(text: &str) -> Result<Config, Vec<Problem>> {
    read_in(Path::new("/nonexistent"), &[("cleargate.toml", text)], &Credentials::None)
}

fn read_in(folder: &Path, files: &[(&str, &str)], credentials: &Credentials) -> Result<Config, Vec<Problem>> {
    let source = |(name, text): &(&str, &str)| Source { name: (*name).to_owned(), text: (*text).to_owned() };
    let file = File::parse(PathBuf::from(folder), files.iter().map(source).collect());
    resolve(&file, credentials)
}

/// The least that is complete.
const LEAST: &str = "public_url = \"https://sso.example.com\"\n";

fn read_with(text: &str) -> Result<Config, Vec<Problem>> {
    read(&format!("{LEAST}{text}"))
}

fn print(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// The problems of a text, as printed.
#[track_caller]
fn refused(text: &str) -> String {
    print(&read(text).expect_err("there are problems"))
}

/// The first lines of the problems of a text below the least.
#[track_caller]
fn messages(text: &str) -> Vec<String> {
    let problems = read_with(text).err().unwrap_or_default();
    problems
        .iter()
        .map(|problem| format!("{}:{} {}", problem.position.line, problem.position.column, problem.message))
        .collect()
}
