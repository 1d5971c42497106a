//! The last attempts at a provider: what came, whom it led to, why it was refused; and that strangers can neither fill
//! anything by it nor push out what is sought.

use cleargate::login::{Ended, MAX_ATTEMPTS, MAX_STRAYS, SignInAttempt};
use http::StatusCode;

use super::provider::{Stage, send_to};

const CONNECTOR: &str = r#"
policy.pack = "clearpoint-systems"
[[saml]]
id = "entra"
metadata = { file = "entra.xml" }
domains = ["example.org"]
[[mapping]]
from = "entra"
when = 'groups eq "staff"'
grant = { role = "viewer" }
"#;

async fn stage() -> Stage {
    Stage::with(CONNECTOR, &["entra"]).await
}

/// All that is kept, newest first.
fn attempts(stage: &Stage) -> Vec<SignInAttempt> {
    let id = "entra".parse().unwrap();
    stage.gateway.gateway.login().attempts(&id, &|_| true, None, 1_000).unwrap().0
}

#[tokio::test]
async fn an_attempt_tells_whom_it_led_to_and_the_true_reason_of_its_refusal() {
    let stage = stage().await;
    let mut browser = stage.gateway.visitor();
    let form = stage.answer_of("entra", &mut browser, "ada@example.org", &["staff"]).await;
    assert_eq!(send_to("entra", &mut browser, &form).await.status, StatusCode::SEE_OTHER);
    // The same answer once more, and an account that the provider is not trusted with.
    assert_eq!(send_to("entra", &mut browser, &form).await.status, StatusCode::FORBIDDEN);
    let root = stage.gateway.user("root@other.example", None).await;
    let refused = stage.sign_in_by("entra", &mut stage.gateway.visitor(), "root@other.example", &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);

    let ada = stage.find("ada@example.org").await.unwrap();
    let [link, replay, good] = &attempts(&stage)[..] else { panic!("three attempts") };
    assert_eq!((good.ended, good.rule, &good.reason), (Ended::Success, None, &None));
    assert_eq!(good.user.as_ref().unwrap(), &(ada.id, "ada@example.org".to_owned()));
    assert_eq!(good.address.unwrap().to_string(), "198.51.100.7");
    assert_eq!((replay.ended, replay.rule, &replay.user), (Ended::Denied, Some("ticket"), &None));
    assert_eq!((link.ended, link.rule, &link.user), (Ended::Denied, Some("link"), &None));
    assert_eq!(link.asserted.as_deref(), Some("root@other.example"), "whom the provider meant");
    assert!(refused.text.contains(&link.reference) && !link.reference.is_empty(), "the page has the reference");
    assert!(!refused.text.contains("trusted"), "and not the reason");

    // Somebody who signed in before, and is shut out now: the account is known.
    stage.gateway.gateway.directory().set_active(&stage.gateway.task(), ada.id, false).await.unwrap();
    stage.sign_in_by("entra", &mut browser, "ada@example.org", &["staff"]).await;
    let [inactive, ..] = &attempts(&stage)[..] else { panic!("an attempt") };
    assert_eq!((inactive.rule, inactive.user.as_ref().unwrap().0), (Some("inactive"), ada.id));
    assert!(stage.gateway.gateway.directory().load_user(root.id).await.unwrap().links.is_empty());
}

#[tokio::test]
async fn a_flood_of_answers_to_nothing_pushes_out_no_attempt_and_writes_nothing_more() {
    let stage = stage().await;
    let mut browser = stage.gateway.visitor();
    stage.sign_in_by("entra", &mut browser, "ada@example.org", &["staff"]).await;
    let engine = stage.gateway.gateway.ledger().store().engine().clone();
    let mut stranger = stage.gateway.visitor();
    let mut refused = 0;
    for host in 0..250 {
        stranger.address = format!("203.0.113.{host}").parse().unwrap();
        let reply = stranger.post("/saml/entra/acs", &[("SAMLResponse", "AAAA"), ("RelayState", "nothing")]).await;
        refused += usize::from(reply.status == StatusCode::FORBIDDEN);
    }
    assert_eq!(refused, 250);
    let kept = attempts(&stage);
    assert_eq!(kept.len(), 1 + MAX_STRAYS, "strangers have a few places");
    assert_eq!(kept.last().unwrap().ended, Ended::Success, "what was ours is still there");

    // Beyond the rate there is neither an attempt nor an entry.
    let (before, newest) = (engine.log(0, 10_000).await.unwrap().len(), kept[0].number);
    let mut limited = 0;
    stranger.address = "192.0.2.1".parse().unwrap();
    for _ in 0..400 {
        let reply = stranger.post("/saml/entra/acs", &[("SAMLResponse", "AAAA")]).await;
        limited += u64::from(reply.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!((50..400).contains(&limited), "{limited}");
    assert_eq!(engine.log(0, 10_000).await.unwrap().len() as u64 - before as u64, 400 - limited);
    assert_eq!(attempts(&stage)[0].number - newest, 400 - limited);
    assert_eq!(attempts(&stage).len(), 1 + MAX_STRAYS);
}

#[tokio::test]
async fn whoever_begins_sign_ins_and_answers_with_nonsense_pushes_out_nothing_that_a_provider_vouched_for() {
    let stage = stage().await;
    stage.sign_in_by("entra", &mut stage.gateway.visitor(), "ada@example.org", &["staff"]).await;
    for number in 0..MAX_ATTEMPTS + 15 {
        let mut browser = stage.gateway.visitor();
        browser.address = format!("198.51.{number}.7").parse().unwrap();
        let form = stage.answer_of("entra", &mut browser, "ada@example.org", &[]).await;
        let broken = [("SAMLResponse".to_owned(), "AAAA".to_owned()), form[1].clone()];
        assert_eq!(send_to("entra", &mut browser, &broken).await.status, StatusCode::FORBIDDEN);
    }
    let kept = attempts(&stage);
    assert_eq!((kept.len(), kept.last().unwrap().ended), (MAX_ATTEMPTS, Ended::Success));
}

#[tokio::test]
async fn no_more_than_a_hundred_attempts_are_kept_and_pages_of_them_fit_together() {
    let stage = stage().await;
    for number in 0..MAX_ATTEMPTS + 15 {
        let mut browser = stage.gateway.visitor();
        browser.address = format!("198.51.{}.7", number).parse().unwrap();
        // Begun here, and answered with what cannot be read.
        let form = stage.answer_of("entra", &mut browser, "ada@example.org", &[]).await;
        let broken = [("SAMLResponse".to_owned(), "AAAA".to_owned()), form[1].clone()];
        assert_eq!(send_to("entra", &mut browser, &broken).await.status, StatusCode::FORBIDDEN);
    }
    let kept = attempts(&stage);
    assert_eq!((kept.len(), kept[0].number, kept[99].number), (MAX_ATTEMPTS, 115, 16));
    let (id, login) = ("entra".parse().unwrap(), stage.gateway.gateway.login());
    let (mut numbers, mut before) = (Vec::new(), None);
    loop {
        let (page, next) = login.attempts(&id, &|attempt| attempt.number % 2 == 0, before, 7).unwrap();
        numbers.extend(page.iter().map(|attempt| attempt.number));
        match next {
            Some(_) => before = next,
            None => break,
        }
    }
    assert_eq!(numbers, (16..=115).rev().filter(|number| number % 2 == 0).collect::<Vec<u64>>());
    assert!(login.attempts(&"nobody".parse().unwrap(), &|_| true, None, 10).is_none());
}
