//! Every route of the three surfaces, with what is another organisation's in each place where something is named: in paths, in
//! queries and in every member of bodies, by the description of the route itself. The answers are those to what is nobody's,
//! and the other organisation is as it was.

use std::collections::BTreeSet;

use axum::body::Body;
use cleargate::{api, authzen, scim};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::{Client, Ground, good};
use super::{Other, other};
use crate::scim::{ENTERPRISE, GROUP, PATCH, SEARCH, USER};

const LINES: &str = "limits.api = \"1000000/1s\"\nlimits.page = \"1000000/1s\"\nlimits.scim = \"1000000/1s\"\n\
    [[scim]]\nid = \"okta\"";

/// Routes where nothing can be named: what they tell or do is about the caller, the daemon or everything of a kind.
const NAMELESS: [&str; 28] = [
    "GET /api/v1/blocks",
    "GET /api/v1/companies",
    "GET /api/v1/departments",
    "GET /api/v1/events",
    "GET /api/v1/export",
    "GET /api/v1/locks",
    "GET /api/v1/me",
    "GET /api/v1/me/access",
    "GET /api/v1/me/access-requests",
    "GET /api/v1/me/history",
    "GET /api/v1/me/sessions",
    "GET /api/v1/network-rules",
    "GET /api/v1/openapi.json",
    "GET /api/v1/people",
    "GET /api/v1/policy/tests",
    "GET /api/v1/projects",
    "GET /api/v1/roles/matrix",
    "GET /api/v1/roles/permissions",
    "GET /api/v1/scorecards",
    "GET /api/v1/seats",
    "GET /api/v1/sources",
    "GET /api/v1/status",
    "POST /api/v1/backup",
    "POST /api/v1/mail:test",
    "POST /api/v1/policy/tests",
    "POST /api/v1/reload",
    "POST /api/v1/seats:recount",
    "POST /api/v1/sessions:end-all",
];

/// What is asked; `VALUE` stands for what is named.
#[derive(Clone, Debug)]
struct Ask {
    method: Method,
    path: String,
    kind: &'static str,
    body: String,
}

impl Ask {
    fn new(method: &Method, path: impl Into<String>, body: &Value) -> Self {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        Self { method: method.clone(), path: path.into(), kind: "application/json", body }
    }

    fn scim(method: &Method, path: impl Into<String>, body: &Value) -> Self {
        Self { kind: "application/scim+json", ..Self::new(method, path, body) }
    }

    /// The answer, with what was asked for blacked out, each of its words too.
    async fn told(&self, client: &Client, value: &str) -> (StatusCode, String) {
        let path = self.path.replace("VALUE", &value.replace(' ', "%20"));
        let body = Body::from(self.body.replace("VALUE", value));
        let reply = client.send(self.method.clone(), &path, self.kind, body).await;
        let mut text = reply.text.replace(value, "VALUE").replace(&value.replace(' ', "%20"), "VALUE");
        for word in value.split(' ') {
            text = text.replace(word, "VALUE").replace(&word.to_lowercase(), "VALUE");
        }
        (reply.status, text)
    }

    /// Whether it may have written something.
    fn is_write(&self) -> bool {
        let reads = ["/access/v1/", "/.search", "dry_run=true"];
        self.method != Method::GET && !reads.iter().any(|part| self.path.contains(part))
    }
}

/// By which surface, and as whom, it is asked.
#[derive(Clone, Copy)]
enum Via {
    Application,
    Connection,
    Machine,
    Person,
}

/// The same organisation twice, each with another one beside it: one is asked for what is the other's, one for what is
/// nobody's. After each write both are made anew.
struct Twins {
    via: Via,
    theirs: (Two, Client),
    nobodys: (Two, Client),
    before: String,
}

impl Twins {
    async fn new(via: Via) -> Self {
        let (theirs, nobodys) = (Self::one(via).await, Self::one(via).await);
        let before = theirs.0.other.state().await;
        assert_eq!(nobodys.0.other.state().await, before, "they are the same");
        Self { via, theirs, nobodys, before }
    }

    async fn one(via: Via) -> (Two, Client) {
        let mut two = Two::new().await;
        let client = match via {
            Via::Machine => two.ground.root(),
            Via::Person => two.ground.browser("me", &["administrator"]).await.1,
            Via::Application => {
                let router = two.ground.test.gateway.public_router();
                Client { router, ..two.ground.service(&["*:*"]).await }
            }
            Via::Connection => {
                let made = two.ground.root().post("/api/v1/tokens", json!({"connection": "okta"})).await;
                let token = good(made, StatusCode::CREATED)["token"].as_str().unwrap().to_owned();
                let router = two.ground.test.gateway.public_router();
                let client = Client { router, ..two.ground.bearer(&token) };
                let body = Body::from(json!({"schemas": [GROUP], "displayName": "Kept"}).to_string());
                let made = client.send(Method::POST, "/scim/v2/Groups", "application/scim+json", body).await;
                let id = good(made, StatusCode::CREATED)["id"].as_str().unwrap().to_owned();
                two.ours.push(("/scim/v2/Groups/", id));
                client
            }
        };
        (two, client)
    }

    /// Asks for what is the other's and for what is nobody's: the answers are the same, or, where something was made, tell
    /// nothing of the other, which is as it was.
    async fn ask(&mut self, ask: &Ask) -> Vec<String> {
        let mut wrong = Vec::new();
        for number in 0..self.theirs.0.other.all().len() {
            let [theirs, nobodys] = self.theirs.0.other.all()[number].clone();
            let told = ask.told(&self.theirs.1, &theirs).await;
            let same = ask.told(&self.nobodys.1, &nobodys).await;
            let is_same = told.0 == same.0 && !told.0.is_server_error();
            let is_made = told.0.is_success() && ask.is_write();
            let is_told = if is_made {
                // What was made has an id of its own.
                let tells = |secret: &str| told.1.to_lowercase().contains(&secret.to_lowercase());
                let others = self.theirs.0.other.all();
                let mut others = others.iter().filter(|[secret, _]| !theirs.contains(secret.as_str()));
                others.any(|[secret, _]| tells(secret))
            } else {
                told.1 != same.1
            };
            if !is_same || is_told {
                wrong.push(format!("{ask:?} {theirs}: {} {}\n    of nobody's: {} {}", told.0, told.1, same.0, same.1));
            }
            if is_made || (same.0.is_success() && ask.is_write()) {
                let now = self.theirs.0.other.state().await;
                if now != self.before {
                    wrong.push(format!("{ask:?} {theirs} changed {} to {now}", self.before));
                }
                *self = Self::new(self.via).await;
                // What is taken for a text is taken for one whatever it is.
                break;
            }
        }
        wrong
    }

    async fn end(&self) {
        assert_eq!(self.theirs.0.other.state().await, self.before);
    }
}

/// An organisation with one thing of every kind, and another one beside it.
struct Two {
    ground: Ground,
    other: Other,
    ours: Vec<(&'static str, String)>,
}

impl Two {
    async fn new() -> Self {
        let ground = Ground::with(LINES).await;
        let other = other(&ground).await;
        let root = ground.root();
        let mut ours: Vec<(&'static str, String)> = Vec::new();
        for (start, path, body) in [
            ("/api/v1/users/", "/api/v1/users", json!({"userName": "ada", "role": "administrator"})),
            ("/api/v1/groups/", "/api/v1/groups", json!({"name": "Ours"})),
            ("/api/v1/roles/", "/api/v1/roles", json!({"name": "Own", "permissions": ["users:read"]})),
            ("/api/v1/people/", "/api/v1/people", json!({"first_name": "Grace", "last_name": "Hopper"})),
            ("/api/v1/tokens/", "/api/v1/tokens", json!({"name": "job", "scope": "read"})),
            ("/api/v1/invitations/", "/api/v1/invitations", json!({"email": "new@example.org", "role": "browser"})),
            ("/api/v1/departments/", "/api/v1/departments", json!({"name": "Mine"})),
            ("/api/v1/companies/", "/api/v1/companies", json!({"name": "Mine"})),
            ("/api/v1/projects/", "/api/v1/projects", json!({"name": "Mine"})),
            ("/api/v1/scorecards/", "/api/v1/scorecards", json!({"name": "Mine"})),
        ] {
            let made = good(root.post(path, body).await, StatusCode::CREATED);
            let is_scope = made.get("slug").is_some();
            let id = if is_scope { "mine" } else { made["id"].as_str().unwrap() };
            ours.push((start, id.to_owned()));
        }
        let user = ours[0].1.clone();
        let grant = json!({"user": user, "role": "editor", "scope": "department:mine"});
        let grant = good(root.post("/api/v1/grants", grant).await, StatusCode::CREATED);
        ours.push(("/api/v1/grants/", grant["id"].as_str().unwrap().to_owned()));
        ours.push(("/api/v1/locks/", user));
        ours.push(("/api/v1/scopes/", "department:mine".to_owned()));
        ours.push(("/api/v1/connectors/", "okta".to_owned()));
        ours.push(("/api/v1/sources/", "okta".to_owned()));
        ours.push(("/api/v1/reports/", "access".to_owned()));
        Self { ground, other, ours }
    }

    /// The path of a route with ours in the place of its parameters.
    fn of_ours(&self, pattern: &str) -> String {
        let id = self.ours.iter().find(|(start, _)| pattern.starts_with(start)).map(|(_, id)| id.as_str());
        let user = self.ours[0].1.as_str();
        let (mut path, mut is_first) = (pattern.to_owned(), true);
        while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
            let ours = if is_first { id.unwrap_or(super::NOBODY) } else { user };
            path.replace_range(from..=to, ours);
            is_first = false;
        }
        path
    }
}

/// Verbs that are a part of the last segment.
fn verbs(route: &str) -> &'static [&'static str] {
    match route {
        "POST /api/v1/users/{user}" => &[":offboard", ":logout", ":reset-password", ":demand"],
        "POST /api/v1/roles/{id}" => &[":duplicate"],
        "POST /api/v1/tokens/{id}" => &[":rotate"],
        "POST /api/v1/connectors/{id}" => &[":test", ":admit"],
        "POST /api/v1/invitations/{id}" => &[":resend"],
        _ => &[""],
    }
}

/// What a body or a query needs before what is named in it is looked at.
fn base(route: &str) -> (Value, &'static str) {
    let row = json!([{"first_name": "Eve", "last_name": "X", "email": "eve@example.com"}]);
    let body = match route {
        "POST /api/v1/users" => json!({"userName": "eve", "role": "browser"}),
        "POST /api/v1/users:bulk" => json!({"role": "browser", "rows": row}),
        "POST /api/v1/invitations" => json!({"email": "eve@example.com", "role": "browser"}),
        "POST /api/v1/groups"
        | "POST /api/v1/companies"
        | "POST /api/v1/departments"
        | "POST /api/v1/projects"
        | "POST /api/v1/scorecards" => json!({"name": "x"}),
        "POST /api/v1/scopes" => json!({"name": "x", "kind": "department"}),
        "POST /api/v1/roles" => json!({"name": "x", "permissions": ["users:read"]}),
        "POST /api/v1/people" => json!({"first_name": "Eve", "last_name": "X"}),
        "POST /api/v1/tokens" => json!({"name": "x", "scope": "read"}),
        "POST /api/v1/users/{user}/departments" => json!({"department": "mine", "role": "editor"}),
        "POST /api/v1/grants" => json!({"user": "ada", "role": "editor"}),
        _ if route.starts_with("POST ") && route.ends_with("{slug}/users") => json!({"user": "ada", "role": "editor"}),
        _ => json!({}),
    };
    let query = match route {
        "GET /api/v1/explain" => "user=ada&permission=users:read",
        "GET /api/v1/who-can" => "permission=users:read",
        "GET /api/v1/grants" => "user=ada",
        "GET /api/v1/scopes" => "kind=department",
        _ => "",
    };
    (body, query)
}

/// What is named in a member of a body, by its schema.
fn named(name: &str, schema: &Value) -> Vec<Value> {
    let is = |kind: &str| {
        let told = &schema["type"];
        told == kind || told.as_array().is_some_and(|kinds| kinds.iter().any(|other| other == kind))
    };
    match name {
        "rows" => vec![json!([{"first_name": "VALUE", "last_name": "X", "email": "VALUE"}])],
        "rule" => vec![json!("userName eq \"VALUE\""), json!("id eq \"VALUE\""), json!("displayName eq \"VALUE\"")],
        // What is a text only is told by one of them.
        "description" | "reason" | "password" | "language" | "timezone" | "phone" | "photo" | "address" => Vec::new(),
        "scope" | "parent" | "scopes" | "department" => {
            let texts = [json!("VALUE"), json!("department:VALUE")];
            if is("array") { texts.map(|text| json!([text])).to_vec() } else { texts.to_vec() }
        }
        _ if is("array") => vec![json!(["VALUE"])],
        _ if is("object") => vec![json!({"VALUE": ["198.51.100.0/24"]})],
        _ if is("boolean") || is("integer") || is("number") => Vec::new(),
        _ => vec![json!("VALUE")],
    }
}

/// What can be asked by a route with something named in it, by its description.
fn asks(two: &Two, route: &str, operation: &Value) -> Vec<Ask> {
    let (method, pattern) = route.split_once(' ').unwrap();
    let method: Method = method.parse().unwrap();
    let (body, query) = base(route);
    let mut all = Vec::new();
    for verb in verbs(route) {
        if pattern.contains('{') {
            for path in super::paths(pattern) {
                all.push(Ask::new(&method, format!("{path}{verb}"), &body));
            }
        }
        let ours = format!("{}{verb}", two.of_ours(pattern));
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        for parameter in parameters.iter().filter(|parameter| parameter["in"] == "query") {
            let name = parameter["name"].as_str().unwrap();
            // Where a list goes on is a place in an order, not a thing.
            if name == "cursor" {
                continue;
            }
            let others: Vec<&str> =
                query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with(&format!("{name}="))).collect();
            let values: &[&str] = match name {
                "filter" => &["id%20eq%20%22VALUE%22", "userName%20eq%20%22VALUE%22", "groups%20eq%20%22VALUE%22"],
                "scope" => &["VALUE", "department:VALUE"],
                "resource" => &["VALUE", "user:VALUE", "group:VALUE"],
                _ if named(name, &parameter["schema"]).is_empty() => &[],
                _ => &["VALUE"],
            };
            for value in values {
                let mut pairs = others.clone();
                let pair = format!("{name}={value}");
                pairs.push(&pair);
                all.push(Ask::new(&method, format!("{ours}?{}", pairs.join("&")), &body));
            }
        }
        let content = operation["requestBody"]["content"].as_object();
        let schema = content.and_then(|content| content.values().next()).map(|kind| &kind["schema"]);
        let members = schema.and_then(|schema| schema["properties"].as_object());
        for (name, schema) in members.into_iter().flatten() {
            for value in named(name, schema) {
                let mut body = body.clone();
                if name == "group" {
                    body.as_object_mut().unwrap().remove("user");
                }
                body[name] = value;
                all.push(Ask::new(&method, ours.clone(), &body));
            }
        }
    }
    all
}

#[tokio::test]
async fn no_route_tells_or_changes_what_is_another_organisations_wherever_it_is_named() {
    let document = good(Ground::new().await.root().get("/api/v1/openapi.json").await, StatusCode::OK);
    let (mut nameless, mut count, mut wrong) = (BTreeSet::new(), 0, Vec::new());
    let mut routes: Vec<String> = api::table().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    routes.sort();
    for route in &routes {
        let (method, path) = route.split_once(' ').unwrap();
        if route == "POST /api/v1/import" {
            continue;
        }
        let mut twins = Twins::new(if path.starts_with("/api/v1/me/") { Via::Person } else { Via::Machine }).await;
        let asks = asks(&twins.theirs.0, route, &document["paths"][path][method.to_lowercase()]);
        if asks.is_empty() {
            nameless.insert(route.as_str());
        }
        for ask in &asks {
            wrong.extend(twins.ask(ask).await);
            count += 1;
        }
        twins.end().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(nameless, BTreeSet::from(NAMELESS), "routes that were not walked");
    assert!(count > 300, "{count}");
}

#[tokio::test]
async fn decisions_are_asked_about_nobody_of_another_organisation() {
    let mut twins = Twins::new(Via::Application).await;
    let subjects = [json!({"type": "user", "id": "ada"}), json!({"type": "user", "id": "VALUE"})];
    let mut resources = vec![json!({"type": "users", "id": "1"}), json!({"type": "users", "id": "VALUE"})];
    for (name, value) in [("scope", "department:VALUE"), ("owner", "VALUE")] {
        resources.push(json!({"type": "users", "id": "1", "properties": {name: value}}));
    }
    resources.push(json!({"type": "users", "id": "department:VALUE"}));
    let mut walked = BTreeSet::new();
    for route in authzen::table() {
        for (subject, resource) in subjects.iter().flat_map(|one| resources.iter().map(move |two| (one, two))) {
            let body = json!({"subject": subject, "action": {"name": "read"}, "resource": resource,
                "page": {"limit": 100}, "evaluations": [{}, {"subject": subjects[1]}, {"resource": resources[2]}]});
            let body = if route.method == Method::GET { Value::Null } else { body };
            let wrong = twins.ask(&Ask::new(&route.method, route.path, &body)).await;
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
            walked.insert((route.path, route.method.to_string()));
        }
    }
    assert_eq!(walked.len(), authzen::table().len());
    twins.end().await;
    // The question is a good one, of somebody who is there.
    let body = json!({"subject": subjects[0], "action": {"name": "read"}, "resource": resources[0]});
    let ask = Ask::new(&Method::POST, "/access/v1/evaluation", &body);
    assert!(ask.told(&twins.theirs.1, "nothing").await.1.contains("\"decision\":true"));
}

#[tokio::test]
async fn a_connection_finds_and_changes_nothing_of_another_organisation() {
    let (mut walked, mut wrong) = (BTreeSet::new(), Vec::new());
    let table = scim::table();
    for (endpoint, method) in ["Users", "Groups"].iter().flat_map(|endpoint| {
        [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE].map(|method| (*endpoint, method))
    }) {
        let mut twins = Twins::new(Via::Connection).await;
        let group = twins.theirs.0.ours.last().unwrap().1.clone();
        for route in table.iter().filter(|route| route.method == method) {
            let path = route.path.replace("{endpoint}", endpoint).replace("{scheme}", "http:");
            let path =
                path.replace("{id}", "VALUE").replace("{*rest}", &format!("id.example/scim/v2/{endpoint}/VALUE"));
            for (query, body) in scim_asks(&path, endpoint, &method) {
                wrong.extend(twins.ask(&Ask::scim(&method, format!("{path}{query}"), &body)).await);
                walked.insert((route.path, method.to_string()));
            }
        }
        for ask in of_our_group(endpoint, &method, &group) {
            wrong.extend(twins.ask(&ask).await);
        }
        twins.end().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let missing: Vec<_> = table
        .iter()
        .filter(|route| !walked.contains(&(route.path, route.method.to_string())))
        .map(|r| r.path)
        .collect();
    assert!(missing.is_empty(), "routes that were not walked: {missing:?}");
}

/// Queries and bodies for an address of the provisioning surface.
fn scim_asks(path: &str, endpoint: &str, method: &Method) -> Vec<(String, Value)> {
    let patch = |operations: Value| json!({"schemas": [PATCH], "Operations": operations});
    if method == Method::GET || method == Method::DELETE {
        let filters = [
            "id eq \"VALUE\"",
            "userName eq \"VALUE\"",
            "displayName eq \"VALUE\"",
            "externalId eq \"VALUE\"",
            "members.value eq \"VALUE\"",
            "groups.value eq \"VALUE\"",
            "members[value eq \"VALUE\"]",
        ];
        let filters = filters.map(|filter| format!("?filter={}", filter.replace(' ', "%20").replace('"', "%22")));
        let queries = filters.into_iter().chain(["?cursor=VALUE".to_owned(), String::new()]);
        return queries.map(|query| (query, Value::Null)).collect();
    }
    let bodies = if path.to_lowercase().contains("bulk") {
        let bulk = |operation: Value| {
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [operation]})
        };
        vec![
            bulk(json!({"method": "DELETE", "path": "/Users/VALUE"})),
            bulk(json!({"method": "DELETE", "path": "/Groups/VALUE"})),
            bulk(json!({"method": "PATCH", "path": "/Users/VALUE", "data": patch(json!([
                {"op": "replace", "path": "active", "value": false}]))})),
            bulk(json!({"method": "PUT", "path": "/Groups/VALUE", "data": {"schemas": [GROUP], "displayName": "x",
                "members": []}})),
            bulk(json!({"method": "POST", "path": "/Groups", "bulkId": "1", "data": {"schemas": [GROUP],
                "displayName": "VALUE", "members": [{"value": "VALUE"}]}})),
        ]
    } else if *method == Method::PATCH {
        vec![
            patch(json!([{"op": "replace", "path": "active", "value": false}])),
            patch(json!([{"op": "add", "path": "members", "value": [{"value": "VALUE"}]}])),
            patch(json!([{"op": "replace", "path": "displayName", "value": "VALUE"}])),
        ]
    } else if endpoint == "Users" {
        vec![
            json!({"schemas": [USER], "userName": "VALUE", "externalId": "VALUE"}),
            json!({"schemas": [USER, ENTERPRISE], "userName": "eve", ENTERPRISE: {"manager": {"value": "VALUE"}}}),
            json!({"schemas": [SEARCH], "filter": "id eq \"VALUE\" or userName eq \"VALUE\""}),
        ]
    } else {
        vec![
            json!({"schemas": [GROUP], "displayName": "VALUE", "externalId": "VALUE"}),
            json!({"schemas": [GROUP], "displayName": "x", "members": [{"value": "VALUE"}]}),
        ]
    };
    bodies.into_iter().map(|body| (String::new(), body)).collect()
}

/// What can be asked of a group that is the connection's own, and the searches below each place.
fn of_our_group(endpoint: &str, method: &Method, group: &str) -> Vec<Ask> {
    let mut all = Vec::new();
    if *method == Method::POST {
        let body = json!({"schemas": [SEARCH], "filter": "id eq \"VALUE\" or displayName eq \"VALUE\""});
        for path in ["/scim/v2/.search".to_owned(), format!("/scim/v2/{endpoint}/.search")] {
            all.push(Ask::scim(method, path, &body));
        }
    }
    if *method != Method::PATCH || endpoint != "Groups" {
        return all;
    }
    for operation in [
        json!({"op": "add", "path": "members", "value": [{"value": "VALUE"}]}),
        json!({"op": "replace", "path": "members", "value": [{"value": "VALUE", "type": "Group"}]}),
        json!({"op": "remove", "path": "members[value eq \"VALUE\"]"}),
        json!({"op": "remove", "path": "members", "value": [{"value": "VALUE"}]}),
    ] {
        let body = json!({"schemas": [PATCH], "Operations": [operation]});
        all.push(Ask::scim(method, format!("/scim/v2/Groups/{group}"), &body));
    }
    all
}

#[tokio::test]
async fn a_document_that_names_what_is_another_organisations_imports_what_is_ours_only() {
    let two = Two::new().await;
    let root = two.ground.root();
    for body in [json!({"name": "Club", "users": ["ada"]}), json!({"name": "Inner"})] {
        good(root.post("/api/v1/groups", body).await, StatusCode::CREATED);
    }
    let document = root.get("/api/v1/export").await.text;
    let ids: Vec<&str> = two.ours.iter().map(|(_, id)| id.as_str()).filter(|id| document.contains(id)).collect();
    assert!(ids.len() > 5, "{ids:?}");
    let mut imported = 0;
    for id in ids {
        // Into an organisation that has nothing yet, beside the other one.
        let ground = Ground::with(LINES).await;
        let (other, root) = (other(&ground).await, ground.root());
        let before = other.state().await;
        let ask = |query: &str| Ask {
            method: Method::POST,
            path: format!("/api/v1/import{query}"),
            kind: "application/x-ndjson",
            body: document.replace(id, "VALUE"),
        };
        for [theirs, nobodys] in other.all() {
            let dry = ask("?dry_run=true");
            assert_eq!(dry.told(&root, theirs).await, dry.told(&root, nobodys).await, "{id} {theirs}");
        }
        for [theirs, _] in other.all() {
            imported += usize::from(ask("").told(&root, theirs).await.0.is_success());
        }
        assert_eq!(other.state().await, before, "{id}");
    }
    assert!(imported > 5, "{imported}");
}
