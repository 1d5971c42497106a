//! Everything that ends somebody's access, against every way in: what is refused at the next request, and what goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use cleargate::access::{Bound, NewGrant};
use cleargate::audit::EventKind;
use cleargate::clock::ManualClock;
use cleargate::config::{self, Credentials};
use cleargate::directory::{GroupDraft, Member, MemberChange};
use cleargate::gateway::{Foundation, Gateway};
use cleargate::http::outbound::{Outbound, OutboundSettings, Provenance};
use cleargate::model::{Attributes, Group, Permission, Subject, TokenKind, User};
use cleargate::sandbox::openid::{KnownClient, Person, Provider, router};
use cleargate::secret::IdSource;
use cleargate::tokens::Token;
use http::{Method, StatusCode, header};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use super::provider::Stage;
use crate::oidc::stage::{CLIENT_ID, KEY, accept};
use crate::support::gateway::{START, Visitor};

const NAME: &str = "ada@example.org";
const PASSWORD: &str = "violet anchor under seven bridges";
const LINES: &str = r#"
[[scim]]
id = "okta"
[[saml]]
id = "entra"
metadata = { file = "entra.xml" }
domains = ["example.org"]
"#;

/// A way in, or something that acts by one that was taken before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Password,
    Saml,
    Oidc,
    Link,
    /// A session that is open.
    Session,
    /// A management token that acts for her.
    Token,
    /// A management token that she made, which acts for nobody.
    Made,
    /// Her token at the provisioning surface.
    Scim,
    /// A provisioning connection's token, which is nobody's.
    Connection,
    /// What an application is told of her.
    Decision,
}
use Way::{Connection, Decision, Link, Made, Oidc, Password, Saml, Scim, Session};

const WAYS: [Way; 10] = [Password, Saml, Oidc, Link, Session, Way::Token, Made, Scim, Connection, Decision];

/// What ends access.
#[derive(Clone, Copy, Debug)]
enum End {
    Inactive,
    Deleted,
    RoleDenies,
    GroupGone,
    TokenRevoked,
    SessionEnded,
    LoggedOut,
    EverybodysSessions,
    NetworkOfOrganisation,
    NetworkOfUser,
    /// Single sign-on is demanded of her: not an end, but of every other way in.
    SingleSignOn,
}

/// What each must refuse; everything else must go on.
const MATRIX: [(End, &[Way]); 11] = [
    (End::Inactive, &[Password, Saml, Oidc, Link, Session, Way::Token, Made, Scim, Decision]),
    (End::Deleted, &[Password, Saml, Oidc, Link, Session, Way::Token, Made, Scim, Decision]),
    (End::RoleDenies, &[Password, Saml, Oidc, Link, Session, Way::Token, Made, Scim, Decision]),
    (End::GroupGone, &[Session, Way::Token, Made, Decision]),
    (End::TokenRevoked, &[Way::Token, Scim]),
    (End::SessionEnded, &[Session]),
    (End::LoggedOut, &[Session]),
    (End::EverybodysSessions, &[Session]),
    (End::NetworkOfOrganisation, &[Password, Saml, Oidc, Link, Session, Way::Token, Made, Scim, Decision]),
    (End::NetworkOfUser, &[Password, Saml, Oidc, Link, Session, Way::Token, Made, Scim, Decision]),
    (End::SingleSignOn, &[Password, Link]),
];

/// An OpenID provider on loopback, which knows her.
struct OpenId {
    base: String,
    browser: Outbound,
    _server: JoinSet<()>,
}

impl OpenId {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let callback = "http://127.0.0.1:8080/oidc/google/callback".to_owned();
        let client = KnownClient { id: CLIENT_ID.into(), secret: None, redirect_uris: vec![callback] };
        let ada = Person { sub: "248289761001".into(), name: "Ada".into(), email: NAME.into(), groups: Vec::new() };
        let (key, clock) = (Arc::clone(&KEY), ManualClock::new(START));
        let provider = Provider::new(&base, key, client, vec![ada], clock.clock(), IdSource::seeded(7));
        let mut server = JoinSet::new();
        server.spawn(accept(listener, router(provider)));
        Self { base, browser: Outbound::new(OutboundSettings::default()).unwrap(), _server: server }
    }

    fn lines(&self) -> String {
        let (base, id) = (&self.base, CLIENT_ID);
        format!("[[oidc]]\nid = \"google\"\nissuer = \"{base}\"\nclient_id = \"{id}\"\ndomains = [\"example.org\"]\n")
    }

    /// Whether the provider's word opens a session.
    async fn signs_in(&self, browser: &mut Visitor) -> bool {
        let start = browser.get("/login/google?return_to=/").await;
        assert_eq!(start.status, StatusCode::SEE_OTHER, "{}", start.text);
        let mut there: Url = start.location().parse().unwrap();
        there.query_pairs_mut().append_pair("login_hint", NAME);
        let answer = self.browser.get(&there, &Provenance::Administrator, "text/html").await.unwrap();
        let back: Url = answer.headers[header::LOCATION].to_str().unwrap().parse().unwrap();
        let reply = browser.get(&format!("{}?{}", back.path(), back.query().unwrap())).await;
        assert!(matches!(reply.status.as_u16(), 303 | 403), "{}", reply.text);
        reply.status == StatusCode::SEE_OTHER
    }
}

/// Ada with everything that she signs in and acts by.
struct Ground {
    stage: Stage,
    openid: OpenId,
    ada: User,
    group: Group,
    session: Visitor,
    link: String,
    token: (Visitor, Token),
    made: Visitor,
    connection: Visitor,
    application: Visitor,
}

impl Ground {
    async fn new() -> Self {
        let openid = OpenId::start().await;
        let stage = Stage::with(&format!("{LINES}{}", openid.lines()), &["entra"]).await;
        let gateway = &stage.gateway;
        let ada = gateway.user(NAME, Some(PASSWORD)).await;
        // Her rights come by a group.
        let mut members = MemberChange::default();
        members.add(Member::User(ada.id));
        let draft = GroupDraft {
            name: "Admins".parse().unwrap(),
            external_id: None,
            attributes: Attributes::default(),
            members,
        };
        let group = gateway.gateway.directory().create_group(&gateway.task(), &draft).await.unwrap();
        let access = gateway.gateway.access();
        let grant = NewGrant::new(Subject::Group(group.id), "administrator".parse().unwrap());
        access.grants().create(&gateway.task(), &access.roles(), grant).await.unwrap();
        // The providers are known to her account; the first time, each ends the sessions that there are.
        assert!(openid.signs_in(&mut gateway.visitor()).await);
        assert_eq!(stage.sign_in_by("entra", &mut gateway.visitor(), NAME, &[]).await.status, StatusCode::SEE_OTHER);
        let mut session = gateway.visitor();
        assert_eq!(session.sign_in(NAME, PASSWORD).await.status, StatusCode::SEE_OTHER);
        let link = gateway.gateway.login().one_time_link(&gateway.task(), &ada).await.unwrap().expose().to_owned();
        let limit = |text: &str| -> Vec<Permission> { vec![text.parse().unwrap()] };
        let token = bearer(&stage, TokenKind::Management(limit("users:read"), Some(ada.id), None)).await;
        let made = bearer(&stage, TokenKind::Management(limit("users:read"), None, Some(ada.id))).await.0;
        let connection = bearer(&stage, TokenKind::Scim("okta".parse().unwrap())).await.0;
        let application = bearer(&stage, TokenKind::Management(limit("decisions:read"), None, None)).await.0;
        Self { stage, openid, ada, group, session, link, token, made, connection, application }
    }

    /// Whether a way works now.
    async fn works(&mut self, way: Way) -> bool {
        let mut browser = self.stage.gateway.visitor();
        match way {
            Password => browser.sign_in(NAME, PASSWORD).await.status == StatusCode::SEE_OTHER,
            Saml => self.stage.sign_in_by("entra", &mut browser, NAME, &[]).await.status == StatusCode::SEE_OTHER,
            Oidc => self.openid.signs_in(&mut browser).await,
            Link => {
                let page = browser.get(&self.link).await;
                let (token, csrf) = (page.field("token"), page.field("csrf"));
                let reply = browser.post("/login/link", &[("token", &token), ("csrf", &csrf)]).await;
                reply.status == StatusCode::SEE_OTHER
            }
            Session => reads(&mut self.session, "/api/v1/users").await,
            Way::Token => reads(&mut self.token.0, "/api/v1/users").await,
            Made => reads(&mut self.made, "/api/v1/users").await,
            Scim => reads(&mut self.token.0, "/scim/v2/Me").await,
            Connection => reads(&mut self.connection, "/scim/v2/Users?count=0").await,
            Decision => {
                let body = json!({
                    "subject": {"type": "user", "id": NAME},
                    "action": {"name": "read"},
                    "resource": {"type": "users", "id": "1"},
                    "context": {"ip": "198.51.100.7"},
                });
                let kind = Some("application/json");
                let path = "/access/v1/evaluation";
                // The application itself comes over the network, from where it may.
                self.application.address = "203.0.113.5".parse().unwrap();
                let reply = self.application.send(Method::POST, path, kind, Body::from(body.to_string())).await;
                assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
                reply.json()["decision"] == true
            }
        }
    }

    async fn end(&mut self, end: End) {
        let gateway = &self.stage.gateway;
        let (task, services) = (gateway.task(), &gateway.gateway);
        match end {
            End::Inactive => drop(services.directory().set_active(&task, self.ada.id, false).await.unwrap()),
            End::Deleted => services.directory().delete_user(&task, self.ada.id, None).await.unwrap(),
            End::RoleDenies => {
                let grant = NewGrant::new(Subject::User(self.ada.id), "no_access".parse().unwrap());
                services.access().grants().create(&task, &services.access().roles(), grant).await.unwrap();
            }
            End::GroupGone => services.directory().delete_group(&task, self.group.id, None).await.unwrap(),
            End::TokenRevoked => drop(services.tokens().revoke(&task, self.token.1.id).await.unwrap()),
            End::SessionEnded => {
                let sessions = services.sessions().list(self.ada.id).await.unwrap();
                let open = sessions.iter().find(|session| session.method.name() == "password").unwrap();
                services.sessions().end(&task, open.id).await.unwrap();
            }
            End::LoggedOut => {
                let mut change = services.ledger().change();
                services.sessions().end_all(&mut change, self.ada.id).await.unwrap();
                change.commit(task.event(gateway.clock.clock().now(), EventKind::SessionEnded)).await.unwrap();
            }
            End::SingleSignOn => {
                services.factors().demand(&task, &self.ada, None, Some(true)).await.unwrap();
            }
            End::EverybodysSessions => {
                services.sessions().end_everybody(|now| task.event(now, EventKind::SessionsEnded)).await.unwrap();
            }
            End::NetworkOfOrganisation | End::NetworkOfUser => {
                let bound = match end {
                    End::NetworkOfUser => Bound::User(self.ada.id),
                    _ => Bound::Organisation,
                };
                let lists = BTreeMap::from([(bound, vec!["203.0.113.0/24".parse().unwrap()])]);
                services.access().set_network_rules(&task, None, &lists).await.unwrap();
            }
        }
    }
}

async fn bearer(stage: &Stage, kind: TokenKind) -> (Visitor, Token) {
    let gateway = &stage.gateway;
    let (secret, token) = gateway.gateway.tokens().create(&gateway.task(), "x", kind, None).await.unwrap();
    let mut visitor = gateway.visitor();
    visitor.headers.insert(header::AUTHORIZATION, format!("Bearer {}", secret.expose()).parse().unwrap());
    (visitor, token)
}

async fn reads(visitor: &mut Visitor, path: &str) -> bool {
    let reply = visitor.get(path).await;
    assert!(matches!(reply.status.as_u16(), 200 | 401 | 403 | 404), "{path}: {}", reply.text);
    reply.status == StatusCode::OK
}

#[tokio::test]
async fn whatever_ends_access_ends_it_on_every_way_at_the_next_request() {
    // All ways work as long as nothing has ended.
    let mut ground = Ground::new().await;
    for way in WAYS {
        assert!(ground.works(way).await, "{way:?}");
    }
    let mut wrong = Vec::new();
    for (end, refused) in MATRIX {
        let mut ground = Ground::new().await;
        // What is kept ready must not outlive it.
        for way in [Session, Way::Token, Made, Scim, Connection, Decision] {
            assert!(ground.works(way).await, "{way:?}");
        }
        ground.end(end).await;
        ground.stage.gateway.advance(Duration::from_secs(1));
        let refused: BTreeSet<Way> = refused.iter().copied().collect();
        for way in WAYS {
            let works = ground.works(way).await;
            if works == refused.contains(&way) {
                wrong.push(format!("{end:?} x {way:?}: {}", if works { "goes on" } else { "is refused" }));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_connector_that_is_taken_out_of_the_configuration_takes_its_sessions_along() {
    let stage = Stage::with(LINES, &["entra"]).await;
    let folder = tempfile::tempdir().unwrap();
    let store = format!("store.path = {:?}\n", folder.path().join("store.redb"));
    let base = format!("public_url = \"http://127.0.0.1:8080\"\npassword.hashing.memory = \"19MiB\"\n{store}");
    let path = folder.path().join("cleargate.toml");
    let open = async |lines: &str| {
        std::fs::write(&path, format!("{base}{lines}")).unwrap();
        let foundation = Foundation { clock: stage.gateway.clock.clock(), ..Foundation::system() };
        Gateway::open(config::load(&path, &Credentials::None).unwrap(), foundation).await.unwrap()
    };
    std::fs::write(folder.path().join("entra.xml"), stage.metadata("entra")).unwrap();
    let cookie = |browser: &Visitor| browser.cookies.clone();
    let (by_saml, by_password) = {
        let gateway = open(LINES).await;
        let router = gateway.public_router();
        let record = crate::support::gateway::record(NAME);
        let task = gateway.access().task_permit("test", None);
        let ada = gateway.directory().create_user(&task, &record).await.unwrap();
        let secret = cleargate::secret::Secret::new(PASSWORD.to_owned());
        gateway.credentials().set(&task, &ada, &secret, false).await.unwrap();
        let mut by_saml = stage.gateway.visitor().at(router.clone());
        let reply = stage.sign_in_by("entra", &mut by_saml, NAME, &[]).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text);
        let mut by_password = stage.gateway.visitor().at(router);
        assert_eq!(by_password.sign_in(NAME, PASSWORD).await.status, StatusCode::SEE_OTHER);
        (cookie(&by_saml), cookie(&by_password))
    };
    for (lines, saml_goes_on) in [(LINES, true), ("", false), (LINES, true)] {
        let gateway = open(lines).await;
        for (cookies, goes_on) in [(&by_saml, saml_goes_on), (&by_password, true)] {
            let mut browser = stage.gateway.visitor().at(gateway.public_router());
            browser.cookies.clone_from(cookies);
            assert_eq!(browser.get("/api/v1/me").await.status == StatusCode::OK, goes_on, "{lines}");
        }
    }
}
