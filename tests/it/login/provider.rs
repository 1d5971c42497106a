//! Sign-in by a provider: who becomes which account. The provider is the sandbox's, its answers are properly signed.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cleargate::clock::ManualClock;
use cleargate::directory::{Error, GroupDraft, Member, MemberChange};
use cleargate::model::{Attributes, User};
use cleargate::sandbox::saml::{Idp, IdpKey, KeyKind, Person, Request};
use cleargate::secret::IdSource;
use http::StatusCode;

use crate::support::gateway::{Reply, START, TestGateway, Visitor, record};

const CONNECTOR: &str = r#"
policy.pack = "clearpoint-systems"
[[scim]]
id = "okta"
[[saml]]
id = "entra"
metadata = { file = "entra.xml" }
domains = ["example.org"]
[[mapping]]
from = "entra"
when = 'groups eq "analysts"'
grant = { role = "data_analyst", scope = "department:finance" }
[[mapping]]
from = "entra"
when = 'groups eq "staff"'
grant = { role = "viewer" }
[[mapping]]
from = "okta"
when = 'groups eq "Officers"'
grant = { role = "compliance_officer" }
"#;

/// A gateway and the providers that its connectors name.
pub(super) struct Stage {
    pub gateway: TestGateway,
    idps: BTreeMap<&'static str, Idp>,
}

impl Stage {
    async fn new() -> Self {
        Self::with(CONNECTOR, &["entra"]).await
    }

    /// With these lines of configuration, in which the metadata of each connector is in the file `ID.xml`.
    pub async fn with(lines: &str, connectors: &[&'static str]) -> Self {
        let clock = ManualClock::new(START);
        let idp = |(number, name): (usize, &&'static str)| {
            let key = IdpKey::generate(KeyKind::EcdsaP256, "idp.example").unwrap();
            let base = format!("http://127.0.0.1:{}", 7000 + number);
            (*name, Idp::new(base, Vec::new(), key, clock.clock(), IdSource::seeded(5)))
        };
        let idps: BTreeMap<&'static str, Idp> = connectors.iter().enumerate().map(idp).collect();
        let files: Vec<(String, String)> =
            idps.iter().map(|(name, idp)| (format!("{name}.xml"), idp.metadata())).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        Self { gateway: TestGateway::with_files(lines, &files).await, idps }
    }

    /// Walks to a provider and gives the form that comes back, unsent.
    pub async fn answer_of(
        &self,
        connector: &str,
        browser: &mut Visitor,
        email: &str,
        groups: &[&str],
    ) -> Vec<(String, String)> {
        let start = browser.get(&format!("/login/{connector}?return_to=/")).await;
        self.answer_to(connector, &start, email, groups)
    }

    /// The form that comes back from a provider to which this reply leads, unsent.
    pub fn answer_to(&self, connector: &str, start: &Reply, email: &str, groups: &[&str]) -> Vec<(String, String)> {
        self.altered(connector, start, email, groups, |_, draft| draft)
    }

    /// The same, of a provider that does not say which request it answers.
    pub fn unasked(&self, connector: &str, start: &Reply, email: &str) -> Vec<(String, String)> {
        self.altered(connector, start, email, &[], |request, draft| {
            draft.replace(&format!(" InResponseTo=\"{}\"", request.id), "")
        })
    }

    fn altered(
        &self,
        connector: &str,
        start: &Reply,
        email: &str,
        groups: &[&str],
        alter: impl Fn(&Request, String) -> String,
    ) -> Vec<(String, String)> {
        assert_eq!(start.status, StatusCode::SEE_OTHER, "{}", start.text);
        let query = start.location().split_once('?').unwrap().1.to_owned();
        let field = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(n, _)| n == name).map(|(_, value)| value.into_owned()).unwrap()
        };
        let request = Request::parse(&field("SAMLRequest")).unwrap();
        let person = Person {
            name: "Somebody".to_owned(),
            email: email.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        };
        let idp = &self.idps[connector];
        let response = BASE64_STANDARD.encode(idp.finish(&alter(&request, idp.draft(&request, &person))).unwrap());
        vec![("SAMLResponse".to_owned(), response), ("RelayState".to_owned(), field("RelayState"))]
    }

    async fn answer(&self, browser: &mut Visitor, email: &str, groups: &[&str]) -> Vec<(String, String)> {
        self.answer_of("entra", browser, email, groups).await
    }

    /// The metadata of a provider.
    pub fn metadata(&self, connector: &str) -> String {
        self.idps[connector].metadata()
    }

    /// Signs in by one of the providers, which calls the person `name`.
    pub async fn sign_in_by(&self, connector: &str, browser: &mut Visitor, name: &str, groups: &[&str]) -> Reply {
        let form = self.answer_of(connector, browser, name, groups).await;
        send_to(connector, browser, &form).await
    }

    async fn sign_in(&self, browser: &mut Visitor, email: &str, groups: &[&str]) -> Reply {
        self.sign_in_by("entra", browser, email, groups).await
    }

    pub async fn find(&self, name: &str) -> Option<User> {
        self.gateway.gateway.directory().find_user_by_name(name).await.unwrap()
    }
}

pub(super) async fn send_to(connector: &str, browser: &mut Visitor, form: &[(String, String)]) -> Reply {
    let fields: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.post(&format!("/saml/{connector}/acs"), &fields).await
}

async fn send(browser: &mut Visitor, form: &[(String, String)]) -> Reply {
    send_to("entra", browser, form).await
}

pub(super) async fn roles(browser: &mut Visitor) -> serde_json::Value {
    let me = browser.get("/api/v1/me").await;
    assert_eq!(me.status, StatusCode::OK, "{}", me.text);
    me.json()["roles"].clone()
}

#[tokio::test]
async fn the_first_sign_in_makes_the_account_and_each_one_makes_its_roles() {
    let stage = Stage::new().await;
    let mut browser = stage.gateway.visitor();
    let reply = stage.sign_in(&mut browser, "ada@example.org", &["staff", "analysts", "other"]).await;
    assert_eq!((reply.status, reply.location()), (StatusCode::SEE_OTHER, "/"), "{}", reply.text);
    let me = browser.get("/api/v1/me").await.json();
    assert_eq!(me["user"]["userName"], "ada@example.org");
    assert_eq!(me["roles"], serde_json::json!(["data_analyst", "viewer"]));
    assert_eq!(me["groups"], serde_json::json!(["staff", "analysts", "other"]));
    assert_eq!(me["scopes"]["department:finance"]["roles"], serde_json::json!(["data_analyst"]));
    let mut later = stage.gateway.visitor();
    stage.sign_in(&mut later, "ada@example.org", &["staff"]).await;
    assert_eq!(roles(&mut later).await, serde_json::json!(["viewer"]));
    assert_eq!(roles(&mut browser).await, serde_json::json!(["viewer"]), "the older session has no older rights");
}

#[tokio::test]
async fn an_answer_is_taken_once() {
    let stage = Stage::new().await;
    let mut browser = stage.gateway.visitor();
    let form = stage.answer(&mut browser, "ada@example.org", &[]).await;
    assert_eq!(send(&mut browser, &form).await.status, StatusCode::SEE_OTHER);
    assert_eq!(send(&mut browser, &form).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_answer_belongs_to_the_browser_that_asked() {
    let stage = Stage::new().await;
    let mut browser = stage.gateway.visitor();
    let form = stage.answer(&mut browser, "ada@example.org", &[]).await;
    let mut stranger = stage.gateway.visitor();
    assert_eq!(send(&mut stranger, &form).await.status, StatusCode::FORBIDDEN);
    stranger.get("/login").await;
    assert_eq!(send(&mut stranger, &form).await.status, StatusCode::FORBIDDEN, "a browser with another ticket");
    assert_eq!(send(&mut browser, &form).await.status, StatusCode::SEE_OTHER, "a stranger does not use it up");
}

#[tokio::test]
async fn an_answer_under_another_handle_or_without_one_is_refused() {
    let stage = Stage::new().await;
    let mut browser = stage.gateway.visitor();
    let one = stage.answer(&mut browser, "ada@example.org", &[]).await;
    let two = stage.answer(&mut browser, "ada@example.org", &[]).await;
    let mixed = vec![one[0].clone(), two[1].clone()];
    assert_eq!(send(&mut browser, &mixed).await.status, StatusCode::FORBIDDEN);
    assert_eq!(send(&mut browser, &one[..1]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(send(&mut browser, &one).await.status, StatusCode::SEE_OTHER, "two tabs do not spoil each other");
}

#[tokio::test]
async fn an_account_that_a_source_made_inactive_does_not_come_back_by_a_sign_in() {
    let stage = Stage::new().await;
    let okta = stage.gateway.connection("okta").await;
    let directory = stage.gateway.gateway.directory();
    let ada = directory.create_user(&okta, &record("ada@example.org")).await.unwrap();
    let mut browser = stage.gateway.visitor();
    assert_eq!(stage.sign_in(&mut browser, "ada@example.org", &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(stage.find("ada@example.org").await.unwrap().id, ada.id, "linked, not doubled");
    directory.set_active(&okta, ada.id, false).await.unwrap();
    assert_eq!(browser.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED, "the session ends with it");
    assert_eq!(stage.sign_in(&mut browser, "ada@example.org", &["staff"]).await.status, StatusCode::FORBIDDEN);
    directory.delete_user(&okta, ada.id, None).await.unwrap();
    assert_eq!(stage.sign_in(&mut browser, "ada@example.org", &["staff"]).await.status, StatusCode::FORBIDDEN);
    assert!(stage.find("ada@example.org").await.is_none(), "a deleted account is not made anew by a sign-in");
    directory.create_user(&okta, &record("ada@example.org")).await.unwrap();
    assert_eq!(stage.sign_in(&mut browser, "ada@example.org", &["staff"]).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_connector_does_not_take_over_accounts_beyond_its_domains() {
    let stage = Stage::new().await;
    stage.gateway.user("root@other.example", None).await;
    let reply = stage.sign_in(&mut stage.gateway.visitor(), "root@other.example", &[]).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert!(stage.find("root@other.example").await.unwrap().links.is_empty());
}

#[tokio::test]
async fn groups_of_a_sign_in_give_no_roles_of_another_source() {
    let stage = Stage::new().await;
    let mut browser = stage.gateway.visitor();
    stage.sign_in(&mut browser, "ada@example.org", &["Officers"]).await;
    assert_eq!(roles(&mut browser).await, serde_json::json!([]));
}

#[tokio::test]
async fn a_role_ends_with_the_membership_that_gave_it() {
    let stage = Stage::new().await;
    let okta = stage.gateway.connection("okta").await;
    let directory = stage.gateway.gateway.directory();
    let ada = directory.create_user(&okta, &record("ada@example.org")).await.unwrap();
    let mut browser = stage.gateway.visitor();
    stage.sign_in(&mut browser, "ada@example.org", &[]).await;
    let mut members = MemberChange::default();
    members.add(Member::User(ada.id));
    let inner =
        GroupDraft { name: "Inner".parse().unwrap(), external_id: None, attributes: Attributes::default(), members };
    let inner = directory.create_group(&okta, &inner).await.unwrap();
    let mut members = MemberChange::default();
    members.add(Member::Group(inner.id));
    let outer =
        GroupDraft { name: "Officers".parse().unwrap(), external_id: None, attributes: Attributes::default(), members };
    let outer = directory.create_group(&okta, &outer).await.unwrap();
    assert_eq!(roles(&mut browser).await, serde_json::json!(["compliance_officer"]), "through the nested group");
    directory
        .change_group::<cleargate::directory::Error>(&okta, outer.id, None, |_, draft| {
            draft.name = "Nobody".parse().unwrap();
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(roles(&mut browser).await, serde_json::json!([]), "the rule names the group no more");
    directory
        .change_group::<cleargate::directory::Error>(&okta, outer.id, None, |_, draft| {
            draft.name = "Officers".parse().unwrap();
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(roles(&mut browser).await, serde_json::json!(["compliance_officer"]));
    directory.delete_group(&okta, outer.id, None).await.unwrap();
    assert_eq!(roles(&mut browser).await, serde_json::json!([]));
}

#[tokio::test]
async fn an_account_kept_by_hand_is_taken_over_by_no_connection_after_its_holder_signed_in() {
    let stage = Stage::new().await;
    let root = stage.gateway.user("root@example.org", None).await;
    for name in ["root@example.org", "ada@example.org"] {
        let mut browser = stage.gateway.visitor();
        assert_eq!(stage.sign_in(&mut browser, name, &[]).await.status, StatusCode::SEE_OTHER);
    }
    let (directory, okta) = (stage.gateway.gateway.directory(), stage.gateway.connection("okta").await);
    assert_eq!(directory.load_user(root.id).await.unwrap().links.len(), 1, "the sign-in has linked it");
    let refused = directory.set_active(&okta, root.id, false).await;
    assert!(matches!(refused, Err(Error::Owned { owner: None })), "{refused:?}");
    let refused = directory.change_user::<Error>(&okta, root.id, None, |_, record| {
        record.user_name = "mallory@example.org".parse().unwrap();
        Ok(())
    });
    assert!(matches!(refused.await, Err(Error::Owned { owner: None })));
    let ada = stage.find("ada@example.org").await.unwrap();
    let taken = directory.set_active(&okta, ada.id, false).await.unwrap();
    assert_eq!(taken.owner.unwrap().as_str(), "okta", "what a sign-in made is taken over");
}

#[tokio::test]
async fn metadata_that_stands_in_the_configuration_signs_in_and_beside_a_file_it_is_refused() {
    let Stage { idps, .. } = Stage::new().await;
    let pasted = format!("'''\n{}\n'''", idps["entra"].metadata());
    let lines = CONNECTOR.replace("{ file = \"entra.xml\" }", &format!("{{ document = {pasted} }}"));
    let stage = Stage { gateway: TestGateway::with(&lines).await, idps };
    let mut browser = stage.gateway.visitor();
    let reply = stage.sign_in(&mut browser, "ada@example.org", &["staff"]).await;
    assert_eq!((reply.status, reply.location()), (StatusCode::SEE_OTHER, "/"), "{}", reply.text);

    for (given, expected) in [
        (format!("{{ file = \"entra.xml\", document = {pasted} }}"), "exclude each other"),
        ("{ max_size = \"1MiB\" }".to_owned(), "`document`"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cleargate.toml");
        std::fs::write(folder.path().join("entra.xml"), "<x/>").unwrap();
        let lines = CONNECTOR.replace("{ file = \"entra.xml\" }", &given);
        std::fs::write(&path, format!("public_url = \"https://sso.example.com\"\n{lines}")).unwrap();
        let problems = cleargate::config::load(&path, &cleargate::config::Credentials::None).unwrap_err();
        let told: Vec<String> = problems.iter().map(|problem| format!("{problem:?}")).collect();
        assert!(told.len() == 1 && told[0].contains(expected), "{told:?}");
    }
}
