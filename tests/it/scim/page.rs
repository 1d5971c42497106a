//! The page about SCIM, followed as it stands: its configurations, commands and tables against the program.

use http::Method;
use serde_json::{Value, json};

use super::guides::{Operator, blocks, secret};
use super::{GROUP, LIST, USER};
use crate::support::http::Client;

/// Types the commands of a transcript; what each printed must have what the page shows behind it.
async fn type_in(operator: &mut Operator, transcript: &str) -> String {
    let (mut all, mut printed) = (String::new(), String::new());
    for line in transcript.replace("\\\n", "").lines() {
        let Some(command) = line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")) else {
            let shown = line.split_whitespace().next().unwrap().split('…').next().unwrap();
            assert!(printed.contains(shown), "`{line}` is not in: {printed}");
            continue;
        };
        // A log that is followed does not end.
        if !command.contains("--follow") {
            let token = operator.daemon.path("token").display().to_string();
            printed = operator.run(&command.replace("cat token", &format!("cat {token}"))).await;
            all.push_str(&printed);
        }
    }
    all
}

/// The rows of a section's first table, each a list of cells.
fn table(section: &str) -> Vec<Vec<String>> {
    let rows = section.lines().skip_while(|line| !line.starts_with("|---") && !line.starts_with("| ---")).skip(1);
    let cells = |row: &str| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    rows.take_while(|line| line.starts_with('|')).map(cells).collect()
}

fn codes(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The access token for a client that shows itself in both ways, and what is refused.
async fn check_access_tokens(operator: &mut Operator) {
    let section = operator.section("### Access tokens");
    let transcript = blocks(&section, "console").remove(0);
    let printed = type_in(operator, &transcript).await;
    let id = printed.split("client_id").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let secret = secret(&printed, "cgc_");
    let client = operator.daemon.client();
    let form = |extra: &[(&'static str, &'static str)], secret: &str| {
        let own = [("client_id", id.as_str()), ("client_secret", secret)];
        let fields: Vec<(&str, &str)> = own.into_iter().chain(extra.iter().copied()).collect();
        client.post("/oauth2/token").form(&fields)
    };
    let grant = ("grant_type", "client_credentials");
    let rows = table(&section);
    let answer: Value = serde_json::from_str(&codes(&rows[2][1])[0].replace("cgs_…", "cgs_")).unwrap();
    for extra in [&[grant][..], &[grant, ("scope", "scim")]] {
        let got = form(extra, &secret).send().await.json();
        let mut expected = answer.clone();
        if extra.len() > 1 {
            expected["scope"] = json!("scim");
        }
        let token = got["access_token"].as_str().unwrap().to_owned();
        assert!(token.starts_with(expected["access_token"].as_str().unwrap()));
        expected["access_token"] = json!(token);
        assert_eq!(got, expected);
        let users = operator.daemon.client().with_bearer(&token).get("/scim/v2/Users").send().await;
        assert_eq!(users.status, 200, "{}", users.text());
    }
    let errors = codes(&rows[3][1]);
    for (extra, secret, status, code) in [
        (&[grant][..], "cgc_wrong", 401, "invalid_client"),
        (&[][..], &secret, 400, "invalid_request"),
        (&[("grant_type", "password")][..], &secret, 400, "unsupported_grant_type"),
    ] {
        let answer = form(extra, secret).send().await;
        assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(code)));
        assert!(errors.contains(&code.to_owned()), "the page does not tell of {code}");
    }
}

/// Each address takes the methods of its row and no other.
async fn check_endpoints(operator: &Operator, vendor: &Client) {
    let user = json!({"schemas": [USER], "userName": "of the page"});
    let body = |text: &Value| ("application/scim+json", text.to_string());
    let (media_type, text) = body(&user);
    let user = vendor.post("/scim/v2/Users").body(media_type, text).send().await.json();
    let (media_type, text) = body(&json!({"schemas": [GROUP], "displayName": "of the page"}));
    let group = vendor.post("/scim/v2/Groups").body(media_type, text).send().await.json();
    let rows = table(&operator.section("## Endpoints"));
    assert!(rows.len() > 5, "{rows:?}");
    for row in rows {
        let methods = codes(&row[1]);
        // Somebody is there with a token of their own only.
        for address in codes(&row[0]).into_iter().filter(|address| address != "/Me") {
            let id = if address.starts_with("/Users") { &user["id"] } else { &group["id"] };
            let path = format!("/scim/v2{}", address.replace("{id}", id.as_str().unwrap()));
            for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH] {
                // A body that is refused is no refusal of the method.
                let answer = vendor.ask(method.clone(), &path).body("application/scim+json", "[]").send().await;
                let is_told = methods.contains(&method.to_string());
                assert_eq!(answer.status != 405, is_told, "{method} {address}: {}", answer.status);
            }
            for spelled in [path.to_lowercase(), format!("{path}/"), path.replacen("/v2/", "/v2//", 1)] {
                let answer = vendor.get(&spelled).send().await;
                assert_eq!(answer.status, vendor.get(&path).send().await.status, "{spelled}");
            }
        }
    }
}

#[tokio::test]
async fn the_page_about_scim_holds_word_by_word() {
    let mut operator = Operator::with("scim.md");
    let page = operator.section("# SCIM");
    operator.configure(&page, &[]);
    operator.daemon.start().await;
    let printed = type_in(&mut operator, &blocks(&page, "console")[0]).await;
    let token = secret(&printed, "cgs_");
    std::fs::write(operator.daemon.path("token"), &token).unwrap();
    check_access_tokens(&mut operator).await;
    let mut vendor = operator.daemon.client().with_bearer(&token);
    check_endpoints(&operator, &vendor).await;

    // What is asked in the page's own words.
    for (heading, shown) in [("## Endpoints", "totalResults"), ("## Pages", "Resources")] {
        let transcript = blocks(&operator.section(heading), "console").remove(0);
        let printed: Value = serde_json::from_str(&type_in(&mut operator, &transcript).await).unwrap();
        assert!(printed["schemas"] == json!([LIST]) && printed.get(shown).is_some(), "{heading}: {printed}");
    }

    let change_password = |config: Value| config["changePassword"]["supported"].clone();
    let config = "/scim/v2/ServiceProviderConfig";
    assert_eq!(change_password(vendor.get(config).send().await.json()), false);
    let section = operator.section("## Passwords");
    operator.configure(&section, &[]);
    operator.run("cleargate check-config && systemctl restart cleargate").await;
    vendor = operator.daemon.client().with_bearer(&token);
    assert_eq!(change_password(vendor.get(config).send().await.json()), true);

    // The schemas of the page, and what it says of their characteristics.
    let section = operator.section("## Schemas of your own");
    operator.configure(&section, &[]);
    operator.run("cleargate check-config && systemctl restart cleargate").await;
    vendor = operator.daemon.client().with_bearer(&token);
    let schemas = vendor.get("/scim/v2/Schemas").send().await.json();
    let types = vendor.get("/scim/v2/ResourceTypes").send().await.json();
    let (badge, device) =
        ("urn:example:params:scim:schemas:extension:2.0:Badge", "urn:example:params:scim:schemas:core:2.0:Device");
    for urn in [badge, device] {
        assert!(schemas["Resources"].as_array().unwrap().iter().any(|schema| schema["id"] == urn), "{schemas}");
    }
    assert!(types["Resources"].as_array().unwrap().iter().any(|of| of["endpoint"] == "/Devices"), "{types}");
    for (path, body, status) in [
        (
            "/Users",
            json!({"schemas": [USER, badge], "userName": "ada", badge: {"number": "B7", "issued": "2026-01-01T00:00:00Z"}}),
            201,
        ),
        ("/Users", json!({"schemas": [USER, badge], "userName": "bob", badge: {"number": "B7"}}), 409),
        ("/Users", json!({"schemas": [USER, badge], "userName": "bob", badge: {"number": "b7"}}), 201),
        (
            "/Users",
            json!({"schemas": [USER, badge], "userName": "eve", badge: {"issued": "2026-01-01T00:00:00Z"}}),
            400,
        ),
        ("/Devices", json!({"schemas": [device], "serial": "s1", "ports": [{"value": "usb", "speed": 480}]}), 201),
        ("/Devices", json!({"schemas": [device], "serial": "S1"}), 409),
        ("/Devices", json!({"schemas": [device], "serial": "s2", "ports": [{"value": "usb", "speed": 4.5}]}), 400),
    ] {
        let path = format!("/scim/v2{path}");
        let answer = vendor.post(&path).body("application/scim+json", body.to_string()).send().await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }

    // The commands about a connection.
    for heading in ["## The brake", "## Looking at what a client does"] {
        let section = operator.section(heading);
        for transcript in blocks(&section, "console") {
            let printed = type_in(&mut operator, &transcript).await;
            let is_told = printed.contains("okta-scim") || printed.contains("/scim/v2/") || printed.contains("passed");
            assert!(is_told, "{transcript}: {printed}");
        }
    }
}
