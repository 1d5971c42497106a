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

#[test]
fn the_administrator_of_each_pack_may_everything_that_there_is() {
    for (name, role) in [
        ("clearpoint-systems", "system_administrator"),
        ("clearpoint-strategy", "administrator"),
        ("clearvantage", "system_administrator"),
    ] {
        let pack = pack(name, &[]);
        let all: Vec<Permission> = pack.roles().catalogue().iter().collect();
        assert!(all.len() > 100, "{name}");
        for permission in all {
            assert!(may(&pack, &[role], &permission.to_string()), "{permission} of {name}");
        }
    }
}

/// What each flag of the third manual gives to somebody of the staff; `*` stands for create, delete and update.
const GIVES: [(&str, &[&str]); 17] = [
    ("award_administrator", &["awards:*"]),
    ("certifications_administrator", &["certifications:delete"]),
    ("committee_administrator", &["committees:*"]),
    ("euclidpay_access", &["euclidpay:read", "euclidpay:update"]),
    (
        "events_administrator",
        &[
            "event-functions:*",
            "event-prices:*",
            "event-records:*",
            "event-trainers:*",
            "events:*",
            "events:duplicate",
            "program-types:*",
        ],
    ),
    (
        "financial_administrator",
        &[
            "accounting:read",
            "accounting:update",
            "cc-refunds:create",
            "dues-batches:delete",
            "financial-reports:read",
            "gl-mapping:read",
            "gl-mapping:update",
            "payment-batches:approve",
            "payment-batches:read-all",
            "payment-batches:read-approved",
            "payment-batches:read-posted",
            "payment-batches:unapprove",
            "payments:process",
        ],
    ),
    ("iolta_access", &["iolta:read", "iolta:update"]),
    (
        "letter_administrator",
        &[
            "email-batches:read",
            "email-batches:update",
            "email-templates:*",
            "email-templates:read",
            "reply-lists:*",
            "reply-lists:read",
        ],
    ),
    (
        "merchanttrack_claims",
        &[
            "merchanttrack:pci-management",
            "merchanttrack:reporting",
            "merchanttrack:reverse-open",
            "merchanttrack:reverse-settled",
            "merchanttrack:terminal-management",
            "merchanttrack:transaction-search",
            "merchanttrack:virtual-terminal",
        ],
    ),
    ("private_note_access", &["private-notes:read"]),
    ("process_cc_eft", &["cc-payments:create"]),
    ("products_administrator", &["products:*"]),
    ("role_administrator", &["layouts:update", "list-layouts:update", "roles:create", "roles:read", "roles:update"]),
    ("standard_report_writer_admin", &["standard-report-writer:open"]),
    ("subscription_administrator", &["subscription-types:*"]),
    ("survey_administrator", &["survey-questions:*", "surveys:*"]),
    ("xtreme_report_writer_admin", &["xtreme-report-writer:open"]),
];

/// What each flag takes from somebody who has everything.
const TAKES: [(&str, &[&str]); 3] = [
    ("no_action_item_delete", &["action-items:delete"]),
    (
        "no_payment_access",
        &[
            "cc-payments:create",
            "cc-refunds:create",
            "dues-batches:*",
            "euclidpay:update",
            "merchanttrack:reverse-open",
            "merchanttrack:reverse-settled",
            "merchanttrack:virtual-terminal",
            "payment-batches:*",
            "payment-batches:approve",
            "payment-batches:unapprove",
            "payments:*",
            "payments:process",
        ],
    ),
    (
        "restrict_blast_emails",
        &[
            "blast-emails:appeal-create",
            "blast-emails:committee",
            "blast-emails:individual-list",
            "blast-emails:invoice-list",
            "blast-emails:invoice-notebook",
        ],
    ),
];

#[test]
fn every_flag_gives_and_takes_exactly_what_its_manual_lists_and_none_but_one_shows_the_admin_menu() {
    let on = ["iolta", "euclidpay", "merchanttrack", "accounting", "refund_restrict_to_admin"].map(|name| (name, "on"));
    let pack = pack("clearvantage", &on);
    let all: Vec<String> = pack.roles().catalogue().iter().map(|permission| permission.to_string()).collect();
    let of = |roles: &[&str]| -> BTreeSet<String> {
        all.iter().filter(|permission| may(&pack, roles, permission)).cloned().collect()
    };
    let written = |list: &[&str]| -> BTreeSet<String> {
        let each = |text: &&str| match text.strip_suffix(":*") {
            Some(resource) => ["create", "delete", "update"].map(|action| format!("{resource}:{action}")).to_vec(),
            None => vec![(*text).to_owned()],
        };
        list.iter().flat_map(each).collect()
    };
    let staff = of(&["staff"]);
    assert!(!staff.contains("admin-menu:read"));
    for (flag, gives) in GIVES {
        let with = of(&["staff", flag]);
        assert!(staff.is_subset(&with), "{flag} takes something");
        let more: BTreeSet<String> = with.difference(&staff).cloned().collect();
        assert_eq!(more, written(gives), "{flag}");
    }
    let everything = of(&["staff", "system_administrator"]);
    assert_eq!(everything.len(), all.len());
    for (flag, takes) in TAKES {
        let less = of(&["staff", "system_administrator", flag]);
        let lost: BTreeSet<String> = everything.difference(&less).cloned().collect();
        assert_eq!(lost, written(takes), "{flag}");
    }
    // Every flag is in a table, but the two of which others tell: everything, and nothing but reading.
    let mut told: BTreeSet<&str> = GIVES.iter().map(|(flag, _)| *flag).chain(TAKES.map(|(flag, _)| flag)).collect();
    told.extend(["read_only_access", "system_administrator"]);
    let flags = pack.roles().iter().filter(|entry| entry.kind == RoleKind::Flag);
    assert_eq!(flags.map(|entry| entry.role.id.as_str()).collect::<BTreeSet<_>>(), told);
}

#[test]
fn each_flag_stands_under_its_own_heading() {
    let pack = pack("clearvantage", &[]);
    let under = |heading: &str| -> BTreeSet<&str> {
        let stands = |entry: &&RoleEntry| entry.heading.as_deref() == Some(heading);
        pack.roles().iter().filter(stands).map(|entry| entry.role.name.as_str()).collect()
    };
    assert_eq!(under("Account Settings"), ["Read Only Access"].into());
    let admin = [
        "Award Administrator",
        "Certifications Administrator",
        "Committee Administrator",
        "Events Administrator",
        "Products Administrator",
        "Role Administrator",
        "Subscription Administrator",
        "Survey Administrator",
        "System Administrator",
    ];
    assert_eq!(under("Admin"), admin.into());
    let financial = [
        "EuclidPay Access",
        "Financial Administrator",
        "IOLTA Access",
        "MerchantTrack Claims",
        "No Payment Access",
        "Process CC/EFT",
    ];
    assert_eq!(under("Financial"), financial.into());
    let communications = [
        "Letter Administrator",
        "No Action Item Delete",
        "Private Note Access",
        "Restrict Blast Emails",
        "Standard Report Writer Admin",
        "Xtreme Report Writer Admin",
    ];
    assert_eq!(under("Communications and Reporting"), communications.into());
}
