//! `cleargate saml test` and `cleargate oidc test`: tries a provider as it is written in a configuration, whether or not
//! that is in force, and signs nobody in.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::super::client::{Client, path};
use super::super::output::{Output, plain};
use super::super::{Exit, Failure, Options, check_config, environment};
use crate::config::{self, Config, Credentials};
use crate::error::Chain;
use crate::gateway::{self, Tried};
use crate::model::SourceId;
use crate::upstream::{Check, Checks, Rows, TriedIdentity, Verdict};

/// Largest captured answer, in bytes: 256 KiB of message in base64.
const MAX_RESPONSE_BYTES: u64 = 512 * 1024;
/// What our addresses are made of where no configuration says it.
const SOME_URL: &str = "https://sso.example.com";

/// How a provider of one protocol is tried.
pub(in super::super) trait Trial: Args {
    /// Tries it, and tells how that went.
    fn run(&self, options: &Options, output: &Output) -> impl Future<Output = Result<(), Failure>>;
}

#[derive(Args, Debug)]
#[command(after_help = "Nothing is written. Ends with 1 when a check fails.\n\n\
                        Examples:\n  cleargate saml test entra\n  cleargate saml test entra --config ./new.toml --json\n  \
                        cleargate saml test --metadata https://idp.example.com/metadata\n  \
                        cleargate saml test entra --response response.b64\n  cleargate saml test entra --sign-in")]
pub(in super::super) struct SamlTest {
    /// The connector's id in the configuration; without one, --metadata is tried by itself
    #[arg(required_unless_present = "metadata")]
    connector: Option<SourceId>,
    /// Metadata of a provider that is in no configuration yet: address, file or -
    #[arg(long, value_name = "URL|FILE", conflicts_with_all = ["response", "sign_in", "show"])]
    metadata: Option<String>,
    /// File with the authorities to trust for --metadata, PEM [default: those of the machine]
    #[arg(long, value_name = "FILE", requires = "metadata")]
    provider_ca: Option<PathBuf>,
    /// File with a captured response, as XML or as the form's base64: shows every check, who it is, and the roles
    #[arg(long, value_name = "FILE", conflicts_with = "sign_in")]
    response: Option<PathBuf>,
    /// Show values of --response whole
    #[arg(long, requires = "response")]
    show: bool,
    /// Make a link for a test sign-in in a browser, which opens no session
    #[arg(long)]
    sign_in: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Nothing is written. Ends with 1 when a check fails.\n\n\
                        Examples:\n  cleargate oidc test google\n  cleargate oidc test google --config ./new.toml --json\n  \
                        cleargate oidc test google --sign-in")]
pub(in super::super) struct OidcTest {
    /// The connector's id in the configuration
    connector: SourceId,
    /// Make a link for a test sign-in in a browser, which opens no session
    #[arg(long)]
    sign_in: bool,
}

impl Trial for SamlTest {
    async fn run(&self, options: &Options, output: &Output) -> Result<(), Failure> {
        if let Some(place) = &self.metadata {
            let ca = self.provider_ca.as_deref();
            let public_url = load(options).map_or_else(|_| SOME_URL.to_owned(), |config| config.public_url.to_string());
            let id = match &self.connector {
                Some(id) => id.clone(),
                None => "new".parse().map_err(|_| Failure::new(Exit::Failure, "a connector cannot be called `new`"))?,
            };
            let checks = gateway::examine_metadata(place, ca, &public_url, id).await.map_err(unusable)?;
            return tell(place, &checks, Map::new(), output);
        }
        let Some(id) = &self.connector else { return Err(Failure::new(Exit::Usage, "which connector?")) };
        if self.sign_in {
            return link(id, options, output).await;
        }
        let config = load(options)?;
        check_there(id, "saml", config.saml.iter().any(|saml| saml.id == *id))?;
        match &self.response {
            None => examine(id, &config, output).await,
            Some(file) => captured(id, &config, file, self.show, options, output).await,
        }
    }
}

impl Trial for OidcTest {
    async fn run(&self, options: &Options, output: &Output) -> Result<(), Failure> {
        let id = &self.connector;
        if self.sign_in {
            return link(id, options, output).await;
        }
        let config = load(options)?;
        check_there(id, "oidc", config.oidc.iter().any(|oidc| oidc.id == *id))?;
        examine(id, &config, output).await
    }
}

fn check_there(id: &SourceId, section: &str, is_there: bool) -> Result<(), Failure> {
    if is_there {
        return Ok(());
    }
    Err(Failure::new(Exit::NotFound, format!("the configuration has no `[[{section}]]` with the id `{id}`")))
}

/// The configuration that is meant, with its secrets where they can be read.
fn load(options: &Options) -> Result<Config, Failure> {
    let path = options.config_path();
    let folder = environment::read("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    config::load(&path, &folder.map_or(Credentials::Unchecked, Credentials::Folder)).map_err(|problems| {
        let text = check_config::summary(&problems, 0, &path.display().to_string());
        Failure::new(Exit::Configuration, format!("{text}; see `cleargate check-config`"))
    })
}

fn unusable(error: gateway::Error) -> Failure {
    Failure::new(Exit::Configuration, Chain(&error))
}

async fn examine(id: &SourceId, config: &Config, output: &Output) -> Result<(), Failure> {
    let missing = || Failure::new(Exit::NotFound, format!("there is no connector `{id}`"));
    let checks = gateway::examine(config, id).await.map_err(unusable)?.ok_or_else(missing)?;
    tell(id.as_str(), &checks, Map::new(), output)
}

async fn captured(
    id: &SourceId,
    config: &Config,
    file: &Path,
    show: bool,
    options: &Options,
    output: &Output,
) -> Result<(), Failure> {
    let unread = |error| Failure::caused(Exit::Failure, error, format!("cannot read {}", file.display()));
    if std::fs::metadata(file).map_err(unread)?.len() > MAX_RESPONSE_BYTES {
        return Err(Failure::new(Exit::Usage, format!("{} is larger than any answer may be", file.display())));
    }
    let document = std::fs::read_to_string(file).map_err(unread)?;
    let missing = || Failure::new(Exit::NotFound, format!("there is no connector `{id}`"));
    let tried = gateway::try_captured(config, id, &document).await.map_err(unusable)?.ok_or_else(missing)?;
    let Tried { checks, identity, roles, groups } = tried;
    let mut more = Map::new();
    if let Some(identity) = &identity {
        more.insert("identity".to_owned(), identity_of(identity, show));
        more.insert("account".to_owned(), account(identity, options).await.into());
        more.insert("roles".to_owned(), roles.into());
        if !groups.is_empty() {
            more.insert("groups".to_owned(), groups.into());
        }
    }
    tell(id.as_str(), &checks, more, output)
}

fn identity_of(identity: &TriedIdentity, show: bool) -> Value {
    let Rows { known, attributes } = identity.rows(show);
    let mut object: Map<String, Value> =
        known.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let attributes: Map<String, Value> = attributes.into_iter().map(|(name, value)| (name, value.into())).collect();
    object.insert("attributes".to_owned(), attributes.into());
    object.into()
}

/// What a daemon knows of the login name, where one can be asked.
async fn account(identity: &TriedIdentity, options: &Options) -> String {
    let name = identity.user_name();
    let asked = match Client::open(options) {
        Ok(client) => client.get(&path("users", name, "")).await,
        Err(failure) => Err(failure),
    };
    match asked {
        Ok(user) => {
            let text = |member: &str| plain(user.get(member).unwrap_or(&Value::Null));
            format!("{} ({})", text("userName"), text("id"))
        }
        Err(failure) if failure.exit() == Exit::NotFound => "none of this name; the sign-in would make it".to_owned(),
        Err(failure) => format!("not looked up: {failure}"),
    }
}

/// Asks the daemon for a link.
async fn link(id: &SourceId, options: &Options, output: &Output) -> Result<(), Failure> {
    let client = Client::open(options)?;
    let answer = client.post(&path("connectors", id.as_str(), ":test"), &json!({})).await?;
    let text = |member: &str| plain(answer.get(member).unwrap_or(&Value::Null));
    if !output.is_json() {
        output.message(&format!(
            "works once, until {}; open it in a browser, sign in there, and nobody is signed in here:",
            text("expires_at")
        ));
    }
    output.result(&answer, &text("link"))
}

/// Prints every check; a failure when one failed.
fn tell(tried: &str, checks: &Checks, more: Map<String, Value>, output: &Output) -> Result<(), Failure> {
    let failed = checks.iter().filter(|check| check.verdict == Verdict::Failed).count();
    if output.is_json() {
        let rows: Vec<Value> = checks
            .iter()
            .map(|check| json!({"check": check.what, "result": check.verdict.name(), "detail": check.told}))
            .collect();
        let mut object = Map::new();
        object.insert("connector".to_owned(), tried.into());
        object.insert("passed".to_owned(), (failed == 0).into());
        object.insert("checks".to_owned(), rows.into());
        object.extend(more);
        output.line(&Value::Object(object).to_string())?;
    } else {
        checks.iter().try_for_each(|check| show(check, output))?;
        for (name, value) in &more {
            show_more(name, value, output)?;
        }
    }
    match failed {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Failure, "1 check failed")),
        count => Err(Failure::new(Exit::Failure, format!("{count} checks failed"))),
    }
}

fn show(check: &Check, output: &Output) -> Result<(), Failure> {
    let mark = match check.verdict {
        Verdict::Passed => "ok",
        Verdict::Doubtful => "warn",
        Verdict::Failed => "FAIL",
        Verdict::Open => "-",
    };
    let told = plain(&Value::from(check.told.as_str()));
    output.line(format!("{mark:<4}  {:<15} {told}", check.what).trim_end())
}

fn show_more(name: &str, value: &Value, output: &Output) -> Result<(), Failure> {
    match value {
        Value::Object(members) => {
            members.iter().try_for_each(|(member, value)| show_more(&format!("{name}.{member}"), value, output))
        }
        Value::Array(values) if values.is_empty() => output.line(&format!("{name}: none")),
        Value::Array(values) => values.iter().try_for_each(|value| output.line(&format!("{name}: {}", plain(value)))),
        value => output.line(&format!("{name}: {}", plain(value))),
    }
}
