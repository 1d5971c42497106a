//! A whole gateway without sockets: store in memory, a clock that is moved, repeatable ids.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use cleargate::access::{NewScope, Permit};
use cleargate::clock::{ManualClock, Timestamp};
use cleargate::config::{self, Credentials};
use cleargate::directory::SourceRecord;
use cleargate::gateway::{Foundation, Gateway};
use cleargate::http::{ClientAddress, RequestId};
use cleargate::model::{Actor, Attributes, Circumstance, SourceId, TokenId, User};
use cleargate::secret::{IdSource, Secret};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// When every test begins: 2026-11-22T08:00:00Z.
pub const START: Timestamp = Timestamp::from_seconds(1_795_334_400);

/// A gateway for one test.
pub struct TestGateway {
    pub gateway: Gateway,
    pub clock: ManualClock,
    router: Router,
    folder: tempfile::TempDir,
    /// How often its store was opened.
    openings: u64,
}

impl TestGateway {
    /// With nothing configured but what must be.
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// With these lines added to the configuration.
    pub async fn with(lines: &str) -> Self {
        Self::with_files(lines, &[]).await
    }

    /// The same with further files beside the configuration, by name.
    pub async fn with_files(lines: &str, files: &[(&str, &str)]) -> Self {
        Self::at("http://127.0.0.1:8080", lines, files).await
    }

    /// The same at another address.
    pub async fn at(address: &str, lines: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let path = folder.path().join("cleargate.toml");
        let text = format!("public_url = \"{address}\"\npassword.hashing.memory = \"19MiB\"\n{lines}\n");
        std::fs::write(&path, text).unwrap();
        let config = config::load(&path, &Credentials::None)
            .unwrap_or_else(|problems| panic!("{}", problems.iter().map(|p| format!("{p:?}\n")).collect::<String>()));
        let clock = ManualClock::new(START);
        let foundation = Foundation { clock: clock.clock(), ids: IdSource::seeded(1), ..Foundation::system() };
        let gateway = Gateway::open_in_memory(config, foundation).await.unwrap();
        let router = gateway.public_router();
        Self { gateway, clock, router, folder, openings: 1 }
    }

    /// The same with its store on the disk, in a file `cleargate.redb` of its folder.
    pub async fn on_disk(lines: &str, files: &[(&str, &str)]) -> Self {
        let stage = Self::with_files(&format!("store.path = \"cleargate.redb\"\n{lines}"), files).await;
        stage.reopened(|_| {}).await
    }

    /// Ends it and starts it again; `between` may do what it likes to the store's file. Only for one whose store is on the
    /// disk.
    pub async fn reopened(self, between: impl FnOnce(&std::path::Path)) -> Self {
        let Self { gateway, clock, router, folder, openings } = self;
        gateway.tasks().join(Duration::from_secs(10)).await;
        drop((gateway, router));
        between(&folder.path().join("cleargate.redb"));
        let config = config::load(&folder.path().join("cleargate.toml"), &Credentials::None).unwrap();
        let ids = IdSource::seeded(1 + openings);
        let foundation = Foundation { clock: clock.clock(), ids, ..Foundation::system() };
        let gateway = Gateway::open(config, foundation).await.unwrap();
        let router = gateway.public_router();
        Self { gateway, clock, router, folder, openings: openings + 1 }
    }

    /// Copies the store as a backup does, into a file beside it.
    pub async fn back_up(&self) -> std::path::PathBuf {
        let mut copied = self.gateway.ledger().copy(self.clock.clock().now()).await.unwrap();
        let path = self.folder.path().join("backup.redb");
        std::io::copy(&mut copied.file, &mut std::fs::File::create(&path).unwrap()).unwrap();
        path
    }

    /// Puts another file in the place of one beside the configuration.
    pub fn replace(&self, name: &str, content: &str) {
        let (new, place) = (self.folder.path().join(format!("{name}.new")), self.folder.path().join(name));
        std::fs::write(&new, content).unwrap();
        std::fs::rename(&new, place).unwrap();
    }

    /// Moves the time.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// A browser without cookies.
    pub fn visitor(&self) -> Visitor {
        Visitor {
            router: self.router.clone(),
            cookies: BTreeMap::new(),
            address: "198.51.100.7".parse().unwrap(),
            headers: HeaderMap::new(),
        }
    }

    /// The permit of an administrator on the machine.
    pub fn task(&self) -> Permit {
        self.gateway.access().task_permit("test", None)
    }

    /// The permit of a provisioning connection.
    pub async fn connection(&self, source: &str) -> Permit {
        let (source, token) = (source.parse().unwrap(), TokenId::new(START, &IdSource::seeded(9)));
        let actor = Actor::Connection { source, token };
        self.gateway.access().provision(&actor, Circumstance::default()).await.unwrap()
    }

    /// The permit of a directory's sync.
    pub fn sync_permit(&self, source: &str) -> Permit {
        self.gateway.access().task_permit("test", Some(source.parse::<SourceId>().unwrap()))
    }

    /// Makes scopes, each below the one that is named after `<`: `department:payroll < department:finance`.
    pub async fn place(&self, scopes: &[&str]) {
        for text in scopes {
            let (scope, parent) = text.split_once(" < ").map_or((*text, None), |(scope, parent)| (scope, Some(parent)));
            let (scope, parent) = (scope.parse().unwrap(), parent.map(|parent| parent.parse().unwrap()));
            let new = NewScope { scope, name: (*text).to_owned(), description: String::new(), parent };
            self.gateway.access().scopes().create(&self.task(), new).await.unwrap();
        }
    }

    /// Creates a user, with a password if one is given.
    pub async fn user(&self, user_name: &str, password: Option<&str>) -> User {
        let record = record(user_name);
        let user = self.gateway.directory().create_user(&self.task(), &record).await.unwrap();
        if let Some(password) = password {
            let secret = Secret::new(password.to_owned());
            self.gateway.credentials().set(&self.task(), &user, &secret, false).await.unwrap();
        }
        user
    }
}

/// A record with a name only.
pub fn record(user_name: &str) -> SourceRecord {
    SourceRecord {
        external_id: None,
        user_name: user_name.parse().unwrap(),
        active: Some(true),
        attributes: Attributes::default(),
    }
}

/// A browser that keeps cookies and follows nothing by itself.
#[derive(Clone)]
pub struct Visitor {
    router: Router,
    pub cookies: BTreeMap<String, String>,
    pub address: IpAddr,
    pub headers: HeaderMap,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The value of a hidden field of the page.
    pub fn field(&self, name: &str) -> String {
        let marker = format!("name=\"{name}\" value=\"");
        let start = self.text.find(&marker).unwrap_or_else(|| panic!("no field {name} in {}", self.text));
        self.text[start + marker.len()..].split('"').next().unwrap().replace("&amp;", "&")
    }
}

impl Visitor {
    /// The same browser at another gateway.
    pub fn at(self, router: Router) -> Self {
        Self { router, ..self }
    }

    pub async fn get(&mut self, path: &str) -> Reply {
        self.send(Method::GET, path, None, Body::empty()).await
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(Method::POST, path, Some("application/x-www-form-urlencoded"), Body::from(form)).await
    }

    pub async fn send(&mut self, method: Method, path: &str, kind: Option<&str>, body: Body) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if !self.cookies.is_empty() {
            let line: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, line.join("; "));
        }
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let mut request = request.body(body).unwrap();
        request.headers_mut().extend(self.headers.clone());
        request.extensions_mut().insert(ClientAddress(self.address));
        request.extensions_mut().insert(RequestId("test-request".to_owned()));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie::Cookie::parse(cookie.to_str().unwrap().to_owned()).unwrap();
            if cookie.max_age().is_some_and(|age| age.is_zero()) {
                self.cookies.remove(cookie.name());
            } else {
                self.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
        let bytes = body.collect().await.unwrap().to_bytes();
        Reply { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    /// Fills in the sign-in form.
    pub async fn sign_in(&mut self, user_name: &str, password: &str) -> Reply {
        let page = self.get("/login?return_to=/").await;
        let fields =
            [("username", user_name), ("password", password), ("csrf", &page.field("csrf")), ("return_to", "/")];
        self.post("/login/password", &fields).await
    }
}
