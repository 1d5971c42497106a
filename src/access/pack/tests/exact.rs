//! Exactly what each role of the manuals may do: of everything that there is, this and nothing else.

use std::collections::BTreeSet;

use super::*;

/// What a role may do, out of the whole catalogue; `own` for an owner.
#[track_caller]
fn exactly(pack: &Pack, role: &str, own: bool, expected: &[&[&str]]) {
    let all: Vec<Permission> = pack.roles().catalogue().iter().collect();
    let found: BTreeSet<String> =
        all.iter().map(Permission::to_string).filter(|text| may_own(pack, &[role], text, own)).collect();
    let expected: BTreeSet<String> = expected.iter().copied().flatten().map(|text| (*text).to_owned()).collect();
    assert_eq!(found, expected, "{role}");
}

const BROWSER: &[&str] = &[
    "action-items:read",
    "attachments:download",
    "attachments:read",
    "favorites:create",
    "initiatives:read",
    "measures:read",
    "objectives:read",
    "pages:email",
    "pages:export",
    "pages:read",
];
const UPDATER: &[&str] = &[
    "attachments:create",
    "attachments:delete",
    "briefing-books:create",
    "briefing-books:read",
    "library-measures:read",
    "notifications:create",
    "revision-history:read",
];
/// What an Updater does to what is theirs.
const OWN: &[&str] =
    &["action-items:update", "initiatives:update", "measures:update", "objectives:update", "update-fields:update"];
const EDITOR: &[&str] = &[
    "action-items:create",
    "action-items:delete",
    "automatic-evaluations:update",
    "descriptive-fields:update",
    "detail-layouts:update",
    "elements:create",
    "elements:delete",
    "initiatives:create",
    "initiatives:delete",
    "library-measures:link",
    "measures:create",
    "measures:delete",
    "objectives:create",
    "objectives:delete",
    "responsibilities:update",
    "strategy-maps:create",
];

#[test]
fn a_browser_views_exports_and_favorites_and_changes_nothing() {
    let pack = pack("clearpoint-strategy", &[]);
    exactly(&pack, "browser", false, &[BROWSER]);
    exactly(&pack, "browser", true, &[BROWSER]);
    let changes = |permission: &&&str| {
        ["create", "update", "delete"].iter().any(|action| permission.ends_with(&format!(":{action}")))
    };
    assert_eq!(BROWSER.iter().filter(changes).collect::<Vec<_>>(), [&"favorites:create"]);
}

#[test]
fn an_updater_is_a_browser_who_updates_fields_and_builds_nothing() {
    let owned = pack("clearpoint-strategy", &[]);
    exactly(&owned, "updater", false, &[BROWSER, UPDATER]);
    exactly(&owned, "updater", true, &[BROWSER, UPDATER, OWN]);
    let permitted = pack("clearpoint-strategy", &[("updater_scope", "permitted")]);
    exactly(&permitted, "updater", false, &[BROWSER, UPDATER, OWN]);
    for permission in [
        "elements:create",
        "elements:delete",
        "descriptive-fields:update",
        "scorecards:create",
        "scorecards:delete",
        "summary-reports:create",
        "html-reports:create",
        "settings:update",
        "defaults:update",
        "users:read",
    ] {
        assert!(!may_own(&permitted, &["updater"], permission, true), "{permission}");
    }
}

#[test]
fn an_editor_is_an_updater_who_edits_elements_and_manages_no_people() {
    let pack_off = pack("clearpoint-strategy", &[]);
    exactly(&pack_off, "editor", false, &[BROWSER, UPDATER, EDITOR, OWN]);
    let on = pack("clearpoint-strategy", &[("editor_manages_scorecards", "on")]);
    let scorecards: &[&str] = &["scorecards:create", "scorecards:delete", "scorecards:update"];
    exactly(&on, "editor", false, &[BROWSER, UPDATER, EDITOR, OWN, scorecards]);
    for permission in on.roles().catalogue().iter() {
        if ["users", "grants", "roles", "groups", "passwords", "tokens", "settings"].contains(&permission.resource()) {
            assert!(!may(&on, &["editor"], &permission.to_string()), "{permission}");
        }
    }
}

#[test]
fn the_types_that_have_nothing_by_themselves_have_nothing() {
    let pack = pack("clearpoint-strategy", &[]);
    for role in ["by_scorecard", "by_group", "no_access"] {
        exactly(&pack, role, true, &[]);
    }
}

#[test]
fn the_roles_of_clearpoint_systems_may_exactly_what_their_manual_says() {
    let pack = pack("clearpoint-systems", &[]);
    let reads: &[&str] = &["dashboards:read", "documentation:read", "reports:read"];
    exactly(&pack, "viewer", false, &[reads]);
    exactly(&pack, "standard_user", false, &[reads]);
    // Views integrated data, creates and runs reports, exports.
    let analyst: &[&str] =
        &["data:export", "data:read", "integrations:read", "reports:create", "reports:run", "reports:update"];
    exactly(&pack, "data_analyst", false, &[reads, analyst]);
    // Audit logs, compliance documentation, lineage.
    let officer: &[&str] = &["audit:read", "compliance-documentation:read", "lineage:read"];
    exactly(&pack, "compliance_officer", false, &[reads, officer]);
    let manager: &[&str] = &[
        "analytics:read",
        "integrations:create",
        "integrations:read",
        "integrations:update",
        "workflows:create",
        "workflows:read",
        "workflows:run",
        "workflows:update",
    ];
    exactly(&pack, "operations_manager", false, &[reads, manager]);
    for permission in ["users:create", "grants:create", "integrations:delete", "billing:update", "subscription:update"]
    {
        assert!(may(&pack, &["system_administrator"], permission), "{permission}");
    }
}
