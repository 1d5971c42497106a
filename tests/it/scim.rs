//! SCIM through its router: as a client sees it, without sockets.

mod admission;
mod bounds;
mod brake;
mod bulk;
mod clients;
mod conditions;
mod connections;
mod cursors;
mod discovery;
mod entra;
mod entra_flow;
mod groups;
mod guides;
mod hostile;
mod lists;
mod me;
mod members_model;
mod oauth;
mod okta;
mod okta_flow;
mod ownership;
mod page;
mod passwords;
mod reads;
mod request_log;
mod requirements;
mod schema_extensions;
mod schema_types;
mod score;
mod sorted;
mod users;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use cleargate::access::{Access, Pack};
use cleargate::audit::{Event, Ledger, Sealer};
use cleargate::clock::{Clock, ManualClock, Timestamp};
use cleargate::config::{self, Credentials};
use cleargate::directory::{Connection, Directory, Rules};
use cleargate::http::Metrics;
use cleargate::limit::{Allowance, LimitSettings, Limits};
use cleargate::model::schema::Schemas;
use cleargate::model::{OrganisationId, TokenKind};
use cleargate::scim::{Cursors, Gate, Scim, routes};
use cleargate::secret::{IdSource, MacKey};
use cleargate::store::{self, Store, Writer};
use cleargate::tokens::Tokens;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

pub const BASE: &str = "https://id.example/scim/v2";
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
pub const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
pub const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
/// A well-formed id that nothing has.
pub const NOBODY: &str = "01234567-89ab-7cde-8f01-23456789abcd";

/// A gateway that speaks nothing but SCIM, with a clock that stands.
pub struct Ground {
    pub clock: ManualClock,
    pub ledger: Ledger,
    pub directory: Directory,
    pub access: Access,
    pub tokens: Tokens,
    limits: Limits,
    schemas: Schemas,
}

impl Ground {
    pub fn new() -> Self {
        // As by default in the configuration.
        let scim = Allowance::new(60_000, Duration::from_secs(60), 60_000);
        Self::with_limits(&LimitSettings { scim, ..LimitSettings::default() })
    }

    pub fn with_limits(limits: &LimitSettings) -> Self {
        Self::over(limits, |clock, seal| store::open_memory(clock, Arc::new(seal)))
    }

    /// Over a file, where a commit takes as long as the disk.
    pub fn in_file(path: &Path) -> Self {
        let settings = store::Settings { path: path.to_owned(), cache_bytes: 16 << 20 };
        Self::over(&LimitSettings::default(), |clock, seal| store::open(&settings, clock, Arc::new(seal)).unwrap())
    }

    /// Another installation, with another master key.
    pub fn new_with_key(key: u8) -> Self {
        Self::made(key, &LimitSettings::default(), |clock, seal| store::open_memory(clock, Arc::new(seal)))
    }

    fn over(limits: &LimitSettings, open: impl FnOnce(Clock, Sealer) -> (Store, Writer)) -> Self {
        Self::made(7, limits, open)
    }

    fn made(key: u8, limits: &LimitSettings, open: impl FnOnce(Clock, Sealer) -> (Store, Writer)) -> Self {
        let clock = ManualClock::new(Timestamp::from_seconds(1_800_000_000));
        let (key, ids) = (MacKey::new(&[key; 32]), IdSource::seeded(1));
        let (store, writer) = open(clock.clock(), Sealer::new(&key));
        let ledger = Ledger::new(store, writer);
        let directory = Directory::new(ledger.clone(), clock.clock(), ids.clone(), Rules::default());
        let pack = Pack::open("clearpoint-systems", &BTreeMap::new()).unwrap();
        let access = Access::new(
            ledger.clone(),
            clock.clock(),
            ids.clone(),
            OrganisationId::DEFAULT,
            pack.roles().clone(),
            Arc::new(directory.clone()),
        );
        let tokens = Tokens::new(ledger.clone(), &key, ids.clone(), clock.clock());
        let limits = Limits::new(limits, &clock.clock(), &ids);
        Self { clock, ledger, directory, access, tokens, limits, schemas: Schemas::default() }
    }

    /// With the schemas and resource types of these lines of a configuration.
    pub fn with_schemas(lines: &str) -> Self {
        let mut ground = Self::new();
        ground.know(lines);
        ground
    }

    /// Knows these from now on.
    pub fn know(&mut self, lines: &str) {
        let text = format!("public_url = \"https://id.example\"\n{lines}");
        let source = config::Source { name: "cleargate.toml".to_owned(), text };
        let file = config::File::parse(PathBuf::new(), vec![source]);
        self.schemas = config::resolve(&file, &Credentials::None).unwrap_or_else(|e| panic!("{e:?}")).schemas;
        self.directory = self.directory.clone().with_schemas(&self.schemas);
    }

    /// With these settings of connections: the rest of a `[[scim]]` each.
    pub fn with_connections(mut self, settings: &str) -> Self {
        let text = format!("public_url = \"https://id.example\"\n{settings}\n");
        let source = config::Source { name: "cleargate.toml".to_owned(), text };
        let file = config::File::parse(Default::default(), vec![source]);
        let config = config::resolve(&file, &config::Credentials::None).unwrap();
        let settings = config.scim.iter().map(|scim| {
            let connection = Connection { takes_over: scim.takes_over.clone(), brake: scim.brake };
            (scim.id.clone(), connection)
        });
        self.directory = self.directory.with_connections(settings.collect());
        self
    }

    /// The surface's router.
    pub fn router(&self, public_url: &str) -> Router {
        self.serve(self.scim(public_url))
    }

    /// The same, counting into `metrics`.
    pub fn counting_router(&self, metrics: &Metrics) -> Router {
        self.serve(self.scim("https://id.example").counted_by(metrics.clone()))
    }

    fn scim(&self, public_url: &str) -> Scim {
        let cursors = Cursors::new(&MacKey::new(&[7; 32]), self.clock.clock());
        Scim::new(self.directory.clone(), self.access.clone(), cursors, public_url)
            .limited_by(self.limits.clone())
            .knowing(&self.schemas)
    }

    fn serve(&self, scim: Scim) -> Router {
        let gate = Gate::new(self.tokens.clone(), self.limits.clone());
        routes(scim, Arc::new(gate))
    }

    /// A new token of a connection.
    pub async fn token(&self, connection: &str) -> String {
        let permit = self.access.task_permit("test", None);
        let kind = TokenKind::Scim(connection.parse().unwrap());
        let (secret, _) = self.tokens.create(&permit, connection, kind, None).await.unwrap();
        secret.expose().to_owned()
    }

    /// A client with a token of this connection.
    pub async fn client(&self, connection: &str) -> Client {
        let token = Some(self.token(connection).await);
        Client { router: self.router("https://id.example/"), clock: self.clock.clone(), token }
    }

    pub async fn events(&self) -> Vec<Event> {
        let rows = self.ledger.store().engine().log(0, 10_000).await.unwrap();
        rows.iter().map(|row| store::decode("log", &row.body).unwrap()).collect()
    }

    /// Lets time pass, as between two requests of a person.
    pub fn wait(&self) {
        self.clock.advance(Duration::from_secs(1));
    }
}

/// One connection's client of a gateway of its own, which does not mind how much it removes.
pub async fn client() -> Client {
    Ground::new().with_connections("[[scim]]\nid = \"okta\"\nbrake.at_least = 1_000_000").client("okta").await
}

#[derive(Clone)]
pub struct Client {
    pub router: Router,
    clock: ManualClock,
    pub token: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Null when the body is empty.
    pub body: Value,
}

impl Client {
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[], body.to_string()).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, &[], body.to_string()).await
    }

    /// A PATCH with these operations.
    pub async fn patch(&self, path: &str, operations: Value) -> Answer {
        let body = json!({"schemas": [PATCH], "Operations": operations});
        self.send(Method::PATCH, path, &[], body.to_string()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], "").await
    }

    /// Any request, after which a millisecond has passed: ids sort by the millisecond of creation. `path` is below `/scim/v2`. A body is SCIM unless a header says otherwise.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(&method).uri(format!("/scim/v2{path}"));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !headers.iter().any(|(name, _)| *name == "content-type") && method != Method::GET {
            request = request.header("content-type", "application/scim+json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        self.clock.advance(Duration::from_millis(1));
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            assert_eq!(parts.headers["content-type"], "application/scim+json", "{method} {path}");
            serde_json::from_slice(&bytes).unwrap()
        };
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// A user of this name; returns the id.
    pub async fn user(&self, name: &str) -> String {
        let answer = self.post("/Users", &json!({"schemas": [USER], "userName": name})).await;
        answer.expect(201).id()
    }

    /// A group of this name with these members; returns the id.
    pub async fn group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let body = json!({"schemas": [GROUP], "displayName": name, "members": members});
        self.post("/Groups", &body).await.expect(201).id()
    }

    /// The ids of a group's members, sorted.
    pub async fn members(&self, group: &str) -> Vec<String> {
        let answer = self.get(&format!("/Groups/{group}")).await.expect(200);
        let members = answer.body["members"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<String> = members.iter().map(|m| m["value"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    }

    /// The names that a list shows.
    pub async fn names(&self, path: &str) -> Vec<String> {
        self.get(path).await.expect(200).names()
    }
}

impl Answer {
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// Expects a SCIM error (RFC 7644 section 3.12).
    #[track_caller]
    pub fn expect_error(self, status: u16, scim_type: Option<&str>) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.body["schemas"], json!([ERROR]));
        assert_eq!(answer.body["status"], json!(status.to_string()));
        assert_eq!(answer.body["scimType"].as_str(), scim_type, "{}", answer.body);
        assert!(answer.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        answer
    }

    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The `userName` or `displayName` of each listed resource.
    pub fn names(&self) -> Vec<String> {
        let name = |resource: &Value| {
            let name = resource["userName"].as_str().or(resource["displayName"].as_str());
            name.unwrap().to_owned()
        };
        self.body["Resources"].as_array().unwrap().iter().map(name).collect()
    }
}

/// Percent-encodes a query's value.
pub fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
