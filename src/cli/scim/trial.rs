//! `cleargate scim test`: plays what Okta and Entra ID send against the live endpoint, and names the first thing that
//! fails. A token of its own, gone in the end; users and groups of names that nobody else has, removed in the end.

mod entra;
mod okta;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::{Value, json};
use url::Url;

use super::super::client::{Client, path};
use super::super::output::Output;
use super::super::{Exit, Failure};
use crate::http::outbound::{Outbound, OutboundSettings};
use crate::sandbox::client::{self, encoded};
use crate::secret::{IdSource, Secret};

/// How long the token lasts if it cannot be revoked.
const TOKEN_LASTS: &str = "15m";
/// Longest wait for one answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// Users and groups that a run removes, which count for the connection's brake like all others.
const REMOVALS: [(&str, u64); 2] = [("users", 4), ("groups", 2)];

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

#[derive(Args, Debug)]
pub(in super::super) struct Arguments {
    /// The connection's id
    connection: String,
    /// SCIM address to test, as clients are given it [default: that of the configuration, /scim/v2 at `public_url`]
    #[arg(long, value_name = "URL")]
    scim_url: Option<String>,
    /// File with the authorities to trust for it, PEM [default: those of the machine]
    #[arg(long, value_name = "FILE")]
    scim_ca: Option<PathBuf>,
}

/// Plays everything, cleans up, and tells.
pub(super) async fn run(arguments: &Arguments, admin: &Client, output: &Output) -> Result<(), Failure> {
    let connection = &arguments.connection;
    let source = admin.get(&path("sources", connection, "")).await?;
    check_brake(connection, &source)?;
    let base = match &arguments.scim_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => {
            let status = admin.get("/api/v1/status").await?;
            let public_url = status.get("public_url").and_then(Value::as_str).unwrap_or_default().to_owned();
            format!("{}/scim/v2", public_url.trim_end_matches('/'))
        }
    };
    let url: Url = base.parse().map_err(|error| Failure::caused(Exit::Usage, error, format!("--scim-url {base}")))?;
    let outbound = outbound(arguments.scim_ca.as_deref())?;
    let body = json!({"connection": connection, "name": "scim test", "expires": TOKEN_LASTS});
    let token = admin.post("/api/v1/tokens", &body).await?;
    let text = |name: &str| token.get(name).and_then(Value::as_str).unwrap_or_default();
    let secret = Secret::new(text("token").to_owned());
    let mut player = Player {
        client: client::Client::new(outbound, url, secret, "application/scim+json"),
        output,
        mark: unique(),
        client_name: "",
        steps: Vec::new(),
        made: Vec::new(),
    };
    let played = player.play().await;
    let cleaned = player.clean().await;
    // The token is void whatever happened; that it could not be is told like any failure.
    let revoked = admin.delete(&path("tokens", text("id"), "")).await;
    let failed = played.and(cleaned).err();
    player.tell(connection, &base, failed.as_ref())?;
    revoked?;
    match failed {
        None => Ok(()),
        Some(broken) => Err(Failure::new(Exit::Failure, broken.sentence(connection))),
    }
}

/// A run must not be what pauses a connection.
fn check_brake(connection: &str, source: &Value) -> Result<(), Failure> {
    if source.get("kind").and_then(Value::as_str) != Some("scim") {
        return Err(Failure::new(Exit::Usage, format!("{connection} is no provisioning connection")));
    }
    if let Some(since) = source.get("paused_since").and_then(Value::as_str) {
        let text = format!(
            "{connection} is paused since {since} and refuses every write; look at what it removed, then \
             `cleargate scim release {connection}`"
        );
        return Err(Failure::new(Exit::Failure, text));
    }
    for (what, needed) in REMOVALS {
        let number = |name: &str| source.get(what).and_then(|load| load.get(name)).and_then(Value::as_u64).unwrap_or(0);
        let room = number("limit").saturating_sub(number("removed"));
        if room < needed {
            let text = format!(
                "the brake of {connection} leaves room for {room} more removals of {what} within this hour and the test \
                 needs {needed}; wait, raise `brake`, or `cleargate scim release {connection}`"
            );
            return Err(Failure::new(Exit::Failure, text));
        }
    }
    Ok(())
}

fn outbound(ca: Option<&Path>) -> Result<Outbound, Failure> {
    let read = |path: &Path| {
        std::fs::read(path)
            .map_err(|error| Failure::caused(Exit::Failure, error, format!("cannot read {}", path.display())))
    };
    let settings =
        OutboundSettings { ca_pem: ca.map(read).transpose()?, deadline: DEADLINE, ..OutboundSettings::default() };
    Outbound::new(settings).map_err(|error| Failure::caused(Exit::Usage, error, "cannot use --scim-ca"))
}

fn unique() -> String {
    IdSource::system().bytes::<6>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What went wrong, where, and what to do.
#[derive(Debug)]
struct Broken {
    step: String,
    asked: String,
    reason: String,
    request_id: Option<String>,
    advice: &'static str,
}

impl Broken {
    fn sentence(&self, connection: &str) -> String {
        let request = self.request_id.as_ref().map(|id| format!(" (request {id})")).unwrap_or_default();
        format!(
            "{}: {} {}{request}; {}; `cleargate scim log {connection} --failed` has what was sent",
            self.step, self.asked, self.reason, self.advice
        )
    }
}

/// Plays one client after the other.
struct Player<'o> {
    client: client::Client,
    output: &'o Output,
    mark: String,
    client_name: &'static str,
    steps: Vec<Value>,
    /// Paths of what was created, oldest first.
    made: Vec<String>,
}

impl Player<'_> {
    async fn play(&mut self) -> Result<(), Broken> {
        self.client_name = "Okta";
        okta::play(self).await?;
        self.client_name = "Entra ID";
        entra::play(self).await
    }

    /// Removes what is left, the newest first.
    async fn clean(&mut self) -> Result<(), Broken> {
        self.client_name = "cleaning up";
        let mut outcome = Ok(());
        while let Some(path) = self.made.last().cloned() {
            let removed = self.step("removes what the test made", Method::DELETE, &path, None, &[204, 404]).await;
            self.made.pop();
            outcome = outcome.and(removed.map(drop));
        }
        outcome
    }

    /// One request, which must be answered with one of these statuses; the body of the answer.
    async fn step(
        &mut self,
        name: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
        expected: &[u16],
    ) -> Result<Value, Broken> {
        let asked = format!("{method} {path}");
        let step = format!("{}: {name}", self.client_name);
        let answer = match self.client.send(method.clone(), path, body).await {
            Ok(answer) => answer,
            Err(error) => {
                let broken = Broken {
                    step,
                    asked,
                    reason: format!("was not answered: {error}"),
                    request_id: None,
                    advice: "check the address, its DNS name, the certificate and the firewall, and that nothing in \
                             front of the gateway answers in its place",
                };
                return Err(self.failed(name, broken));
            }
        };
        if !expected.contains(&answer.status) {
            let detail = answer.body.get("detail").and_then(Value::as_str).unwrap_or("without a SCIM error");
            let broken = Broken {
                step,
                asked,
                reason: format!("answered {}: {detail}", answer.status),
                request_id: answer.request_id.clone(),
                advice: advice(answer.status),
            };
            return Err(self.failed(name, broken));
        }
        if method == Method::DELETE {
            self.made.retain(|made| made != path);
        }
        if let (true, Some(id)) = (method == Method::POST && answer.status == 201, answer.body.get("id")) {
            self.made.push(format!("{path}/{}", id.as_str().unwrap_or_default()));
        }
        self.passed(name, &asked, &answer);
        Ok(answer.body)
    }

    /// Checks something of the last answer.
    fn check(&mut self, name: &str, found: Option<&Value>, expected: &Value) -> Result<(), Broken> {
        if found == Some(expected) {
            return Ok(());
        }
        let found = found.map_or_else(|| "nothing".to_owned(), Value::to_string);
        let last = |member: &str| self.steps.last().and_then(|step| step.get(member)).and_then(Value::as_str);
        let broken = Broken {
            step: format!("{}: {name}", self.client_name),
            asked: last("request").unwrap_or_default().to_owned(),
            request_id: last("request_id").map(str::to_owned),
            reason: format!("shows {found} instead of {expected}"),
            advice: "see whether something in front of the gateway changes bodies; else this is a defect of the gateway, \
                     to be reported with this line",
        };
        Err(self.failed(name, broken))
    }

    /// Finds nobody, or exactly one.
    async fn count(&mut self, name: &str, path: &str, expected: u64) -> Result<Value, Broken> {
        let list = self.step(name, Method::GET, path, None, &[200]).await?;
        self.check(name, list.get("totalResults"), &expected.into())?;
        Ok(list)
    }

    /// A PATCH, after which the resource is read.
    async fn patch(&mut self, name: &str, path: &str, operations: Value) -> Result<Value, Broken> {
        let body = json!({"schemas": [PATCH], "Operations": operations});
        self.step(name, Method::PATCH, path, Some(&body), &[200, 204]).await?;
        self.step("reads it back", Method::GET, path, None, &[200]).await
    }

    fn passed(&mut self, name: &str, asked: &str, answer: &client::Answer) {
        if !self.output.is_json() {
            self.output.message(&format!("ok      {}: {name}", self.client_name));
        }
        self.steps.push(json!({
            "client": self.client_name, "step": name, "request": asked, "status": answer.status,
            "request_id": answer.request_id, "passed": true,
        }));
    }

    fn failed(&mut self, name: &str, broken: Broken) -> Broken {
        if !self.output.is_json() {
            self.output.message(&format!("FAILED  {}: {name}", self.client_name));
        }
        self.steps.push(json!({
            "client": self.client_name, "step": name, "request": broken.asked, "reason": broken.reason,
            "request_id": broken.request_id, "passed": false,
        }));
        broken
    }

    fn tell(&self, connection: &str, url: &str, failed: Option<&Broken>) -> Result<(), Failure> {
        let answer = json!({
            "connection": connection,
            "url": url,
            "passed": failed.is_none(),
            "steps": self.steps,
            "failed": failed.map(|broken| json!({
                "step": broken.step, "request": broken.asked, "reason": broken.reason,
                "request_id": broken.request_id, "advice": broken.advice,
            })),
        });
        match failed {
            Some(_) if !self.output.is_json() => Ok(()),
            _ => self.output.result(&answer, &format!("{} steps passed at {url}", self.steps.len())),
        }
    }
}

/// What to look at, by what was answered instead.
fn advice(status: u16) -> &'static str {
    match status {
        300..=399 => "give the address that it leads to, and check the proxy: clients do not follow redirections",
        401 => {
            "the token was made a moment ago: check that the proxy passes the header Authorization on, and that the \
                address belongs to this gateway"
        }
        403 => {
            "check whether a seat is left (`seats.limit`), as the answer then says; of other things the gateway refuses \
                nothing to a connection: check what stands in front of it"
        }
        404 => "check that the address ends in /scim/v2 and that the proxy passes everything below it on",
        405 | 501 => "check that the proxy passes PUT, PATCH and DELETE on",
        409 => "look at who owns what has this name",
        413 | 415 => "check the limits of the proxy for bodies, and that it leaves Content-Type alone",
        421 => "the host of the address must be that of `public_url`",
        429 => "the connection is too fast for its `rate`, or paused: see `cleargate scim list`",
        500.. => "look at the log of the gateway and at `cleargate status`, and at the proxy's",
        _ => "look at the request in the log of the connection",
    }
}

fn query(filter: &str) -> String {
    encoded(filter)
}
