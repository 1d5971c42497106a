//! The guides for Okta and Entra ID, followed word by word: their configurations and commands are taken from the pages
//! and run as they stand against the program, and the other side's part is played with what their tables say is to be
//! filled in. Only `https://sso.example.com` is the daemon's own address, and `systemctl restart` restarts that daemon.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use http::Method;
use serde_json::{Value, json};

use super::{ENTERPRISE, GROUP, PATCH, USER, encoded};
use crate::support::daemon::Daemon;
use crate::support::http::Answer;

const PUBLIC: &str = "https://sso.example.com";

/// Who follows a guide: a shell on the daemon's machine, and the page.
pub(super) struct Operator {
    pub(super) daemon: Daemon,
    tools: PathBuf,
    page: String,
}

impl Operator {
    /// On a fresh folder, before anything is configured.
    pub(super) fn with(page: &str) -> Self {
        let daemon = Daemon::new();
        let tools = daemon.path("bin");
        std::fs::create_dir(&tools).unwrap();
        symlink(env!("CARGO_BIN_EXE_cleargate"), tools.join("cleargate")).unwrap();
        let systemctl = tools.join("systemctl");
        std::fs::write(&systemctl, "#!/bin/sh\n[ \"$*\" = \"restart cleargate\" ]\n").unwrap();
        std::fs::set_permissions(&systemctl, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}/docs/{page}", env!("CARGO_MANIFEST_DIR"));
        Self { daemon, tools, page: std::fs::read_to_string(path).unwrap() }
    }

    /// The text below a heading, up to the next of its level or above.
    pub(super) fn section(&self, heading: &str) -> String {
        let level = heading.split(' ').next().unwrap().len();
        let mut lines = self.page.lines().skip_while(|line| *line != heading);
        assert!(lines.next().is_some(), "no heading {heading}");
        let is_end = |line: &&str| {
            let hashes = line.chars().take_while(|c| *c == '#').count();
            hashes > 0 && hashes <= level && line[hashes..].starts_with(' ')
        };
        // Commands begin with `# ` too, but stand in fences.
        let (mut text, mut is_fenced) = (String::new(), false);
        for line in lines {
            is_fenced ^= line.starts_with("```");
            if !is_fenced && is_end(&line) {
                break;
            }
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// The cells of a table's row, by its first cell that begins with `name`.
    fn row(section: &str, name: &str) -> Vec<String> {
        let rows = section.lines().filter(|line| line.starts_with('|'));
        let mut rows = rows.map(|row| row.trim_matches('|').split(" | ").map(|c| c.trim().to_owned()).collect());
        rows.find(|cells: &Vec<String>| cells[0].trim_matches('*').starts_with(name))
            .unwrap_or_else(|| panic!("no row {name}"))
    }

    /// What stands between backticks in a text, with the address that is true here.
    fn quoted(&self, text: &str) -> Vec<String> {
        text.split('`').skip(1).step_by(2).map(|code| code.replace(PUBLIC, &self.daemon.url())).collect()
    }

    /// Writes the first configuration of a section, without the tables named.
    pub(super) fn configure(&self, section: &str, without: &[&str]) {
        let block = blocks(section, "toml").remove(0);
        let mut is_left_out = false;
        let kept = block.lines().filter(|line| {
            if line.starts_with('[') {
                is_left_out = without.contains(line);
            }
            // The daemon's own address stands in its first file.
            !is_left_out && *line != format!("public_url = \"{PUBLIC}\"")
        });
        self.daemon.configure(&kept.collect::<Vec<_>>().join("\n"));
    }

    /// Types a command of the page; what it printed.
    pub(super) async fn run(&mut self, line: &str) -> String {
        let mut command = Command::new("sh");
        let path = format!("{}:{}", self.tools.display(), std::env::var("PATH").unwrap());
        command.args(["-c", &line.replace(PUBLIC, &self.daemon.url())]).env("PATH", path).stdin(Stdio::null());
        command.env("CLEARGATE_CONFIG", self.daemon.config());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert!(output.status.success(), "{line}: {text}\n{}", self.daemon.log());
        if line.contains("systemctl restart") {
            self.daemon.restart().await;
        }
        text
    }

    /// Types the commands of a section's first transcript one after the other; each must print what the page shows.
    async fn follow(&mut self, section: &str) -> String {
        let transcript = blocks(section, "console").remove(0);
        let mut printed = String::new();
        for line in transcript.lines() {
            match line.strip_prefix("# ") {
                Some(command) => printed.push_str(&self.run(command).await),
                None => assert!(printed.contains(line.trim_end_matches('…')), "`{line}` is not in: {printed}"),
            }
        }
        printed
    }

    /// Types every command that stands in the page's prose and tables with what it is about filled in; the names of
    /// commands alone are no command lines.
    async fn run_all_quoted(&mut self, person: &str) {
        let prose: String = self.page.split("```").step_by(2).collect();
        let mut lines: Vec<String> = self.quoted(&prose.replace('\n', " "));
        lines.retain(|code| code.starts_with("cleargate ") && code.split(' ').count() > 2);
        // The names that stand for the whole of a command, and those that end what the others look at.
        let names = ["user show", "user activate", "user deactivate", "token list", "scim log", "token revoke ID"];
        lines.retain(|code| !names.contains(&code.trim_start_matches("cleargate ")) && !code.contains(" rotate ID"));
        // Who is deleted is tried at the end.
        lines.retain(|code| !code.contains(" delete NAME"));
        // Providers of sign-ins are tried where those guides are followed.
        lines.retain(|code| !code.starts_with("cleargate saml test ") && !code.starts_with("cleargate oidc test "));
        assert!(lines.len() > 8, "{lines:?}");
        for line in lines {
            self.run(&line.replace("NAME", person)).await;
        }
    }
}

/// The fenced blocks of a language.
pub(super) fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

/// The token or secret in what a command printed.
pub(super) fn secret(printed: &str, prefix: &str) -> String {
    let word = printed.split_whitespace().find(|word| word.starts_with(prefix));
    word.unwrap_or_else(|| panic!("no {prefix} in {printed}")).to_owned()
}

/// Whether the list of tokens shows when the token of a connection was used.
fn is_used(printed: &str) -> bool {
    printed.lines().any(|line| line.contains("  scim  ") && line.contains("Z  "))
}

/// The other side, with what was filled in there.
struct Vendor {
    client: crate::support::http::Client,
    base: String,
}

impl Vendor {
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let ask = self.client.ask(method, &format!("{}{path}", self.base));
        match body {
            Some(body) => ask.body("application/scim+json; charset=utf-8", body.to_string()).send().await,
            None => ask.send().await,
        }
    }

    async fn get(&self, path: &str) -> Value {
        self.expect(200, Method::GET, path, None).await
    }

    async fn expect(&self, status: u16, method: Method, path: &str, body: Option<&Value>) -> Value {
        let answer = self.ask(method, path, body).await;
        assert_eq!(answer.status, status, "{path} {body:?}: {}", answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    async fn total(&self, endpoint: &str, filter: &str) -> u64 {
        self.get(&format!("{endpoint}?filter={}", encoded(filter))).await["totalResults"].as_u64().unwrap()
    }

    async fn patch(&self, path: &str, operations: Value) -> Answer {
        self.ask(Method::PATCH, path, Some(&json!({"schemas": [PATCH], "Operations": operations}))).await
    }

    /// One operation that must be taken.
    async fn set(&self, path: &str, operation: Value) {
        let answer = self.patch(path, json!([operation])).await;
        assert!([200, 204].contains(&answer.status), "{operation}: {}", answer.text());
    }
}

/// An access token, by the client's id and secret that the command made, at the address that the page names.
async fn access_token(operator: &mut Operator, section: &str, row: &str) -> String {
    let cells = Operator::row(section, row);
    let quoted = operator.quoted(&cells.join(" "));
    let command = quoted.iter().find(|code| code.starts_with("cleargate token create")).unwrap();
    let endpoint = quoted.iter().find(|code| code.starts_with("http")).unwrap();
    let printed = operator.run(command).await;
    let (id, secret) = (printed.split("client_id").nth(1).unwrap(), secret(&printed, "cgc_"));
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id.split_whitespace().next().unwrap()),
        ("client_secret", secret.as_str()),
    ];
    let answer = operator.daemon.client().post(endpoint).form(&form).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

/// What a section's **Check** paragraphs ask to type in their prose.
fn check_of(operator: &Operator, section: &str) -> Vec<String> {
    let checks = section.split("\n\n").filter(|paragraph| paragraph.starts_with("**Check**"));
    let codes = checks.flat_map(|paragraph| operator.quoted(&paragraph.replace('\n', " ")));
    codes.filter(|code| code.starts_with("cleargate ")).collect()
}

/// Replacing the token as the page says it: a second one, which works beside the first until that is revoked.
async fn replace_token(operator: &mut Operator, vendor: &mut Vendor, old: &str, connection: &str) -> String {
    let section = operator.section("## 5. Operation");
    let quoted = operator.quoted(&section.replace('\n', " "));
    let blocks = blocks(&section, "console").join("\n");
    let create = format!("cleargate token create --connection {connection}");
    for line in [create.as_str(), "cleargate token list", "cleargate token revoke ID"] {
        assert!(quoted.iter().any(|code| code == line) || blocks.contains(line), "{line} is not on the page");
    }
    let printed = operator.run(&create).await;
    let new = secret(&printed, "cgs_");
    let list = operator.daemon.admin().get("/api/v1/tokens").send().await.json();
    let items = list["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "scim");
    // Ids are in the order of their making: the first is that of the token to replace.
    let mut ids: Vec<&str> = items.map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2, "{list}");
    ids.sort_unstable();
    let id = ids[0].to_owned();
    let bearer = |token: &str| operator.daemon.client().with_bearer(token);
    let (before, after) = (bearer(old), bearer(&new));
    vendor.client = before.clone();
    vendor.get("/Users?count=1").await;
    vendor.client = after;
    vendor.get("/Users?count=1").await;
    operator.run(&format!("cleargate token revoke {id}")).await;
    vendor.get("/Users?count=1").await;
    let answer = before.get(&format!("{}/Users", vendor.base)).send().await;
    assert_eq!(answer.status, 401, "{}", answer.text());
    new
}

/// Disabled by an administrator: 409 to the client, found by the commands of the last section; enabled, it is well.
async fn refused_and_mended(operator: &mut Operator, vendor: &Vendor, path: &str, person: &str, connection: &str) {
    operator.run(&format!("cleargate user deactivate {person}")).await;
    let enable = json!([{"op": "Replace", "path": "active", "value": "True"}]);
    let answer = vendor.patch(path, enable.clone()).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    let section = operator.section("## When something is wrong");
    let printed = operator.follow(&section).await;
    assert!(printed.contains("  409  ") && printed.contains(&answer.json()["detail"].to_string()[1..20]), "{printed}");
    assert!(printed.contains("Okta") && printed.contains("Entra ID"), "{printed}");
    operator.run_all_quoted(person).await;
    assert_eq!(vendor.patch(path, enable).await.status, 200, "`user activate` of the page came before this");
    let trail = operator.run(&format!("cleargate audit tail --user 'connection:{connection}'")).await;
    assert!(trail.contains("user.update"), "{trail}");
}

/// Where the value of an attribute of Okta's app goes in SCIM, as Okta's own app template has it.
fn okta_target(attribute: &str) -> &'static str {
    match attribute {
        "userName" => "/userName",
        "givenName" => "/name/givenName",
        "familyName" => "/name/familyName",
        "email" => "/emails/0/value",
        "emailType" => "/emails/0/type",
        "displayName" => "/displayName",
        "title" => "/title",
        "locale" => "/locale",
        "timezone" => "/timezone",
        "department" => "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/department",
        "organization" => "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/organization",
        "division" => "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/division",
        "costCenter" => "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/costCenter",
        "employeeNumber" => "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/employeeNumber",
        "managerValue" => "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/manager/value",
        other => panic!("the page maps {other}, which this test does not know"),
    }
}

/// Ada as Okta pushes her.
fn okta_person() -> Value {
    json!({
        "schemas": [USER, ENTERPRISE], "userName": "ada@example.com", "active": true, "displayName": "Ada Lovelace",
        "name": {"givenName": "Ada", "familyName": "Lovelace"}, "title": "Analyst", "locale": "en-US",
        "timezone": "Europe/London", "externalId": "00u1abcd", "groups": [], "password": "mAdE-uP-by-0kta",
        "emails": [{"value": "ada@example.com", "type": "work", "primary": true}],
        ENTERPRISE: {"department": "Finance", "organization": "Example", "division": "North", "costCenter": "7",
            "employeeNumber": "0042", "manager": {"value": "grace"}},
    })
}

#[tokio::test]
async fn the_guide_for_okta_holds_word_by_word() {
    let mut operator = Operator::with("okta.md");
    let section = operator.section("## 1. Configure both sides of Cleargate");
    operator.configure(&section, &["[[saml]]"]);
    operator.daemon.start().await;
    let token = secret(&operator.follow(&section).await, "cgs_");
    operator.configure(&section, &[]);
    operator.run("cleargate check-config && systemctl restart cleargate").await;

    let section = operator.section("## 3. Provisioning");
    let cells = Operator::row(&section, "SCIM connector base URL");
    let base = operator.quoted(&cells[1]).remove(0);
    let client = operator.daemon.client().with_bearer(&token);
    let mut vendor = Vendor { client, base };
    let key = operator.quoted(&Operator::row(&section, "Unique identifier field")[1]).remove(0);
    vendor.get("/Users?startIndex=1&count=2").await;
    vendor.get("/Groups?startIndex=1&count=2").await;
    let printed = operator.follow(&operator.section("### The connection")).await;
    assert!(printed.contains("GET /scim/v2/Users?startIndex=1&count=2") && is_used(&printed), "{printed}");
    let access = access_token(&mut operator, &section, "Authentication Mode *OAuth 2*").await;
    let by_oauth = Vendor { client: operator.daemon.client().with_bearer(&access), base: vendor.base.clone() };
    by_oauth.get("/Users?startIndex=1&count=2").await;

    // What is pushed, each attribute of the table among it.
    let mut person = okta_person();
    assert_eq!(vendor.total("/Users", &format!("{key} eq \"ada@example.com\"")).await, 0);
    let created = vendor.expect(201, Method::POST, "/Users", Some(&person)).await;
    let path = format!("/Users/{}", created["id"].as_str().unwrap());
    person["title"] = json!("Countess");
    let changed = vendor.expect(200, Method::PUT, &path, Some(&person)).await;
    let pushed = operator.section("### What is pushed");
    let mapped: Vec<String> = pushed
        .split("| attribute of the app |")
        .nth(1)
        .unwrap()
        .lines()
        .skip(2)
        .take_while(|l| l.starts_with('|'))
        .flat_map(|row| operator.quoted(row.split(" | ").next().unwrap()))
        .collect();
    assert!(mapped.len() > 12, "{mapped:?}");
    for name in mapped {
        let target = okta_target(&name);
        assert!(
            person.pointer(target).is_some() && changed.pointer(target) == person.pointer(target),
            "{name}: {changed}"
        );
    }
    let printed = operator.follow(&pushed).await;
    assert!(printed.contains("ada@example.com") && printed.contains("user.create"), "{printed}");

    // Who leaves, and comes again.
    let leaves = operator.section("### Who leaves");
    let check = check_of(&operator, &leaves).remove(0);
    person["active"] = json!(false);
    vendor.expect(200, Method::PUT, &path, Some(&person)).await;
    assert!(operator.run(&check).await.contains("ada@example.com"));
    person["active"] = json!(true);
    vendor.expect(200, Method::PUT, &path, Some(&person)).await;
    assert!(!operator.run(&check).await.contains("ada@example.com"));

    // Groups as the table has them, and roles by them.
    let groups = operator.section("## 4. Groups and roles");
    let checks = check_of(&operator, &groups);
    assert_eq!(vendor.total("/Groups", "displayName eq \"Finance Analysts\"").await, 0);
    let body = json!({"schemas": [GROUP], "displayName": "Finance Analysts", "members": []});
    let group = vendor.expect(201, Method::POST, "/Groups", Some(&body)).await;
    vendor.expect(409, Method::POST, "/Groups", Some(&body)).await;
    let member = json!({"value": created["id"], "display": "ada@example.com"});
    let at = format!("/Groups/{}", group["id"].as_str().unwrap());
    vendor.set(&at, json!({"op": "add", "path": "members", "value": [member]})).await;
    vendor.set(&at, json!({"op": "replace", "path": "members", "value": [member]})).await;
    vendor.set(&at, json!({"op": "replace", "value": {"id": group["id"], "displayName": "Finance Analysts"}})).await;
    operator.configure(&groups, &[]);
    operator.run("cleargate check-config && systemctl restart cleargate").await;
    vendor.client = operator.daemon.client().with_bearer(&token);
    for check in checks {
        let printed = operator.run(&check).await;
        assert!(printed.contains("Finance Analysts") || printed.contains("data_analyst"), "{check}: {printed}");
    }

    // Groups and roles stay with who leaves, and are there when they come back; they go with the group, and its members stay.
    let show = "cleargate user show ada@example.com";
    for (active, kept) in [(false, vec!["Finance Analysts", "data_analyst"]), (true, vec!["data_analyst"])] {
        person["active"] = json!(active);
        vendor.expect(200, Method::PUT, &path, Some(&person)).await;
        let shown = operator.run(show).await;
        assert!(kept.iter().all(|name| shown.contains(name)), "{active}: {shown}");
    }

    let token = replace_token(&mut operator, &mut vendor, &token, "okta-scim").await;
    vendor.client = operator.daemon.client().with_bearer(&token);
    refused_and_mended(&mut operator, &vendor, &path, "ada@example.com", "okta-scim").await;
    vendor.expect(204, Method::DELETE, &at, None).await;
    let shown = operator.run(show).await;
    assert!(!shown.contains("Finance Analysts") && !shown.contains("data_analyst"), "{shown}");
    let delete = operator.quoted(&Operator::row(&leaves, "deleted")[2]).remove(0);
    operator.run(&delete.replace("NAME", "ada@example.com")).await;
    vendor.expect(404, Method::GET, &path, None).await;
}

/// What Entra sends for a target of the page's mapping.
fn entra_value(target: &str, colleague: &str) -> Value {
    match target {
        "active" => json!("True"),
        "userName" | "emails[type eq \"work\"].value" => json!("ada@example.com"),
        name if name.ends_with(":manager") => json!(colleague),
        "roles" => json!([{"value": "{\"id\":\"1\",\"value\":\"x\",\"displayName\":\"y\"}"}]),
        other => json!(format!("value of {other}")),
    }
}

#[tokio::test]
async fn the_guide_for_entra_id_holds_word_by_word() {
    let mut operator = Operator::with("entra-id.md");
    let section = operator.section("## 1. Configure Cleargate");
    operator.configure(&section, &[]);
    operator.daemon.start().await;
    let token = secret(&operator.follow(&section).await, "cgs_");
    let section = operator.section("### The connection");
    let base = operator.quoted(&Operator::row(&section, "Tenant URL")[1]).remove(0);
    let mut vendor = Vendor { client: operator.daemon.client().with_bearer(&token), base };
    let nobody = "userName eq \"0f3ee3e2-7b1f-4d0a-9a44-3b1a6f6e0c11\"";
    assert_eq!(vendor.total("/Users", nobody).await, 0);
    let printed = operator.follow(&section).await;
    assert!(printed.contains("200") && printed.contains(nobody) && is_used(&printed), "{printed}");
    let access = access_token(&mut operator, &section, "OAuth2 client credentials").await;
    let by_oauth = Vendor { client: operator.daemon.client().with_bearer(&access), base: vendor.base.clone() };
    by_oauth.get("/Users?startIndex=1&count=2").await;

    // A person of the defaults, and then each target of the table as it stands there, in both dialects.
    let grace = json!({"schemas": [USER, ENTERPRISE], "userName": "grace@example.com", "active": true});
    let grace = vendor.expect(201, Method::POST, "/Users", Some(&grace)).await;
    let body = json!({"schemas": [USER, ENTERPRISE], "userName": "ada@example.com", "active": true,
        "externalId": "ada", "displayName": "Ada", "emails": [{"primary": true, "type": "work", "value": "a@example.com"}],
        "meta": {"resourceType": "User"}, "roles": []});
    let created = vendor.expect(201, Method::POST, "/Users", Some(&body)).await;
    let path = format!("/Users/{}", created["id"].as_str().unwrap());
    let table = operator.section("### Attribute mappings");
    let users = table.split("Groups**").next().unwrap();
    let mut count = 0;
    for row in users.lines().filter(|line| line.starts_with("| `")) {
        let targets = operator.quoted(row.trim_matches('|').split(" | ").nth(1).unwrap());
        for target in targets {
            let value = entra_value(&target, grace["id"].as_str().unwrap());
            for (op, flag) in [("Add", ""), ("Replace", ""), ("replace", "?aadOptscim062020")] {
                let operation = json!([{"op": op, "path": target, "value": value}]);
                let answer = vendor.patch(&format!("{path}{flag}"), operation).await;
                assert_eq!(answer.status, 200, "{op} {target}: {}", answer.text());
                let shown = match value.as_str() {
                    Some(_) => value.to_string(),
                    None => "displayName\\\":".to_owned(),
                };
                assert!(target == "active" || answer.text().contains(&shown), "{op} {target}: {}", answer.text());
            }
            count += 1;
        }
    }
    assert!(count > 10, "{count} targets found");

    let start = operator.section("### Scope and start");
    let group = json!({"schemas": [GROUP], "displayName": "Finance Analysts", "externalId": "8aa1a0c0"});
    assert_eq!(vendor.total("/Groups", "displayName eq \"Finance Analysts\"").await, 0);
    let group = vendor.expect(201, Method::POST, "/Groups", Some(&group)).await;
    let at = format!("/Groups/{}", group["id"].as_str().unwrap());
    for (op, value) in [("Add", &created["id"]), ("Remove", &created["id"]), ("Add", &created["id"])] {
        vendor.set(&at, json!({"op": op, "path": "members", "value": [{"value": value}]})).await;
    }
    let printed = operator.follow(&start).await;
    for shown in ["ada@example.com", "Finance Analysts", "membership.update"] {
        assert!(printed.contains(shown), "{shown}: {printed}");
    }

    // Who leaves, and comes again.
    let leaves = operator.section("### Who leaves");
    let check = check_of(&operator, &leaves).remove(0);
    for (flag, is_shown) in [("False", true), ("True", false)] {
        vendor.set(&path, json!({"op": "Replace", "path": "active", "value": flag})).await;
        assert_eq!(operator.run(&check).await.contains("ada@example.com"), is_shown, "{flag}");
    }

    operator.configure(&operator.section("## 4. Roles"), &[]);
    operator.run("cleargate check-config && systemctl restart cleargate").await;
    vendor.client = operator.daemon.client().with_bearer(&token);
    vendor
        .set(&path, json!({"op": "Replace", "path": format!("{ENTERPRISE}:department"), "value": "Compliance"}))
        .await;
    let shown = operator.run("cleargate user show ada@example.com").await;
    assert!(shown.contains("data_analyst") && shown.contains("compliance_officer"), "{shown}");

    let token = replace_token(&mut operator, &mut vendor, &token, "entra-scim").await;
    vendor.client = operator.daemon.client().with_bearer(&token);
    refused_and_mended(&mut operator, &vendor, &path, "ada@example.com", "entra-scim").await;

    // Deleted for good, and created again under the same name: another account, without what the old one had.
    vendor.expect(204, Method::DELETE, &path, None).await;
    assert_eq!(vendor.total("/Users", "userName eq \"ada@example.com\"").await, 0);
    let again = vendor.expect(201, Method::POST, "/Users", Some(&body)).await;
    assert_ne!(again["id"], created["id"]);
    let shown = operator.run("cleargate user show ada@example.com").await;
    assert!(!shown.contains("data_analyst") && !shown.contains("compliance_officer"), "{shown}");
}
