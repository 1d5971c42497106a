//! What Okta sends: a probe before each creation, PUT for profiles, PATCH without a path, groups by PATCH.

use http::Method;
use serde_json::{Value, json};

use super::{Broken, GROUP, Player, USER, query};

pub(super) async fn play(player: &mut Player<'_>) -> Result<(), Broken> {
    let user = user(player).await?;
    group(player, &user).await
}

async fn user(player: &mut Player<'_>) -> Result<String, Broken> {
    let name = format!("okta-test-{}@cleargate.invalid", player.mark);
    let probe = format!("/Users?filter={}&startIndex=1&count=100", query(&format!("userName eq \"{name}\"")));
    player.count("looks for a user who is not there", &probe, 0).await?;
    let mut body = json!({
        "schemas": [USER],
        "userName": name,
        "name": {"givenName": "Okta", "familyName": "Test"},
        "emails": [{"primary": true, "value": name, "type": "work"}],
        "displayName": "Okta Test",
        "locale": "en-US",
        "externalId": format!("00u{}", player.mark),
        "groups": [],
        "password": "x",
        "active": true,
    });
    let made = player.step("creates the user", Method::POST, "/Users", Some(&body), &[201]).await?;
    player.check("creates the user", made.get("active"), &true.into())?;
    let id = made.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let path = format!("/Users/{id}");
    player.count("finds the user", &probe, 1).await?;
    let read = player.step("reads the user", Method::GET, &path, None, &[200]).await?;
    player.check("reads the user", read.get("userName"), &name.as_str().into())?;
    if let (Some(members), Some(meta)) = (body.as_object_mut(), read.get("meta")) {
        members.insert("id".to_owned(), id.as_str().into());
        members.insert("meta".to_owned(), meta.clone());
        members.insert("title".to_owned(), "Tester".into());
        members.remove("password");
    }
    let put = player.step("changes the profile by PUT", Method::PUT, &path, Some(&body), &[200]).await?;
    player.check("changes the profile by PUT", put.get("title"), &"Tester".into())?;
    for (step, active) in [("deactivates the user", false), ("activates the user again", true)] {
        let read = player.patch(step, &path, json!([{"op": "replace", "value": {"active": active}}])).await?;
        player.check(step, read.get("active"), &active.into())?;
    }
    Ok(id)
}

async fn group(player: &mut Player<'_>, user: &str) -> Result<(), Broken> {
    let name = format!("okta-test-{}", player.mark);
    let probe = format!("/Groups?filter={}&startIndex=1&count=100", query(&format!("displayName eq \"{name}\"")));
    player.count("looks for a group that is not there", &probe, 0).await?;
    let body = json!({"schemas": [GROUP], "displayName": name, "members": []});
    let made = player.step("pushes the group", Method::POST, "/Groups", Some(&body), &[201]).await?;
    let id = made.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let path = format!("/Groups/{id}");
    let add = json!([{"op": "add", "path": "members", "value": [{"value": user, "display": "Okta Test"}]}]);
    let read = player.patch("adds a member", &path, add).await?;
    player.check("adds a member", read.pointer("/members/0/value"), &user.into())?;
    let renamed = format!("{name}-renamed");
    let rename = json!([{"op": "replace", "value": {"id": id, "displayName": renamed}}]);
    let read = player.patch("renames the group", &path, rename).await?;
    player.check("renames the group", read.get("displayName"), &renamed.as_str().into())?;
    player.check("keeps the member of the renamed group", read.pointer("/members/0/value"), &user.into())?;
    let remove = json!([{"op": "remove", "path": format!("members[value eq \"{user}\"]")}]);
    let read = player.patch("removes the member", &path, remove).await?;
    no_members(player, "removes the member", &read)?;
    let empty = json!([{"op": "replace", "path": "members", "value": []}]);
    let read = player.patch("pushes the group without members", &path, empty).await?;
    no_members(player, "pushes the group without members", &read)?;
    player.step("deletes the group", Method::DELETE, &path, None, &[204]).await?;
    player.step("does not find the group any more", Method::GET, &path, None, &[404]).await.map(drop)
}

/// An empty list and none at all are the same.
pub(super) fn no_members(player: &mut Player<'_>, step: &str, group: &Value) -> Result<(), Broken> {
    let count = group.get("members").and_then(Value::as_array).map_or(0, Vec::len);
    player.check(step, Some(&count.into()), &0.into())
}
