//! The pages that find out where somebody signs in, and test sign-ins.

use std::sync::Arc;

use cleargate::clock::Clock;
use cleargate::sandbox::openid::{KnownClient, Person, Provider, router};
use cleargate::secret::IdSource;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{LOOKS, daemon};
use crate::oidc::stage::{CLIENT_ID, KEY, accept};
use crate::support::browser::Browser;
use crate::support::daemon::Daemon;

/// A daemon that sends people of `example.org` to a provider, and its address.
pub(super) async fn with_provider() -> (Daemon, String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let lines = format!(
        "[[oidc]]\nid = \"corp\"\nname = \"Corp\"\nissuer = \"{base}\"\nclient_id = \"{CLIENT_ID}\"\n\
         route = [\"example.org\", \"shared.example\"]\n\
         [[oidc]]\nid = \"other\"\nname = \"Other\"\nissuer = \"{base}/none\"\nclient_id = \"x\"\n\
         route = [\"shared.example\"]\n"
    );
    let (daemon, address) = daemon(&lines).await;
    let redirect_uris = vec![format!("{address}/oidc/corp/callback")];
    let client = KnownClient { id: CLIENT_ID.into(), secret: None, redirect_uris };
    let ada = Person { sub: "1".into(), name: "Ada".into(), email: "ada@example.org".into(), groups: Vec::new() };
    let provider = Provider::new(&base, Arc::clone(&KEY), client, vec![ada], Clock::system(), IdSource::system());
    let mut server = JoinSet::new();
    server.spawn(accept(listener, router(provider)));
    (daemon, address, server)
}

#[tokio::test]
async fn a_provider_is_found_by_name_and_tried_with_and_without_scripts() {
    let (daemon, address, _server) = with_provider().await;
    let browser = Browser::start().await;
    for look in LOOKS {
        let page = browser.page(look).await;
        let check = async || {
            if look.script {
                page.is_sound().await;
            }
        };
        // A test first: it leaves nobody signed in.
        let made = daemon.admin().post("/api/v1/connectors/corp:test").json(&json!({})).send().await;
        assert_eq!(made.status, 201, "{}", made.text());
        let made: serde_json::Value = made.json();
        assert_eq!(page.goto(made["link"].as_str().unwrap()).await, 200);
        check().await;
        page.press("Begin the test").await;
        page.follow("Ada ada@example.org").await;
        let shown = page.text().await;
        assert!(shown.contains("would work") && shown.contains("Nobody was signed in"), "{shown}");
        check().await;
        page.goto(made["link"].as_str().unwrap()).await;
        page.press("Begin the test").await;
        assert!(page.text().await.contains("This link cannot be used"), "{}", page.text().await);
        check().await;

        assert_eq!(page.goto(&address).await, 200);
        assert_eq!(page.address().await, format!("{address}/login"));
        check().await;
        page.fill("E-mail address or user name", "ada@shared.example").await;
        page.press("Next").await;
        assert!(page.text().await.contains("Where do you sign in?"), "{}", page.text().await);
        check().await;
        page.follow("Back").await;
        page.fill("E-mail address or user name", "ada@nowhere.example").await;
        page.press("Next").await;
        assert!(page.text().await.contains("Password"), "{}", page.text().await);
        check().await;
        page.goto(&format!("{address}/login")).await;
        page.fill("E-mail address or user name", "ada@example.org").await;
        page.press("Next").await;
        assert!(page.text().await.contains("Hello, Ada"), "{}", page.text().await);
    }
}
