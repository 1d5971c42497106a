//! Choice of a provider by the name that somebody types first.

use http::StatusCode;

use super::oidc;
use super::provider::{Stage, send_to};
use crate::support::gateway::{Reply, Visitor};

const CONNECTORS: &str = r#"
sign_in.break_glass = ["root@corp.example"]
[[saml]]
id = "corp"
name = "Corp Staff"
metadata = { file = "corp.xml" }
route = ["corp.example", "bücher.example", "shared.example"]
[[saml]]
id = "other"
name = "Other Staff"
metadata = { file = "other.xml" }
route = ["shared.example", "boss@corp.example"]
[[saml]]
id = "open"
name = "Everybody"
metadata = { file = "open.xml" }
"#;

const PASSWORD: &str = "violet anchors drift at noon";

async fn stage() -> Stage {
    Stage::with(CONNECTORS, &["corp", "other", "open"]).await
}

/// Types a name on the first page.
async fn tell(browser: &mut Visitor, name: &str) -> Reply {
    let asked = browser.get("/login?return_to=/reports").await;
    assert_eq!(asked.status, StatusCode::OK);
    assert!(!asked.text.contains("type=\"password\""), "the password is not asked for yet");
    let csrf = asked.field("csrf");
    browser.post("/login", &[("username", name), ("return_to", "/reports"), ("csrf", &csrf)]).await
}

/// To which provider a reply leads, by its port.
fn leads_to(reply: &Reply) -> Option<&str> {
    let rest = reply.location().strip_prefix("http://127.0.0.1:")?;
    Some(rest.split('/').next().unwrap())
}

/// A page without what is different each time.
fn bare(reply: &Reply, name: &str) -> String {
    reply.text.replace(&reply.field("csrf"), "CSRF").replace(name, "NAME")
}

#[tokio::test]
async fn a_domain_leads_to_its_provider_however_it_is_typed_and_from_there_to_a_session() {
    let stage = stage().await;
    for name in [
        "ada@corp.example",
        "ADA@CORP.Example",
        " ada@corp.example. ",
        "ada@bücher.example",
        "ada@xn--bcher-kva.example",
        "ada@BÜCHER.example",
    ] {
        let reply = tell(&mut stage.gateway.visitor(), name).await;
        assert_eq!((reply.status, leads_to(&reply)), (StatusCode::SEE_OTHER, Some("7000")), "{name}");
    }
    let mut boss = stage.gateway.visitor();
    let start = tell(&mut boss, "Boss@corp.example").await;
    assert_eq!(leads_to(&start), Some("7001"), "a rule for the address goes before that of its domain");
    let form = stage.answer_to("other", &start, "boss@corp.example", &[]);
    let end = send_to("other", &mut boss, &form).await;
    assert_eq!((end.status, end.location()), (StatusCode::SEE_OTHER, "/reports"));
}

#[tokio::test]
async fn names_with_two_domains_and_domains_beside_a_known_one_lead_to_the_password() {
    let stage = stage().await;
    for name in [
        "a@corp.example@evil.example",
        "a@evil.example@corp.example",
        "\"a@evil.example\"@corp.example",
        "ada@sub.corp.example",
        "ada@corp.example..",
        "ada@notcorp.example",
        "ada@corp%2eexample",
        "@corp.example",
        "corp.example",
        "ada",
    ] {
        let reply = tell(&mut stage.gateway.visitor(), name).await;
        assert_eq!(reply.status, StatusCode::OK, "{name}");
        assert!(reply.text.contains("action=\"/login/password\""), "{name}");
    }
}

#[tokio::test]
async fn an_unknown_name_and_one_with_a_password_here_get_the_same_page() {
    let stage = stage().await;
    stage.gateway.user("known@local.example", Some(PASSWORD)).await;
    let mut browser = stage.gateway.visitor();
    let known = tell(&mut browser, "known@local.example").await;
    let unknown = tell(&mut browser, "stranger@nowhere.example").await;
    assert_eq!(known.status, unknown.status);
    assert_eq!(bare(&known, "known@local.example"), bare(&unknown, "stranger@nowhere.example"));
    let names = |reply: &Reply| reply.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&known), names(&unknown));
    for page in [&known.text, &browser.get("/login").await.text, &browser.get("/login?with=password").await.text] {
        assert!(!page.contains("Corp Staff") && !page.contains("Other Staff"), "whose people come here is not told");
        assert!(page.contains("Everybody"), "who is sent there by no name can choose it");
    }
    let csrf = known.field("csrf");
    let fields =
        [("username", "known@local.example"), ("password", PASSWORD), ("csrf", &csrf), ("return_to", "/reports")];
    let signed_in = browser.post("/login/password", &fields).await;
    assert_eq!((signed_in.status, signed_in.location()), (StatusCode::SEE_OTHER, "/reports"), "{}", signed_in.text);
}

#[tokio::test]
async fn several_connectors_of_one_domain_are_a_choice_of_those() {
    let stage = stage().await;
    let mut browser = stage.gateway.visitor();
    let page = tell(&mut browser, "ada@shared.example").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Corp Staff") && page.text.contains("Other Staff") && !page.text.contains("Everybody"));
    assert!(page.text.contains("<p>shared.example</p>"), "{}", page.text);
    // Whoever made the link wrote what is before the domain: it goes on, and is shown nowhere.
    let told = browser.get("/login?login_hint=Call-0800-1234-now%40shared.example").await;
    let links: String =
        told.text.split("href=\"").map(|rest| rest.split_once('"').map_or(rest, |(_, rest)| rest)).collect();
    assert!(told.text.contains("Corp Staff") && !links.contains("Call-0800"), "{links}");
    let onward =
        page.text.split("href=\"/login/other").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let start = browser.get(&format!("/login/other{onward}")).await;
    assert_eq!(leads_to(&start), Some("7001"));
}

#[tokio::test]
async fn hints_skip_the_page_and_the_password_can_always_be_asked_for() {
    let stage = stage().await;
    stage.gateway.user("root@corp.example", Some(PASSWORD)).await;
    let mut browser = stage.gateway.visitor();
    let hinted = browser.get("/login?login_hint=ada%40corp.example&return_to=/reports").await;
    assert_eq!(hinted.location(), "/login/corp?return_to=%2Freports&login_hint=ada%40corp.example");
    assert_eq!(leads_to(&browser.get(hinted.location()).await), Some("7000"));
    let chosen = browser.get("/login?connector=open").await;
    assert_eq!(chosen.location(), "/login/open?return_to=%2F");
    let unknown = browser.get("/login?login_hint=ada%40nowhere.example").await;
    assert!(
        unknown.text.contains("action=\"/login/password\"") && unknown.text.contains("value=\"ada@nowhere.example\"")
    );
    assert!(
        browser.get("/login?connector=nobody").await.text.contains("action=\"/login\""),
        "a hint to nothing is none"
    );
    assert!(browser.get("/login?login_hint=a&login_hint=b").await.text.contains("action=\"/login\""), "two are none");
    let address = browser.get("/login?return_to=//evil.example&login_hint=ada%40corp.example").await;
    assert_eq!(address.location(), "/login/corp?return_to=%2F&login_hint=ada%40corp.example");

    // The account for emergencies is of a domain that leads elsewhere.
    for path in ["/login?with=password", "/login?with=password&login_hint=root%40corp.example"] {
        let form = browser.get(path).await;
        let csrf = form.field("csrf");
        let fields = [("username", "root@corp.example"), ("password", PASSWORD), ("csrf", &csrf), ("return_to", "/")];
        assert_eq!(browser.post("/login/password", &fields).await.status, StatusCode::SEE_OTHER, "{path}");
    }
    assert!(browser.get("/login").await.text.contains("/login?with=password"), "the page leads to it");
}

#[tokio::test]
async fn the_form_is_of_this_browser_and_has_one_name() {
    let stage = stage().await;
    let mut browser = stage.gateway.visitor();
    let forged = browser.post("/login", &[("username", "ada@corp.example"), ("csrf", "AAAA")]).await;
    assert_eq!((forged.status, leads_to(&forged)), (StatusCode::FORBIDDEN, None));
    let csrf = forged.field("csrf");
    let twice = [("username", "ada@corp.example"), ("username", "eve@other.example"), ("csrf", csrf.as_str())];
    assert_eq!(browser.post("/login", &twice).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn without_rules_the_page_is_as_it_was() {
    let lines = "[[saml]]\nid = \"corp\"\nname = \"Corp Staff\"\nmetadata = { file = \"corp.xml\" }\ndomains = [\"corp.example\"]";
    let stage = Stage::with(lines, &["corp"]).await;
    let page = stage.gateway.visitor().get("/login").await;
    assert!(page.text.contains("action=\"/login/password\"") && page.text.contains("Corp Staff"), "{}", page.text);
}

#[tokio::test]
async fn the_name_goes_on_to_the_provider() {
    let stage = oidc::Stage::new("route = [\"example.org\"]").await;
    let mut browser = stage.gateway.visitor();
    let start = tell(&mut browser, "ada@example.org").await;
    let url: url::Url = start.location().parse().unwrap();
    let hints: Vec<_> =
        url.query_pairs().filter(|(name, _)| name == "login_hint").map(|(_, hint)| hint.into_owned()).collect();
    assert_eq!(hints, ["ada@example.org"]);
    // Nothing else of the request can be chosen by it.
    let sly = browser.get("/login/idp?login_hint=x%26redirect_uri%3Dhttps%3A%2F%2Fevil.example").await;
    let url: url::Url = sly.location().parse().unwrap();
    let addresses: Vec<_> =
        url.query_pairs().filter(|(name, _)| name == "redirect_uri").map(|(_, a)| a.into_owned()).collect();
    assert_eq!(addresses, ["http://127.0.0.1:8080/oidc/idp/callback"]);
    let without = browser.get("/login/idp?login_hint=a%0d%0ab").await;
    assert!(!without.location().contains("login_hint"), "{}", without.location());
}

/// The hints in an address.
fn hints(reply: &Reply, parameter: &str) -> Vec<String> {
    let url: url::Url = reply.location().parse().unwrap();
    url.query_pairs().filter(|(name, _)| name == parameter).map(|(_, hint)| hint.into_owned()).collect()
}

#[tokio::test]
async fn a_saml_provider_is_told_the_addresses_that_its_own_rules_are_about() {
    let lines = CONNECTORS.replace("\"corp.example\", ", "\"corp.example\", \"acme\", ");
    let stage = Stage::with(&lines, &["corp", "other", "open"]).await;
    for (typed, told) in [
        ("ada@corp.example", "ada@corp.example"),
        (" Ada@CORP.Example. ", "Ada@CORP.Example."),
        ("ada@bücher.example", "ada@bücher.example"),
        ("a&RelayState=b@corp.example", "a&RelayState=b@corp.example"),
    ] {
        let reply = tell(&mut stage.gateway.visitor(), typed).await;
        assert_eq!((leads_to(&reply), hints(&reply, "login_hint")), (Some("7000"), vec![told.to_owned()]), "{typed}");
        assert_eq!(hints(&reply, "RelayState").len(), 1);
    }
    let word = tell(&mut stage.gateway.visitor(), "acme").await;
    assert_eq!((leads_to(&word), hints(&word, "login_hint")), (Some("7000"), Vec::new()), "a word is nobody's name");
    // By a link, in which anything can stand.
    for (connector, name, is_told) in [
        ("corp", "ada%40corp.example", true),
        ("corp", "eve%40elsewhere.example", false),
        ("corp", "eve%40sub.corp.example", false),
        ("corp", "ada%40corp.example%40evil.example", false),
        ("corp", "Call%200800%40corp.example", false),
        ("other", "ada%40corp.example", false),
        ("other", "boss%40corp.example", true),
        ("other", "ada%40shared.example", true),
        ("open", "ada%40corp.example", false),
    ] {
        let reply = stage.gateway.visitor().get(&format!("/login/{connector}?login_hint={name}")).await;
        assert_eq!(!hints(&reply, "login_hint").is_empty(), is_told, "{connector} {name}: {}", reply.location());
    }
    // Who is signed in there is not bound to the name.
    let mut browser = stage.gateway.visitor();
    let start = tell(&mut browser, "ada@corp.example").await;
    let form = stage.answer_to("corp", &start, "grace@corp.example", &[]);
    assert_eq!(send_to("corp", &mut browser, &form).await.location(), "/reports");
}

#[tokio::test]
async fn the_parameter_for_a_name_can_be_another_or_none_but_not_one_of_saml() {
    for (name, told) in [("user", 1), ("none", 0)] {
        let lines = CONNECTORS.replacen("name = \"Corp Staff\"", &format!("login_hint = \"{name}\""), 1);
        let stage = Stage::with(&lines, &["corp", "other", "open"]).await;
        let reply = tell(&mut stage.gateway.visitor(), "ada@corp.example").await;
        assert_eq!((hints(&reply, "user").len(), hints(&reply, "login_hint").len()), (told, 0), "{}", reply.location());
    }
    for name in ["RelayState", "SAMLRequest", "Signature", "SigAlg", "a&b", "a=b", "ä", "a b", "", &"a".repeat(65)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cleargate.toml");
        let lines = "[[saml]]\nid = \"corp\"\nmetadata = { document = \"x\" }\n";
        let text = format!("public_url = \"https://sso.example.com\"\n{lines}login_hint = \"{name}\"\n");
        std::fs::write(&path, text).unwrap();
        let problems = cleargate::config::load(&path, &cleargate::config::Credentials::None).unwrap_err();
        assert!(problems.iter().any(|problem| problem.message.contains("login_hint")), "{name}: {problems:?}");
    }
}

/// By the answer to a hint a rule can be found out, so hints by a link are not more than those by the form.
#[tokio::test]
async fn hints_by_a_link_are_counted_as_the_form_is() {
    let stage = Stage::with(&format!("limits.sign_in = \"5/1m\"\n{CONNECTORS}"), &["corp", "other", "open"]).await;
    let mut browser = stage.gateway.visitor();
    for number in 0..5 {
        let reply = browser.get(&format!("/login?login_hint=ada{number}%40nowhere.example")).await;
        assert_eq!(reply.status, StatusCode::OK, "{number}");
    }
    for hint in ["ada%40nowhere.example", "ada%40corp.example"] {
        assert_eq!(browser.get(&format!("/login?login_hint={hint}")).await.status, StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(browser.get("/login").await.status, StatusCode::OK, "the page by itself is a page");
}

/// What does not show, or looks like nothing, is no name to hand on or to show.
#[tokio::test]
async fn a_hint_that_does_not_show_is_none() {
    let stage = stage().await;
    let mut browser = stage.gateway.visitor();
    for c in ["%00", "%E2%80%AE", "%E2%80%8B", "%C2%AD", "%E2%A0%80", "%E3%85%A4", "%F3%A0%81%81", "%D8%9C"] {
        let reply = browser.get(&format!("/login?login_hint=a{c}da%40corp.example")).await;
        assert_eq!((reply.status, reply.text.contains("action=\"/login\"")), (StatusCode::OK, true), "{c}");
    }
}
