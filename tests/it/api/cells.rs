//! The 31 capabilities of ClearPoint Strategy by its six user types, as an application asks for them.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Client, Ground, good};

const TYPES: [&str; 6] = ["no_access", "browser", "updater", "editor", "scorecard_administrator", "administrator"];

/// A capability, the lowest user type that has it, and what an application asks for to know.
const CAPABILITIES: [(&str, &str, &[&str]); 31] = [
    ("View", "browser", &["pages:read"]),
    ("Favorite pages", "browser", &["favorites:create"]),
    ("Export pages to PDF, XLS or PPT", "browser", &["pages:export"]),
    ("E-mail pages", "browser", &["pages:email"]),
    ("Download attachments", "browser", &["attachments:download"]),
    ("Access revision history", "updater", &["revision-history:read"]),
    ("Add/delete attachments", "updater", &["attachments:create", "attachments:delete"]),
    ("Create and view briefing books", "updater", &["briefing-books:create", "briefing-books:read"]),
    ("Create notifications", "updater", &["notifications:create"]),
    ("Edit update fields", "updater", &["update-fields:update"]),
    ("Browse the measure library", "updater", &["library-measures:read"]),
    ("Edit descriptive fields", "editor", &["descriptive-fields:update"]),
    ("Edit element detail layouts", "editor", &["detail-layouts:update"]),
    ("Add and delete elements", "editor", &["elements:create", "elements:delete"]),
    ("Create strategy maps", "editor", &["strategy-maps:create"]),
    ("Link to library measures", "editor", &["library-measures:link"]),
    ("Add recipients to reports", "scorecard_administrator", &["report-recipients:create"]),
    (
        "Manage reporting workflows and e-mails",
        "scorecard_administrator",
        &["reporting-workflows:update", "reminders:update"],
    ),
    ("Manage scorecards", "scorecard_administrator", &["scorecards:read", "scorecards:update"]),
    ("Create summary reports", "scorecard_administrator", &["summary-reports:create"]),
    ("Contribute measures to library", "scorecard_administrator", &["library-measures:contribute"]),
    ("Set schedules", "scorecard_administrator", &["schedules:create", "schedules:update", "schedules:delete"]),
    ("Manage periods and reporting frequencies", "administrator", &["periods:update"]),
    ("Manage users", "administrator", &["users:create", "users:read", "users:update", "users:delete"]),
    ("Add scorecards", "administrator", &["scorecards:create"]),
    ("Create HTML reports", "administrator", &["html-reports:create"]),
    ("Create custom fields", "administrator", &["custom-fields:create"]),
    ("Create custom styles", "administrator", &["custom-styles:create"]),
    ("Create initiative evaluations", "administrator", &["initiative-evaluations:create"]),
    ("Create API keys", "administrator", &["api-keys:create", "tokens:create"]),
    ("Set IP restrictions", "administrator", &["ip-restrictions:update", "network:update"]),
];

/// How high a user type stands.
fn rank(role: &str) -> usize {
    TYPES.iter().position(|known| *known == role).unwrap()
}

/// What the decision API says of all capabilities of somebody in a scorecard, of something that `owner` owns.
async fn told(asker: &Client, user: &str, scorecard: &str, owner: &str) -> Vec<bool> {
    let question = |permission: &&str| {
        let (resource, action) = permission.split_once(':').unwrap();
        let properties = json!({"scope": scorecard, "owner": owner});
        json!({"action": {"name": action}, "resource": {"type": resource, "id": "7", "properties": properties}})
    };
    let asked: Vec<Value> = CAPABILITIES.iter().flat_map(|(_, _, needs)| needs.iter().map(question)).collect();
    let body = json!({"subject": {"type": "user", "id": user}, "evaluations": asked});
    let answer = good(asker.post("/access/v1/evaluations", body).await, StatusCode::OK);
    let mut decisions = answer["evaluations"].as_array().unwrap().iter().map(|one| one["decision"].as_bool().unwrap());
    let mut all = |count: usize| (0..count).fold(true, |all, _| decisions.next().unwrap() && all);
    let told = CAPABILITIES.iter().map(|(_, _, needs)| all(needs.len())).collect();
    assert_eq!(decisions.next(), None);
    told
}

#[tokio::test]
async fn the_decision_api_answers_all_186_cells_by_the_permissions_that_the_matrix_names() {
    let ground = Ground::new().await;
    ground.test.place(&["scorecard:sales", "scorecard:people"]).await;
    let root = ground.root();
    // The matrix that is shown names the same permissions.
    let matrix = good(root.get("/api/v1/roles/matrix").await, StatusCode::OK);
    let rows: Vec<(&str, Value)> = matrix["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["label"].as_str().unwrap(), row["needs"].clone()))
        .collect();
    let expected: Vec<(&str, Value)> = CAPABILITIES.iter().map(|(label, _, needs)| (*label, json!(needs))).collect();
    assert_eq!(rows, expected);
    for role in TYPES {
        match role {
            "scorecard_administrator" => {
                ground.user(role, &["by_scorecard"]).await;
                let grant = json!({"user": role, "role": role, "scope": "scorecard:sales"});
                good(root.post("/api/v1/grants", grant).await, StatusCode::CREATED);
            }
            _ => drop(ground.user(role, &[role]).await),
        }
    }
    let client = ground.service(&["decisions:read"]).await;
    let asker = Client { router: cleargate::authzen::router(ground.test.gateway.authzen()), ..client };
    let mut allowed = Vec::new();
    for role in TYPES {
        let own = told(&asker, role, "scorecard:sales", role).await;
        for ((label, lowest, _), is_allowed) in CAPABILITIES.iter().zip(&own) {
            assert_eq!(*is_allowed, rank(role) >= rank(lowest), "{label} by {role}");
        }
        allowed.push(own.iter().filter(|is_allowed| **is_allowed).count());
        // Of somebody else's, an Updater may not edit the update fields; and a scorecard is administered there only.
        let others = told(&asker, role, "scorecard:sales", "administrator").await;
        let lost = usize::from(role == "updater");
        assert_eq!(others.iter().filter(|is_allowed| **is_allowed).count(), allowed.last().unwrap() - lost, "{role}");
        let elsewhere = told(&asker, role, "scorecard:people", role).await;
        match role {
            "scorecard_administrator" => assert!(!elsewhere.contains(&true)),
            _ => assert_eq!(elsewhere, own, "{role}"),
        }
    }
    assert_eq!(allowed, [0, 5, 11, 16, 22, 31]);
    assert_eq!(allowed.iter().sum::<usize>(), 85);
}
