mod exact;

use super::*;

fn prepared(standing: Standing, pack: &Pack) -> Prepared {
    Prepared::new(standing, Arc::new(pack.roles().clone()), Arc::default())
}

fn pack(name: &str, options: &[(&str, &str)]) -> Pack {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), Chosen::from(*value))).collect();
    Pack::open(name, &options).unwrap()
}

fn standing(roles: &[&str]) -> Standing {
    let held = |role: &&str| Held {
        grant: Grant {
            id: Id::from_bytes([1; 16]),
            subject: Subject::User(Id::from_bytes([2; 16])),
            role: role.parse().unwrap(),
            scope: None,
            mode: Mode::Add,
            origin: Origin::ByHand(String::new()),
            starts: None,
            ends: None,
            made: None,
            maker: None,
        },
        groups: Vec::new(),
    };
    Standing { status: Status::Active, held: roles.iter().map(held).collect(), limit: None }
}

fn may(pack: &Pack, roles: &[&str], permission: &str) -> bool {
    may_own(pack, roles, permission, false)
}

fn may_own(pack: &Pack, roles: &[&str], permission: &str, is_owner: bool) -> bool {
    let permission: Permission = permission.parse().unwrap();
    let question = Question::new(&permission).owned(is_owner);
    decide(&question, &prepared(standing(roles), pack), Timestamp::default()).is_allowed()
}

/// The 31 rows of the matrix in both manuals: label, and the lowest user type that has it.
const STRATEGY: [(&str, &str); 31] = [
    ("View", "browser"),
    ("Favorite pages", "browser"),
    ("Export pages to PDF, XLS or PPT", "browser"),
    ("E-mail pages", "browser"),
    ("Download attachments", "browser"),
    ("Access revision history", "updater"),
    ("Add/delete attachments", "updater"),
    ("Create and view briefing books", "updater"),
    ("Create notifications", "updater"),
    ("Edit update fields", "updater"),
    ("Browse the measure library", "updater"),
    ("Edit descriptive fields", "editor"),
    ("Edit element detail layouts", "editor"),
    ("Add and delete elements", "editor"),
    ("Create strategy maps", "editor"),
    ("Link to library measures", "editor"),
    ("Add recipients to reports", "scorecard_administrator"),
    ("Manage reporting workflows and e-mails", "scorecard_administrator"),
    ("Manage scorecards", "scorecard_administrator"),
    ("Create summary reports", "scorecard_administrator"),
    ("Contribute measures to library", "scorecard_administrator"),
    ("Set schedules", "scorecard_administrator"),
    ("Manage periods and reporting frequencies", "administrator"),
    ("Manage users", "administrator"),
    ("Add scorecards", "administrator"),
    ("Create HTML reports", "administrator"),
    ("Create custom fields", "administrator"),
    ("Create custom styles", "administrator"),
    ("Create initiative evaluations", "administrator"),
    ("Create API keys", "administrator"),
    ("Set IP restrictions", "administrator"),
];

#[test]
fn all_186_cells_of_the_strategy_matrix_are_as_the_manuals_print_them() {
    let order = ["administrator", "scorecard_administrator", "editor", "updater", "browser", "no_access"];
    let rank = |role: &str| order.iter().position(|known| *known == role).unwrap();
    for scope in ["owned", "permitted"] {
        let matrix = pack("clearpoint-strategy", &[("updater_scope", scope)]).matrix();
        assert_eq!(matrix.columns.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), order);
        assert_eq!(matrix.rows.len(), 31);
        let mut cells = 0;
        for (row, (label, lowest)) in matrix.rows.iter().zip(STRATEGY) {
            assert_eq!(row.label, label);
            for (column, cell) in row.cells.iter().enumerate() {
                let owned = scope == "owned" && label == "Edit update fields" && order[column] == "updater";
                let expected = match column <= rank(lowest) {
                    true if owned => MatrixCell::IfOwner,
                    true => MatrixCell::Yes,
                    false => MatrixCell::No,
                };
                assert_eq!(*cell, expected, "{label} by {}", order[column]);
                cells += 1;
            }
        }
        assert_eq!(cells, 186);
        let allowed: Vec<usize> = order.iter().map(|role| matrix.allowed(role)).collect();
        assert_eq!(allowed, [31, 22, 16, 11, 5, 0]);
        assert_eq!(allowed.iter().sum::<usize>(), 85);
    }
}

#[test]
fn all_35_cells_of_the_systems_matrix_are_as_derived() {
    let matrix = pack("clearpoint-systems", &[]).matrix();
    let columns = ["system_administrator", "operations_manager", "data_analyst", "compliance_officer", "viewer"];
    assert_eq!(matrix.columns.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), columns);
    let expected = [
        ("View integrations", [true, true, true, false, false]),
        ("Configure workflows", [true, true, false, false, false]),
        ("Manage users", [true, false, false, false, false]),
        ("View reports", [true, true, true, true, true]),
        ("Export data", [true, false, true, false, false]),
        ("View audit logs", [true, false, false, true, false]),
        ("Manage billing", [true, false, false, false, false]),
    ];
    assert_eq!(matrix.rows.len(), expected.len());
    for (row, (label, cells)) in matrix.rows.iter().zip(expected) {
        assert_eq!(row.label, label);
        let yes: Vec<bool> = row.cells.iter().map(|cell| *cell == MatrixCell::Yes).collect();
        assert_eq!(yes, cells, "{label}");
    }
}

#[test]
fn names_of_roles_are_those_of_the_manuals() {
    for (name, roles) in [
        (
            "clearpoint-systems",
            vec![
                "Compliance Officer",
                "Data Analyst",
                "Operations Manager",
                "Standard User",
                "System Administrator",
                "Viewer",
            ],
        ),
        (
            "clearpoint-strategy",
            vec![
                "Administrator",
                "Browser",
                "By Group",
                "By Scorecard",
                "Editor",
                "No Access",
                "Scorecard Administrator",
                "Updater",
            ],
        ),
        ("clearvantage", vec!["Staff"]),
    ] {
        let pack = pack(name, &[]);
        let found = pack.roles().iter().filter(|entry| entry.kind == RoleKind::Role);
        let mut found: Vec<&str> = found.map(|entry| entry.role.name.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, roles, "{name}");
    }
}

#[test]
fn a_permission_added_to_viewer_reaches_who_includes_it() {
    let text = BUILT_IN[1].1.replacen(
        "permissions = [\"dashboards:read\", \"reports:read\", \"documentation:read\"]\n\n# Seven",
        "permissions = [\"reports:read\", \"analytics:read\"]\n\n# Seven",
        1,
    );
    assert_ne!(text, BUILT_IN[1].1);
    let (before, after) = (pack("clearpoint-systems", &[]), Pack::parse("test", &text, &BTreeMap::new()).unwrap());
    for role in ["data_analyst", "compliance_officer"] {
        assert!(!may(&before, &[role], "analytics:read") && may(&after, &[role], "analytics:read"), "{role}");
        assert!(may(&before, &[role], "dashboards:read") && !may(&after, &[role], "dashboards:read"), "{role}");
    }
    assert!(!may(&after, &["standard_user"], "analytics:read"));
}

#[test]
fn the_integration_specialist_of_the_manual_loads_and_may_what_it_says() {
    let json = r#"{
        "name": "Integration Specialist",
        "description": "Can manage integrations and workflows but not users",
        "permissions": ["integrations:read", "integrations:create", "integrations:update",
                        "workflows:read", "workflows:create", "reports:read"]
    }"#;
    let mut pack = pack("clearpoint-systems", &[]);
    let custom: CustomRole = serde_json::from_str(json).unwrap();
    pack.roles = pack.with_custom(&custom).unwrap();
    for (permission, allowed) in [
        ("integrations:update", true),
        ("workflows:create", true),
        ("reports:read", true),
        ("users:update", false),
        ("billing:read", false),
        ("settings:update", false),
    ] {
        assert_eq!(may(&pack, &["integration_specialist"], permission), allowed, "{permission}");
    }
    // The same name again is the same id.
    assert!(matches!(pack.with_custom(&custom), Err(Error::Invalid { field: "id", .. })));
}

#[test]
fn a_custom_role_that_names_nothing_known_is_refused_by_its_field() {
    for (json, field) in [
        (r#"{"name": "X", "permissions": ["integrations:reed"]}"#, "permissions"),
        (r#"{"name": "X", "permissions": ["integrations"]}"#, "permissions"),
        (r#"{"name": "X", "permissions": ["Integrations:read"]}"#, "permissions"),
        (r#"{"name": "", "permissions": []}"#, "name"),
        (r#"{"name": "…", "permissions": []}"#, "name"),
        (r#"{"name": "a\u0007b", "permissions": []}"#, "name"),
    ] {
        let custom: CustomRole = serde_json::from_str(json).unwrap();
        let error = pack("clearpoint-systems", &[]).with_custom(&custom).unwrap_err();
        assert!(matches!(&error, Error::Invalid { field: f, .. } if *f == field), "{json}: {error}");
    }
    let json = r#"{"name": "Report Builder", "permissions": ["users:read"]}"#;
    let builder: CustomRole = serde_json::from_str(json).unwrap();
    assert!(pack("clearpoint-systems", &[]).with_custom(&builder).is_ok());
    let error = pack("clearvantage", &[]).with_custom(&builder).unwrap_err();
    assert_eq!(error.to_string(), "name must not contain blanks");
}

#[test]
fn an_updater_edits_update_fields_of_their_own_unless_the_pack_is_told_otherwise() {
    let (owned, permitted) =
        (pack("clearpoint-strategy", &[]), pack("clearpoint-strategy", &[("updater_scope", "permitted")]));
    assert!(!may(&owned, &["updater"], "update-fields:update"));
    assert!(may_own(&owned, &["updater"], "update-fields:update", true));
    assert!(!may_own(&owned, &["browser"], "update-fields:update", true));
    assert!(may(&permitted, &["updater"], "update-fields:update"));
    assert!(may(&owned, &["editor"], "update-fields:update"));
}

#[test]
fn an_editor_manages_scorecards_only_by_option() {
    for (value, allowed) in [("off", false), ("on", true)] {
        let pack = pack("clearpoint-strategy", &[("editor_manages_scorecards", value)]);
        for action in ["create", "update", "delete"] {
            assert_eq!(may(&pack, &["editor"], &format!("scorecards:{action}")), allowed, "{action}");
        }
        assert!(!may(&pack, &["updater"], "scorecards:create"));
    }
}

#[test]
fn no_access_takes_away_what_another_role_gives_and_the_sign_in() {
    let pack = pack("clearpoint-strategy", &[]);
    assert!(may(&pack, &["editor"], "pages:read"));
    assert!(!may(&pack, &["editor", "no_access"], "pages:read"));
    assert!(!may(&pack, &["administrator", "no_access"], "account:sign-in"));
    let finding = pack.roles().find(&"scorecard_administrator".parse().unwrap()).unwrap();
    assert!(finding.is_scoped_only);
}

#[test]
fn the_administrator_of_each_pack_may_administer_the_gateway() {
    for (name, role, other) in [
        ("clearpoint-systems", "system_administrator", "operations_manager"),
        ("clearpoint-strategy", "administrator", "editor"),
        ("clearvantage", "system_administrator", "staff"),
    ] {
        let pack = pack(name, &[]);
        for permission in [
            "users:create",
            "users:delete",
            "groups:update",
            "grants:create",
            "tokens:create",
            "sessions:delete",
            "audit:read",
            "audit:verify",
            "sync:run",
            "sync:approve",
            "locks:delete",
            "passwords:update",
        ] {
            assert!(may(&pack, &[role], permission), "{name} {permission}");
            assert!(!may(&pack, &[other], permission), "{name} {permission}");
        }
        assert!(!may(&pack, &[role], "spaceships:launch"), "what is in no catalogue is refused");
    }
}

/// What each flag of the third manual changes for an ordinary user: permission, without, with.
#[test]
fn every_flag_does_what_its_manual_says() {
    let on = ["iolta", "euclidpay", "merchanttrack", "accounting", "refund_restrict_to_admin"].map(|name| (name, "on"));
    let pack = pack("clearvantage", &on);
    let mut flags_seen = std::collections::BTreeSet::new();
    for (flag, permission, without, with) in [
        ("system_administrator", "admin-menu:read", false, true),
        ("system_administrator", "users:delete", false, true),
        ("role_administrator", "list-layouts:update", false, true),
        ("role_administrator", "users:delete", false, false),
        ("award_administrator", "awards:delete", false, true),
        ("award_administrator", "award-nominees:delete", true, true),
        ("award_administrator", "award-documents:create", true, true),
        ("certifications_administrator", "certifications:delete", false, true),
        ("certifications_administrator", "certifications:update", true, true),
        ("committee_administrator", "committees:create", false, true),
        ("events_administrator", "events:duplicate", false, true),
        ("events_administrator", "program-types:create", false, true),
        ("events_administrator", "event-prices:update", false, true),
        ("events_administrator", "event-functions:delete", false, true),
        ("events_administrator", "event-trainers:create", false, true),
        ("events_administrator", "event-records:delete", false, true),
        ("products_administrator", "products:create", false, true),
        ("subscription_administrator", "subscription-types:delete", false, true),
        ("survey_administrator", "survey-questions:update", false, true),
        ("survey_administrator", "products:update", false, false),
        ("iolta_access", "iolta:read", false, true),
        ("euclidpay_access", "euclidpay:read", false, true),
        ("merchanttrack_claims", "merchanttrack:virtual-terminal", false, true),
        ("financial_administrator", "financial-reports:read", false, true),
        ("financial_administrator", "accounting:read", false, true),
        ("financial_administrator", "dues-batches:delete", false, true),
        ("financial_administrator", "payments:process", false, true),
        ("financial_administrator", "payment-batches:read-posted", false, true),
        ("financial_administrator", "payment-batches:unapprove", false, true),
        ("financial_administrator", "gl-mapping:update", false, true),
        ("financial_administrator", "cc-refunds:create", false, true),
        ("financial_administrator", "cc-payments:create", false, false),
        ("process_cc_eft", "cc-payments:create", false, true),
        ("no_payment_access", "payments:create", true, false),
        ("no_payment_access", "payment-batches:create", true, false),
        ("no_payment_access", "payment-batches:update", true, false),
        ("no_payment_access", "payment-batches:read", true, true),
        ("no_payment_access", "invoices:create", true, true),
        ("letter_administrator", "email-templates:update", false, true),
        ("letter_administrator", "email-batches:update", false, true),
        ("letter_administrator", "reply-lists:create", false, true),
        ("restrict_blast_emails", "blast-emails:individual-list", true, false),
        ("restrict_blast_emails", "blast-emails:appeal-create", true, false),
        ("restrict_blast_emails", "blast-emails:invoice-list", true, false),
        ("restrict_blast_emails", "blast-emails:invoice-notebook", true, false),
        ("restrict_blast_emails", "blast-emails:committee", true, false),
        ("restrict_blast_emails", "action-items:create", true, true),
        ("private_note_access", "private-notes:read", false, true),
        ("private_note_access", "action-items:read", true, true),
        ("no_action_item_delete", "action-items:delete", true, false),
        ("no_action_item_delete", "action-items:update", true, true),
        ("xtreme_report_writer_admin", "xtreme-report-writer:open", false, true),
        ("xtreme_report_writer_admin", "standard-report-writer:open", false, false),
        ("standard_report_writer_admin", "standard-report-writer:open", false, true),
        ("read_only_access", "individuals:read", true, true),
        ("read_only_access", "individuals:update", true, false),
        ("read_only_access", "action-items:create", true, true),
        ("read_only_access", "action-items:update", true, false),
        ("read_only_access", "users:read", false, false),
    ] {
        assert_eq!(may(&pack, &["staff"], permission), without, "{permission} without {flag}");
        assert_eq!(may(&pack, &["staff", flag], permission), with, "{permission} with {flag}");
        flags_seen.insert(flag.to_owned());
    }
    let flags = pack.roles().iter().filter(|entry| entry.kind == RoleKind::Flag);
    assert_eq!(flags.map(|entry| entry.role.id.to_string()).collect::<std::collections::BTreeSet<_>>(), flags_seen);
}

#[test]
fn deny_flags_win_over_the_flag_that_gives_everything() {
    let pack = pack("clearvantage", &[]);
    let everything: Vec<Permission> = pack.roles().catalogue().iter().collect();
    assert!(everything.len() > 150);
    for permission in &everything {
        let text = permission.to_string();
        assert!(may(&pack, &["system_administrator"], &text), "{text}");
        let reads = permission.action().starts_with("read")
            || ["reporting", "transaction-search", "open", "verify", "sign-in"].contains(&permission.action());
        let both = may(&pack, &["system_administrator", "read_only_access"], &text);
        assert_eq!(both, reads || text == "action-items:create", "{text}");
    }
    assert!(!may(&pack, &["system_administrator", "no_payment_access"], "cc-payments:create"));
    let blast = |permission: &&Permission| permission.resource() == "blast-emails";
    assert_eq!(everything.iter().filter(blast).count(), 5);
}

#[test]
fn a_flag_of_a_feature_that_is_off_gives_nothing_and_is_not_offered() {
    for (feature, flag, permission) in [
        ("iolta", "iolta_access", "iolta:read"),
        ("euclidpay", "euclidpay_access", "euclidpay:update"),
        ("merchanttrack", "merchanttrack_claims", "merchanttrack:reporting"),
    ] {
        for (value, is_on) in [("off", false), ("on", true)] {
            let pack = pack("clearvantage", &[(feature, value)]);
            assert_eq!(may(&pack, &["staff", flag], permission), is_on);
            assert_eq!(pack.roles().find(&flag.parse().unwrap()).unwrap().is_hidden, !is_on);
            // Holding it takes nothing else away.
            assert!(may(&pack, &["staff", flag], "individuals:read"));
        }
    }
    assert!(!may(&pack("clearvantage", &[]), &["financial_administrator"], "accounting:read"));
    assert!(!may(&pack("clearvantage", &[]), &["financial_administrator"], "cc-refunds:create"));
}

#[test]
fn every_flag_stands_under_one_of_the_four_headings() {
    let pack = pack("clearvantage", &[]);
    assert_eq!(pack.headings(), ["Account Settings", "Admin", "Financial", "Communications and Reporting"]);
    for entry in pack.roles().iter().filter(|entry| entry.kind == RoleKind::Flag) {
        assert!(pack.headings().contains(entry.heading.as_ref().unwrap()), "{}", entry.role.id);
    }
}

#[test]
fn the_rules_for_names_and_presets_are_those_of_the_pack() {
    let vantage = pack("clearvantage", &[]);
    assert_eq!((vantage.password_preset(), vantage.lockout_preset()), ("clearvantage", "clearvantage"));
    for (login, fits) in [("jdoe", true), ("abcdefghij", true), ("abcdefghijk", false), ("j doe", false)] {
        assert_eq!(vantage.login_rule().problem(login).is_none(), fits, "{login}");
    }
    assert!(!vantage.login_rule().allows_rename);
    assert!(vantage.role_name_rule().problem("Two Words").is_some());
    let systems = pack("clearpoint-systems", &[]);
    assert_eq!((systems.password_preset(), systems.lockout_preset()), ("nist-63b-4", "balanced"));
    assert!(systems.role_name_rule().problem("Two Words").is_none());
    assert!(systems.login_rule().problem("ada.lovelace@example.org").is_none());
    assert_eq!(systems.default_role().unwrap().as_str(), "standard_user");
    assert!(!systems.requires_role() && systems.login_rule().allows_reuse);
    assert!(vantage.requires_employee() && !systems.requires_employee());
    assert!(!pack("clearvantage", &[("employees", "optional")]).requires_employee());
    assert!(vantage.requires_role() && vantage.default_role().is_none() && !vantage.login_rule().allows_reuse);
}

fn problems(text: &str, options: &[(&str, &str)]) -> Vec<String> {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), Chosen::from(*value))).collect();
    match Pack::parse("own", text, &options) {
        Err(Error::Pack { problems, .. }) => problems,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_problem_of_a_pack_file_is_told_with_its_line() {
    let text = r#"title = "Own"
default_role = "nobody"
flag_headings = ["One"]
[names]
role_spaces = false
[catalogue]
boats = ["sail", "Sink", "*"]
[[role]]
name = "Two Words"
description = ""
permissions = ["boats:sial", "boats", "*:*"]
includes = ["ghost"]
[[flag]]
name = "F"
description = ""
heading = "Two"
feature = "rockets"
[matrix]
columns = ["two_words", "three"]
[[matrix.row]]
label = "Sail"
needs = ["boats:row"]
"#;
    let found = problems(text, &[]);
    for expected in [
        "line 7: `boats:Sink`",
        "line 7: `boats:*`: the catalogue names",
        "line 9: the name `Two Words` must not contain blanks",
        "line 11: `boats:sial` is not in the catalogue; is `boats:sail` meant?",
        "line 11: `boats` must be",
        "line 12: there is no role `ghost`",
        "line 16: there is no heading `Two`",
        "line 17: there is no option `rockets`",
        "line 19: there is no role `three`",
        "line 2: there is no role `nobody`",
        "line 22: `boats:row` is not in the catalogue",
    ] {
        assert!(found.iter().any(|problem| problem.starts_with(expected)), "{expected} in {found:#?}");
    }
}

#[test]
fn hostile_and_broken_pack_files_are_refused() {
    let role = |rest: &str| format!("title = \"x\"\n[[role]]\nname = \"A\"\ndescription = \"\"\n{rest}");
    for (text, expected) in [
        ("title = ", "line 1: "),
        ("titel = \"x\"", "line 1: unknown field `titel`"),
        (&role("permisions = []"), "line 5: unknown field `permisions`"),
        (&role("[[role]]\nname = \"a\"\ndescription = \"\""), "id `a` is used by two roles"),
        (&role("[[role]]\nname = \"☃\"\ndescription = \"\""), "line 6: role `☃` has no usable id"),
        (&format!("title = \"x\"\nscope_kinds = {}", "[".repeat(5000)), "line 2: "),
    ] {
        let found = problems(text, &[]);
        assert!(found.iter().any(|problem| problem.starts_with(expected)), "{expected} in {found:?}");
    }
    assert_eq!(problems("title = \"x\"", &[("speed", "fast")]), ["there is no option `speed` in this pack"]);
    let presets = "title = \"x\"\n[presets]\npassword = \"nist-63b\"\nlockout = \"soft\"";
    assert_eq!(
        problems(presets, &[]),
        [
            "line 3: there is no preset `nist-63b`, only asvs5-l2, clearvantage, nist-63b-4, pci; is `nist-63b-4` meant?",
            "line 4: there is no preset `soft`, only balanced, clearvantage, pci",
        ]
    );
    let long = format!("ui_profile = {{ a = \"{}\" }}\n", "x".repeat(2001));
    assert!(problems(&role(&long), &[])[0].starts_with("line 5: ui_profile has keys of at most"));
    let strategy = BUILT_IN[0].1;
    assert!(problems(strategy, &[("updater_scope", "all")])[0].contains("must be one of owned, permitted"));
}

#[test]
fn roles_that_include_each_other_in_a_circle_are_refused_with_the_circle_shown() {
    let ring = |c: &str| {
        let role = |name: &str, includes: &str| {
            format!("[[role]]\nname = \"{name}\"\ndescription = \"\"\nincludes = [{includes}]\n")
        };
        format!("title = \"Ring\"\n{}{}{}", role("A", "\"b\""), role("B", "\"c\""), role("C", c))
    };
    assert!(Pack::parse("ring", &ring(""), &Options::new()).is_ok());
    for (includes, circle) in [("\"a\"", "a → b → c → a"), ("\"b\"", "b → c → b"), ("\"c\"", "c → c")] {
        assert_eq!(problems(&ring(includes), &[]), [format!("includes go in a circle: {circle}")]);
    }
    // As many as fit into a file, in one circle: neither slow nor deep.
    let mut chain = "title = \"Chain\"\n".to_owned();
    for i in 0..500 {
        let next = (i + 1) % 500;
        chain.push_str(&format!("[[role]]\nname = \"r{i}\"\ndescription = \"\"\nincludes = [\"r{next}\"]\n"));
    }
    assert!(problems(&chain, &[])[0].starts_with("includes go in a circle: r0 → r1 → "));
}

#[test]
fn a_pack_of_ones_own_loads_from_its_path_and_an_unknown_name_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.toml");
    std::fs::write(&path, "title = \"Own\"\n[catalogue]\nboats = [\"sail\"]\n").unwrap();
    let own = Pack::open(path.to_str().unwrap(), &BTreeMap::new()).unwrap();
    assert_eq!(own.title(), "Own");
    assert!(own.roles().catalogue().contains(&"boats:sail".parse().unwrap()));
    assert!(own.roles().catalogue().contains(&"users:read".parse().unwrap()), "the gateway's own");
    for wrong in ["clearpoint", "/nowhere/pack.toml", folder.path().to_str().unwrap()] {
        assert!(matches!(Pack::open(wrong, &BTreeMap::new()), Err(Error::Pack { .. })), "{wrong}");
    }
    std::fs::write(&path, vec![b' '; 1024 * 1024 + 1]).unwrap();
    assert!(Pack::open(path.to_str().unwrap(), &BTreeMap::new()).unwrap_err().to_string().contains("1048577 bytes"));
}

#[test]
fn badges_and_seats_are_those_of_the_manuals() {
    let pack = pack("clearpoint-strategy", &[]);
    let shown: Vec<(&str, &str, u32)> =
        pack.roles().iter().map(|entry| (entry.role.id.as_str(), entry.badge(), entry.seat)).collect();
    let expected = [
        ("administrator", "Administrator", 1),
        ("browser", "Browser", 0),
        ("by_group", "Group Access", 1),
        ("by_scorecard", "By Scorecard", 1),
        ("editor", "Editor", 1),
        ("no_access", "No Access", 0),
        ("scorecard_administrator", "Scorecard Admin", 1),
        ("updater", "Updater", 1),
    ];
    assert_eq!(shown, expected);
    let vantage = super::tests::pack("clearvantage", &[]);
    for entry in vantage.roles().iter() {
        assert_eq!(entry.seat, u32::from(entry.kind == RoleKind::Role), "a flag takes no seat: {}", entry.role.id);
    }
}
