//! OpenID Connect: what each provider's tokens say, who signs them for whom, and where its endpoints are.

use std::sync::Arc;

use axum::Router;
use cleargate::clock::ManualClock;
use cleargate::http::outbound::{Outbound, OutboundSettings, Provenance};
use cleargate::sandbox::openid::{Endpoint, KnownClient, Person, Provider, router};
use cleargate::secret::{IdSource, Secret};
use http::header::LOCATION;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use super::*;
use crate::oidc::stage::{KEY, Spoil, accept, rewrite};
use crate::support::gateway::START;

pub(super) const SECRET: &str = "what the administrator copied";

/// What a provider does in its own way.
pub(super) struct Habit {
    /// The path of its issuer.
    pub(super) path: &'static str,
    /// What its description says otherwise.
    pub(super) description: fn(&mut Value),
    /// What its keys say otherwise.
    pub(super) keys: fn(&mut Value),
    pub(super) claims: fn(&mut Map<String, Value>),
    pub(super) user_info: fn(&mut Value),
    pub(super) has_secret: bool,
    /// Whether its answers name it (RFC 9207).
    pub(super) names_itself: bool,
}

/// A provider at which somebody registered us.
pub(super) struct Theirs {
    pub(super) base: String,
    network: Outbound,
    habit: Habit,
    _server: JoinSet<()>,
}

impl Theirs {
    /// Whoever registered us typed this redirect address and got this id.
    pub(super) async fn new(redirect_uri: String, client_id: &str, habit: Habit) -> Self {
        Self::with(redirect_uri, client_id, habit, |app| app).await
    }

    /// The same with something before it.
    pub(super) async fn with(
        redirect_uri: String,
        client_id: &str,
        habit: Habit,
        before: impl FnOnce(Router) -> Router,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let client = KnownClient {
            id: client_id.to_owned(),
            secret: habit.has_secret.then(|| Secret::new(SECRET.to_owned())),
            redirect_uris: vec![redirect_uri],
        };
        let person = Person {
            sub: "subject-1".to_owned(),
            name: "Ada Lovelace".to_owned(),
            email: ADA.to_owned(),
            groups: vec!["analysts".to_owned()],
        };
        let (description, keys, claims, names_itself) =
            (habit.description, habit.keys, habit.claims, habit.names_itself);
        let user_info = habit.user_info;
        let change = move |endpoint, answer| match endpoint {
            Endpoint::Discovery => rewrite(answer, &move |document: &mut Value| {
                if !names_itself {
                    document.as_object_mut().unwrap().remove("authorization_response_iss_parameter_supported");
                }
                description(document);
            }),
            Endpoint::Keys => rewrite(answer, &keys),
            Endpoint::UserInfo => rewrite(answer, &user_info),
            _ => answer,
        };
        let spoil = Spoil::claims(claims).and_answer(change);
        let issuer = format!("{base}{}", habit.path);
        let clock = ManualClock::new(START).clock();
        let provider = Provider::new(&issuer, Arc::clone(&KEY), client, vec![person], clock, IdSource::seeded(7));
        let routes = before(router(provider.tampered(spoil)));
        let app = if habit.path.is_empty() { routes } else { Router::new().nest(habit.path, routes) };
        let mut server = JoinSet::new();
        server.spawn(accept(listener, app));
        let network = Outbound::new(OutboundSettings::default()).unwrap();
        Self { base, network, habit, _server: server }
    }

    /// The test sign-in, and then one from the button to the start page.
    pub(super) async fn sign_in(&self, gateway: &TestGateway, connector: &str) -> Visitor {
        let mut browser = gateway.visitor();
        let start = begin_test(gateway, &mut browser, connector).await;
        let shown = self.answer(&mut browser, &start).await;
        has_passed(&mut browser, &shown).await;
        let start = browser.get(&format!("/login/{connector}?return_to=/")).await;
        let reply = self.answer(&mut browser, &start).await;
        is_ada(&mut browser, &reply).await;
        is_greeted(&mut browser).await;
        browser
    }

    /// Signs Ada in at the provider and brings back what it answers.
    pub(super) async fn answer(&self, browser: &mut Visitor, start: &Reply) -> Reply {
        assert_eq!(start.status, StatusCode::SEE_OTHER, "{}", start.text);
        let mut url: Url = start.location().parse().unwrap();
        url.query_pairs_mut().append_pair("login_hint", ADA);
        let response = self.network.get(&url, &Provenance::Administrator, "text/html").await.unwrap();
        assert_eq!(response.status, StatusCode::SEE_OTHER, "{url}: {:?}", response.body);
        let mut back: Url = response.headers[LOCATION].to_str().unwrap().parse().unwrap();
        let kept: Vec<(String, String)> =
            back.query_pairs().into_owned().filter(|(name, _)| self.habit.names_itself || name != "iss").collect();
        back.query_pairs_mut().clear().extend_pairs(kept);
        assert!(back.as_str().starts_with(HERE), "{back}");
        browser.get(&format!("{}?{}", back.path(), back.query().unwrap())).await
    }
}

/// The value of a key in a configuration.
pub(super) fn value<'a>(configuration: &'a str, key: &str) -> &'a str {
    let (_, rest) = configuration.split_once(&format!("\n{key} = \"")).unwrap_or_else(|| panic!("no {key}"));
    rest.split('"').next().unwrap()
}

pub(super) fn put(claims: &mut Map<String, Value>, more: Value) {
    claims.extend(more.as_object().unwrap().clone());
}

#[tokio::test]
async fn okta_by_openid_connect() {
    let guide = Guide::read("okta").section("## Sign-in by OpenID Connect instead");
    guide.tries("oidc", "okta");
    let configuration = guide.configuration("[[oidc]]");
    let redirect = "https://sso.example.com/oidc/okta/callback";
    assert!(guide.0.contains(&format!("*Sign-in redirect URIs*: `{redirect}`")));
    let habit = Habit {
        path: "",
        description: |document| {
            document["end_session_endpoint"] = json!(format!("{}/logout", document["issuer"].as_str().unwrap()));
        },
        keys: |_| (),
        claims: |claims| {
            put(
                claims,
                json!({"ver": 1, "jti": "ID.1", "amr": ["pwd"], "idp": "00o1", "auth_time": START.as_seconds()}),
            )
        },
        user_info: |_| (),
        has_secret: true,
        names_itself: false,
    };
    let theirs = Theirs::new(redirect.to_owned(), value(&configuration, "client_id"), habit).await;
    let hosts = [("https://example.okta.com", theirs.base.as_str())];
    let files = [("okta.secret", SECRET)];
    let own = gateway(&configuration, &hosts, &files).await;
    is_offered(&own, "Continue with Okta").await;
    own.user(ADA, None).await;
    let mut browser = theirs.sign_in(&own, "okta").await;
    assert_eq!(browser.get("/api/v1/me").await.json()["groups"], json!(["analysts"]));
    // As the guide says, to be signed out there too.
    assert!(guide.0.contains("`https://sso.example.com/oidc/okta/logged-out`, and `logout = true`"));
    let configuration = configuration.replace("\ndomains", "\nlogout = true\ndomains");
    let own = gateway(&configuration, &hosts, &files).await;
    let mut browser = theirs.sign_in(&own, "okta").await;
    let away = sign_out(&mut browser).await;
    assert!(away.location().starts_with(&format!("{}/logout?", theirs.base)), "{}", away.text);
}

pub(super) const TENANT: &str = "00000000-0000-0000-0000-000000000000";

/// Tokens that vouch for no address, groups by their ids, and keys that name whom they sign for and no algorithm.
pub(super) fn entra(path: &'static str, description: fn(&mut Value)) -> Habit {
    Habit {
        path,
        description,
        keys: |document| {
            let key = document["keys"][0].as_object_mut().unwrap();
            key.remove("alg");
        },
        claims: |claims| {
            for absent in ["email_verified", "at_hash", "sid"] {
                claims.remove(absent);
            }
            let issuer = claims["iss"].as_str().unwrap().replace("/organizations/", &format!("/{TENANT}/"));
            put(
                claims,
                json!({
                    "iss": issuer, "tid": TENANT, "oid": "33333333-3333-3333-3333-333333333333", "ver": "2.0",
                    "nbf": START.as_seconds(), "rh": "0.A", "uti": "x", "groups": ["44444444-4444-4444-4444-444444444444"],
                }),
            );
        },
        user_info: |_| (),
        has_secret: true,
        names_itself: false,
    }
}

#[tokio::test]
async fn entra_id_by_openid_connect() {
    let guide = Guide::read("entra-id").section("## OpenID Connect instead");
    guide.tries("oidc", "entra");
    let redirect = "https://sso.example.com/oidc/entra/callback";
    assert!(guide.0.contains(&format!("`{redirect}`")));
    let configuration = guide.configuration("[[oidc]]");
    assert!(value(&configuration, "issuer").ends_with(&format!("/{TENANT}/v2.0")));
    let habit = entra("/00000000-0000-0000-0000-000000000000/v2.0", |_| ());
    let theirs = Theirs::new(redirect.to_owned(), value(&configuration, "client_id"), habit).await;
    let hosts = [("https://login.microsoftonline.com", theirs.base.as_str()), ("graph.microsoft.com", "localhost")];
    let gateway = gateway(&configuration, &hosts, &[("entra.secret", SECRET)]).await;
    is_offered(&gateway, "Continue with Microsoft").await;
    let mut browser = theirs.sign_in(&gateway, "entra").await;
    let me = browser.get("/api/v1/me").await.json();
    assert_eq!(me["groups"], json!(["44444444-4444-4444-4444-444444444444"]));
}

#[tokio::test]
async fn entra_id_of_several_organisations() {
    let page = Guide::read("entra-id");
    let guide = page.section("### Several organisations");
    let configuration = guide.configuration("[[oidc]]");
    let habit = entra("/organizations/v2.0", |document| {
        let template = document["issuer"].as_str().unwrap().replace("/organizations/", "/{tenantid}/");
        document["issuer"] = json!(template);
    });
    let redirect = "https://sso.example.com/oidc/entra/callback".to_owned();
    let theirs = Theirs::new(redirect, value(&configuration, "client_id"), habit).await;
    let hosts = [("https://login.microsoftonline.com", theirs.base.as_str())];
    let gateway = gateway(&configuration, &hosts, &[("entra.secret", SECRET)]).await;
    theirs.sign_in(&gateway, "entra").await;
}

/// No groups, the organisation, and endpoints on other hosts than the issuer's, which the guide allows.
pub(super) fn google(has_secret: bool) -> Habit {
    Habit {
        path: "",
        description: |document| {
            for name in ["token_endpoint", "jwks_uri", "userinfo_endpoint"] {
                document[name] = json!(document[name].as_str().unwrap().replace("127.0.0.1", "localhost"));
            }
        },
        keys: |_| (),
        claims: |claims| {
            for absent in ["groups", "preferred_username", "sid"] {
                claims.remove(absent);
            }
            let client = claims["aud"].clone();
            put(claims, json!({"azp": client, "hd": "example.com", "given_name": "Ada", "family_name": "Lovelace"}));
        },
        user_info: |_| (),
        has_secret,
        names_itself: false,
    }
}

#[tokio::test]
async fn google_workspace_by_openid_connect() {
    let guide = Guide::read("google-workspace");
    guide.tries("oidc", "google");
    let configuration = guide.configuration("[[oidc]]");
    let habit = google(true);
    let redirect = guide.field("Authorized redirect URIs");
    let theirs = Theirs::new(redirect, value(&configuration, "client_id"), habit).await;
    let hosts = [
        ("https://accounts.google.com", theirs.base.as_str()),
        ("oauth2.googleapis.com", "localhost"),
        ("www.googleapis.com", "localhost"),
        ("openidconnect.googleapis.com", "localhost"),
    ];
    let own = gateway(&configuration, &hosts, &[("google.secret", SECRET)]).await;
    is_offered(&own, "Continue with Google").await;
    own.user(ADA, None).await;
    theirs.sign_in(&own, "google").await;
    // Without the hosts it is refused, as the guide says.
    let without = configuration.split("[outbound]").next().unwrap();
    let own = gateway(without, &hosts[..1], &[("google.secret", SECRET)]).await;
    assert_eq!(own.visitor().get("/login/google").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

pub(super) fn any(has_secret: bool) -> Habit {
    Habit {
        path: "",
        description: |document| {
            document["end_session_endpoint"] = json!(format!("{}/logout", document["issuer"].as_str().unwrap()));
        },
        keys: |_| (),
        claims: |_| (),
        user_info: |_| (),
        has_secret,
        names_itself: true,
    }
}

#[tokio::test]
async fn any_other_provider_by_openid_connect() {
    let guide = Guide::read("other-providers").section("## OpenID Connect");
    guide.tries("oidc", "corp");
    let configuration = guide.configuration("[[oidc]]");
    let client_id = value(&configuration, "client_id");
    let theirs = Theirs::new(guide.field("Redirect URI"), client_id, any(true)).await;
    let hosts = [("https://idp.example.com", theirs.base.as_str())];
    let gateway = gateway(&configuration, &hosts, &[("corp.secret", SECRET)]).await;
    is_offered(&gateway, "Continue with Example Corp").await;
    gateway.user(ADA, None).await;
    let mut browser = theirs.sign_in(&gateway, "corp").await;
    let away = sign_out(&mut browser).await;
    let there: Url = away.location().parse().unwrap();
    let field = |name: &str| there.query_pairs().find(|(n, _)| n == name).unwrap().1.into_owned();
    assert_eq!(field("post_logout_redirect_uri"), guide.field("Post-logout redirect URI"));
    let back = browser.get(&format!("/oidc/corp/logged-out?state={}", field("state"))).await;
    assert!(back.text.contains("Signed out") && !is_in(&mut browser).await, "{}", back.text);
    // The provider itself, past every browser.
    let mut browser = theirs.sign_in(&gateway, "corp").await;
    let mut header = KEY.header();
    header.insert("typ".to_owned(), json!("logout+jwt"));
    let claims = json!({
        "iss": theirs.base, "aud": client_id, "iat": START.as_seconds(), "exp": START.as_seconds() + 60, "jti": "1",
        "sub": "subject-1", "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    let token = KEY.sign(&Value::Object(header).to_string(), &claims.to_string()).unwrap();
    let path = guide.path("Back-channel logout URI");
    assert_eq!(gateway.visitor().post(&path, &[("logout_token", &token)]).await.status, StatusCode::OK);
    assert!(!is_in(&mut browser).await);
}

#[tokio::test]
async fn any_other_providers_groups_give_roles() {
    let page = Guide::read("other-providers");
    let configuration = page.section("## Roles").configuration("[[mapping]]");
    let redirect = page.section("## OpenID Connect").field("Redirect URI");
    let theirs = Theirs::new(redirect, value(&configuration, "client_id"), any(false)).await;
    let gateway = gateway(&configuration, &[("https://idp.example.com", theirs.base.as_str())], &[]).await;
    let mut browser = theirs.sign_in(&gateway, "corp").await;
    let me = browser.get("/api/v1/me").await.json();
    assert_eq!(me["scopes"]["department:finance"]["roles"], json!(["data_analyst"]));
}
