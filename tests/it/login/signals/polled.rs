//! Signals that are asked for: each is acknowledged after it was carried out, and comes again when the acknowledgement was
//! lost, with the gateway or on the way.

use std::time::Duration;

use axum::body::Body;
use cleargate::audit::EventKind;
use cleargate::clock::ManualClock;
use cleargate::config::{self, Credentials};
use cleargate::gateway::{Foundation, Gateway};
use cleargate::secret::IdSource;
use serde_json::{Value, json};

use super::stage::{ADA, CAEP, FILES, GRACE, POLLED, RISC, Stage, events, header, idp, is_in, section, signed};
use crate::oidc::stage::{KEY, STRANGE_KEY, endless, raw};
use crate::support::gateway::START;

fn asked(stage: &Stage) -> Vec<Value> {
    stage.transmitter.queue.lock().unwrap().asked.clone()
}

fn revoked() -> String {
    format!("{CAEP}/session-revoked")
}

#[tokio::test]
async fn what_is_queued_is_carried_out_and_acknowledged_and_what_is_wrong_is_told() {
    let stage = Stage::polled().await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    let (mut grace, _) = stage.signed_in(GRACE).await;
    assert_eq!(stage.hear().await, Ok(0));
    assert_eq!(asked(&stage), [json!({"maxEvents": 50, "returnImmediately": true, "ack": [], "setErrs": {}})]);
    stage.queue("a", stage.token("a", &revoked(), &stage.person("sub-ada")));
    stage.queue("b", signed(&STRANGE_KEY, &header(), &stage.claims("b", &revoked(), &stage.person("sub-grace"))));
    stage.queue("c", stage.token("another", &revoked(), &stage.person("sub-grace")));
    stage.queue("d", "junk".to_owned());
    stage.queue("e", stage.token("e", "urn:unknown", &stage.person("sub-grace")));
    assert_eq!(stage.hear().await, Ok(5));
    assert!(!is_in(&mut ada).await && is_in(&mut grace).await);
    let last = asked(&stage).pop().unwrap();
    assert_eq!(last["ack"], json!(["a", "e"]));
    let errors: Vec<(&str, &str)> =
        last["setErrs"].as_object().unwrap().iter().map(|(id, e)| (id.as_str(), e["err"].as_str().unwrap())).collect();
    assert_eq!(errors, [("b", "authentication_failed"), ("c", "invalid_request"), ("d", "invalid_request")]);
    assert!(stage.queued().is_empty());
    assert_eq!(stage.events(EventKind::SignalRefused).await.len(), 3);
    // What was told is not told again.
    assert_eq!(stage.hear().await, Ok(0));
    assert_eq!((asked(&stage).pop().unwrap()["ack"].clone(), asked(&stage).len()), (json!([]), 4));
}

#[tokio::test]
async fn many_are_fetched_in_one_go() {
    let stage = Stage::polled().await;
    for number in 0..170 {
        let id = format!("{number:03}");
        stage.queue(&id, stage.token(&id, "urn:unknown", &stage.person("sub-ada")));
    }
    assert_eq!(stage.hear().await, Ok(170));
    assert!(stage.queued().is_empty());
    assert_eq!(stage.events(EventKind::SignalReceived).await.len(), 170);
}

#[tokio::test]
async fn a_transmitter_that_is_broken_loses_nothing() {
    let stage = Stage::polled().await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    stage.queue("a", stage.token("a", &revoked(), &stage.person("sub-ada")));
    let broken: [fn() -> axum::response::Response; 7] = [
        || raw(500, "{}"),
        || raw(302, "{}"),
        || raw(200, "<html>"),
        || raw(200, "[]"),
        || raw(200, r#"{"sets": {"a": "x", "a": "y"}}"#),
        || raw(200, r#"{"sets": ["a"]}"#),
        || raw(200, Body::from(vec![b' '; 1024 * 1024 + 1])),
    ];
    for answer in broken {
        stage.transmitter.queue.lock().unwrap().broken = Some(answer);
        assert!(stage.hear().await.is_err());
        assert!(is_in(&mut ada).await);
    }
    stage.transmitter.queue.lock().unwrap().broken = None;
    assert_eq!(stage.hear().await, Ok(1));
    assert!(!is_in(&mut ada).await);
    // Of what was too large less is asked for at once, and more again when it went well.
    stage.transmitter.queue.lock().unwrap().broken = Some(|| raw(200, endless()));
    for _ in 0..9 {
        assert!(stage.hear().await.is_err());
    }
    assert_eq!(asked(&stage).pop().unwrap()["maxEvents"], 1);
    stage.transmitter.queue.lock().unwrap().broken = None;
    for _ in 0..9 {
        stage.hear().await.unwrap();
    }
    assert_eq!(asked(&stage).pop().unwrap()["maxEvents"], 50);
}

#[tokio::test]
async fn what_is_put_off_keeps_nothing_behind_it_waiting() {
    let stage = Stage::polled().await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    let mut of_tomorrow = header();
    of_tomorrow.insert("kid".into(), json!("tomorrow"));
    stage.queue("a", signed(&KEY, &of_tomorrow, &stage.claims("a", &revoked(), &stage.person("sub-grace"))));
    stage.queue("b", stage.token("b", &revoked(), &stage.person("sub-ada")));
    assert!(stage.hear().await.is_err());
    assert!(!is_in(&mut ada).await);
    assert!(stage.hear().await.is_err());
    assert_eq!(stage.queued(), ["a"]);
    assert!(stage.events(EventKind::SignalRefused).await.is_empty());
    stage.advance(Duration::from_secs(11 * 60));
    assert_eq!(stage.hear().await, Ok(1));
    assert_eq!(stage.rule(EventKind::SignalRefused).await, "key");
}

#[tokio::test]
async fn whoever_answers_with_nonsense_without_end_fills_nothing() {
    let stage = Stage::polled().await;
    stage.transmitter.queue.lock().unwrap().broken = Some(|| {
        let sets: serde_json::Map<String, Value> = (0..20_000).map(|id| (format!("{id}"), json!(""))).collect();
        raw(200, json!({"sets": sets, "moreAvailable": true}).to_string())
    });
    for _ in 0..3 {
        assert_eq!(stage.hear().await, Ok(50));
    }
    assert!(stage.events(EventKind::SignalRefused).await.len() <= 30);
    assert!(asked(&stage).iter().all(|question| question["setErrs"].as_object().unwrap().len() <= 50));
}

#[tokio::test]
async fn an_acknowledgement_that_is_lost_has_no_second_effect() {
    let stage = Stage::polled().await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    stage.queue("a", stage.token("a", &revoked(), &stage.person("sub-ada")));
    stage.transmitter.queue.lock().unwrap().is_deaf = true;
    assert!(stage.hear().await.unwrap() > 0);
    assert!(!is_in(&mut ada).await);
    stage.advance(Duration::from_secs(1));
    let (mut ada, _) = stage.signed_in(ADA).await;
    stage.transmitter.queue.lock().unwrap().is_deaf = false;
    stage.hear().await.unwrap();
    assert!(stage.queued().is_empty());
    assert!(is_in(&mut ada).await);
    assert_eq!(stage.events(EventKind::SignalReceived).await.len(), 1);
}

#[tokio::test]
async fn what_was_heard_before_a_restart_is_acknowledged_after_it_and_done_once() {
    // Only its transmitter is of use here.
    let stage = Stage::polled().await;
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().join("cleargate.toml");
    let store = folder.path().join("store.redb");
    let lines = section(&stage.base, &POLLED.replace("BASE", &stage.base));
    let text = format!("public_url = \"http://127.0.0.1:8080\"\n{lines}[store]\npath = \"{}\"\n", store.display());
    std::fs::write(&path, text).unwrap();
    let open = || async {
        let config = config::load(&path, &Credentials::None).unwrap();
        let clock = ManualClock::new(START);
        let foundation = Foundation { clock: clock.clock(), ids: IdSource::system(), ..Foundation::system() };
        Gateway::open(config, foundation).await.unwrap()
    };
    stage.queue("a", stage.token("a", &format!("{RISC}/account-disabled"), &stage.person("sub-ada")));
    let gateway = open().await;
    // It hears, and is gone before it can acknowledge.
    stage.transmitter.queue.lock().unwrap().is_deaf = true;
    assert!(gateway.login().hear_from(&idp()).await.is_ok());
    assert_eq!(events(&gateway, EventKind::AccountBarred).await.len(), 1);
    drop(gateway);
    assert_eq!(stage.queued(), ["a"]);
    stage.transmitter.queue.lock().unwrap().is_deaf = false;
    let gateway = open().await;
    assert_eq!(gateway.login().hear_from(&idp()).await.unwrap(), 1);
    assert!(stage.queued().is_empty());
    assert_eq!(events(&gateway, EventKind::SignalReceived).await.len(), 1);
    assert_eq!(events(&gateway, EventKind::AccountBarred).await.len(), 1);
}

#[tokio::test]
async fn the_gateway_asks_by_itself_and_stops_when_it_is_told_to() {
    let stage = Stage::polled().await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    stage.queue("a", signed(&KEY, &header(), &stage.claims("a", &revoked(), &stage.person("sub-ada"))));
    let tasks = cleargate::tasks::Tasks::new();
    stage.gateway.gateway.login().hear(&tasks);
    let heard = stage.transmitter.acknowledged.notified();
    tokio::time::timeout(Duration::from_secs(30), heard).await.expect("it asks");
    assert!(!is_in(&mut ada).await);
    assert!(tasks.join(Duration::from_secs(30)).await.is_empty());
    let metrics = stage.gateway.gateway.operations_router();
    let mut reader = stage.gateway.visitor().at(metrics);
    let text = reader.get("/metrics").await.text;
    assert!(text.contains("cleargate_signals_total{source=\"idp\",result=\"done\"} 1"), "{text}");
    assert!(text.contains("cleargate_signals_last_poll_timestamp_seconds{source=\"idp\"} 17953"), "{text}");
}

#[tokio::test]
async fn nobody_at_the_sign_in_page_keeps_refused_signals_out_of_the_ledger() {
    let stage = Stage::polled().await;
    for name in ["idp", "Signals:idp"] {
        for tried in 0..40_u8 {
            let mut browser = stage.gateway.visitor();
            browser.address = std::net::IpAddr::from([203, 0, tried, 9]);
            browser.sign_in(name, &format!("guess number {tried} of {name}")).await;
        }
    }
    stage.queue("a", "junk".to_owned());
    assert_eq!(stage.hear().await, Ok(1));
    assert_eq!(stage.events(EventKind::SignalRefused).await.len(), 1);
    // It is bounded for all that.
    for number in 0..40 {
        stage.queue(&format!("b{number:02}"), "junk".to_owned());
    }
    assert_eq!(stage.hear().await, Ok(40));
    assert_eq!(stage.events(EventKind::SignalRefused).await.len(), 30);
}

/// A transmitter that knows no `setErrs`, or refuses what is acknowledged, is told something else, and heard on.
#[tokio::test]
async fn a_transmitter_that_does_not_take_what_it_is_told_is_heard_on() {
    let stage = Stage::polled().await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    let (mut grace, _) = stage.signed_in(GRACE).await;
    stage.transmitter.queue.lock().unwrap().refuses = vec!["setErrs"];
    stage.queue("a", "junk".to_owned());
    stage.queue("b", stage.token("b", &revoked(), &stage.person("sub-ada")));
    assert!(stage.hear().await.is_err(), "it does not take `setErrs`");
    assert!(!is_in(&mut ada).await);
    assert_eq!(stage.hear().await, Ok(0));
    assert!(stage.queued().is_empty(), "what was refused is acknowledged");
    assert_eq!(stage.events(EventKind::SignalRefused).await.len(), 1);
    stage.transmitter.queue.lock().unwrap().refuses = vec!["setErrs", "ack"];
    stage.queue("c", stage.token("c", "urn:unknown", &stage.person("sub-ada")));
    assert!(stage.hear().await.is_err());
    stage.queue("d", stage.token("d", &revoked(), &stage.person("sub-grace")));
    assert!(stage.hear().await.is_err());
    assert!(!is_in(&mut grace).await, "what comes again keeps nothing behind it waiting");
    assert_eq!(stage.events(EventKind::SignalReceived).await.len(), 3, "and has one effect");
}

/// However long its id is, a token is answered, so that it does not come again and again in the place of others.
#[tokio::test]
async fn ids_that_are_too_long_are_answered_too() {
    let stage = Stage::polled().await;
    let (mut ada, _) = stage.signed_in(ADA).await;
    for number in 0..50 {
        let id = format!("{number:02}{}", "x".repeat(5000));
        stage.queue(&id, stage.token(&id, &revoked(), &stage.person("sub-grace")));
    }
    stage.queue("y", stage.token("y", &revoked(), &stage.person("sub-ada")));
    for _ in 0..3 {
        stage.hear().await.unwrap();
    }
    assert!(stage.queued().is_empty() && !is_in(&mut ada).await);
    assert_eq!(stage.rule(EventKind::SignalRefused).await, "token_id");
}
