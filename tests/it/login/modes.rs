//! What later sign-ins make of the roles that mapping rules gave before: by `full` all that is said and nothing else, by
//! `additive` all that was ever said, by `first` what the first one said.

use http::StatusCode;
use serde_json::json;

use super::provider::{Stage, roles};

const ADA: &str = "ada@example.org";

fn lines(mode: &str) -> String {
    format!(
        r#"
policy.pack = "clearpoint-systems"
[[saml]]
id = "entra"
metadata = {{ file = "entra.xml" }}
domains = ["example.org"]
[[mapping]]
from = "entra"
when = 'groups eq "staff"'
grant = {{ role = "viewer" }}
{mode}
[[mapping]]
from = "entra"
when = 'groups eq "analysts"'
grant = {{ role = "data_analyst" }}
{mode}
[[mapping]]
from = "entra"
when = 'groups eq "officers"'
grant = {{ role = "compliance_officer" }}
"#
    )
}

#[tokio::test]
async fn a_rule_keeps_what_its_mode_says() {
    for (mode, expected) in [
        ("", [json!(["compliance_officer", "data_analyst"]), json!(["viewer"]), json!(["data_analyst"])]),
        (
            "mode = \"full\"",
            [json!(["compliance_officer", "data_analyst"]), json!(["viewer"]), json!(["data_analyst"])],
        ),
        (
            "mode = \"additive\"",
            [
                json!(["compliance_officer", "data_analyst"]),
                json!(["data_analyst", "viewer"]),
                json!(["data_analyst", "viewer"]),
            ],
        ),
        (
            "mode = \"first\"",
            [json!(["compliance_officer", "data_analyst"]), json!(["data_analyst"]), json!(["data_analyst"])],
        ),
    ] {
        let stage = Stage::with(&lines(mode), &["entra"]).await;
        let said: [&[&str]; 3] = [&["analysts", "officers"], &["staff"], &["analysts"]];
        for (groups, expected) in said.into_iter().zip(expected) {
            let mut browser = stage.gateway.visitor();
            assert_eq!(stage.sign_in_by("entra", &mut browser, ADA, groups).await.status, StatusCode::SEE_OTHER);
            assert_eq!(roles(&mut browser).await, expected, "{mode} {groups:?}");
        }
    }
}

#[tokio::test]
async fn what_a_rule_keeps_is_not_taken_because_another_gives_it_too() {
    let full = "[[mapping]]\nfrom = \"entra\"\nwhen = 'groups eq \"officers\"'\ngrant = { role = \"viewer\" }\n";
    let stage = Stage::with(&format!("{}{full}", lines("mode = \"additive\"")), &["entra"]).await;
    let both = json!(["compliance_officer", "viewer"]);
    let said: [(&[&str], _); 3] = [(&["staff"], json!(["viewer"])), (&["officers"], both), (&[], json!(["viewer"]))];
    for (groups, expected) in said {
        let mut browser = stage.gateway.visitor();
        stage.sign_in_by("entra", &mut browser, ADA, groups).await;
        assert_eq!(roles(&mut browser).await, expected, "{groups:?}");
    }
}

#[tokio::test]
async fn an_account_that_was_there_is_given_at_its_first_sign_in() {
    let stage = Stage::with(&lines("mode = \"first\""), &["entra"]).await;
    stage.gateway.user(ADA, None).await;
    let mut browser = stage.gateway.visitor();
    stage.sign_in_by("entra", &mut browser, ADA, &["staff"]).await;
    assert_eq!(roles(&mut browser).await, json!(["viewer"]), "it was there, and is linked now");
    stage.sign_in_by("entra", &mut browser, ADA, &["staff", "analysts"]).await;
    assert_eq!(roles(&mut browser).await, json!(["viewer"]));
}

#[test]
fn a_mode_is_for_rules_about_sign_ins() {
    let text = "public_url = \"https://sso.example.com\"\n[[scim]]\nid = \"okta\"\n[[mapping]]\nfrom = \"okta\"\n\
                when = 'groups eq \"a\"'\ngrant = { role = \"viewer\" }\nmode = \"additive\"\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cleargate.toml");
    std::fs::write(&path, text).unwrap();
    let problems = cleargate::config::load(&path, &cleargate::config::Credentials::None).unwrap_err();
    let told: Vec<String> = problems.iter().map(|problem| format!("{problem:?}")).collect();
    assert!(told.len() == 1 && told[0].contains("mapping[0].mode"), "{told:?}");
}
