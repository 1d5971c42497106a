//! What Entra ID sends: operations with a capital, booleans as text, values by filter, members removed by a list; and
//! the other dialect, one operation without a path whose keys are dotted and URNs.

use http::Method;
use serde_json::{Value, json};

use super::okta::no_members;
use super::{Broken, ENTERPRISE, GROUP, Player, USER, query};

/// A schema of its directory, which it lists for groups.
const ADSCIM: &str = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";

pub(super) async fn play(player: &mut Player<'_>) -> Result<(), Broken> {
    let user = user(player).await?;
    group(player, &user).await?;
    let path = format!("/Users/{user}");
    player.step("deletes the user", Method::DELETE, &path, None, &[204]).await?;
    player.step("does not find the user any more", Method::GET, &path, None, &[404]).await.map(drop)
}

async fn user(player: &mut Player<'_>) -> Result<String, Broken> {
    let probe = |name: &str| format!("/Users?filter={}", query(&format!("userName eq \"{name}\"")));
    let name = format!("entra-test-{}@cleargate.invalid", player.mark);
    player.count("tests the connection", &probe(&format!("{}-none", player.mark)), 0).await?;
    let body = json!({
        "schemas": [USER, ENTERPRISE],
        "externalId": format!("entra-{}", player.mark),
        "userName": name,
        "active": true,
        "displayName": "Entra Test",
        "emails": [{"primary": true, "type": "work", "value": name}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "Entra Test", "familyName": "Test", "givenName": "Entra"},
        ENTERPRISE: {"department": "Test", "employeeNumber": "1"},
    });
    let made = player.step("creates the user", Method::POST, "/Users", Some(&body), &[201]).await?;
    let id = made.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let path = format!("/Users/{id}");
    player.count("finds the user", &probe(&name), 1).await?;
    let operations = json!([
        {"op": "Replace", "path": "displayName", "value": "Entra Tested"},
        {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": format!("new-{name}")},
        {"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+1 206 555 0100"},
        {"op": "Add", "path": format!("{ENTERPRISE}:department"), "value": "Quality"},
    ]);
    let step = "changes attributes";
    let read = player.patch(step, &path, operations).await?;
    player.check(step, read.get("displayName"), &"Entra Tested".into())?;
    player.check(step, read.pointer("/emails/0/value"), &format!("new-{name}").into())?;
    player.check(step, read.pointer("/phoneNumbers/0/value"), &"+1 206 555 0100".into())?;
    player.check(step, read.get(ENTERPRISE).and_then(|own| own.get("department")), &"Quality".into())?;
    let mut values = serde_json::Map::new();
    values.insert("title".to_owned(), "Tester".into());
    values.insert("name.familyName".to_owned(), "Tested".into());
    values.insert(format!("{ENTERPRISE}:costCenter"), "42".into());
    let step = "changes attributes in its other dialect";
    let read = player.patch(step, &path, json!([{"op": "replace", "value": values}])).await?;
    player.check(step, read.get("title"), &"Tester".into())?;
    player.check(step, read.pointer("/name/familyName"), &"Tested".into())?;
    player.check(step, read.get(ENTERPRISE).and_then(|own| own.get("costCenter")), &"42".into())?;
    for (step, text, active) in [("disables the user", "False", false), ("enables the user again", "True", true)] {
        let read = player.patch(step, &path, json!([{"op": "Replace", "path": "active", "value": text}])).await?;
        player.check(step, read.get("active"), &active.into())?;
    }
    Ok(id)
}

async fn group(player: &mut Player<'_>, user: &str) -> Result<(), Broken> {
    let name = format!("entra-test-{}", player.mark);
    let body = json!({
        "schemas": [GROUP, ADSCIM],
        "externalId": format!("entra-group-{}", player.mark),
        "displayName": name,
        "meta": {"resourceType": "Group"},
    });
    let made = player.step("creates the group", Method::POST, "/Groups", Some(&body), &[201]).await?;
    let id = made.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let path = format!("/Groups/{id}");
    let filter = query(&format!("displayName eq \"{name}\""));
    player.count("finds the group", &format!("/Groups?excludedAttributes=members&filter={filter}"), 1).await?;
    let member = json!([{"$ref": null, "value": user}]);
    let add = json!([{"op": "Add", "path": "members", "value": member}]);
    let read = player.patch("adds a member", &path, add).await?;
    player.check("adds a member", read.pointer("/members/0/value"), &user.into())?;
    let filter = query(&format!("id eq \"{id}\" and members eq \"{user}\""));
    player.count("asks whether the member is in", &format!("/Groups?filter={filter}&attributes=id"), 1).await?;
    let remove = json!([{"op": "Remove", "path": "members", "value": member}]);
    let read = player.patch("removes the member", &path, remove).await?;
    no_members(player, "removes the member", &read)?;
    let renamed = format!("{name}-renamed");
    let rename = json!([{"op": "Replace", "path": "displayName", "value": renamed}]);
    let read = player.patch("renames the group", &path, rename).await?;
    player.check("renames the group", read.get("displayName"), &renamed.as_str().into())?;
    player.step("deletes the group", Method::DELETE, &path, None, &[204]).await?;
    player.step("does not find the group any more", Method::GET, &path, None, &[404]).await.map(drop)
}
