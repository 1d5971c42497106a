//! A provisioning client pushes three people and a group, changes the group, looks for people, and deactivates one.

use http::Method;
use serde_json::{Value, json};

use super::same;
use crate::sandbox::Failed;
use crate::sandbox::client::{Client, encoded, text};
use crate::sandbox::stage::{Stage, cast, settings};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// Broken: the connection's token is revoked before the client begins.
pub(super) async fn play(stage: &Stage, is_broken: bool) -> Result<Vec<String>, Failed> {
    if is_broken {
        revoke(stage).await?;
    }
    let client = stage.provisioner()?;
    let mut ids = Vec::new();
    for (name, given, family) in
        [(cast::MAYA, "Maya", "Ortiz"), (cast::NOOR, "Noor", "Haddad"), (cast::THEO, "Theo", "Jansen")]
    {
        ids.push(push(&client, name, given, family).await?);
    }
    let [maya, noor, theo] = ids.as_slice() else { return Err(Failed::new("three people were not pushed")) };
    let group = json!({"schemas": [GROUP], "displayName": "Operations", "members": [{"value": maya}]});
    let group = client.send(Method::POST, "/Groups", Some(&group)).await?.expect(201)?;
    let group = format!("/Groups/{}", text(&group, "id")?);
    patch(&client, &group, &json!([{"op": "add", "path": "members", "value": [{"value": theo}]}])).await?;
    let members = client.get(&group).await?.expect(200)?;
    let members = members.get("members").and_then(Value::as_array).map_or(0, Vec::len);
    same("the number of members", &members.into(), &2.into())?;
    let filter = encoded("emails.value ew \"@clearpoint.example\" and active eq true");
    let found = client.get(&format!("/Users?filter={filter}")).await?.expect(200)?;
    same("the number of people found", found.get("totalResults").unwrap_or(&Value::Null), &3.into())?;
    patch(&client, &format!("/Users/{noor}"), &json!([{"op": "replace", "value": {"active": false}}])).await?;
    let found = client.get(&format!("/Users?filter={filter}")).await?.expect(200)?;
    same("the number of active people found", found.get("totalResults").unwrap_or(&Value::Null), &2.into())?;
    let again = json!({"schemas": [USER], "userName": cast::MAYA.to_uppercase()});
    client.send(Method::POST, "/Users", Some(&again)).await?.expect(409)?;
    Ok(vec![
        format!("created {}, {} and {}, and the group Operations", cast::MAYA, cast::NOOR, cast::THEO),
        "added a member by PATCH, found people by filter, a second account of one name is a conflict".to_owned(),
        format!("deactivated {}", cast::NOOR),
    ])
}

async fn push(client: &Client, name: &str, given: &str, family: &str) -> Result<String, Failed> {
    let user = json!({
        "schemas": [USER],
        "userName": name,
        "externalId": format!("00u-{given}"),
        "active": true,
        "displayName": format!("{given} {family}"),
        "name": {"givenName": given, "familyName": family},
        "emails": [{"value": name, "type": "work", "primary": true}],
    });
    let created = client.send(Method::POST, "/Users", Some(&user)).await?.expect(201)?;
    Ok(text(&created, "id")?.to_owned())
}

async fn patch(client: &Client, path: &str, operations: &Value) -> Result<(), Failed> {
    let body = json!({"schemas": [PATCH], "Operations": operations});
    let answer = client.send(Method::PATCH, path, Some(&body)).await?;
    if answer.status == 204 { Ok(()) } else { answer.expect(200).map(drop) }
}

async fn revoke(stage: &Stage) -> Result<(), Failed> {
    let automation = stage.automation()?;
    let tokens = automation.get("/tokens").await?.expect(200)?;
    let tokens = tokens.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    for token in tokens.iter().filter(|token| token.get("connection") == Some(&settings::OKTA.into())) {
        automation.send(Method::DELETE, &format!("/tokens/{}", text(token, "id")?), None).await?.expect(200)?;
    }
    Ok(())
}
