//! `cleargate person`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::Failure;
use super::client::{Client, path};
use super::confirm::confirm;
use super::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a person
    #[command(after_help = "Example:\n  cleargate person create --first-name Ada --last-name Lovelace --number 4711")]
    Create(Parts),
    /// Delete a person who has no account
    #[command(after_help = "Example:\n  cleargate person delete 4711 --yes")]
    Delete {
        /// Employee number or id
        person: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// List people, with an account or without
    List {
        /// At most so many
        #[arg(long, default_value_t = 10_000, value_name = "COUNT")]
        limit: usize,
    },
    /// Show a person
    #[command(after_help = "Example:\n  cleargate person show 4711")]
    Show {
        /// Employee number or id
        person: String,
    },
    /// Change a person; what is not given stays
    #[command(after_help = "Example:\n  cleargate person update 4711 --email ada@example.com")]
    Update(Update),
}

#[derive(Args, Debug)]
pub(super) struct Update {
    /// Employee number or id
    person: String,
    #[command(flatten)]
    parts: Parts,
}

#[derive(Args, Debug)]
pub(super) struct Parts {
    /// First name
    #[arg(long)]
    first_name: Option<String>,
    /// Last name
    #[arg(long)]
    last_name: Option<String>,
    /// E-mail address; empty for none
    #[arg(long)]
    email: Option<String>,
    /// Employee number [default of a new person: the next one]
    #[arg(long)]
    number: Option<String>,
    /// Company that the person belongs to, by its slug; may be given several times
    #[arg(long = "company", value_name = "SLUG")]
    companies: Vec<String>,
}

impl Parts {
    /// The members of a body: what was given.
    fn body(self) -> Value {
        let texts = [
            ("first_name", self.first_name),
            ("last_name", self.last_name),
            ("email", self.email),
            ("employee_number", self.number),
        ];
        let given = texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?))));
        let mut body: Map<String, Value> = given.collect();
        if !self.companies.is_empty() {
            body.insert("companies".to_owned(), self.companies.into());
        }
        Value::Object(body)
    }
}

pub(super) async fn run(command: Command, client: Client, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Create(parts) => output.object(&client.post("/api/v1/people", &parts.body()).await?),
        Command::Delete { person, yes } => {
            let found = client.get(&path("people", &person, "")).await?;
            let text = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default();
            confirm(&format!("deletes {} {} for ever", text("first_name"), text("last_name")), yes)?;
            let answer = client.delete(&path("people", text("id"), "")).await?;
            output.result(&answer, "the person is deleted")
        }
        Command::List { limit } => {
            let people = client.list("/api/v1/people", &[], limit).await?;
            let columns = [
                ("NUMBER", "employee_number"),
                ("FIRST NAME", "first_name"),
                ("LAST NAME", "last_name"),
                ("EMAIL", "email"),
                ("ID", "id"),
            ];
            output.list(&people, &columns)
        }
        Command::Show { person } => output.object(&client.get(&path("people", &person, "")).await?),
        Command::Update(update) => {
            output.object(&client.patch(&path("people", &update.person, ""), &update.parts.body()).await?)
        }
    }
}
