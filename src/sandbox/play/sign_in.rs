//! People sign in, each by their way through the pages, and `/api/v1/me` says who they are and what they are.

use serde_json::{Value, json};

use super::{reason, same};
use crate::sandbox::Failed;
use crate::sandbox::browser::{Browser, Page};
use crate::sandbox::stage::{Stage, cast, settings};

/// Somebody signed in: checks name, way, roles.
async fn arrived(
    stage: &Stage,
    browser: &mut Browser,
    page: Page,
    expected: (&str, &str, &[&str]),
) -> Result<Value, Failed> {
    let (name, method, roles) = expected;
    if let Ok(reference) = page.refusal() {
        let (rule, reason) = reason(stage, &reference).await?;
        return Err(Failed::new(format!("{name} could not sign in: `{rule}` ({reason})")));
    }
    let next = page.next()?;
    if next.path() != "/" {
        return Err(Failed::new(format!("{name} was led to {} after signing in", next.path())));
    }
    let who = browser.who(&stage.url).await?;
    let at = |pointer: &str| who.pointer(pointer).cloned().unwrap_or_default();
    same("the signed-in user", &at("/user/userName"), &name.into())?;
    same(&format!("the way {name} signed in"), &at("/session/method"), &method.into())?;
    same(&format!("the roles of {name}"), &at("/roles"), &json!(roles))?;
    Ok(who)
}

/// One who was provisioned is linked to the account that exists; one who is new gets one.
pub(super) async fn by_saml(stage: &Stage) -> Result<Vec<String>, Failed> {
    let mut proofs = Vec::new();
    for (name, role, before) in [
        (cast::MAYA, "operations_manager", "provisioned by SCIM"),
        (cast::IRIS, "compliance_officer", "unknown until now"),
    ] {
        let mut browser = stage.browser();
        let answer = browser.ask_saml(&stage.url, settings::WORKFORCE, name).await?;
        let page = browser.bring_saml(&stage.url, settings::WORKFORCE, &answer).await?;
        arrived(stage, &mut browser, page, (name, "saml", &[role])).await?;
        proofs.push(format!("{name}, {before}, signed in and is {role}"));
    }
    Ok(proofs)
}

/// Authorization code with PKCE and nonce.
pub(super) async fn by_openid(stage: &Stage) -> Result<Vec<String>, Failed> {
    let mut browser = stage.browser();
    let page = browser.sign_in_by_openid(&stage.url, settings::PARTNERS, cast::SAM).await?;
    arrived(stage, &mut browser, page, (cast::SAM, "oidc", &["viewer"])).await?;
    Ok(vec![format!("{}, unknown until now, signed in by code, PKCE and nonce, and is viewer", cast::SAM)])
}

/// A password that the gateway keeps, and one that the directory checks.
pub(super) async fn by_password(stage: &Stage) -> Result<Vec<String>, Failed> {
    let password = stage.password.expose();
    let mut browser = stage.browser();
    let page = browser.sign_in_by_password(&stage.url, cast::QUINN, password).await?;
    arrived(stage, &mut browser, page, (cast::QUINN, "password", &["viewer"])).await?;
    let mut browser = stage.browser();
    let page = browser.sign_in_by_password(&stage.url, cast::IDA, password).await?;
    let who = arrived(stage, &mut browser, page, (cast::IDA, "ldap", &["data_analyst"])).await?;
    let finance = who.pointer("/scopes/department:finance/roles").cloned().unwrap_or_default();
    same("the roles of ida in the finance department", &finance, &json!(["data_analyst"]))?;
    same("the permissions of ida in the whole organisation", who.pointer("/permissions").unwrap_or(&who), &json!([]))?;
    Ok(vec![
        format!("{} signed in with a password kept as Argon2id and is viewer", cast::QUINN),
        format!("{} signed in with the directory's password and is data_analyst in department:finance", cast::IDA),
    ])
}
