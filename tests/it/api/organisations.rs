//! A second organisation in the same store: whoever administers the first one cannot tell that it is there. Every route is
//! asked with what is the other's and with what is nobody's, and the answers are the same.

mod walk;

use std::sync::Arc;

use axum::body::Body;
use cleargate::access::{Access, CustomRole, NewGrant, NewScope, Run, Wish};
use cleargate::api;
use cleargate::directory::{Directory, GroupDraft, Member, MemberChange, PersonDraft};
use cleargate::model::{Actor, Attributes, Circumstance, OrganisationId, Subject, User};
use cleargate::secret::IdSource;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Client, Ground};
use crate::support::gateway::record;

/// What the other organisation has, and for each of it something of the same form that is nobody's.
struct Other {
    user: [String; 2],
    user_name: [String; 2],
    group: [String; 2],
    group_name: [String; 2],
    grant: [String; 2],
    role: [String; 2],
    scope: [String; 2],
    person: [String; 2],
    employee: [String; 2],
    request: [String; 2],
    directory: Directory,
    access: Access,
}

const NOBODY: &str = "0193a5b2-6f1c-7b3e-8d5a-2c4e6f8a0b1d";

async fn other(ground: &Ground) -> Other {
    let gateway = &ground.test.gateway;
    let (ledger, clock, ids) = (gateway.ledger().clone(), ground.test.clock.clock(), IdSource::seeded(5));
    let organisation = OrganisationId::from_bytes([0x77; 16]);
    assert_ne!(organisation, OrganisationId::DEFAULT);
    let directory = gateway.directory().clone().of(organisation);
    let members: Arc<Directory> = Arc::new(directory.clone());
    let roles = (*gateway.access().roles()).clone();
    let access = Access::new(ledger.clone(), clock, ids, organisation, roles, members);
    access.start().await.unwrap();
    let permit = ground.test.task();
    let user = directory.create_user(&permit, &record("zenobia-of-palmyra")).await.unwrap();
    let mut change = MemberChange::default();
    change.add(Member::User(user.id));
    let name = "Palmyra Traders".parse().unwrap();
    let draft = GroupDraft { name, external_id: None, attributes: Attributes::default(), members: change };
    let group = directory.create_group(&permit, &draft).await.unwrap();
    let scope: cleargate::model::Scope = "department:palmyra".parse().unwrap();
    let new = NewScope { scope: scope.clone(), name: "Palmyra".to_owned(), description: String::new(), parent: None };
    access.scopes().create(&permit, new).await.unwrap();
    let role = CustomRole {
        name: "Palmyra Caravan".to_owned(),
        permissions: vec!["elements:create".to_owned()],
        ..CustomRole::default()
    };
    let role = access.create_role(&permit, &role, Run::Commit).await.unwrap();
    let everything = NewGrant::new(Subject::User(user.id), "administrator".parse().unwrap());
    let grant = access.grants().create(&permit, &access.roles(), everything).await.unwrap();
    let there = NewGrant::new(Subject::Group(group.id), "editor".parse().unwrap()).within(scope);
    access.grants().create(&permit, &access.roles(), there).await.unwrap();
    let employee = PersonDraft {
        number: Some("palmyra-7".to_owned()),
        first_name: "Zenobia".to_owned(),
        last_name: "Septimia".to_owned(),
        email: None,
        companies: Vec::new(),
    };
    let person = directory.create_person(&permit, &employee).await.unwrap();
    let wish = Wish { role: "editor".parse().unwrap(), scope: None, reason: "trade".to_owned(), until: None };
    let by = (&Actor::System { task: "test".to_owned() }, &Circumstance::default());
    let asked = ledger.retry(|mut change| {
        let (access, wish) = (&access, &wish);
        async move {
            let (id, _, event) = access.ask_in(&mut change, by, user.id, wish).await?;
            change.commit(event).await?;
            Ok::<_, cleargate::access::Error>(id)
        }
    });
    let request = asked.await.unwrap();
    // Of each kind another one: what is made under one of them is not there for the next.
    let nobodys = |id: String| {
        let last = id.chars().last().unwrap_or('0');
        [id, format!("{}{last}", &NOBODY[..NOBODY.len() - 1])]
    };
    Other {
        user: nobodys(user.id.to_string()),
        user_name: ["zenobia-of-palmyra", "aurelian-of-nowhere"].map(str::to_owned),
        group: nobodys(group.id.to_string()),
        group_name: ["Palmyra Traders", "Nowhere Traders"].map(str::to_owned),
        grant: nobodys(grant.id.to_string()),
        role: [role.role.id.to_string(), "nowhere_caravan".to_owned()],
        scope: ["palmyra", "nowhere"].map(str::to_owned),
        person: nobodys(person.id.to_string()),
        employee: ["palmyra-7", "nowhere-7"].map(str::to_owned),
        request: nobodys(request.to_string()),
        directory,
        access,
    }
}

impl Other {
    fn all(&self) -> [&[String; 2]; 10] {
        [
            &self.user,
            &self.user_name,
            &self.group,
            &self.group_name,
            &self.grant,
            &self.role,
            &self.scope,
            &self.person,
            &self.employee,
            &self.request,
        ]
    }

    /// Everything that the other one has, as it is.
    async fn state(&self) -> String {
        let (directory, access) = (&self.directory, &self.access);
        let (users, groups): (Vec<User>, _) =
            (directory.list_users(None, 100).await.unwrap(), directory.list_groups(None, 100).await.unwrap());
        let mut told = format!("{users:?} {groups:?} {:?}", directory.list_people(None, 100).await.unwrap());
        for group in &groups {
            told += &format!("{:?}", directory.member_page(group.id, None, 100).await.unwrap());
            told += &format!("{:?}", access.grants().list(Subject::Group(group.id)).await.unwrap());
        }
        for user in &users {
            told += &format!("{:?}", access.grants().list(Subject::User(user.id)).await.unwrap());
            told += &format!("{:?}", access.effective(user.id).await.unwrap());
        }
        told += &format!("{:?}", access.requests(None, 100).await.unwrap());
        let tree = access.scopes().tree();
        let scopes: Vec<_> = access.scopes().kinds().flat_map(|kind| tree.list(kind, None, 100)).collect();
        told + &format!("{scopes:?} {:?}", access.roles().find(&self.role[0].parse().unwrap()))
    }
}

/// The answer to a request, with what was asked for blacked out.
async fn told(client: &Client, method: &Method, path: &str, body: &Value, value: &str) -> (StatusCode, String) {
    let encoded = value.replace(' ', "%20");
    let path = path.replace("VALUE", &encoded);
    let body = Body::from(body.to_string().replace("VALUE", value));
    let reply = client.send(method.clone(), &path, "application/json", body).await;
    (reply.status, reply.text.replace(value, "VALUE"))
}

/// Paths of a route with each of its parameters set in turn.
fn paths(pattern: &str) -> Vec<String> {
    match (pattern.find('{'), pattern.find('}')) {
        (Some(from), Some(to)) => {
            let (before, after) = (&pattern[..from], &pattern[to + 1..]);
            let value = if pattern[from..to].contains("scope") { "department:VALUE" } else { "VALUE" };
            let one = format!("{before}{value}{after}");
            // A second parameter, where there is one, is the same thing.
            paths(&one)
        }
        _ => vec![pattern.to_owned()],
    }
}

#[tokio::test]
async fn what_is_another_organisations_is_as_if_it_were_not_there() {
    let ground = Ground::with("limits.api = \"1000000/1s\"").await;
    let other = other(&ground).await;
    let root = ground.root();
    let mut count = 0;
    for route in api::table().iter().filter(|route| route.path.contains('{')) {
        for path in paths(route.path) {
            for [theirs, nobodys] in other.all() {
                let body = json!({});
                let path = if route.path == "/api/v1/users/{user}" && route.method == Method::DELETE {
                    format!("{path}?confirm=VALUE")
                } else {
                    path.clone()
                };
                let answer = told(&root, &route.method, &path, &body, theirs).await;
                assert!(!answer.0.is_success(), "{} {path} {theirs}: {}", route.method, answer.1);
                if route.method == Method::GET || route.method == Method::DELETE {
                    assert_eq!(answer.0, StatusCode::NOT_FOUND, "{} {path} {theirs}: {}", route.method, answer.1);
                }
                let same = told(&root, &route.method, &path, &body, nobodys).await;
                assert_eq!(answer, same, "{} {path} {theirs}", route.method);
                count += 1;
            }
        }
    }
    assert!(count > 200, "{count}");
}

#[tokio::test]
async fn what_is_another_organisations_cannot_be_named_in_a_request_either() {
    let ground = Ground::with("limits.api = \"1000000/1s\"").await;
    let other = other(&ground).await;
    ground.user("ada", &["administrator"]).await;
    let root = ground.root();
    let (get, post) = (Method::GET, Method::POST);
    for (method, path, body, values) in [
        (&get, "/api/v1/grants?user=VALUE", json!({}), &other.user),
        (&get, "/api/v1/grants?user=VALUE", json!({}), &other.user_name),
        (&get, "/api/v1/grants?group=VALUE", json!({}), &other.group),
        (&get, "/api/v1/sessions?user=VALUE", json!({}), &other.user),
        (&get, "/api/v1/explain?permission=users:read&user=VALUE", json!({}), &other.user),
        (&get, "/api/v1/explain?permission=users:read&user=VALUE", json!({}), &other.user_name),
        (&post, "/api/v1/grants", json!({"user": "VALUE", "role": "editor"}), &other.user),
        (&post, "/api/v1/grants", json!({"user": "VALUE", "role": "editor"}), &other.user_name),
        (&post, "/api/v1/grants", json!({"group": "VALUE", "role": "editor"}), &other.group),
        (&post, "/api/v1/grants", json!({"group": "VALUE", "role": "editor"}), &other.group_name),
        (&post, "/api/v1/grants", json!({"user": "ada", "role": "VALUE"}), &other.role),
        (&post, "/api/v1/grants", json!({"user": "ada", "role": "editor", "scope": "department:VALUE"}), &other.scope),
        (&post, "/api/v1/users", json!({"userName": "eve", "role": "VALUE"}), &other.role),
        (&post, "/api/v1/users", json!({"userName": "eve", "access_groups": ["VALUE"]}), &other.group_name),
        (&post, "/api/v1/users", json!({"userName": "eve", "supervisor": "VALUE"}), &other.user),
        (&post, "/api/v1/groups", json!({"name": "x", "users": ["VALUE"]}), &other.user),
        (&post, "/api/v1/groups", json!({"name": "x", "groups": ["VALUE"]}), &other.group),
        (&post, "/api/v1/tokens", json!({"name": "x", "scope": "read", "user": "VALUE"}), &other.user),
        (&post, "/api/v1/departments", json!({"name": "x", "parent": "VALUE"}), &other.scope),
    ] {
        let [theirs, nobodys] = values;
        let answer = told(&root, method, path, &body, theirs).await;
        assert!(!answer.0.is_success(), "{method} {path} {body} {theirs}: {}", answer.1);
        assert_eq!(answer, told(&root, method, path, &body, nobodys).await, "{method} {path} {body}");
    }
}

#[tokio::test]
async fn lists_hold_nothing_of_another_organisation() {
    let ground = Ground::new().await;
    let other = other(&ground).await;
    let root = ground.root();
    let lists = api::table().into_iter().filter(|route| route.method == Method::GET && !route.path.contains('{'));
    let mut count = 0;
    for route in lists {
        let path = match route.path {
            "/api/v1/scopes" => "/api/v1/scopes?kind=department",
            other => other,
        };
        let reply = root.get(path).await;
        for [theirs, _] in other.all() {
            assert!(
                !reply.text.to_lowercase().contains(&theirs.to_lowercase()),
                "{path} tells {theirs}: {}",
                reply.text
            );
        }
        count += 1;
    }
    assert!(count > 10, "{count}");
    // A name that the other has is free here.
    let body = json!({"userName": other.user_name[0]});
    assert_eq!(root.post("/api/v1/users", body).await.status, StatusCode::CREATED);
    let body = json!({"name": other.group_name[0]});
    assert_eq!(root.post("/api/v1/groups", body).await.status, StatusCode::CREATED);
    let body = json!({"name": "Palmyra"});
    assert_eq!(root.post("/api/v1/departments", body).await.status, StatusCode::CREATED);
    // And who has the name here has none of the other's rights.
    let reply = root.get("/api/v1/explain?user=zenobia-of-palmyra&permission=users:read").await.json();
    assert_eq!(reply["allowed"], false);
}

#[tokio::test]
async fn nothing_can_be_done_to_what_is_another_organisations_by_any_verb() {
    let ground = Ground::with("limits.api = \"1000000/1s\"").await;
    let other = other(&ground).await;
    ground.user("ada", &["administrator"]).await;
    ground.test.place(&["department:finance"]).await;
    let root = ground.root();
    let (post, patch, delete) = (Method::POST, Method::PATCH, Method::DELETE);
    let row = json!([{"first_name": "Eve", "last_name": "X", "email": "eve@example.com"}]);
    for (method, path, body, values) in [
        (&post, "/api/v1/users/VALUE:offboard", json!({}), &other.user),
        (&post, "/api/v1/users/VALUE:offboard", json!({"dry_run": true}), &other.user_name),
        (&post, "/api/v1/users/VALUE:logout", json!({}), &other.user),
        (&post, "/api/v1/users/VALUE:demand", json!({"requires_factor": true}), &other.user),
        (&post, "/api/v1/users/VALUE:reset-password", json!({}), &other.user_name),
        (&patch, "/api/v1/users/VALUE", json!({"displayName": "x"}), &other.user),
        (&patch, "/api/v1/users/VALUE?dry_run=true", json!({"active": false}), &other.user_name),
        (&delete, "/api/v1/users/VALUE?confirm=zenobia-of-palmyra", json!({}), &other.user),
        (&post, "/api/v1/users/VALUE/departments", json!({"department": "finance", "role": "editor"}), &other.user),
        (&delete, "/api/v1/locks/VALUE", json!({}), &other.user),
        (&patch, "/api/v1/groups/VALUE", json!({"name": "x"}), &other.group),
        (&post, "/api/v1/groups/VALUE/members", json!({"users": ["ada"]}), &other.group),
        (&delete, "/api/v1/groups/VALUE/members?user=ada", json!({}), &other.group_name),
        (&post, "/api/v1/roles/VALUE:duplicate", json!({"name": "Copy"}), &other.role),
        (&patch, "/api/v1/roles/VALUE", json!({"description": "x"}), &other.role),
        (&post, "/api/v1/roles", json!({"name": "x", "permissions": [], "includes": ["VALUE"]}), &other.role),
        (&post, "/api/v1/users:bulk", json!({"role": "VALUE", "rows": row.clone()}), &other.role),
        (
            &post,
            "/api/v1/users:bulk",
            json!({"role": "browser", "access_groups": ["VALUE"], "rows": row}),
            &other.group_name,
        ),
        (&post, "/api/v1/departments/VALUE/users", json!({"user": "ada", "role": "editor"}), &other.scope),
        (&patch, "/api/v1/departments/VALUE", json!({"name": "x"}), &other.scope),
        (&patch, "/api/v1/scopes/department:VALUE", json!({"parent": "finance"}), &other.scope),
        (&patch, "/api/v1/departments/finance", json!({"parent": "VALUE"}), &other.scope),
        (&patch, "/api/v1/people/VALUE", json!({"first_name": "x"}), &other.person),
        (&patch, "/api/v1/people/VALUE", json!({"first_name": "x"}), &other.employee),
        (&post, "/api/v1/users", json!({"userName": "eve", "role": "browser", "employee": "VALUE"}), &other.person),
        (&post, "/api/v1/users", json!({"userName": "eve", "role": "browser", "employee": "VALUE"}), &other.employee),
        (&delete, "/api/v1/grants/VALUE?dry_run=true", json!({}), &other.grant),
    ] {
        let [theirs, nobodys] = values;
        let answer = told(&root, method, path, &body, theirs).await;
        assert!(!answer.0.is_success(), "{method} {path} {body} {theirs}: {}", answer.1);
        assert_eq!(answer, told(&root, method, path, &body, nobodys).await, "{method} {path} {body}");
    }
    for path in [
        "/api/v1/users?scope=department:VALUE",
        "/api/v1/groups?scope=department:VALUE",
        "/api/v1/grants?scope=department:VALUE",
        "/api/v1/who-can?permission=users:read&scope=department:VALUE",
        "/api/v1/users?filter=department%20eq%20%22VALUE%22",
    ] {
        let [theirs, nobodys] = &other.scope;
        let answer = told(&root, &Method::GET, path, &json!({}), theirs).await;
        assert_eq!(answer, told(&root, &Method::GET, path, &json!({}), nobodys).await, "{path}");
        assert!(!answer.1.contains("zenobia") && !answer.1.contains("Palmyra"), "{path}: {}", answer.1);
    }
}
