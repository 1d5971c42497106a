//! The configuration that is written: the sample that the package ships, with what was answered in it.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::{Credentials, File, Source, resolve};
use crate::credential::Cost;

/// Every key with its default, as the package ships it.
const SAMPLE: &str = include_str!("../../../systemd/cleargate.toml");

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) public_url: String,
    pub(super) listen: SocketAddr,
    pub(super) data: PathBuf,
    pub(super) admin: String,
}

/// The configuration of these answers; or what is wrong with them.
pub(super) fn write(answers: &Answers, cost: Cost) -> Result<String, String> {
    let store = answers.data.join("cleargate.redb");
    let store = store.to_str().ok_or("--data must be UTF-8")?;
    let hashing = format!(
        "hashing = {{ memory = \"{}MiB\", passes = {}, lanes = {} }}",
        cost.memory_kib / 1024,
        cost.passes,
        cost.lanes
    );
    let lines = [
        ("public_url = ", format!("public_url = {}", quoted(&answers.public_url))),
        ("#address = ", format!("address = \"{}\"", answers.listen)),
        ("#path = ", format!("path = {}", quoted(store))),
        ("#hashing = ", hashing),
    ];
    let mut written = String::with_capacity(SAMPLE.len());
    let mut left: Vec<&(&str, String)> = lines.iter().collect();
    for line in SAMPLE.lines() {
        let found = left.iter().position(|(start, _)| line.starts_with(start));
        written.push_str(found.map_or(line, |at| left.remove(at).1.as_str()));
        written.push('\n');
    }
    let file = File::parse(PathBuf::new(), vec![Source { name: "cleargate.toml".to_owned(), text: written.clone() }]);
    match resolve(&file, &Credentials::Unchecked) {
        Ok(_) => Ok(written),
        Err(problems) => Err(problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; ")),
    }
}

/// A text of TOML, whose escapes are those of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Answers {
        Answers {
            public_url: "https://sso.example.com".to_owned(),
            listen: "127.0.0.1:9000".parse().unwrap(),
            data: PathBuf::from("/srv/cleargate"),
            admin: "ada@example.com".to_owned(),
        }
    }

    #[test]
    fn the_configuration_has_every_answer_and_keeps_every_other_line() {
        let cost = Cost { memory_kib: 32 * 1024, passes: 3, lanes: 1 };
        let written = write(&answers(), cost).unwrap();
        for line in [
            "public_url = \"https://sso.example.com\"",
            "address = \"127.0.0.1:9000\"",
            "path = \"/srv/cleargate/cleargate.redb\"",
            "hashing = { memory = \"32MiB\", passes = 3, lanes = 1 }",
        ] {
            assert_eq!(written.lines().filter(|written| *written == line).count(), 1, "{line}");
        }
        assert_eq!(written.lines().count(), SAMPLE.lines().count());
    }

    #[test]
    fn an_answer_is_text_whatever_is_in_it() {
        for url in ["https://a.example\"\n[store]", "http://sso.example.com", "https://sso.example.com/path", "nothing"]
        {
            let written = write(&Answers { public_url: url.to_owned(), ..answers() }, Cost::DEFAULT);
            assert!(written.is_err(), "{url}");
        }
        let data = PathBuf::from("/srv/a\"b\n[listen]");
        let written = write(&Answers { data, ..answers() }, Cost::DEFAULT).unwrap();
        assert!(!written.contains("\n[listen]/"), "{written}");
    }
}
