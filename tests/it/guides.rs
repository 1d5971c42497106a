//! The guides for identity providers, followed word by word at sandbox providers that behave like the real ones: the configuration
//! is taken from the page as it stands, and what an administrator types at the provider is taken from its tables. Only hosts are
//! others than on the page, and files are where the test has put them.

mod openid;
mod saml;
mod sections;
mod wrong;

use std::fs;

use cleargate::audit::{Event, EventKind};
use cleargate::model::UserName;
use cleargate::store;
use http::StatusCode;

use crate::support::gateway::{Reply, TestGateway, Visitor, record};

/// Where all guides say that the gateway is.
const HERE: &str = "https://sso.example.com";
const ADA: &str = "ada@example.com";

/// A page, or a section of one.
struct Guide(String);

impl Guide {
    fn read(name: &str) -> Self {
        let path = format!("{}/docs/{name}.md", env!("CARGO_MANIFEST_DIR"));
        Self(fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")))
    }

    /// What stands below a heading, up to the next one of its rank.
    fn section(&self, heading: &str) -> Self {
        let rank = heading.split(' ').next().unwrap().len();
        let (_, rest) = self.0.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
        let is_next = |line: &str| line.starts_with('#') && line.split(' ').next().unwrap().len() <= rank;
        let mut is_fenced = false;
        let lines = rest.lines().take_while(|line| {
            is_fenced ^= line.starts_with("```");
            is_fenced || !is_next(line)
        });
        Self(lines.collect::<Vec<_>>().join("\n"))
    }

    /// The first configuration that has this in it.
    fn configuration(&self, part: &str) -> String {
        let blocks = self.0.split("```").skip(1).step_by(2);
        let found = blocks
            .filter_map(|block| block.split_once('\n'))
            .find(|(language, text)| matches!(*language, "toml" | "text") && text.contains(part));
        found.unwrap_or_else(|| panic!("no configuration with {part}")).1.to_owned()
    }

    /// What to type into a field: the code in the last cell of its row, or the words where there is none.
    fn field(&self, name: &str) -> String {
        let rows = self.0.lines().filter(|line| line.starts_with('|'));
        let mut rows = rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>());
        let row = rows.find(|cells| cells.iter().rev().skip(1).any(|cell| *cell == name));
        let value = *row.unwrap_or_else(|| panic!("no field {name}")).last().unwrap();
        value.split('`').nth(1).unwrap_or(value).to_owned()
    }

    /// The code in the text that begins so.
    fn code(&self, start: &str) -> String {
        let mut found = self.0.split('`').skip(1).step_by(2).filter(|code| code.starts_with(start));
        found.next().unwrap_or_else(|| panic!("no code that begins with {start}")).to_owned()
    }

    /// That a provider is to be tried by its name before people use it, and how.
    fn tries(&self, protocol: &str, connector: &str) {
        for command in [format!("`cleargate {protocol} test {connector}`"), format!("test {connector} --sign-in`")] {
            assert!(self.0.contains(&command), "{command} is not in {}", self.0);
        }
    }

    /// The path of an address that is typed into a field.
    fn path(&self, name: &str) -> String {
        let address = self.field(name);
        address.strip_prefix(HERE).unwrap_or_else(|| panic!("{name}: {address} is not ours")).to_owned()
    }
}

/// A gateway with the configuration of a page. `hosts` are the page's, each with the one that stands for it here.
async fn gateway(configuration: &str, hosts: &[(&str, &str)], files: &[(&str, &str)]) -> TestGateway {
    let line = format!("public_url = \"{HERE}\"");
    assert!(configuration.lines().any(|known| known == line), "{configuration}");
    let mut text = configuration.replace(&line, "");
    for (theirs, ours) in hosts {
        assert!(text.contains(theirs), "{theirs} is not in {text}");
        text = text.replace(theirs, ours);
    }
    // Credentials of systemd and the folder for configuration are files of the test.
    let text = text.replace("{ credential = ", "{ file = ").replace("/etc/cleargate/", "");
    TestGateway::at(HERE, &text, files).await
}

/// Ada's account as a source made it before.
async fn provision(gateway: &TestGateway, source: &str) {
    let permit = gateway.connection(source).await;
    gateway.gateway.directory().create_user(&permit, &record(ADA)).await.unwrap();
}

/// Whether this opened a session of Ada's.
async fn is_ada(browser: &mut Visitor, reply: &Reply) {
    assert_eq!((reply.status, reply.location()), (StatusCode::SEE_OTHER, "/"), "{}", reply.text);
    let me = browser.get("/api/v1/me").await;
    assert_eq!(me.status, StatusCode::OK, "{}", me.text);
    let name: UserName = me.json()["user"]["userName"].as_str().unwrap().parse().unwrap();
    assert_eq!(name, ADA.parse().unwrap());
}

/// The page greets by name, as all guides say.
async fn is_greeted(browser: &mut Visitor) {
    let page = browser.get("/").await;
    assert!(page.text.contains("Ada Lovelace"), "{}", page.text);
}

/// The sign-in page offers the provider under the name that the guide tells.
async fn is_offered(gateway: &TestGateway, button: &str) {
    let page = gateway.visitor().get("/login").await;
    assert!(page.text.contains(button), "{button} is not in {}", page.text);
}

/// Begins the test sign-in that every guide has before the first sign-in: where the browser is sent.
async fn begin_test(gateway: &TestGateway, browser: &mut Visitor, connector: &str) -> Reply {
    let id = connector.parse().unwrap();
    let link = gateway.gateway.login().test_link(&gateway.task(), &id, true).await.unwrap().unwrap();
    let asked = browser.get(link.path.expose()).await;
    let (token, csrf) = (asked.field("token"), asked.field("csrf"));
    browser.headers.insert(http::header::ORIGIN, HERE.parse().unwrap());
    let start = browser.post("/login/trial", &[("token", &token), ("csrf", &csrf)]).await;
    browser.headers.remove(http::header::ORIGIN);
    start
}

/// The test shows what arrived, and that a sign-in like it would work; nobody is signed in.
async fn has_passed(browser: &mut Visitor, shown: &Reply) {
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    assert!(shown.text.contains("A sign-in like this one would work."), "{}", shown.text);
    assert!(!is_in(browser).await);
}

/// The rule of the newest refusal.
async fn refused_by(gateway: &TestGateway) -> String {
    let rows = gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
    let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
    let mut refusals =
        events.filter(|event| matches!(event.kind, EventKind::AssertionRefused | EventKind::ProviderRefused));
    let newest = refusals.next_back().expect("a refusal");
    newest.details.iter().find(|(name, _)| name == "rule").expect("a rule").1.clone()
}

async fn sign_out(browser: &mut Visitor) -> Reply {
    let csrf = browser.get("/").await.field("csrf");
    browser.headers.insert(http::header::ORIGIN, HERE.parse().unwrap());
    browser.post("/logout", &[("csrf", &csrf)]).await
}

async fn is_in(browser: &mut Visitor) -> bool {
    browser.get("/api/v1/me").await.status == StatusCode::OK
}
