//! A connector whose provider lies: it names accounts that are not its people's, before they exist or after.

use cleargate::audit::{Event, EventKind, Housekeeping};
use cleargate::model::{Circumstance, OrganisationId, TokenKind, User, UserId};
use cleargate::store::{self, Table};
use http::StatusCode;
use serde_json::json;

use super::provider::{Stage, roles};
use crate::support::authenticator::enrol;
use crate::support::gateway::{Reply, record};
use crate::support::mail::MailServer;

/// `corp` vouches for example.org, `partner` for nothing, `tenant` for tenant.example only.
const CONNECTORS: &str = r#"
policy.pack = "clearpoint-systems"
[[scim]]
id = "okta"
[[saml]]
id = "corp"
metadata = { file = "corp.xml" }
domains = ["example.org"]
[[saml]]
id = "partner"
metadata = { file = "partner.xml" }
[[saml]]
id = "tenant"
metadata = { file = "tenant.xml" }
domains = ["tenant.example"]
[[mapping]]
from = "partner"
when = 'email eq "eve@elsewhere.example"'
grant = { role = "viewer" }
[[mapping]]
from = "partner"
when = 'groups eq "staff"'
grant = { role = "viewer" }
[[mapping]]
from = "corp"
when = 'email eq "ada@example.org"'
grant = { role = "viewer" }
"#;

async fn stage() -> Stage {
    Stage::with(CONNECTORS, &["corp", "partner", "tenant"]).await
}

/// The first sign-in of somebody whom a provider calls `name`.
async fn first(stage: &Stage, connector: &str, name: &str) -> Reply {
    stage.sign_in_by(connector, &mut stage.gateway.visitor(), name, &[]).await
}

/// The rule by which the newest refused sign-in was refused.
async fn rule(stage: &Stage) -> String {
    let newest = stage.gateway.gateway.ledger().tail(1).await.unwrap().entries.remove(0).event;
    assert_eq!(newest.kind, cleargate::audit::EventKind::AssertionRefused);
    newest.details.into_iter().find(|(name, _)| name == "rule").unwrap().1
}

async fn events(stage: &Stage, kind: EventKind) -> Vec<Event> {
    let rows = stage.gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
    let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
    events.filter(|event| event.kind == kind).collect()
}

fn connectors_of(user: &User) -> Vec<String> {
    user.links.iter().map(|link| link.source.to_string()).collect()
}

#[tokio::test]
async fn a_connector_makes_no_account_in_a_domain_of_another() {
    let stage = stage().await;
    for name in ["ada@example.org", "Ada@EXAMPLE.org", "x@y@example.org", "ada＠ｅxample.org"] {
        let reply = first(&stage, "partner", name).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{name}");
        assert_eq!(rule(&stage).await, "domain");
        assert!(stage.find(name).await.is_none(), "{name}");
    }
    assert_eq!(first(&stage, "corp", "ada@example.org").await.status, StatusCode::SEE_OTHER);
    assert_eq!(first(&stage, "partner", "eve@elsewhere.example").await.status, StatusCode::SEE_OTHER);
    assert_eq!(first(&stage, "partner", "plain").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_connector_with_domains_makes_no_account_outside_of_them() {
    let stage = stage().await;
    for name in ["root@elsewhere.example", "root@sub.tenant.example", "root@tenant.example.evil.example"] {
        assert_eq!(first(&stage, "tenant", name).await.status, StatusCode::FORBIDDEN, "{name}");
        assert_eq!(rule(&stage).await, "domain");
    }
    assert_eq!(first(&stage, "tenant", "root@Tenant.example").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_name_that_could_be_somebodys_id_is_no_name() {
    let stage = stage().await;
    let victim = stage.gateway.user("victim", None).await;
    assert_eq!(first(&stage, "partner", &victim.id.to_string()).await.status, StatusCode::FORBIDDEN);
    assert_eq!(rule(&stage).await, "user_name");
}

#[tokio::test]
async fn a_source_that_takes_an_account_over_leaves_nobody_in_it() {
    let stage = stage().await;
    let mut squatter = stage.gateway.visitor();
    let reply = stage.sign_in_by("partner", &mut squatter, "bob", &["staff"]).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
    assert_eq!(roles(&mut squatter).await, json!(["viewer"]));
    enrol(&stage.gateway, &mut squatter, "").await;
    let (task, services) = (stage.gateway.task(), &stage.gateway.gateway);
    let bob = stage.find("bob").await.unwrap();
    // As an administrator whom the squatter talked into it.
    let planted = cleargate::secret::Secret::new("violet anchor under seven bridges".to_owned());
    services.credentials().set(&task, &bob, &planted, false).await.unwrap();
    let link = services.login().reset_link(&task, &bob, None).await.unwrap();
    let tokens = services.tokens();
    let (all, other) = (vec!["*:*".parse().unwrap()], stage.gateway.user("other", None).await);
    let token = async |name: &str, kind: TokenKind| tokens.create(&task, name, kind, None).await.unwrap().1.id;
    let own = token("own", TokenKind::Management(all.clone(), Some(bob.id), None)).await;
    let made = token("made", TokenKind::Management(all.clone(), None, Some(bob.id))).await;
    let for_other = token("other", TokenKind::Management(all.clone(), Some(other.id), Some(bob.id))).await;
    let anothers = token("another's", TokenKind::Management(all, Some(other.id), None)).await;
    let feed = token("feed", TokenKind::Scim("okta".parse().unwrap())).await;
    let (okta, bob) = (stage.gateway.connection("okta").await, stage.find("bob").await.unwrap());
    let directory = stage.gateway.gateway.directory();
    let taken = directory
        .change_user::<cleargate::directory::Error>(&okta, bob.id, None, |_, draft| {
            draft.external_id = Some("00u1".to_owned());
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(connectors_of(&taken), ["okta"]);
    assert_eq!(squatter.get("/").await.location(), "/login", "the session has ended");
    let left = stage.gateway.gateway.factors().enrolled(bob.id).await.unwrap();
    assert!(!left.is_any() && left.recovery_codes == 0, "a factor would let the squatter in, and keep the owner out");
    assert!(services.credentials().find(bob.id).await.unwrap().is_none(), "so would a password");
    for gone in [own, made, for_other] {
        assert!(tokens.load(gone).await.is_err(), "whoever made it, or got it, knows it still");
    }
    assert!(tokens.load(anothers).await.is_ok() && tokens.load(feed).await.is_ok(), "the feed goes on");
    let revoked = events(&stage, EventKind::TokenRevoked).await;
    let mut named: Vec<&str> = revoked.iter().map(|event| event.target_name.as_str()).collect();
    named.sort_unstable();
    assert_eq!(named, ["made", "other", "own"]);
    assert_eq!(
        (revoked[0].actor.as_str(), events(&stage, EventKind::FactorRemoved).await.len()),
        ("connection:okta", 1)
    );
    let mut browser = stage.gateway.visitor();
    let page = browser.get(link.path.expose()).await;
    let (token, csrf) = (page.field("token"), page.field("csrf"));
    let reply = browser.post("/login/reset", &[("token", &token), ("csrf", &csrf)]).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "and a link to choose one: {}", reply.text);
    let grants = stage.gateway.gateway.access().grants();
    let held = grants.list(cleargate::model::Subject::User(bob.id)).await.unwrap();
    assert_eq!(held, [], "roles that the provider's groups gave go with its link");
    assert_eq!(first(&stage, "partner", "bob").await.status, StatusCode::FORBIDDEN);
    assert_eq!(rule(&stage).await, "link");
}

#[tokio::test]
async fn the_connector_that_is_trusted_for_a_domain_turns_others_out() {
    let stage = stage().await;
    let directory = stage.gateway.gateway.directory();
    // As if `corp` had been configured later than `partner` was.
    let okta = stage.gateway.connection("okta").await;
    let ada = directory.create_user(&okta, &record("ada@example.org")).await.unwrap();
    let partner = "partner".parse().unwrap();
    let permit = stage.gateway.gateway.access().sign_in_permit(partner, Circumstance::default());
    directory
        .change_user::<cleargate::directory::Error>(&permit, ada.id, None, |_, draft| {
            draft.external_id = Some("ada@example.org".to_owned());
            Ok(())
        })
        .await
        .unwrap();
    let mut squatter = stage.gateway.visitor();
    stage.sign_in_by("partner", &mut squatter, "ada@example.org", &["staff"]).await;
    assert_eq!(squatter.get("/").await.status, StatusCode::OK);
    enrol(&stage.gateway, &mut squatter, "").await;
    let mut owner = stage.gateway.visitor();
    assert_eq!(stage.sign_in_by("corp", &mut owner, "ada@example.org", &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(connectors_of(&stage.find("ada@example.org").await.unwrap()), ["corp"]);
    assert_eq!(squatter.get("/").await.location(), "/login");
    assert_eq!(owner.get("/").await.status, StatusCode::OK, "the session of this sign-in stays");
    assert_eq!(roles(&mut owner).await, json!(["viewer"]), "by its own address, not by the other's groups");
    assert_eq!(first(&stage, "partner", "ada@example.org").await.status, StatusCode::FORBIDDEN);
    let mut again = stage.gateway.visitor();
    assert_eq!(stage.sign_in_by("corp", &mut again, "ada@example.org", &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(owner.get("/").await.status, StatusCode::OK, "a second sign-in ends nothing");
}

#[tokio::test]
async fn an_address_that_nobody_vouches_for_gives_no_role() {
    let stage = stage().await;
    let mut browser = stage.gateway.visitor();
    let reply = stage.sign_in_by("partner", &mut browser, "eve@elsewhere.example", &[]).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
    assert_eq!(roles(&mut browser).await, json!([]));
    let mut browser = stage.gateway.visitor();
    stage.sign_in_by("corp", &mut browser, "ada@example.org", &[]).await;
    assert_eq!(roles(&mut browser).await, json!(["viewer"]));
}

/// A program with every right at the management surface.
async fn administrator(stage: &Stage) -> crate::support::gateway::Visitor {
    let gateway = &stage.gateway;
    let kind = cleargate::model::TokenKind::Management(vec!["*:*".parse().unwrap()], None, None);
    let secret = gateway.gateway.tokens().create(&gateway.task(), "x", kind, None).await.unwrap().0;
    let mut root = gateway.visitor().at(cleargate::api::router(gateway.gateway.api()));
    root.headers.insert("authorization", format!("Bearer {}", secret.expose()).parse().unwrap());
    root
}

async fn invite(root: &mut crate::support::gateway::Visitor, address: &str) {
    let body = axum::body::Body::from(json!({"email": address, "role": "viewer"}).to_string());
    let reply = root.send(http::Method::POST, "/api/v1/invitations", Some("application/json"), body).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
}

#[tokio::test]
async fn an_invitation_that_a_release_before_made_is_accepted_by_a_providers_word_too() {
    const INVITATION_OF: Table<UserId, ()> = Table::new(0x6b, "invitations of accounts");
    let stage = stage().await;
    let mut root = administrator(&stage).await;
    invite(&mut root, "ada@example.org").await;
    let ada = stage.find("ada@example.org").await.unwrap();
    let mut change = stage.gateway.gateway.ledger().change();
    change.delete(&INVITATION_OF, OrganisationId::DEFAULT, &ada.id);
    change.commit_quietly(Housekeeping::Index).await.unwrap();
    let mut browser = stage.gateway.visitor();
    let reply = stage.sign_in_by("corp", &mut browser, "ada@example.org", &[]).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text);
    assert_eq!(roles(&mut browser).await, json!(["viewer"]));
}

#[tokio::test]
async fn who_was_invited_accepts_by_the_word_of_a_provider_that_is_trusted_for_the_address_and_of_no_other() {
    let stage = stage().await;
    let mut root = administrator(&stage).await;
    for address in ["ada@example.org", "eve@elsewhere.example"] {
        invite(&mut root, address).await;
    }
    // `partner` vouches for no domain: nobody's account is theirs to accept.
    assert_eq!(first(&stage, "partner", "eve@elsewhere.example").await.status, StatusCode::FORBIDDEN);
    assert_eq!(stage.find("eve@elsewhere.example").await.unwrap().status, cleargate::model::Status::Invited);
    let mut browser = stage.gateway.visitor();
    let reply = stage.sign_in_by("corp", &mut browser, "ada@example.org", &[]).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text);
    assert_eq!(roles(&mut browser).await, json!(["viewer"]));
    let ada = stage.find("ada@example.org").await.unwrap();
    assert!(ada.is_by_hand() && ada.status == cleargate::model::Status::Active);
    assert!(stage.gateway.gateway.credentials().find(ada.id).await.unwrap().is_none());
    let listed = root.get("/api/v1/invitations?status=accepted").await.json();
    assert_eq!(
        (&listed["items"][0]["email"], listed["items"].as_array().unwrap().len()),
        (&json!("ada@example.org"), 1)
    );
}

#[tokio::test]
async fn a_connector_of_members_signs_in_to_no_account_of_staff() {
    let lines =
        CONNECTORS.replacen("domains = [\"example.org\"]", "domains = [\"example.org\"]\nrealm = \"member\"", 1);
    let stage = Stage::with(&lines, &["corp", "partner", "tenant"]).await;
    stage.gateway.user("ada@example.org", Some("violet anchor under seven bridges")).await;
    assert_eq!(first(&stage, "corp", "ada@example.org").await.status, StatusCode::FORBIDDEN);
    assert_eq!(rule(&stage).await, "realm");
    invite(&mut administrator(&stage).await, "new@example.org").await;
    assert_eq!(first(&stage, "corp", "new@example.org").await.status, StatusCode::FORBIDDEN);
    assert_eq!(stage.find("new@example.org").await.unwrap().status, cleargate::model::Status::Invited);
    assert_eq!(first(&stage, "corp", "mia@example.org").await.status, StatusCode::SEE_OTHER);
    assert_eq!(stage.find("mia@example.org").await.unwrap().realm(), cleargate::model::Realm::Member);
    assert_eq!(first(&stage, "corp", "mia@example.org").await.status, StatusCode::SEE_OTHER, "and again");
}

#[tokio::test]
async fn the_owner_of_an_account_kept_by_hand_is_told_that_a_cut_link_took_the_second_factors_along() {
    let server = MailServer::plain().await;
    let stage = Stage::with(&format!("{CONNECTORS}{}", server.lines()), &["corp", "partner", "tenant"]).await;
    let services = &stage.gateway.gateway;
    let ada = stage.gateway.user("ada@example.org", Some("violet anchor under seven bridges")).await;
    let partner = services.access().sign_in_permit("partner".parse().unwrap(), Circumstance::default());
    let edit = |_: &User, draft: &mut cleargate::directory::SourceRecord| {
        draft.external_id = Some("ada@example.org".to_owned());
        Ok::<_, cleargate::directory::Error>(())
    };
    services.directory().change_user(&partner, ada.id, None, edit).await.unwrap();
    let mut browser = stage.gateway.visitor();
    stage.sign_in_by("partner", &mut browser, "ada@example.org", &[]).await;
    enrol(&stage.gateway, &mut browser, "violet anchor under seven bridges").await;
    services.outbox().round(None).await.unwrap();
    let before = server.mails().len();
    let reply = first(&stage, "corp", "ada@example.org").await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text);
    let kept = stage.find("ada@example.org").await.unwrap();
    assert_eq!((connectors_of(&kept), kept.is_by_hand()), (vec!["corp".to_owned()], true));
    assert!(!services.factors().enrolled(ada.id).await.unwrap().is_any());
    assert!(services.credentials().find(ada.id).await.unwrap().is_some(), "the administrator's to take away");
    services.outbox().round(None).await.unwrap();
    let mails = server.mails();
    assert_eq!((mails.len(), mails.last().unwrap().to[0].as_str()), (before + 1, "ada@example.org"));
    assert_eq!(events(&stage, EventKind::FactorRemoved).await.len(), 1);
}

#[tokio::test]
async fn what_was_used_and_asked_for_before_an_account_passes_on_goes_with_who_had_it() {
    let stage = stage().await;
    let squatter = stage.gateway.user("ada@example.org", Some("violet anchor under seven bridges")).await;
    let partner = stage.gateway.gateway.access().sign_in_permit("partner".parse().unwrap(), Circumstance::default());
    let edit = |_: &User, draft: &mut cleargate::directory::SourceRecord| {
        draft.external_id = Some("ada@example.org".to_owned());
        Ok::<_, cleargate::directory::Error>(())
    };
    stage.gateway.gateway.directory().change_user(&partner, squatter.id, None, edit).await.unwrap();
    let (access, now) = (stage.gateway.gateway.access(), stage.gateway.clock.clock().now());
    let used = ["reports:create", "reports:read"].map(|text| text.parse().unwrap());
    access.note_use_by(squatter.id, &used[0], now);
    access.keep_uses().await.unwrap();
    access.note_use_by(squatter.id, &used[1], now);
    let actor = cleargate::model::Actor::System { task: "test".to_owned() };
    let role = "viewer".parse().unwrap();
    let wish = cleargate::access::Wish { role, scope: None, reason: String::new(), until: None };
    let (mut change, from) = (stage.gateway.gateway.ledger().change(), Circumstance::default());
    let (id, _, event) = access.ask_in(&mut change, (&actor, &from), squatter.id, &wish).await.unwrap();
    change.commit(event).await.unwrap();
    assert!(access.uses().of_people(&[squatter.id]).await.unwrap()[0].has_since(&used[0], now));
    assert_eq!(first(&stage, "corp", "ada@example.org").await.status, StatusCode::SEE_OTHER);
    assert_eq!(stage.find("ada@example.org").await.unwrap().id, squatter.id);
    access.keep_uses().await.unwrap();
    let last = access.uses().of_people(&[squatter.id]).await.unwrap().remove(0);
    assert!(used.iter().all(|permission| !last.has_since(permission, now)), "{last:?}");
    assert_eq!(access.requests_of(squatter.id).await.unwrap(), []);
    assert_eq!(access.find_request(id).await.unwrap(), None);
}
