//! Nobody gives away, or takes over, more than they have.

use http::StatusCode;
use serde_json::{Value, json};

use cleargate::access::NewGrant;
use cleargate::directory::{GroupDraft, Member};
use cleargate::model::{Group, Subject};

use super::{Ground, PASSWORD, good, refused};
use crate::support::gateway::record;

#[tokio::test]
async fn a_help_desk_cannot_become_an_administrator_by_a_password() {
    let ground = Ground::new().await;
    ground.user("boss", &["administrator"]).await;
    ground.user("temp", &[]).await;
    let desk = ground.service(&["users:read", "users:update", "passwords:update"]).await;
    let set = |user: &str| {
        let (client, path) = (desk.clone(), format!("/api/v1/users/{user}"));
        async move { client.patch(&path, json!({"password": "copper lanterns hum at dusk"})).await }
    };
    refused(&set("boss").await, 403, None);
    assert!(ground.test.visitor().sign_in("boss", PASSWORD).await.status.is_redirection(), "nothing was changed");
    good(set("temp").await, StatusCode::OK);
    // A link to choose a password is as good as the password.
    refused(&desk.post("/api/v1/users/boss:reset-password", json!({})).await, 403, None);
    let made = good(desk.post("/api/v1/users/temp:reset-password", json!({})).await, StatusCode::CREATED);
    assert!(made["link"].as_str().unwrap().contains("/login/reset?token="), "{made}");
    // An address is how a person is known to connectors, a name how they sign in.
    for body in [json!({"email": "evil@example.com"}), json!({"userName": "evil"})] {
        refused(&desk.patch("/api/v1/users/boss", body).await, 403, None);
    }
    good(desk.patch("/api/v1/users/boss", json!({"displayName": "The Boss"})).await, StatusCode::OK);
}

#[tokio::test]
async fn a_password_needs_its_own_permission() {
    let ground = Ground::new().await;
    ground.user("temp", &[]).await;
    let clerk = ground.service(&["users:read", "users:update", "users:create"]).await;
    let body = json!({"password": "copper lanterns hum at dusk"});
    refused(&clerk.patch("/api/v1/users/temp", body).await, 403, None);
    refused(&clerk.post("/api/v1/users/temp:reset-password", json!({})).await, 403, None);
    let body = json!({"userName": "new", "password": PASSWORD});
    refused(&clerk.post("/api/v1/users", body).await, 403, None);
    good(clerk.post("/api/v1/users", json!({"userName": "new"})).await, StatusCode::CREATED);
}

#[tokio::test]
async fn a_role_and_a_group_are_given_only_by_who_has_what_they_hold() {
    let ground = Ground::new().await;
    let body = cleargate::directory::GroupDraft {
        name: "Admins".parse().unwrap(),
        external_id: None,
        attributes: Default::default(),
        members: Default::default(),
    };
    ground.test.gateway.directory().create_group(&ground.test.task(), &body).await.unwrap();
    good(
        ground.root().post("/api/v1/grants", json!({"group": "Admins", "role": "administrator"})).await,
        StatusCode::CREATED,
    );
    let clerk = ground
        .service(&[
            "users:create",
            "users:read",
            "groups:update",
            "grants:create",
            "pages:*",
            "favorites:*",
            "attachments:*",
            "action-items:read",
            "initiatives:read",
            "measures:read",
            "objectives:read",
        ])
        .await;
    refused(&clerk.post("/api/v1/users", json!({"userName": "a", "role": "administrator"})).await, 403, None);
    refused(&clerk.post("/api/v1/users", json!({"userName": "a", "access_groups": ["Admins"]})).await, 403, None);
    refused(&ground.root().get("/api/v1/users/a").await, 404, None);
    good(clerk.post("/api/v1/users", json!({"userName": "a", "role": "browser"})).await, StatusCode::CREATED);
    refused(&clerk.post("/api/v1/grants", json!({"user": "a", "role": "editor"})).await, 403, None);
}

#[tokio::test]
async fn a_token_never_exceeds_who_makes_it() {
    let ground = Ground::new().await;
    ground.user("boss", &["administrator"]).await;
    let maker = ground.service(&["tokens:create", "users:read", "groups:read"]).await;
    let make = |body| {
        let maker = maker.clone();
        async move { maker.post("/api/v1/tokens", body).await }
    };
    refused(&make(json!({"name": "x", "scope": "admin"})).await, 403, None);
    refused(&make(json!({"name": "x", "scope": "read"})).await, 403, None);
    refused(&make(json!({"name": "x", "scope": ["users:read", "users:update"]})).await, 403, None);
    refused(&make(json!({"name": "x", "scope": "users:read", "user": "boss"})).await, 403, None);
    good(make(json!({"name": "x", "scope": ["users:read", "groups:read"]})).await, StatusCode::CREATED);
}

#[tokio::test]
async fn a_token_of_ones_own_is_cut_by_its_scope() {
    let ground = Ground::new().await;
    ground.user("other", &["administrator"]).await;
    let (_, browser) = ground.browser("boss", &["administrator"]).await;
    let body = json!({"name": "reader", "scope": "read", "user": "boss"});
    let token = good(browser.post("/api/v1/tokens", body).await, StatusCode::CREATED);
    let reader = ground.bearer(token["token"].as_str().unwrap());
    good(reader.get("/api/v1/users").await, StatusCode::OK);
    refused(&reader.post("/api/v1/users", json!({"userName": "x"})).await, 403, None);
    // Its user's end is its end.
    good(ground.root().patch("/api/v1/users/boss", json!({"active": false})).await, StatusCode::OK);
    refused(&reader.get("/api/v1/users").await, 403, None);
}

#[tokio::test]
async fn an_administrator_who_is_disabled_or_not_yet_one_ranks_as_one() {
    let ground = Ground::new().await;
    ground.user("other", &["administrator"]).await;
    ground.user("boss", &["administrator"]).await;
    let heir = ground.user("heir", &[]).await;
    let start = ground.test.clock.clock().now().plus(std::time::Duration::from_secs(3600));
    let mut later = NewGrant::new(Subject::User(heir.id), "administrator".parse().unwrap());
    later.starts = Some(start);
    let access = ground.test.gateway.access();
    access.grants().create(&ground.test.task(), &access.roles(), later).await.unwrap();
    let desk = ground.service(&["users:read", "users:update", "passwords:update", "tokens:create"]).await;
    let word = "copper lanterns hum at dusk";
    refused(&desk.patch("/api/v1/users/boss", json!({"active": false})).await, 403, None);
    good(ground.root().patch("/api/v1/users/boss", json!({"active": false})).await, StatusCode::OK);
    for user in ["boss", "heir"] {
        let path = format!("/api/v1/users/{user}");
        refused(&desk.patch(&path, json!({"password": word, "active": true})).await, 403, None);
        refused(&desk.patch(&path, json!({"active": true})).await, 403, None);
        let body = json!({"name": "x", "scope": "users:read", "user": user});
        refused(&desk.post("/api/v1/tokens", body).await, 403, None);
    }
    assert_eq!(good(ground.root().get("/api/v1/users/boss").await, StatusCode::OK)["status"], "inactive");
}

#[tokio::test]
async fn rights_are_taken_away_only_by_who_has_them() {
    let ground = Ground::new().await;
    let scope = "scorecard:x";
    ground.test.place(&[scope]).await;
    ground.user("boss", &["administrator"]).await;
    ground.user("clerk", &["browser"]).await;
    let local = ground.user("local", &[]).await;
    let access = ground.test.gateway.access();
    let mut given = NewGrant::new(Subject::User(local.id), "scorecard_administrator".parse().unwrap());
    given.scope = Some(scope.parse().unwrap());
    access.grants().create(&ground.test.task(), &access.roles(), given).await.unwrap();
    let mallory = ground.sign_in("local").await;
    let no_access = |user: &str| json!({"user": user, "role": "no_access", "scope": scope});
    refused(&mallory.post("/api/v1/grants", no_access("boss")).await, 403, None);
    let weak = json!({"user": "boss", "role": "browser", "scope": scope, "mode": "override"});
    refused(&mallory.post("/api/v1/grants", weak).await, 403, None);
    let creator = ground.service(&["grants:create"]).await;
    refused(&creator.post("/api/v1/grants", json!({"user": "boss", "role": "no_access"})).await, 403, None);
    // Within the own reach it is what delegated administration is for.
    good(mallory.post("/api/v1/grants", no_access("clerk")).await, StatusCode::CREATED);

    // What an administrator of the machine took away comes back by another administrator only.
    let root = ground.root();
    let limit = good(root.post("/api/v1/grants", no_access("local")).await, StatusCode::CREATED);
    let path = format!("/api/v1/grants/{}", limit["id"].as_str().unwrap());
    refused(&mallory.delete(&path).await, 403, None);
    let remover = ground.service(&["grants:delete"]).await;
    refused(&remover.delete(&path).await, 403, None);
    let boss = ground.sign_in("boss").await;
    good(boss.delete(&path).await, StatusCode::OK);
    // A limit within a scope does not keep its own end from an administrator of the organization.
    let limit = good(root.post("/api/v1/grants", no_access("boss")).await, StatusCode::CREATED);
    let path = format!("/api/v1/grants/{}", limit["id"].as_str().unwrap());
    refused(&boss.delete(&path).await, 403, None);
    ground.user("other", &["administrator"]).await;
    good(ground.sign_in("other").await.delete(&path).await, StatusCode::OK);
}

#[tokio::test]
async fn a_role_is_taken_back_only_by_who_has_what_it_gives() {
    let ground = Ground::new().await;
    ground.user("other", &["administrator"]).await;
    let boss = ground.user("boss", &["administrator"]).await;
    let remover = ground.service(&["grants:delete"]).await;
    let grants = ground.test.gateway.access().grants().list(Subject::User(boss.id)).await.unwrap();
    let path = format!("/api/v1/grants/{}", grants[0].id);
    refused(&remover.delete(&path).await, 403, None);
    good(ground.root().delete(&path).await, StatusCode::OK);
}

/// A connection whose group of this name a rule makes administrators.
const ADMINS_OF_OKTA: &str = r#"
[[scim]]
id = "okta"

[[mapping]]
from = "okta"
when = 'groups eq "Admins"'
grant = { role = "administrator" }
"#;

#[tokio::test]
async fn a_connection_is_opened_only_by_who_has_what_its_people_can_come_to() {
    let ground = Ground::with(ADMINS_OF_OKTA).await;
    let make =
        |client: super::Client| async move { client.post("/api/v1/tokens", json!({"connection": "okta"})).await };
    refused(&make(ground.service(&["tokens:create"]).await).await, 403, None);
    refused(&make(ground.service(&["tokens:create", "users:*", "groups:*"]).await).await, 403, None);
    good(make(ground.service(&["*:*"]).await).await, StatusCode::CREATED);
    good(make(ground.root()).await, StatusCode::CREATED);
}

/// A group as a client of this connection makes it; by hand without one.
async fn group_of(ground: &Ground, source: Option<&str>, name: &str, members: &[Member]) -> Group {
    let permit = match source {
        Some(source) => ground.test.connection(source).await,
        None => ground.test.task(),
    };
    let mut draft = GroupDraft {
        name: name.parse().unwrap(),
        external_id: None,
        attributes: Default::default(),
        members: Default::default(),
    };
    members.iter().for_each(|member| draft.members.add(*member));
    ground.test.gateway.directory().create_group(&permit, &draft).await.unwrap()
}

/// A connection says who is in its groups, and names and switches off its people: they hold what others gave them.
#[tokio::test]
async fn a_connection_whose_groups_or_people_hold_more_is_opened_by_nobody_who_has_less() {
    const WITHIN: [&str; 4] = ["tokens:create", "users:*", "groups:*", "grants:create"];
    for (what, holder) in [
        ("a group of the connection", "Okta Finance"),
        ("a group in which one of the connection is", "Finance"),
        ("a group in which somebody of the connection is", "Staff"),
        ("somebody of the connection", "kim"),
    ] {
        let ground = Ground::with("[[scim]]\nid = \"okta\"\n[[scim]]\nid = \"hr\"").await;
        ground.user("boss", &["administrator"]).await;
        let permit = ground.test.connection("okta").await;
        let kim = ground.test.gateway.directory().create_user(&permit, &record("kim")).await.unwrap();
        let pushed = group_of(&ground, Some("okta"), "Okta Finance", &[]).await;
        let below = group_of(&ground, None, "Below", &[Member::Group(pushed.id)]).await;
        group_of(&ground, None, "Finance", &[Member::Group(below.id)]).await;
        group_of(&ground, None, "Staff", &[Member::User(kim.id)]).await;
        group_of(&ground, None, "Others", &[]).await;
        let root = ground.root();
        let give = async |holder: &str, role: &str| {
            let kind = if holder == "kim" { "user" } else { "group" };
            good(root.post("/api/v1/grants", json!({kind: holder, "role": role})).await, StatusCode::CREATED)
        };
        let open = async |client: &super::Client, id: &str| {
            client.post("/api/v1/tokens", json!({"connection": id, "expires": "1h"})).await
        };
        let body = json!({"name": "Reader of people", "permissions": ["users:read"]});
        good(root.post("/api/v1/roles", body).await, StatusCode::CREATED);
        give(holder, "reader_of_people").await;
        give("Others", "administrator").await;
        let some = ground.service(&WITHIN).await;
        good(open(&some, "okta").await, StatusCode::CREATED);
        let more = give(holder, "administrator").await;
        refused(&open(&some, "okta").await, 403, None);
        good(open(&some, "hr").await, StatusCode::CREATED);
        good(open(&ground.service(&["*:*"]).await, "okta").await, StatusCode::CREATED);
        let path = format!("/api/v1/grants/{}", more["id"].as_str().unwrap());
        good(root.delete(&path).await, StatusCode::OK);
        assert_eq!(open(&some, "okta").await.status, StatusCode::CREATED, "{what}");
    }
}

/// What it gives stays when its token ends.
#[tokio::test]
async fn rights_for_a_time_open_no_connection_that_gives_them_for_good() {
    let ground = Ground::with(ADMINS_OF_OKTA).await;
    let root = ground.root();
    let body = json!({"name": "Opener", "permissions": ["tokens:create", "users:*", "groups:*"]});
    good(root.post("/api/v1/roles", body).await, StatusCode::CREATED);
    let (_, ada) = ground.browser("ada", &["opener"]).await;
    let body = json!({"user": "ada", "role": "administrator", "ends": "2026-11-22T20:00:00Z"});
    good(root.post("/api/v1/grants", body).await, StatusCode::CREATED);
    let body = json!({"connection": "okta", "expires_at": "2026-11-22T19:00:00Z"});
    refused(&ada.post("/api/v1/tokens", body.clone()).await, 403, None);
    good(root.post("/api/v1/grants", json!({"user": "ada", "role": "administrator"})).await, StatusCode::CREATED);
    good(ada.post("/api/v1/tokens", body).await, StatusCode::CREATED);
}

/// A mapping rule may give it to somebody at their next sign-in.
#[tokio::test]
async fn a_role_that_nobody_holds_is_edited_by_nobody_who_has_its_rights_for_a_time() {
    let ground = Ground::new().await;
    let root = ground.root();
    let body = json!({"name": "Editor of roles", "permissions": ["roles:read", "roles:create", "roles:update"]});
    good(root.post("/api/v1/roles", body).await, StatusCode::CREATED);
    good(root.post("/api/v1/roles", json!({"name": "Mapped", "permissions": []})).await, StatusCode::CREATED);
    let (_, ada) = ground.browser("ada", &["editor_of_roles"]).await;
    let body = json!({"user": "ada", "role": "administrator", "ends": "2026-11-22T20:00:00Z"});
    good(root.post("/api/v1/grants", body).await, StatusCode::CREATED);
    let more = json!({"permissions": ["users:update"]});
    refused(&ada.patch("/api/v1/roles/mapped", more.clone()).await, 403, None);
    good(ada.patch("/api/v1/roles/mapped", json!({"permissions": ["roles:read"]})).await, StatusCode::OK);
    // What is only made is given by who has it for as long.
    let made = json!({"name": "Made", "permissions": ["users:update"]});
    good(ada.post("/api/v1/roles", made).await, StatusCode::CREATED);
    refused(&ada.post("/api/v1/grants", json!({"user": "ada", "role": "made"})).await, 403, None);
    good(root.patch("/api/v1/roles/mapped", more).await, StatusCode::OK);
}

#[tokio::test]
async fn a_token_ends_with_the_rights_of_who_made_it() {
    let ground = Ground::new().await;
    ground.user("other", &["administrator"]).await;
    let (_, boss) = ground.browser("boss", &["administrator"]).await;
    let made = good(boss.post("/api/v1/tokens", json!({"name": "ci", "scope": "admin"})).await, StatusCode::CREATED);
    let ci = ground.bearer(made["token"].as_str().unwrap());
    let body = json!({"name": "child", "scope": "users:read"});
    let child = good(ci.post("/api/v1/tokens", body).await, StatusCode::CREATED);
    let child = ground.bearer(child["token"].as_str().unwrap());
    for token in [&ci, &child] {
        good(token.get("/api/v1/users").await, StatusCode::OK);
    }
    good(ground.root().patch("/api/v1/users/boss", json!({"active": false})).await, StatusCode::OK);
    for token in [&ci, &child] {
        refused(&token.get("/api/v1/users").await, 403, None);
    }
}

#[tokio::test]
async fn a_name_that_is_another_ones_id_opens_nothing() {
    let ground = Ground::new().await;
    let boss = ground.user("boss", &["administrator"]).await;
    let (_, twin) = ground.browser(&boss.id.to_string(), &[]).await;
    for path in [
        format!("/api/v1/users/{}/permissions", boss.id),
        format!("/api/v1/explain?user={}&permission=users:read", boss.id),
    ] {
        refused(&twin.get(&path).await, 403, None);
    }
}

#[tokio::test]
async fn a_role_for_a_time_is_kept_neither_by_a_grant_nor_by_a_group_that_holds_it() {
    let ground = Ground::new().await;
    let (_, ada) = ground.browser("ada", &["browser"]).await;
    let root = ground.root();
    good(root.post("/api/v1/groups", json!({"name": "Admins"})).await, StatusCode::CREATED);
    for body in [
        json!({"group": "Admins", "role": "administrator"}),
        json!({"user": "ada", "role": "administrator", "ends": "2026-11-22T20:00:00Z"}),
    ] {
        good(root.post("/api/v1/grants", body).await, StatusCode::CREATED);
    }
    let give = |ends: Value| json!({"user": "ada", "role": "administrator", "ends": ends});
    refused(&ada.post("/api/v1/grants", give(Value::Null)).await, 403, None);
    refused(&ada.post("/api/v1/grants", give(json!("2026-11-22T20:00:01Z"))).await, 403, None);
    refused(&ada.post("/api/v1/groups/Admins/members", json!({"users": ["ada"]})).await, 403, None);
    good(ada.post("/api/v1/grants", give(json!("2026-11-22T19:00:00Z"))).await, StatusCode::CREATED);
    good(ada.get("/api/v1/users").await, StatusCode::OK);
}

#[tokio::test]
async fn who_may_edit_roles_takes_no_factor_off_a_role_that_they_do_not_reach() {
    const PACK: &str = r#"
title = "Desk"
[[role]]
name = "Editor of roles"
description = "Makes roles."
permissions = ["roles:read", "roles:create", "roles:update"]
"#;
    let ground = Ground::with_files("policy.pack = \"./desk.toml\"", &[("desk.toml", PACK)]).await;
    let root = ground.root();
    let body = json!({"name": "Payroll", "permissions": ["users:*"], "requires_factor": true, "requires_sso": true,
                      "factor_within": "10m"});
    good(root.post("/api/v1/roles", body).await, StatusCode::CREATED);
    let above = json!({"name": "Above", "permissions": ["grants:read"], "includes": ["payroll"]});
    good(root.post("/api/v1/roles", above).await, StatusCode::CREATED);
    let (_, mallory) = ground.browser("mallory", &["editor_of_roles"]).await;
    ground.user("ada", &["above"]).await;
    for less in [
        json!({"factor_within": ""}),
        json!({"factor_within": "11m"}),
        json!({"requires_factor": false}),
        json!({"requires_sso": false}),
    ] {
        refused(&mallory.patch("/api/v1/roles/payroll", less.clone()).await, 403, None);
        // Who has what the role gives, and not what the one gives that includes it, does not either.
        let some = ground.service(&["roles:update", "users:*"]).await;
        refused(&some.patch("/api/v1/roles/payroll", less).await, 403, None);
    }
    refused(&mallory.patch("/api/v1/roles/above", json!({"includes": []})).await, 403, None);
    good(mallory.patch("/api/v1/roles/payroll", json!({"factor_within": "9m"})).await, StatusCode::OK);
    let all = ground.service(&["roles:update", "users:*", "grants:read"]).await;
    good(all.patch("/api/v1/roles/payroll", json!({"factor_within": ""})).await, StatusCode::OK);
}

#[tokio::test]
async fn a_list_of_networks_binds_only_whom_its_writer_reaches() {
    let ground = Ground::new().await;
    ground.user("chief", &["administrator"]).await;
    ground.user("ada", &[]).await;
    let weak = ground.service(&["network:*", "users:read"]).await;
    let put = async |client: &super::Client, body: Value| {
        let body = axum::body::Body::from(body.to_string());
        client.send(http::Method::PUT, "/api/v1/network-rules", "application/json", body).await
    };
    let nets = json!(["203.0.113.0/24"]);
    for rules in
        [json!({"organization": nets}), json!({"users": {"chief": nets}}), json!({"roles": {"administrator": nets}})]
    {
        refused(&put(&weak, rules).await, 403, None);
    }
    good(put(&weak, json!({"users": {"ada": nets}})).await, StatusCode::OK);
    let both = json!({"users": {"chief": nets}});
    good(put(&ground.root(), both.clone()).await, StatusCode::OK);
    // Nor does anybody lift one of a superior's; what stays as it is asks for nothing.
    refused(&put(&weak, json!({})).await, 403, None);
    good(put(&weak, json!({"users": {"chief": nets, "ada": nets}})).await, StatusCode::OK);
}
