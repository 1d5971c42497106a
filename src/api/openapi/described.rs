//! One line for each route of the table, in its order.

use serde_json::json;

use crate::http::openapi::{Operation, shape};

/// What each kind of scope has: its collection, one of it, its permissions, who holds something there, and one of them.
const KINDS: [(&str, &str, &str, &str, &str); 4] = [
    (
        "/api/v1/companies",
        "/api/v1/companies/{slug}",
        "`companies:*`",
        "/api/v1/companies/{slug}/users",
        "/api/v1/companies/{slug}/users/{user}",
    ),
    (
        "/api/v1/departments",
        "/api/v1/departments/{slug}",
        "`departments:*`",
        "/api/v1/departments/{slug}/users",
        "/api/v1/departments/{slug}/users/{user}",
    ),
    (
        "/api/v1/projects",
        "/api/v1/projects/{slug}",
        "`projects:*`",
        "/api/v1/projects/{slug}/users",
        "/api/v1/projects/{slug}/users/{user}",
    ),
    (
        "/api/v1/scorecards",
        "/api/v1/scorecards/{slug}",
        "`scorecards:*`",
        "/api/v1/scorecards/{slug}/users",
        "/api/v1/scorecards/{slug}/users/{user}",
    ),
];

const WISH: &str = "userName?:text? email?:text? name?:text? displayName?:text? first_name?:text? last_name?:text? \
    department?:text? supervisor?:text? language?:text? phone?:text? photo?:text? timezone?:text? active?:flag? \
    password?:text? must_change_password?:flag? companies?:[text]? all_companies?:flag?";

/// Whom a rule names.
const RULED: &str = "dry_run:flag rule:text members:count joining:count leaving:count shown:[Brief]";
const HISTORY: &str = "logs:[any] next:text? damaged:any";

const BULK: &str = "dry_run:flag rows:count good:count users:[Brief] problems:[RowProblem]";

/// Every route of the surface, described.
pub fn described() -> Vec<Operation> {
    let mut all = of_people();
    all.extend(of_groups());
    all.extend(of_factors());
    all.extend(of_employees());
    all.extend(of_access());
    all.extend(of_roles());
    all.extend(of_scopes());
    all.extend(of_sources());
    all.extend(of_the_daemon());
    all.extend(of_reports());
    all
}

fn of_factors() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/users/{user}/devices", "The browsers that an account knows")
            .needs("`sessions:read`")
            .answers(200, "user:Brief devices:[any]"),
        Operation::delete("/api/v1/users/{user}/devices", "Makes an account forget its browsers")
            .needs("`sessions:delete`")
            .answers(200, "user:Brief forgotten:count"),
        Operation::get("/api/v1/users/{user}/factors", "A user's second factors").needs("`users:read`").answers(
            200,
            "user:Brief code:time? passkeys:[object] recovery_codes:count recovery_codes_made:time? \
                 requires_factor:flag role_requires_factor:flag requires_sso:flag role_requires_sso:flag break_glass:flag",
        ),
        Operation::delete("/api/v1/users/{user}/factors", "Removes a user's second factors and ends the sessions")
            .needs("`passwords:delete`, and every right of the user")
            .answers(200, "user:Brief removed:flag"),
    ]
}

fn of_employees() -> Vec<Operation> {
    const PERSON: &str = "first_name?:text? last_name?:text? email?:text? employee_number?:text? companies?:[text]?";
    const HOLDINGS: &str = "user:Brief active?:flag grants?:[Grant] groups?:[object] tokens?:[Token] sessions?:[Session] requires_factor?:flag requires_sso?:flag changed?:flag \
        supervised?:[Brief] handed_over?:[text] rotate?:[Token] dry_run?:flag ended?:any kept?:[text]";
    vec![
        Operation::get("/api/v1/people", "People, with an account or without").needs("`people:read`").lists("Person"),
        Operation::post("/api/v1/people", "Makes a person; first and last name are required")
            .needs("`people:create`")
            .takes(PERSON)
            .answers(201, "Person"),
        Operation::get("/api/v1/people/{id}", "One person, by id or employee number")
            .needs("`people:read`")
            .answers(200, "Person"),
        Operation::patch("/api/v1/people/{id}", "Changes a person")
            .needs("`people:update`")
            .takes(PERSON)
            .answers(200, "Person"),
        Operation::delete("/api/v1/people/{id}", "Deletes a person who has no account")
            .needs("`people:delete`")
            .answers(200, "Person"),
        Operation::get("/api/v1/people/{id}/history", "What was changed about a person, newest first")
            .needs("`revision-history:read` or `audit:read`")
            .query("limit", "count")
            .query("cursor", "text")
            .answers(200, HISTORY),
        Operation::get("/api/v1/users/{user}/holdings", "What a user holds")
            .needs("`users:read`, `groups:read`, `grants:read`, `tokens:read` and `sessions:read`")
            .answers(200, HOLDINGS),
        Operation::post(
            "/api/v1/users/{user}",
            "With `:offboard` behind the user, ends the access and keeps what is owned; with `:logout`, ends the sessions; \
             with `:reset-password`, makes a link on which its owner chooses a password; with `:demand`, demands a second \
             factor or single sign-on",
        )
        .needs("`users:update`, and `tokens:delete` where there are tokens; `sessions:delete` for `:logout`, `passwords:update` for `:reset-password`")
        .takes("dry_run?:flag? hand_over?:[text]? send?:flag? requires_factor?:flag? requires_sso?:flag?")
        .answers(200, HOLDINGS)
        .answers(201, "user:Brief link:text? sent_to:text? expires:time"),
    ]
}

fn of_people() -> Vec<Operation> {
    let create = format!(
        "{WISH} employee?:text? role?:text? user_type?:text? scopes?:[text]? access_groups?:[text]? realm?:text? is_group?:flag?"
    );
    let invite = format!("{create} send?:flag?");
    vec![
        Operation::get("/api/v1/me", "Who the caller is, and what they may do").answers(200, "Me"),
        Operation::get("/api/v1/users/{user}/history", "What was changed about a user, newest first")
            .needs("`revision-history:read` or `audit:read`")
            .query("limit", "count")
            .query("cursor", "text")
            .answers(200, HISTORY),
        Operation::get("/api/v1/users", "People")
            .needs("`users:read`, with `scope` in it")
            .query("filter", "text")
            .query("sort", "text")
            .query("order", "text")
            .query("signed_in", "flag")
            .query("no_access", "text")
            .query("scope", "text")
            .query("is_group", "flag")
            .lists("User"),
        Operation::post("/api/v1/users", "Makes an account")
            .needs("`users:create`")
            .query("dry_run", "flag")
            .takes(&create)
            .answers(200, "User")
            .answers(201, "User"),
        Operation::get("/api/v1/users/{user}", "One user, by id or login name")
            .needs("`users:read`")
            .answers(200, "User"),
        Operation::patch("/api/v1/users/{user}", "Changes a user")
            .query("force", "flag")
            .query("dry_run", "flag")
            .needs("`users:update`, and `passwords:update` for a password")
            .takes(&format!("{WISH} requires_factor?:flag? requires_sso?:flag?"))
            .answers(200, "User"),
        Operation::delete("/api/v1/users/{user}", "Deletes a user, when `confirm` repeats the login name")
            .needs("`users:delete`")
            .query("confirm", "text")
            .query("force", "flag")
            .query("dry_run", "flag")
            .answers(200, "id:id userName:text displayName:text status:text references:object"),
        Operation::get("/api/v1/users/{user}/permissions", "What a user may do, level by level")
            .needs("`users:read`, or one's own")
            .answers(200, "user:Brief levels:[Level]"),
        Operation::post("/api/v1/users:bulk", "Makes many accounts, or tells what is wrong with the rows")
            .needs("`users:create`")
            .query("dry_run", "flag")
            .query("partial", "flag")
            .takes(
                "rows:Rows role?:text? user_type?:text? scopes?:[text]? access_groups?:[text]? password?:text? companies?:[text]? all_companies?:flag? realm?:text? \
                 dry_run?:flag? partial?:flag?",
            )
            .answers(200, BULK)
            .answers(201, BULK),
        Operation::get("/api/v1/blocks", "Networks that are shut out of sign-in by password")
            .needs("`locks:read`")
            .lists("Block"),
        Operation::delete("/api/v1/blocks", "Lets a network sign in again, of the parameter `network`")
            .needs("`locks:delete`")
            .query("network", "text")
            .answers(200, "network:text released:flag"),
        Operation::get("/api/v1/invitations", "Invitations, in the order in which they were made")
            .needs("`invitations:read`")
            .query("status", "text")
            .lists("Invitation"),
        Operation::post("/api/v1/invitations", "Makes an account that waits for its owner, and mails or tells its link")
            .needs("`invitations:create`, `grants:create` and all that the role gives; `groups:update` with `access_groups`")
            .takes(&invite)
            .answers(201, "Invitation"),
        Operation::delete("/api/v1/invitations/{id}", "Takes an invitation back and deletes the account that waits")
            .needs("`invitations:delete`")
            .answers(200, "Invitation"),
        Operation::post("/api/v1/invitations/{id}", "With `:resend` at its end: another link, in place of the one before")
            .needs("`invitations:update`, and all that the account may")
            .takes("send?:flag?")
            .answers(200, "Invitation"),
        Operation::get("/api/v1/locks", "Accounts with failed attempts").needs("`locks:read`").lists("Lock"),
        Operation::delete("/api/v1/locks/{user}", "Unlocks an account")
            .needs("`locks:delete`")
            .answers(200, "user:Brief cleared:flag"),
        Operation::get("/api/v1/sessions", "Sessions").needs("`sessions:read`").query("user", "text").lists("Session"),
        Operation::delete("/api/v1/sessions/{id}", "Ends a session")
            .needs("`sessions:delete`, or one's own")
            .answers(200, "Session"),
        Operation::post("/api/v1/sessions:end-all", "Ends everybody's sessions at once")
            .needs("`sessions:delete`")
            .takes("")
            .answers(200, "ended:flag"),
    ]
}

fn of_groups() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/groups/{id}/history", "What was changed about a group, newest first")
            .needs("`revision-history:read` or `audit:read`")
            .query("limit", "count")
            .query("cursor", "text")
            .answers(200, HISTORY),
        Operation::get("/api/v1/groups", "Groups")
            .needs("`groups:read`, with `scope` in it")
            .query("scope", "text")
            .lists("Group"),
        Operation::get("/api/v1/groups/{id}", "One group, by id or name").needs("`groups:read`").answers(200, "Group"),
        Operation::post(
            "/api/v1/groups",
            "Makes a group that is kept by hand, or one whose members follow from a rule",
        )
        .needs("`groups:create`")
        .takes("name:text users?:[text]? groups?:[text]? companies?:[text]? rule?:text? dry_run?:flag?")
        .answers_schema(200, json!({"anyOf": [shape("Group"), shape(RULED)]}))
        .answers(201, "Group")
        .answers(202, "Group"),
        Operation::patch(
            "/api/v1/groups/{id}",
            "Renames a group, gives it another rule, or makes it belong to other companies",
        )
        .needs("`groups:update`")
        .takes("name?:text? companies?:[text]? rule?:text? dry_run?:flag?")
        .answers_schema(200, json!({"anyOf": [shape("Group"), shape(RULED)]}))
        .answers(202, "Group"),
        Operation::delete("/api/v1/groups/{id}", "Deletes a group")
            .needs("`groups:delete`, and every right that the group holds")
            .query("force", "flag")
            .query("dry_run", "flag")
            .answers(200, "Group"),
        Operation::get("/api/v1/groups/{id}/members", "Direct members, groups first")
            .needs("`groups:read`")
            .lists("Member"),
        Operation::post("/api/v1/groups/{id}/members", "Puts people and groups into a group")
            .needs("`groups:update`, and every right that the group holds")
            .takes("users?:[text]? groups?:[text]? dry_run?:flag?")
            .answers(200, "object"),
        Operation::delete("/api/v1/groups/{id}/members", "Takes people and groups out of a group")
            .needs("`groups:update`, and every right that the group holds")
            .query("user", "text")
            .query("group", "text")
            .query("dry_run", "flag")
            .query("force", "flag")
            .takes("users?:[text]? groups?:[text]? dry_run?:flag?")
            .answers(200, "object"),
    ]
}

fn of_access() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/explain", "Why somebody may or may not")
            .needs("`decisions:read`, or about oneself")
            .query("user", "text")
            .query("permission", "text")
            .query("scope", "text")
            .query("at", "time")
            .query("ip", "text")
            .answers(200, "Explanation"),
        Operation::get("/api/v1/who-can", "Who may do something")
            .needs("`decisions:read` and `users:read` in the scope")
            .query("permission", "text")
            .query("scope", "text")
            .lists("user:Brief role:text scope:text? grant:id groups:[text]"),
        Operation::post("/api/v1/users/{user}/departments", "Gives a role in one department")
            .needs("`grants:create` there, and every right of the role")
            .takes("department:text role:text scope?:text? expires_at?:time? reason?:text?")
            .answers(201, "Grant"),
        Operation::get("/api/v1/grants", "The grants of a user or a group")
            .needs("`grants:read`")
            .query("user", "text")
            .query("group", "text")
            .query("scope", "text")
            .lists("Grant"),
        Operation::post("/api/v1/grants", "Gives a role")
            .needs("`grants:create` in the scope, and every right of the role there")
            .query("dry_run", "flag")
            .takes(
                "user?:text? group?:text? role:text scope?:text? mode?:text? starts?:time? ends?:time? reason?:text?",
            )
            .answers(200, "Grant")
            .answers(201, "Grant"),
        Operation::delete("/api/v1/grants/{id}", "Takes a role back")
            .needs("`grants:delete` in the scope")
            .query("force", "flag")
            .query("dry_run", "flag")
            .answers(200, "Grant"),
        Operation::get("/api/v1/tokens", "Tokens, without their texts")
            .needs("`tokens:read`")
            .query("connection", "text")
            .lists("Token"),
        Operation::post("/api/v1/tokens", "Makes a token; its text is told this once")
            .needs("`tokens:create`, and every right of its scope")
            .takes("connection?:text? kind?:text? name?:text? scope?:any user?:text? expires_at?:time? expires?:text?")
            .answers(201, "Token"),
        Operation::post("/api/v1/tokens/{id}", "With `:rotate` behind the id, puts a new token in the place of one")
            .needs("`tokens:create` and `tokens:delete`, and every right of its scope")
            .takes("overlap?:text? expires_at?:time? expires?:text?")
            .answers(201, "Token"),
        Operation::delete("/api/v1/tokens/{id}", "Revokes a token").needs("`tokens:delete`").answers(200, "Token"),
    ]
}

fn of_roles() -> Vec<Operation> {
    const ROLE: &str = "description?:text? permissions?:[text]? denies?:[text]? includes?:[text]? if_owner?:[text]? \
        ui_profile?:object? scoped_only?:flag? requires_factor?:flag? requires_sso?:flag? factor_within?:text?";
    const RULES: &str = "organization:[text] roles:object users:object revision:count rules:[object]";
    vec![
        Operation::get("/api/v1/network-rules", "From where people and tokens may sign in and act")
            .needs("`network:read`")
            .answers(200, RULES),
        Operation::put("/api/v1/network-rules", "Makes the network rules these lists")
            .needs("`network:update`")
            .takes("organization?:[text]? roles?:object? users?:object? revision?:count? override?:flag?")
            .answers(200, RULES),
        Operation::get("/api/v1/policy/tests", "The tests of the policy").needs("`decisions:read`").lists("PolicyTest"),
        Operation::post("/api/v1/policy/tests", "Runs the tests of the policy")
            .needs("`decisions:read`")
            .answers(200, "run:count failed:count items:[TestResult]"),
        Operation::post(
            "/api/v1/policy:diff",
            "What another pack, or other options, would give to whom and take from whom",
        )
        .needs("`decisions:read`, `grants:read`, `roles:read` and `users:read`")
        .query("limit", "count")
        .query("cursor", "text")
        .takes("pack?:text? text?:text? options?:object?")
        .answers(
            200,
            "before?:object after?:object roles?:[object] mappings?:[object] problems?:[object] tests?:[object] \
                 administrators?:object people?:object users:[object] next:text?",
        ),
        Operation::get("/api/v1/seats", "The plan, and the seats that are taken")
            .needs("`billing:read`")
            .answers(200, "plan:text counted:flag used?:count limit?:count? over?:flag types?:[object]"),
        Operation::post("/api/v1/seats:recount", "Counts the seats anew and corrects what is wrong")
            .needs("`billing:update`")
            .answers(200, "corrected:count"),
        Operation::get("/api/v1/roles", "Roles, flags and custom roles")
            .needs("`roles:read`")
            .query("kind", "text")
            .lists("Role"),
        Operation::post("/api/v1/roles", "Makes a custom role")
            .needs("`roles:create`")
            .query("dry_run", "flag")
            .takes(&format!("name:text {ROLE}"))
            .answers(200, "Role")
            .answers(201, "Role"),
        Operation::get("/api/v1/roles/matrix", "What each role may do, as the manuals print it")
            .needs("`roles:read`")
            .answers(200, "pack:text title:text columns:[object] rows:[object] allowed:object"),
        Operation::get("/api/v1/roles/permissions", "What roles and tokens can be made of")
            .needs("`roles:read`")
            .lists("resource:text actions:[text]"),
        Operation::get("/api/v1/roles/{id}/history", "What was changed about a role, newest first")
            .needs("`revision-history:read` or `audit:read`")
            .query("limit", "count")
            .query("cursor", "text")
            .answers(200, HISTORY),
        Operation::get("/api/v1/roles/{id}", "One role").needs("`roles:read`").answers(200, "Role"),
        Operation::post("/api/v1/roles/{id}", "Duplicates a role, as `/roles/viewer:duplicate`")
            .needs("`roles:create`, and every right of the role")
            .query("dry_run", "flag")
            .takes("name:text description?:text?")
            .answers(200, "Role")
            .answers(201, "Role"),
        Operation::patch("/api/v1/roles/{id}", "Changes a custom role")
            .needs("`roles:update`, and every right that the change gives or takes")
            .query("dry_run", "flag")
            .takes(&format!("name?:text? {ROLE}"))
            .answers(200, "Role"),
        Operation::delete("/api/v1/roles/{id}", "Deletes a custom role that nobody holds")
            .needs("`roles:delete`")
            .query("dry_run", "flag")
            .answers(200, "Role"),
        Operation::get("/api/v1/roles/{id}/holders", "Who holds a role")
            .needs("`roles:read` and `grants:read`")
            .query("limit", "count")
            .answers(200, "items:[Grant] next:text? more:flag"),
    ]
}

fn of_scopes() -> Vec<Operation> {
    const EDIT: &str = "name?:text? description?:text? parent?:text?";
    const NEW: &str = "name:text slug?:text? description?:text? parent?:text?";
    let mut all = Vec::new();
    for (many, one, needs, holders, holder) in KINDS {
        all.push(
            Operation::get(holders, "Who was given what in the scope").needs("`grants:read` there").lists("Grant"),
        );
        all.push(
            Operation::post(holders, "Gives a role in the scope")
                .needs("`grants:create` there, and every right of the role")
                .takes("user?:text? group?:text? role:text mode?:text? expires_at?:time? reason?:text?")
                .answers(201, "Grant"),
        );
        all.push(Operation::get(holder, "What a user may in the scope, and why").needs("`users:read` there").answers(
            200,
            "user:Brief scope:text name:text role:text? source:text? roles:[HeldRole] permissions:[text]",
        ));
        all.push(Operation::get(many, "Scopes of this kind").needs(needs).lists("Scope"));
        all.push(
            Operation::post(many, "Makes a scope")
                .needs(needs)
                .query("dry_run", "flag")
                .takes(NEW)
                .answers(200, "Scope")
                .answers(201, "Scope"),
        );
        all.push(Operation::get(one, "One scope").needs(needs).answers(200, "Scope"));
        all.push(
            Operation::patch(one, "Changes or moves a scope")
                .needs(needs)
                .query("dry_run", "flag")
                .takes(EDIT)
                .answers(200, "Scope"),
        );
        all.push(
            Operation::delete(one, "Deletes a scope that nothing refers to")
                .needs(needs)
                .query("dry_run", "flag")
                .answers(200, "Scope"),
        );
    }
    let needs = "`scopes:*`, or the permission of its kind";
    all.extend([
        Operation::get("/api/v1/scopes", "Scopes of any kind").needs(needs).query("kind", "text").lists("Scope"),
        Operation::post("/api/v1/scopes", "Makes a scope of any kind")
            .needs(needs)
            .query("dry_run", "flag")
            .takes(&format!("kind:text {NEW}"))
            .answers(200, "Scope")
            .answers(201, "Scope"),
        Operation::get("/api/v1/scopes/{scope}/history", "What was changed about a scope, newest first")
            .needs("`revision-history:read` in it, or `audit:read`")
            .query("limit", "count")
            .query("cursor", "text")
            .answers(200, HISTORY),
        Operation::get("/api/v1/scopes/{scope}", "One scope, as `kind:slug`").needs(needs).answers(200, "Scope"),
        Operation::patch("/api/v1/scopes/{scope}", "Changes or moves a scope")
            .needs(needs)
            .query("dry_run", "flag")
            .takes(EDIT)
            .answers(200, "Scope"),
        Operation::delete("/api/v1/scopes/{scope}", "Deletes a scope that nothing refers to")
            .needs(needs)
            .query("dry_run", "flag")
            .answers(200, "Scope"),
    ]);
    all
}

fn of_sources() -> Vec<Operation> {
    vec![
        Operation::post(
            "/api/v1/connectors/{id}",
            "`:test`: a link for a test sign-in, which opens no session; `:admit`: lets in again whom the provider told to be disabled",
        )
        .needs("`sources:update`")
        .takes("user?:text? name?:text? email?:text?")
        .answers(200, "connector:text admitted:flag")
        .answers(201, "connector:text link:text expires_at:time"),
        Operation::get("/api/v1/connectors/{id}/attempts", "The last attempts to sign in by a provider")
            .needs("`sources:read` and `audit:read`")
            .query("outcome", "text")
            .query("since", "text")
            .lists("SignInAttempt"),
        Operation::get("/api/v1/sources", "Directories and provisioning connections")
            .needs("`sources:read`")
            .lists("Source"),
        Operation::get("/api/v1/sources/{id}", "One source").needs("`sources:read`").answers(200, "Source"),
        Operation::post("/api/v1/sources/{id}/release", "Lets a paused connection write again")
            .needs("`sources:update`")
            .takes("")
            .answers(200, "Source"),
        Operation::get("/api/v1/sources/{id}/requests", "The last requests of a connection")
            .needs("`sources:read`")
            .query("status", "text")
            .query("since", "text")
            .lists("KeptRequest"),
        Operation::get("/api/v1/sources/{id}/sync", "The newest run").needs("`sync:read`").answers(200, "Sync"),
        Operation::post("/api/v1/sources/{id}/sync", "Runs, or tells what a run would do")
            .needs("`sync:run`, or `sync:read` with `dry_run`")
            .takes("dry_run?:flag?")
            .answers(200, "Sync")
            .answers(202, "Sync"),
    ]
}

fn of_the_daemon() -> Vec<Operation> {
    vec![
        Operation::post("/api/v1/backup", "A copy of the whole store, as a file")
            .needs("`store:read`, and every right there is")
            .answers_bytes(200, "application/octet-stream"),
        Operation::get("/api/v1/export", "The organisation as a document, a line of JSON for each record")
            .needs("`store:read`")
            .answers_bytes(200, "application/x-ndjson"),
        Operation::post(
            "/api/v1/import",
            "Makes the organisation what a document says, or tells what that would change",
        )
        .needs("`store:update`, and every right there is")
        .query("dry_run", "flag")
        .query("force", "flag")
        .takes_bytes("application/octet-stream")
        .answers(200, "dry_run:flag records:object"),
        Operation::get("/api/v1/openapi.json", "This document")
            .needs("a session or a token")
            .answers(200, "openapi:text"),
        Operation::get("/api/v1/audit-logs", "The ledger, newest first")
            .needs("`audit:read`, or `audit:export` with `export`")
            .query("last", "text")
            .query("from", "time")
            .query("to", "time")
            .query("user", "text")
            .query("action", "text")
            .query("resource", "text")
            .query("outcome", "text")
            .query("format", "text")
            .query("export", "flag")
            .query("limit", "count")
            .query("cursor", "text")
            .answers(200, "logs:[Entry] next:text? damaged:any"),
        Operation::get("/api/v1/events", "Every kind of event and whether it is recorded")
            .needs("`audit:read`")
            .answers(200, "items:[EventKind] next:text?"),
        Operation::post("/api/v1/audit-logs/verify", "Reads the whole ledger and says whether it is intact")
            .needs("`audit:verify`")
            .takes("since?:text?")
            .answers(200, "intact:flag entries:count root:text checkpoint:text problem:text?"),
        Operation::post("/api/v1/reload", "Reads the configuration again")
            .needs("`configuration:reload`")
            .answers(200, "reloaded:flag warnings:[text]"),
        Operation::post("/api/v1/mail:test", "Sends a test mail now")
            .needs("`configuration:reload`")
            .takes("address:text")
            .answers(200, "address:text sent:flag steps:[text] failed:text? reason:text?"),
        Operation::get("/api/v1/status", "How the daemon is").needs("`configuration:read`").answers(
            200,
            "version:text public_url:text time:time users:count groups:count store:text store_reason:text? tasks:count \
             sources:[text] providers:[object] connections:[text]",
        ),
    ]
}

fn of_reports() -> Vec<Operation> {
    const SHEET: &str = "columns:[text] items:[object] next:text?";
    vec![
        Operation::get("/api/v1/access-requests", "What people ask for and the caller could give")
            .needs("`grants:create`, and all that the role gives")
            .query("status", "text")
            .lists("AccessRequest"),
        Operation::post("/api/v1/access-requests/{id}/approve", "Gives what somebody else asks for")
            .needs("`grants:create`, and all that the role gives")
            .takes("")
            .answers(200, "AccessRequest"),
        Operation::post("/api/v1/access-requests/{id}/refuse", "Says no to what somebody else asks for")
            .needs("`grants:create`, and all that the role gives")
            .takes("reason?:text?")
            .answers(200, "AccessRequest"),
        Operation::get("/api/v1/me/access-requests", "What the caller asked for")
            .needs("a user's session or token")
            .lists("AccessRequest"),
        Operation::post("/api/v1/me/access-requests", "Asks for a role")
            .needs("a session")
            .takes("role:text scope?:text? reason?:text? until?:time?")
            .answers(201, "AccessRequest"),
        Operation::delete("/api/v1/me/access-requests/{id}", "Takes a request of one's own back")
            .needs("a session")
            .answers(200, "AccessRequest"),
        Operation::get("/api/v1/me/access", "What the caller holds, since when, why and by whom")
            .needs("a user's session or token")
            .answers(200, SHEET),
        Operation::get("/api/v1/me/history", "What was given to the caller and taken away, newest first")
            .needs("a user's session or token")
            .lists("at:time action:text role:text? scope:text? by:text reason:text? rule:text? ends:time? grant:text?"),
        Operation::get("/api/v1/me/sessions", "Where the caller is signed in")
            .needs("a user's session or token")
            .lists("Session"),
        Operation::get(
            "/api/v1/reports/{name}",
            "A report: access, employees, inactive, posture, seats, sources, tokens or users; JSON, or CSV where asked for",
        )
        .needs("`users:read`, with `grants:read`, `people:read`, `tokens:read` or `sources:read` where these are shown")
        .query("format", "text")
        .query("days", "count")
        .query("user", "text")
        .query("limit", "count")
        .query("cursor", "text")
        .answers(
            200,
            "columns?:[text] items?:[object] next?:text? findings?:[object] severe?:count warnings?:count uses?:object",
        )
        .also_answers(200, "text/csv"),
        Operation::get(
            "/api/v1/users/{user}/provenance",
            "Where attributes, memberships and roles of a user come from",
        )
        .needs("`users:read` and `grants:read`")
        .answers(200, "user:Brief record:object attributes:[object] memberships:[object] grants:[object]"),
    ]
}
