//! Every route that takes a secret: each is counted by account before it is looked at, and by address. A route that is
//! not in this table, or does not say what it takes, fails here.

use std::time::Duration;

use axum::body::Body;
use cleargate::http::{Access, Rate, Takes};
use cleargate::{api, authzen, login, scim};
use http::{HeaderValue, Method, StatusCode, header};

use crate::support::authenticator::{App, enrol};
use crate::support::gateway::{Reply, TestGateway, Visitor};

const ADA: &str = "ada@example.org";
const GOOD: &str = "violet anchor under seven bridges";
/// A name, since there are no passkeys at an address.
const ADDRESS: &str = "http://localhost:8080";
const STRICT: &str = "[lockout]\npreset = \"clearvantage\"\n";

/// A row of any surface's table.
struct Row {
    method: Method,
    path: &'static str,
    access: Access,
    rate: Rate,
    takes: Option<Takes>,
}

/// Every row that there is.
fn rows() -> Vec<Row> {
    macro_rules! of {
        ($table:expr) => {
            $table.into_iter().map(|route| Row {
                method: route.method,
                path: route.path,
                access: route.access,
                rate: route.rate,
                takes: route.takes,
            })
        };
    }
    let login = of!(login::table());
    let rest = of!(scim::oauth_table()).chain(of!(scim::table())).chain(of!(api::table())).chain(of!(authzen::table()));
    login.chain(rest).collect()
}

/// A browser that is about to show something wrong to a route.
struct Stage {
    gateway: TestGateway,
    browser: Visitor,
    path: &'static str,
    fields: Vec<(&'static str, String)>,
    /// The field with the secret.
    field: &'static str,
    right: Right,
}

enum Right {
    Password,
    Code(App),
}

impl Stage {
    /// The stage of a route, with the right browser in front of it. `None`: this table does not know the route.
    async fn of(path: &'static str, lines: &str) -> Option<Self> {
        let gateway = TestGateway::at(ADDRESS, lines, &[]).await;
        gateway.user(ADA, Some(GOOD)).await;
        let visitor = || {
            let mut browser = gateway.visitor();
            browser.headers.insert(header::ORIGIN, HeaderValue::from_static(ADDRESS));
            browser
        };
        let mut browser = visitor();
        let needs_app = matches!(path, "/login/factor" | "/login/step-up" | "/account/factors/change");
        let is_signed_in = needs_app || path.starts_with("/account/");
        let mut app = None;
        if is_signed_in {
            assert_eq!(browser.sign_in(ADA, GOOD).await.location(), "/");
        }
        if needs_app {
            app = Some(enrol(&gateway, &mut browser, GOOD).await.0);
            // Past the step of the code that was used, and past what the limits count.
            gateway.advance(Duration::from_secs(90));
        }
        let text = |text: &str| text.to_owned();
        let (field, fields) = match path {
            "/login/password" => {
                let csrf = browser.get("/login").await.field("csrf");
                ("password", vec![("username", text(ADA)), ("csrf", csrf)])
            }
            "/account/password" => {
                let csrf = browser.get(path).await.field("csrf");
                let new = text("nine lanterns along a quiet harbour");
                ("old", vec![("new", new.clone()), ("again", new), ("csrf", csrf)])
            }
            "/account/factors/add" => ("password", vec![("csrf", browser.get("/account/factors").await.field("csrf"))]),
            // Asked by the script, as JSON.
            "/account/passkeys/options" => {
                let csrf = browser.get("/account/factors").await.field("csrf");
                ("password", vec![("for", text("add")), ("csrf", csrf)])
            }
            "/account/factors/change" => {
                let csrf = browser.get("/account/factors").await.field("csrf");
                ("code", vec![("do", text("recovery-codes")), ("csrf", csrf)])
            }
            "/login/factor" => {
                browser = visitor();
                assert_eq!(browser.sign_in(ADA, GOOD).await.location(), path);
                ("code", vec![("csrf", browser.get(path).await.field("csrf"))])
            }
            "/login/step-up" => ("code", vec![("csrf", browser.get(path).await.field("csrf"))]),
            _ => return None,
        };
        let right = app.map_or(Right::Password, Right::Code);
        Some(Self { gateway, browser, path, fields, field, right })
    }

    async fn send(&mut self, secret: &str) -> Reply {
        let mut fields: Vec<(&str, &str)> = self.fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fields.push((self.field, secret));
        if self.path.ends_with("/options") {
            let question: serde_json::Map<String, serde_json::Value> =
                fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            let body = Body::from(serde_json::Value::Object(question).to_string());
            return self.browser.send(Method::POST, self.path, Some("application/json"), body).await;
        }
        self.browser.post(self.path, &fields).await
    }

    async fn send_wrong(&mut self) -> Reply {
        let wrong = match &self.right {
            Right::Password => "not the password".to_owned(),
            Right::Code(app) => app.wrong(&self.gateway),
        };
        self.send(&wrong).await
    }

    async fn send_right(&mut self) -> Reply {
        let right = match &self.right {
            Right::Password => GOOD.to_owned(),
            Right::Code(app) => app.code(&self.gateway),
        };
        self.send(&right).await
    }

    async fn is_locked(&self) -> bool {
        let lockout = self.gateway.gateway.lockout();
        let ada = self.gateway.gateway.directory().find_user_by_name(ADA).await.unwrap().unwrap();
        let state = match self.right {
            Right::Password => lockout.find(ada.id).await.unwrap(),
            Right::Code(_) => lockout.find_factor(ada.id).await.unwrap(),
        };
        state.is_some_and(|state| state.locked_until.is_some())
    }
}

fn guessable() -> impl Iterator<Item = Row> {
    rows().into_iter().filter(|row| matches!(row.takes, Some(Takes::Password | Takes::Factor)))
}

#[test]
fn every_public_route_says_what_it_takes() {
    for row in rows().iter().filter(|row| row.access == Access::Public) {
        let is_read = row.method == Method::GET && row.rate == Rate::Page;
        assert!(is_read || row.takes.is_some(), "{} {} does not say what it takes", row.method, row.path);
        let is_secret = row.takes.is_some_and(|takes| takes != Takes::Nothing);
        // They count what they refuse as sign-ins are counted, and let a provider sign out as many as it likes.
        let counts_refused = ["/oidc/{connector}/backchannel-logout", "/signals/{connector}"].contains(&row.path);
        assert!(
            !is_secret || counts_refused || row.rate == Rate::SignIn,
            "{} takes a secret at the rate of pages",
            row.path
        );
    }
    assert!(guessable().count() >= 7);
}

#[tokio::test]
async fn every_route_that_takes_a_secret_locks_and_does_not_open_to_the_right_one_then() {
    for row in guessable() {
        let mut open = Stage::of(row.path, STRICT).await.unwrap_or_else(|| panic!("this table has no {}", row.path));
        let reply = open.send_right().await;
        assert!(reply.status.as_u16() < 400, "{}: {} {}", row.path, reply.status, reply.text);

        let mut shut = Stage::of(row.path, STRICT).await.unwrap();
        for _ in 0..3 {
            let reply = shut.send_wrong().await;
            assert!(reply.status.is_client_error(), "{}: {}", row.path, reply.status);
        }
        assert!(shut.is_locked().await, "{}", row.path);
        let reply = shut.send_right().await;
        assert!(reply.status.is_client_error(), "{}: {} {}", row.path, reply.status, reply.text);
    }
}

#[tokio::test]
async fn every_route_that_takes_a_secret_is_limited_by_account() {
    for row in guessable() {
        let lines = "[lockout]\nattempts = 100\n[limits]\nsign_in_account = \"4/1m\"";
        let mut stage = Stage::of(row.path, lines).await.unwrap();
        stage.gateway.advance(Duration::from_secs(90));
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(stage.send_wrong().await.status);
        }
        assert!(seen[..4].iter().all(|status| *status != StatusCode::TOO_MANY_REQUESTS), "{} {seen:?}", row.path);
        assert_eq!(seen[4], StatusCode::TOO_MANY_REQUESTS, "{} {seen:?}", row.path);
    }
}

#[tokio::test]
async fn every_route_that_takes_a_secret_is_limited_by_address() {
    for row in rows().iter().filter(|row| row.access == Access::Public && row.rate == Rate::SignIn) {
        let gateway = TestGateway::with("[limits]\nsign_in = \"3/1m\"").await;
        let mut browser = gateway.visitor();
        let path = row.path.replace("{connector}", "corp");
        let mut last = StatusCode::OK;
        for _ in 0..4 {
            let reply = match row.method {
                Method::GET => browser.get(&path).await,
                _ => browser.post(&path, &[("csrf", "x")]).await,
            };
            last = reply.status;
        }
        assert_eq!(last, StatusCode::TOO_MANY_REQUESTS, "{}", row.path);
    }
}
