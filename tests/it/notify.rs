//! Mail through the whole gateway, to a server that takes it, refuses it, hangs, lies, or is not there.

use std::time::Duration;

use cleargate::access::NewGrant;
use cleargate::audit::{Event, EventKind};
use cleargate::model::{Circumstance, Language, Subject};
use cleargate::notify::{Letter, Notice, Recipient, Round, Step};
use cleargate::secret::Secret;
use cleargate::store;

use crate::support::gateway::{START, TestGateway, record};
use crate::support::mail::{Kind, MailServer, Manner};

const OLD: &str = "violet anchor under seven bridges";
const NEW: &str = "nine lanterns along a quiet harbour";

async fn gateway(server: &MailServer) -> TestGateway {
    TestGateway::with_files(&server.lines(), &server.files()).await
}

/// Posts a link that ends in half an hour, to this login name.
async fn post(gateway: &TestGateway, name: &str) -> bool {
    let user = match gateway.gateway.directory().find_user_by_name(name).await.unwrap() {
        Some(user) => user,
        None => gateway.user(name, None).await,
    };
    let Some(to) = Recipient::of(&user) else { return false };
    let path = Secret::new("/login/reset?token=a-secret-of-the-link".to_owned());
    let letter = Letter::Reset { path, until: START.plus(Duration::from_secs(30 * 60)) };
    let mut change = gateway.gateway.ledger().change();
    let posted = gateway.gateway.outbox().post_in(&mut change, &to, &letter).await.unwrap();
    change.commit_quietly(cleargate::audit::Housekeeping::Mail).await.unwrap();
    posted
}

async fn round(gateway: &TestGateway) -> Round {
    gateway.gateway.outbox().round(None).await.unwrap()
}

const fn outcome(sent: usize, put_off: usize, given_up: usize) -> Round {
    Round { sent, put_off, given_up }
}

async fn events(gateway: &TestGateway, kind: EventKind) -> Vec<Event> {
    let rows = gateway.gateway.ledger().store().engine().log(0, 10_000).await.unwrap();
    let events = rows.iter().map(|row| store::decode::<Event>("log", &row.body).unwrap());
    events.filter(|event| event.kind == kind).collect()
}

fn detail(event: &Event, name: &str) -> String {
    event.details.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

#[tokio::test]
async fn a_change_of_password_is_told_by_mail_with_a_text_and_an_html_part() {
    let server = MailServer::plain().await;
    let gateway = gateway(&server).await;
    gateway.user("ada@example.org", Some(OLD)).await;
    let mut browser = gateway.visitor();
    browser.sign_in("ada@example.org", OLD).await;
    let csrf = browser.get("/account/password").await.field("csrf");
    let fields = [("old", OLD), ("new", NEW), ("again", NEW), ("csrf", csrf.as_str())];
    browser.post("/account/password", &fields).await;
    assert_eq!(round(&gateway).await, outcome(1, 0, 0));
    assert_eq!(round(&gateway).await, outcome(0, 0, 0), "once");
    let mail = &server.mails()[0];
    assert_eq!((mail.from.as_str(), &mail.to[..]), ("sso@example.com", &["ada@example.org".to_owned()][..]));
    assert_eq!(mail.header("Subject"), "Your password was changed");
    assert_eq!(mail.header("From"), "Sign-in <sso@example.com>");
    assert_eq!(mail.header("Reply-To"), "help@example.com");
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert_eq!(mail.header("Date"), "Sun, 22 Nov 2026 08:00:00 +0000");
    for part in [mail.text(), mail.html()] {
        assert!(part.contains("ada@example.org") && part.contains("198.51.100.7"), "{part}");
        assert!(!part.contains(OLD) && !part.contains(NEW));
    }
    let sent = events(&gateway, EventKind::MailSent).await;
    let told = (detail(&sent[0], "about"), detail(&sent[0], "to"));
    assert_eq!(told, ("password-changed".to_owned(), "ada@example.org".to_owned()));
}

#[tokio::test]
async fn people_are_written_to_in_their_language_at_their_address() {
    let server = MailServer::plain().await;
    let gateway = gateway(&server).await;
    let mut ada = record("ada");
    let emails = serde_json::json!([{"value": "old@example.org"}, {"value": "ada@example.org", "primary": true}]);
    ada.attributes.0.insert("emails".to_owned(), emails);
    ada.attributes.0.insert("preferredLanguage".to_owned(), "de-AT".into());
    gateway.gateway.directory().create_user(&gateway.task(), &ada).await.unwrap();
    assert!(post(&gateway, "ada").await);
    round(&gateway).await;
    let mail = &server.mails()[0];
    assert_eq!(mail.to, ["ada@example.org"]);
    assert!(
        mail.text().contains("Neues Passwort wählen:\nhttp://127.0.0.1:8080/login/reset?token="),
        "{}",
        mail.text()
    );
    assert!(mail.html().contains("lang=\"de\""));
}

#[tokio::test]
async fn without_mail_nothing_is_posted() {
    let gateway = TestGateway::new().await;
    assert!(!gateway.gateway.outbox().is_open());
    assert!(!post(&gateway, "ada@example.org").await);
    assert_eq!(round(&gateway).await, outcome(0, 0, 0));
    assert_eq!(gateway.gateway.outbox().try_out("ada@example.org", Language::English).await, None);
}

#[tokio::test]
async fn an_address_that_is_none_gets_no_mail_and_puts_nothing_into_one() {
    let server = MailServer::plain().await;
    let gateway = gateway(&server).await;
    let hostile = [
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org>\r\nRCPT TO:<eve@example.org",
        "ada@example.org, eve@example.org",
        "ada",
        "",
    ];
    for (number, address) in hostile.into_iter().enumerate() {
        let mut user = record(&format!("user{number}"));
        user.attributes.0.insert("emails".to_owned(), serde_json::json!([{"value": address}]));
        let user = gateway.gateway.directory().create_user(&gateway.task(), &user).await;
        if let Ok(user) = user {
            assert_eq!(Recipient::of(&user), None, "{address:?}");
        }
    }
}

#[tokio::test]
async fn the_password_of_the_server_goes_over_an_encrypted_connection_to_who_it_says_it_is() {
    for kind in [Kind::StartTls, Kind::Tls] {
        let server = MailServer::start(kind).await;
        let gateway = gateway(&server).await;
        assert!(post(&gateway, "ada@example.org").await);
        assert_eq!(round(&gateway).await, outcome(1, 0, 0), "{kind:?}");
        let mail = &server.mails()[0];
        assert!(mail.encrypted && mail.user.as_deref() == Some("cleargate"), "{mail:?}");
        let other = MailServer::start(kind).await;
        let files = other.files();
        let strange = TestGateway::with_files(&server.lines(), &files).await;
        let trial = strange.gateway.outbox().try_out("ada@example.org", Language::English).await.unwrap();
        assert_eq!(trial.failed.unwrap().0, Step::Encrypt, "a certificate of somebody else, {kind:?}");
        assert_eq!(server.mails().len(), 1);
    }
}

#[tokio::test]
async fn a_test_tells_every_step_and_what_is_wrong_at_which() {
    let server = MailServer::start(Kind::StartTls).await;
    let gateway = gateway(&server).await;
    let outbox = gateway.gateway.outbox();
    let trial = outbox.try_out("you@example.org", Language::English).await.unwrap();
    assert_eq!(trial.taken, [Step::Connect, Step::Encrypt, Step::SignIn, Step::Deliver]);
    assert_eq!((trial.failed, server.mails()[0].header("Subject").as_str()), (None, "A test of mail"));
    for (manner, step, says) in [
        (Manner::Answers("AUTH", "535 you are a password of the mail server"), Step::SignIn, "535"),
        (Manner::Answers("RCPT", "550 no such person"), Step::Deliver, "550"),
        (Manner::Answers("EHLO", "554 go away"), Step::Connect, "554"),
        (Manner::Bare, Step::Encrypt, "STARTTLS"),
        (Manner::HangsAt("DATA"), Step::Deliver, "did not answer within 5s"),
    ] {
        server.behaves(manner);
        let (at, reason) = outbox.try_out("you@example.org", Language::English).await.unwrap().failed.unwrap();
        assert_eq!(at, step, "{manner:?}: {reason}");
        assert!(reason.contains(says) && !reason.contains("a password"), "{reason}");
    }
    let nobody = outbox.try_out("you@example.org\r\nBcc: eve@example.org", Language::English).await.unwrap();
    assert_eq!(nobody.failed.unwrap().0, Step::Deliver);
}

#[tokio::test]
async fn who_strips_or_forges_the_encryption_learns_nothing() {
    let server = MailServer::start(Kind::StartTls).await;
    let gateway = gateway(&server).await;
    for manner in [Manner::Bare, Manner::Injects, Manner::Endless] {
        server.behaves(manner);
        let trial = gateway.gateway.outbox().try_out("ada@example.org", Language::English).await.unwrap();
        assert!(trial.failed.is_some(), "{manner:?}");
    }
    let heard = server.heard().join("\n");
    assert!(!heard.contains("AUTH") && !heard.contains("ada@example.org"), "{heard}");
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_after_growing_waits_and_what_never_will_be_is_given_up() {
    let server = MailServer::plain().await;
    let gateway = gateway(&server).await;
    post(&gateway, "ada@example.org").await;
    server.behaves(Manner::Answers("RCPT", "451 later"));
    for wait in [30, 60, 120] {
        assert_eq!(round(&gateway).await, outcome(0, 1, 0));
        gateway.advance(Duration::from_secs(wait - 1));
        assert_eq!(round(&gateway).await, outcome(0, 0, 0), "not before {wait} s");
        gateway.advance(Duration::from_secs(1));
    }
    server.behaves(Manner::Takes);
    assert_eq!(round(&gateway).await, outcome(1, 0, 0));
    post(&gateway, "grace@example.org").await;
    server.behaves(Manner::Answers("RCPT", "550 no such person"));
    assert_eq!(round(&gateway).await, outcome(0, 0, 1));
    let failed = events(&gateway, EventKind::MailFailed).await;
    assert_eq!(failed.len(), 1);
    assert!(detail(&failed[0], "reason").contains("550"), "{failed:?}");
    server.behaves(Manner::Takes);
    gateway.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(round(&gateway).await, outcome(0, 0, 0));
}

#[tokio::test]
async fn a_server_that_is_away_is_left_alone_for_a_while_and_gets_all_when_it_is_back() {
    let server = MailServer::plain().await;
    let gateway = gateway(&server).await;
    for name in ["ada@example.org", "grace@example.org", "mary@example.org"] {
        post(&gateway, name).await;
    }
    server.behaves(Manner::Answers("EHLO", "421 closing"));
    assert_eq!(round(&gateway).await, outcome(0, 1, 0), "one try tells that nobody is there");
    assert_eq!(round(&gateway).await, outcome(0, 0, 0));
    server.behaves(Manner::Takes);
    gateway.advance(Duration::from_secs(30));
    assert_eq!(round(&gateway).await, outcome(3, 0, 0));
    assert_eq!(server.heard().iter().filter(|line| line.starts_with("EHLO")).count(), 2, "all over one connection");
}

#[tokio::test]
async fn a_link_that_has_ended_is_not_sent_any_more() {
    let server = MailServer::plain().await;
    let gateway = gateway(&server).await;
    post(&gateway, "ada@example.org").await;
    gateway.advance(Duration::from_secs(30 * 60));
    assert_eq!(round(&gateway).await, outcome(0, 0, 1));
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn what_was_sent_and_not_confirmed_goes_once_more_under_the_same_name() {
    let server = MailServer::plain().await;
    let gateway = gateway(&server).await;
    post(&gateway, "ada@example.org").await;
    server.behaves(Manner::GoneAfterData);
    assert_eq!(round(&gateway).await, outcome(0, 1, 0));
    server.behaves(Manner::Takes);
    gateway.advance(Duration::from_secs(60));
    assert_eq!(round(&gateway).await, outcome(1, 0, 0));
    let names: Vec<String> = server.mails().iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!(names.len(), 2);
    assert_eq!(names[0], names[1]);
    assert!(names[0].starts_with('<') && names[0].contains("@127.0.0.1"), "{names:?}");
}

#[tokio::test]
async fn a_mail_that_waits_is_sealed() {
    let server = MailServer::plain().await;
    let gateway = gateway(&server).await;
    post(&gateway, "ada@example.org").await;
    let store = gateway.gateway.ledger().store();
    let rows = store.range(store::Range::prefix(Vec::new(), 10_000)).await.unwrap();
    let holds =
        |needle: &str| rows.iter().any(|(_, row)| row.value.windows(needle.len()).any(|w| w == needle.as_bytes()));
    assert!(holds("password-reset"), "it is there");
    assert!(!holds("a-secret-of-the-link"));
}

#[tokio::test]
async fn a_new_address_is_told_at_the_old_one() {
    let server = MailServer::plain().await;
    let gateway = gateway(&server).await;
    let ada = gateway.user("ada@example.org", None).await;
    let edit = |_: &_, record: &mut cleargate::directory::SourceRecord| {
        let emails = serde_json::json!([{"value": "eve@example.org"}]);
        record.attributes.0.insert("emails".to_owned(), emails);
        Ok::<_, cleargate::directory::Error>(())
    };
    gateway.gateway.directory().change_user(&gateway.task(), ada.id, None, edit).await.unwrap();
    round(&gateway).await;
    let mails = server.mails();
    assert_eq!((mails.len(), mails[0].to[0].as_str()), (1, "ada@example.org"));
    assert_eq!(mails[0].header("Subject"), "Your e-mail address was changed");
}

/// Tells somebody as often as asked that they signed in from a new browser.
async fn tell_often(gateway: &TestGateway, name: &str, times: usize) {
    tell_of(gateway, name, Notice::NewDevice, times).await;
}

async fn tell_of(gateway: &TestGateway, name: &str, notice: Notice, times: usize) {
    let user = gateway.gateway.directory().find_user_by_name(name).await.unwrap().unwrap();
    for _ in 0..times {
        let mut change = gateway.gateway.ledger().change();
        let from = Circumstance::default();
        gateway.gateway.outbox().tell_in(&mut change, &user, notice, &from).await.unwrap();
        if !change.is_empty() {
            change.commit_quietly(cleargate::audit::Housekeeping::Login).await.unwrap();
        }
    }
}

/// Changes somebody's address by hand as often as asked, which is told at the one before.
async fn move_often(gateway: &TestGateway, name: &str, times: usize) {
    let user = gateway.gateway.directory().find_user_by_name(name).await.unwrap().unwrap();
    for number in 0..times {
        let edit = move |_: &_, record: &mut cleargate::directory::SourceRecord| {
            let emails = serde_json::json!([{"value": format!("a{number}@example.org")}]);
            record.attributes.0.insert("emails".to_owned(), emails);
            Ok::<_, cleargate::directory::Error>(())
        };
        gateway.gateway.directory().change_user(&gateway.task(), user.id, None, edit).await.unwrap();
    }
}

#[tokio::test]
async fn an_account_is_told_ten_times_in_an_hour_and_links_go_before_what_only_tells() {
    let server = MailServer::plain().await;
    let gateway = gateway(&server).await;
    gateway.user("ada@example.org", None).await;
    gateway.user("bob@example.org", None).await;
    tell_often(&gateway, "ada@example.org", 15).await;
    gateway.advance(Duration::from_secs(1));
    assert!(post(&gateway, "grace@example.org").await, "a link is no notice");
    tell_often(&gateway, "bob@example.org", 1).await;
    assert_eq!(round(&gateway).await, outcome(12, 0, 0), "ten, the link, and one of somebody else");
    assert_eq!(server.mails()[0].to, ["grace@example.org"], "the link went first, although it was posted later");
    assert_eq!(server.mails()[11].to, ["bob@example.org"]);
    // Whoever makes noise keeps back no word of what they do with the account.
    tell_often(&gateway, "ada@example.org", 1).await;
    move_often(&gateway, "ada@example.org", 1).await;
    assert_eq!(round(&gateway).await, outcome(1, 0, 0));
    gateway.advance(Duration::from_secs(60 * 60));
    tell_often(&gateway, "ada@example.org", 1).await;
    assert_eq!(round(&gateway).await, outcome(1, 0, 0));
}

/// Anybody asks for a role, and those who decide are told: that keeps back no word of what is done with their accounts.
#[tokio::test]
async fn who_asks_for_very_much_keeps_back_no_word_of_a_new_device() {
    let server = MailServer::plain().await;
    let gateway = gateway(&server).await;
    gateway.user("boss@example.org", None).await;
    tell_of(&gateway, "boss@example.org", Notice::AccessAsked, 15).await;
    assert_eq!(round(&gateway).await, outcome(10, 0, 0));
    tell_of(&gateway, "boss@example.org", Notice::NewDevice, 1).await;
    tell_of(&gateway, "boss@example.org", Notice::RecoveryUsed, 1).await;
    assert_eq!(round(&gateway).await, outcome(2, 0, 0));
    tell_of(&gateway, "boss@example.org", Notice::AccessApproved, 1).await;
    assert_eq!(round(&gateway).await, outcome(0, 0, 0), "they were told of requests enough for now");
    gateway.advance(Duration::from_secs(60 * 60));
    tell_of(&gateway, "boss@example.org", Notice::AccessAsked, 1).await;
    assert_eq!(round(&gateway).await, outcome(1, 0, 0));
}

#[tokio::test]
async fn a_mail_that_cannot_be_read_keeps_no_other_from_going() {
    use cleargate::store::{Key, KeyWriter, Range, Table};
    struct Raw(Vec<u8>);
    impl Key for Raw {
        fn write(&self, out: &mut KeyWriter) {
            out.fixed(&self.0);
        }
    }
    const OUTBOX: Table<Raw, String> = Table::new(0x80, "mails that wait");
    let server = MailServer::plain().await;
    let gateway = gateway(&server).await;
    post(&gateway, "ada@example.org").await;
    let organisation = cleargate::model::OrganisationId::DEFAULT;
    let prefix = OUTBOX.prefix(organisation, &());
    let ledger = gateway.gateway.ledger();
    let rows = ledger.store().range(Range::prefix(prefix.clone(), 10)).await.unwrap();
    let mut change = ledger.change();
    change.put(&OUTBOX, organisation, &Raw(rows[0].0[prefix.len()..].to_vec()), &"none of ours".to_owned()).unwrap();
    change.commit_quietly(cleargate::audit::Housekeeping::Mail).await.unwrap();
    gateway.advance(Duration::from_secs(1));
    post(&gateway, "grace@example.org").await;
    assert_eq!(round(&gateway).await, outcome(1, 0, 1));
    assert_eq!(server.mails()[0].to, ["grace@example.org"]);
    assert_eq!(round(&gateway).await, outcome(0, 0, 0), "it is gone");
}

#[tokio::test]
async fn a_relay_that_refuses_us_loses_no_mail_and_tries_are_counted_as_they_are_made() {
    let server = MailServer::plain().await;
    let gateway = gateway(&server).await;
    post(&gateway, "ada@example.org").await;
    for answer in ["550 5.7.1 relaying denied", "530 authentication required"] {
        server.behaves(Manner::Answers("RCPT", answer));
        assert_eq!(round(&gateway).await, outcome(0, 1, 0), "{answer}");
        gateway.advance(Duration::from_secs(120));
    }
    server.behaves(Manner::Takes);
    assert_eq!(round(&gateway).await, outcome(1, 0, 0));
    assert_eq!(detail(&events(&gateway, EventKind::MailSent).await[0], "tries"), "3");
}

#[tokio::test]
async fn however_many_links_wait_every_fourth_mail_is_one_that_tells() {
    let server = MailServer::plain().await;
    let gateway = gateway(&server).await;
    gateway.user("ada@example.org", None).await;
    move_often(&gateway, "ada@example.org", 1).await;
    for number in 0..70 {
        gateway.advance(Duration::from_millis(1));
        assert!(post(&gateway, &format!("u{number}@example.org")).await);
    }
    assert_eq!(round(&gateway).await, outcome(50, 0, 0));
    let mails = server.mails();
    let told = mails.iter().position(|mail| mail.header("Subject") == "Your e-mail address was changed");
    assert_eq!((told, mails.len()), (Some(3), 50), "with three links before it");
    assert_eq!(round(&gateway).await, outcome(21, 0, 0), "and nothing is lost or sent twice");
    let mut names: Vec<String> = server.mails().iter().map(|mail| mail.to[0].clone()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 71);
}

#[tokio::test]
async fn a_count_of_notices_that_cannot_be_read_keeps_nobody_from_changing_anything() {
    const TOLD: cleargate::store::Table<cleargate::model::UserId, String> =
        cleargate::store::Table::new(0x5e, "notices of accounts");
    let server = MailServer::plain().await;
    let gateway = gateway(&server).await;
    let ada = gateway.user("ada@example.org", None).await;
    let mut change = gateway.gateway.ledger().change();
    change.put(&TOLD, cleargate::model::OrganisationId::DEFAULT, &ada.id, &"none of ours".to_owned()).unwrap();
    change.commit_quietly(cleargate::audit::Housekeeping::Mail).await.unwrap();
    tell_often(&gateway, "ada@example.org", 15).await;
    assert_eq!(round(&gateway).await, outcome(10, 0, 0), "it is counted anew");
}

#[tokio::test]
async fn whoever_may_release_a_connection_is_told_once_that_it_is_paused() {
    let server = MailServer::plain().await;
    let lines = "policy.pack = \"clearpoint-systems\"\n[[scim]]\nid = \"okta\"\nbrake.at_least = 1\n";
    let gateway = TestGateway::with_files(&format!("{lines}{}", server.lines()), &server.files()).await;
    let (admin, okta) = (gateway.user("root@example.org", None).await, gateway.connection("okta").await);
    gateway.user("nobody-special@example.org", None).await;
    let access = gateway.gateway.access();
    let grant = NewGrant::new(Subject::User(admin.id), "system_administrator".parse().unwrap());
    access.grants().create(&gateway.task(), &access.roles(), grant).await.unwrap();
    let directory = gateway.gateway.directory();
    let mut removals = Vec::new();
    for number in 0..6 {
        removals.push(directory.create_user(&okta, &record(&format!("user-{number}"))).await.unwrap().id);
    }
    assert_eq!(gateway.gateway.look_at_brakes().await.unwrap(), 0);
    let source = "okta".parse().unwrap();
    for pause in 1..=2 {
        directory.delete_user(&okta, removals.pop().unwrap(), None).await.unwrap();
        for id in &removals[..2] {
            assert!(directory.delete_user(&okta, *id, None).await.is_err(), "the connection is paused");
        }
        assert_eq!(gateway.gateway.look_at_brakes().await.unwrap(), 1);
        assert_eq!(gateway.gateway.look_at_brakes().await.unwrap(), 0, "of one pause once");
        round(&gateway).await;
        assert_eq!(server.mails().len(), pause);
        gateway.advance(Duration::from_secs(1));
        assert!(directory.release(&gateway.task(), &source).await.unwrap());
        assert_eq!(gateway.gateway.look_at_brakes().await.unwrap(), 0);
    }
    let mail = &server.mails()[0];
    assert_eq!(mail.to, ["root@example.org"]);
    assert_eq!(mail.header("Subject"), "A connection is paused");
    for part in [mail.text(), mail.html()] {
        assert!(part.contains("cleargate scim release okta"), "{part}");
    }
}

#[tokio::test]
async fn without_mail_a_pause_is_told_to_nobody_and_is_news_once_there_is_mail() {
    let gateway = TestGateway::with("[[scim]]\nid = \"okta\"\n").await;
    let outbox = gateway.gateway.outbox();
    assert!(!outbox.is_news(&"okta".parse().unwrap(), START).await.unwrap());
    let admin = gateway.user("root@example.org", None).await;
    assert_eq!(outbox.alert(&"okta".parse().unwrap(), START, &[admin]).await.unwrap(), 0);
}
