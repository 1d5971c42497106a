//! What a person or a program needs to go on with the demo that is served.

use serde_json::{Value, json};

use crate::cli::output::Output;
use crate::cli::{Exit, Failure};
use crate::sandbox::stage::{Stage, cast, settings};

/// Tells everything: one line of JSON with `--json`, else text.
pub(super) async fn tell(stage: &Stage, output: &Output) -> Result<(), Failure> {
    let link = stage.admin_link().await.map_err(|error| Failure::new(Exit::Failure, error))?;
    let details = details(stage, link.expose());
    if output.is_json() {
        return output.line(&details.to_string());
    }
    text(stage, link.expose()).iter().try_for_each(|line| output.line(line))
}

fn details(stage: &Stage, link: &str) -> Value {
    let password = stage.password.expose();
    let file = |name: &str| stage.file(name).to_string_lossy().into_owned();
    let connector = |id: &str, kind: &str, provider: &str| {
        let sign_in = stage.at(&format!("/login/{id}"));
        json!({"id": id, "kind": kind, "sign_in": sign_in, "provider": provider})
    };
    let keeper = |name: &str, kept: &str| json!({"user_name": name, "password": password, "connector": kept});
    let chosen = |name: &str, connector: &str| json!({"user_name": name, "connector": connector});
    json!({
        "url": stage.at(""),
        "ca_file": file("ca.pem"),
        "scim_url": stage.at("/scim/v2"),
        "scim_token": stage.scim_token.expose(),
        "admin_token": stage.admin_token.expose(),
        "admin_link": link,
        "admin_socket": file("admin.sock"),
        "config_file": file("cleargate.toml"),
        "operations_url": stage.operations(),
        "connectors": [
            connector(settings::WORKFORCE, "saml", &stage.saml),
            connector(settings::PARTNERS, "oidc", &stage.openid),
        ],
        "people": [
            keeper(cast::ADMIN, "password"),
            keeper(cast::QUINN, "password"),
            keeper(cast::IDA, settings::CORP),
            keeper(cast::UMA, settings::CORP),
            chosen(cast::MAYA, settings::WORKFORCE),
            chosen(cast::IRIS, settings::WORKFORCE),
            chosen(cast::SAM, settings::PARTNERS),
        ],
    })
}

fn text(stage: &Stage, link: &str) -> Vec<String> {
    let password = stage.password.expose();
    let file = |name: &str| stage.file(name).display().to_string();
    let row = |name: &str, value: &str| format!("  {name:<14}{value}");
    vec![
        String::new(),
        format!("Serving at {}", stage.at("")),
        "  Your browser does not know the demo's authority: accept its warning, or trust the file below.".to_owned(),
        String::new(),
        row("authority", &file("ca.pem")),
        row("admin link", &format!("{link} (once, within 15 minutes)")),
        row("SCIM", &stage.at("/scim/v2")),
        row("SCIM token", stage.scim_token.expose()),
        row("admin token", stage.admin_token.expose()),
        row("admin socket", &file("admin.sock")),
        row("configuration", &file("cleargate.toml")),
        row("health", &format!("{}/readyz", stage.operations())),
        String::new(),
        format!("Sign in at {} as one of these, password {password}", stage.at("/login")),
        row(cast::ADMIN, "system administrator"),
        row(cast::QUINN, "viewer"),
        row(cast::IDA, "data analyst of the finance department, by the directory's password"),
        "or, without a password, choose at a sandbox provider".to_owned(),
        row("SAML", &format!("{} ({})", stage.at(&format!("/login/{}", settings::WORKFORCE)), stage.saml)),
        row("OpenID", &format!("{} ({})", stage.at(&format!("/login/{}", settings::PARTNERS)), stage.openid)),
        String::new(),
        "Try, in another terminal:".to_owned(),
        format!("  cleargate --socket {} user list", file("admin.sock")),
        format!(
            "  cleargate --socket {} explain {} data:export --scope department:finance",
            file("admin.sock"),
            cast::IDA
        ),
        String::new(),
        "Ctrl-C ends it and removes everything.".to_owned(),
    ]
}
