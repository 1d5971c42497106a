//! Sessions: opened with the sign-in, checked by one read, ended by time, by their owner, and all at once.

use std::time::Duration;

use cleargate::audit::{Event, EventKind, Housekeeping};
use cleargate::clock::Timestamp;
use cleargate::config;
use cleargate::model::{Actor, OrganisationId, Presence, SessionId, UserId};
use cleargate::secret::{MacKey, Secret};
use cleargate::session::{AtUpstream, Details, Error, Method, Session, Sessions, Vouched};
use cleargate::store::{self, Range, Table};
use minicbor::bytes::ByteArray;

use crate::support::bench::{Bench, START, holds};

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

fn sessions(bench: &Bench) -> Sessions {
    with_limits(bench, HOUR, 12 * HOUR)
}

fn with_limits(bench: &Bench, idle: Duration, absolute: Duration) -> Sessions {
    let limits = config::Session { idle, absolute };
    Sessions::new(bench.ledger.clone(), &bench.master, bench.ids.clone(), bench.clock.clock(), limits)
}

fn user(number: u8) -> UserId {
    UserId::from_bytes([number; 16])
}

fn details() -> Details {
    Details {
        connector: "entra".parse().unwrap(),
        method: Method::Saml,
        address: Some("192.0.2.7".parse().unwrap()),
        user_agent: Some("Mozilla/5.0".into()),
        upstream_session: Some("_index1".into()),
        at_upstream: None,
        groups: vec!["staff".into()],
        presence: Presence::default(),
    }
}

async fn opened_with(
    bench: &Bench,
    sessions: &Sessions,
    user: UserId,
    details: Details,
) -> Result<(Secret, Session), Error> {
    let mut change = bench.ledger.change();
    let opened = sessions.open(&mut change, user, details).await?;
    change.commit(Event::new(bench.clock.clock().now(), EventKind::SessionCreated, &Actor::Anonymous)).await?;
    Ok(opened)
}

async fn opened(bench: &Bench, sessions: &Sessions, number: u8) -> (Secret, Session) {
    opened_with(bench, sessions, user(number), details()).await.unwrap()
}

async fn end_all(bench: &Bench, sessions: &Sessions, user: UserId) -> Result<usize, Error> {
    let mut change = bench.ledger.change();
    let ended = sessions.end_all(&mut change, user).await?;
    change.commit(Event::new(START, EventKind::UserDeactivated, &Actor::Anonymous)).await?;
    Ok(ended)
}

#[tokio::test]
async fn a_session_is_found_by_its_secret_as_it_was_opened() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let (secret, session) = opened(&bench, &sessions, 1).await;
    assert_eq!(secret.expose().len(), 43);
    assert_eq!(sessions.check(&secret).await.unwrap().as_deref(), Some(&session));
    assert_eq!(sessions.load(session.id).await.unwrap(), session);
    assert_eq!((session.user, session.created, session.method), (user(1), START, Method::Saml));
    assert_eq!((session.idle_until, session.ends), (START.plus(HOUR), START.plus(12 * HOUR)));
    assert_eq!(session.address.as_deref(), Some("192.0.2.7"));
    assert_eq!(session.actor(), Actor::User { id: user(1), session: session.id, presence: session.presence });
}

#[tokio::test]
async fn a_session_whose_change_is_not_committed_never_was() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let mut change = bench.ledger.change();
    let (secret, session) = sessions.open(&mut change, user(1), details()).await.unwrap();
    drop(change);
    assert_eq!(sessions.check(&secret).await.unwrap(), None);
    assert_eq!(sessions.load(session.id).await, Err(Error::NotFound));
}

#[tokio::test]
async fn the_store_holds_no_secret_and_without_its_key_is_no_use() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let (secret, _) = opened(&bench, &sessions, 1).await;
    let bytes = bench.everything().await;
    assert!(holds(&bytes, "Mozilla/5.0"), "the search itself works");
    assert!(!holds(&bytes, secret.expose()) && !holds(&bytes, &secret.expose()[10..30]));
    let limits = config::Session { idle: HOUR, absolute: HOUR };
    let other_key = MacKey::new(&[8; 32]);
    let rekeyed = Sessions::new(bench.ledger.clone(), &other_key, bench.ids.clone(), bench.clock.clock(), limits);
    assert_eq!(rekeyed.check(&secret).await.unwrap(), None);
}

#[tokio::test]
async fn other_texts_open_nothing() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let (secret, session) = opened(&bench, &sessions, 1).await;
    let text = secret.expose();
    let mut altered = text.to_owned();
    altered.replace_range(0..1, if text.starts_with('A') { "B" } else { "A" });
    // The last of 43 characters carries two bits that decode to nothing: a second spelling must not pass.
    let last = text.as_bytes()[42];
    let respelled = format!("{}{}", &text[..42], char::from(last + 1));
    let texts = [
        String::new(),
        altered,
        respelled,
        text[..42].to_owned(),
        format!("{text}A"),
        "é".repeat(21) + "a",
        "A".repeat(1 << 20),
        session.id.to_string(),
    ];
    for wrong in texts {
        assert_eq!(sessions.check(&Secret::new(wrong.clone())).await.unwrap(), None, "{wrong:.60}");
    }
}

#[tokio::test]
async fn a_session_that_is_not_used_ends_after_the_idle_limit() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let (secret, session) = opened(&bench, &sessions, 1).await;
    bench.clock.advance(HOUR - Duration::from_millis(1));
    assert!(sessions.check(&secret).await.unwrap().is_some());
    bench.clock.advance(HOUR - Duration::from_millis(1));
    assert!(sessions.check(&secret).await.unwrap().is_some(), "use moves the limit");
    bench.clock.advance(HOUR);
    assert_eq!(sessions.check(&secret).await.unwrap(), None);
    assert_eq!(sessions.load(session.id).await, Err(Error::NotFound));
    assert_eq!(sessions.list(user(1)).await.unwrap(), []);
    assert_eq!(sessions.end(&bench.permit(), session.id).await, Err(Error::NotFound));
}

#[tokio::test]
async fn a_session_in_use_ends_at_the_absolute_limit() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let (secret, _) = opened(&bench, &sessions, 1).await;
    for _ in 0..23 {
        bench.clock.advance(HOUR / 2);
        assert!(sessions.check(&secret).await.unwrap().is_some());
    }
    bench.clock.advance(HOUR / 2 - Duration::from_millis(1));
    assert!(sessions.check(&secret).await.unwrap().is_some());
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(sessions.check(&secret).await.unwrap(), None);
    while bench.ledger.store().engine().sweep(100).await.unwrap() > 0 {}
    bench.clock.advance(HOUR);
    assert_eq!(bench.rows().await, 2, "nothing of it is left but a count and when that was");
}

#[tokio::test]
async fn shorter_limits_hold_for_sessions_that_are_open() {
    let bench = Bench::new();
    let (secret, _) = opened(&bench, &sessions(&bench), 1).await;
    bench.clock.advance(10 * MINUTE);
    let idle = with_limits(&bench, 10 * MINUTE, HOUR);
    assert_eq!(idle.check(&secret).await.unwrap(), None);
    let absolute = with_limits(&bench, HOUR, 10 * MINUTE);
    assert_eq!(absolute.check(&secret).await.unwrap(), None);
    assert!(sessions(&bench).check(&secret).await.unwrap().is_some());
}

#[tokio::test]
async fn last_use_is_written_once_a_minute_and_is_no_event() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let (secret, session) = opened(&bench, &sessions, 1).await;
    let before = bench.commits();
    for _ in 0..60 {
        bench.clock.advance(Duration::from_secs(5));
        sessions.check(&secret).await.unwrap();
    }
    assert_eq!(bench.commits() - before, 5, "five minutes, five writes");
    let seen = sessions.load(session.id).await.unwrap();
    assert_eq!((seen.last_seen, seen.idle_until), (START.plus(5 * MINUTE), START.plus(5 * MINUTE).plus(HOUR)));
    assert_eq!(bench.events().await.len(), 1);
}

#[tokio::test]
async fn with_a_short_idle_limit_use_is_written_often_enough() {
    let bench = Bench::new();
    let sessions = with_limits(&bench, MINUTE, HOUR);
    let (secret, _) = opened(&bench, &sessions, 1).await;
    for _ in 0..30 {
        bench.clock.advance(Duration::from_secs(40));
        assert!(sessions.check(&secret).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_session_is_ended_by_its_id_and_told_with_its_user() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let (secret, session) = opened(&bench, &sessions, 1).await;
    let (other, _) = opened(&bench, &sessions, 1).await;
    assert_eq!(sessions.end(&bench.permit(), session.id).await.unwrap().id, session.id);
    assert_eq!(sessions.check(&secret).await.unwrap(), None);
    assert!(sessions.check(&other).await.unwrap().is_some());
    assert_eq!(sessions.end(&bench.permit(), session.id).await, Err(Error::NotFound));
    assert_eq!(sessions.end(&bench.permit(), SessionId::from_bytes([1; 16])).await, Err(Error::NotFound));
    let event = bench.events().await.remove(0).event;
    assert_eq!((event.kind, event.actor.as_str()), (EventKind::SessionEnded, "system:test"));
    assert_eq!(event.target, format!("session:{}", session.id));
    assert_eq!(event.details, [("user".to_owned(), user(1).to_string())]);
}

#[tokio::test]
async fn use_that_is_noted_while_a_session_ends_does_not_bring_it_back() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let (secret, session) = opened(&bench, &sessions, 1).await;
    bench.clock.advance(2 * MINUTE);
    let permit = bench.permit();
    let (_, ended) = tokio::join!(sessions.check(&secret), sessions.end(&permit, session.id));
    ended.unwrap();
    assert_eq!(sessions.check(&secret).await.unwrap(), None);
    assert_eq!(sessions.load(session.id).await, Err(Error::NotFound));
}

#[tokio::test]
async fn all_sessions_of_a_user_end_together_and_nobody_elses() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let mut mine = Vec::new();
    for _ in 0..3 {
        mine.push(opened(&bench, &sessions, 1).await.0);
    }
    let (other, _) = opened(&bench, &sessions, 2).await;
    assert_eq!(end_all(&bench, &sessions, user(1)).await, Ok(3));
    for secret in &mine {
        assert_eq!(sessions.check(secret).await.unwrap(), None);
    }
    assert!(sessions.check(&other).await.unwrap().is_some());
    assert_eq!(end_all(&bench, &sessions, user(1)).await, Ok(0));
    assert!(sessions.check(&opened(&bench, &sessions, 1).await.0).await.unwrap().is_some(), "signing in again works");
}

#[tokio::test]
async fn a_sign_in_that_races_with_the_end_of_all_sessions_loses_or_is_ended() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    // The sign-in begins first, the end of all is committed first.
    let mut change = bench.ledger.change();
    let (secret, _) = sessions.open(&mut change, user(1), details()).await.unwrap();
    end_all(&bench, &sessions, user(1)).await.unwrap();
    let late = change.commit(Event::new(START, EventKind::SessionCreated, &Actor::Anonymous)).await;
    assert_eq!(late, Err(store::Error::Conflict));
    assert_eq!(sessions.check(&secret).await.unwrap(), None);
    // The end of all begins first, the sign-in is committed first.
    let mut change = bench.ledger.change();
    sessions.end_all(&mut change, user(1)).await.unwrap();
    opened(&bench, &sessions, 1).await;
    let late = change.commit(Event::new(START, EventKind::UserDeactivated, &Actor::Anonymous)).await;
    assert_eq!(late, Err(store::Error::Conflict), "run again, it finds the new session");
}

#[tokio::test]
async fn two_sign_ins_of_one_user_do_not_hinder_each_other() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let (mut one, mut two) = (bench.ledger.change(), bench.ledger.change());
    let (first, _) = sessions.open(&mut one, user(1), details()).await.unwrap();
    let (second, _) = sessions.open(&mut two, user(1), details()).await.unwrap();
    for change in [one, two] {
        change.commit(Event::new(START, EventKind::SessionCreated, &Actor::Anonymous)).await.unwrap();
    }
    assert!(sessions.check(&first).await.unwrap().is_some());
    assert!(sessions.check(&second).await.unwrap().is_some());
}

#[tokio::test]
async fn a_logout_at_the_upstream_ends_the_sessions_that_it_names() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let (named, _) = opened(&bench, &sessions, 1).await;
    let other_name = Details { upstream_session: Some("_index10".into()), ..details() };
    let other_connector = Details { connector: "okta".parse().unwrap(), ..details() };
    let without = Details { upstream_session: None, ..details() };
    let mut kept = Vec::new();
    for details in [other_name, other_connector, without] {
        kept.push(opened_with(&bench, &sessions, user(1), details).await.unwrap().0);
    }
    let mut change = bench.ledger.change();
    let ended = sessions.end_upstream(&mut change, &"entra".parse().unwrap(), "_index1").await.unwrap();
    change.commit(Event::new(START, EventKind::SessionEnded, &Actor::Anonymous)).await.unwrap();
    assert_eq!(ended, 1);
    assert_eq!(sessions.check(&named).await.unwrap(), None);
    for secret in &kept {
        assert!(sessions.check(secret).await.unwrap().is_some());
    }
}

/// A session that goes on under a new name at the moment of a logout is ended under one of the two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_renewed_while_its_upstream_ends_it_is_over() {
    let bench = std::sync::Arc::new(Bench::new());
    let sessions = sessions(&bench);
    let at = AtUpstream { subject: "ada".into(), issued: START, sign_out: Vec::new() };
    for round in 0..200 {
        let details = Details { at_upstream: Some(at.clone()), upstream_session: None, ..details() };
        let (_, session) = opened_with(&bench, &sessions, user(1), details).await.unwrap();
        let (renewer, ender) = ((bench.clone(), sessions.clone()), (bench.clone(), sessions.clone()));
        let renewed = tokio::spawn(async move {
            let (bench, sessions) = renewer;
            let session = &session;
            let renew = |mut change: cleargate::audit::Change| {
                let sessions = sessions.clone();
                async move {
                    sessions.renew(&mut change, session, Presence::default()).await?;
                    change.commit_quietly(Housekeeping::LastSeen).await?;
                    Ok::<_, Error>(())
                }
            };
            bench.ledger.retry(renew).await
        });
        let ended = tokio::spawn(async move {
            let (bench, sessions) = ender;
            let end = |mut change: cleargate::audit::Change| {
                let sessions = sessions.clone();
                async move {
                    let subjects = ["ada".to_owned()];
                    let whose = Vouched { subjects: &subjects, ..Vouched::default() };
                    let ended = sessions.end_at_upstream(&mut change, &"entra".parse().unwrap(), &whose).await?;
                    change.commit(Event::new(START, EventKind::SessionEnded, &Actor::Anonymous)).await?;
                    Ok::<_, Error>(ended.len())
                }
            };
            bench.ledger.retry(end).await
        });
        let (renewed, ended) = (renewed.await.unwrap(), ended.await.unwrap());
        assert!(matches!(renewed, Ok(()) | Err(Error::NotFound)), "{renewed:?}");
        assert_eq!(ended, Ok(1), "round {round}");
        assert_eq!(sessions.list(user(1)).await.unwrap(), [], "round {round}");
    }
}

#[tokio::test]
async fn an_upstream_ends_what_it_vouched_for_until_a_moment() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let vouched = |subject: &str, minutes: u32, name: &str| Details {
        at_upstream: Some(AtUpstream {
            subject: subject.into(),
            issued: START.plus(minutes * MINUTE),
            sign_out: Vec::new(),
        }),
        upstream_session: Some(name.into()),
        ..details()
    };
    let (ada, grace) = ("ada".to_owned(), "grace".to_owned());
    let (first, second) = ("first".to_owned(), "second".to_owned());
    for (whose, left) in [
        (Vouched { subjects: std::slice::from_ref(&ada), ..Vouched::default() }, vec![2]),
        (Vouched { subjects: std::slice::from_ref(&ada), until: Some(START), ..Vouched::default() }, vec![1, 2]),
        (Vouched { subjects: &[ada.clone(), grace.clone()], until: Some(START), ..Vouched::default() }, vec![1]),
        (Vouched { users: &[user(1)], ..Vouched::default() }, vec![2]),
        (Vouched { users: &[user(1)], subjects: std::slice::from_ref(&grace), ..Vouched::default() }, vec![]),
        (Vouched { names: std::slice::from_ref(&first), ..Vouched::default() }, vec![1]),
        (
            Vouched {
                names: std::slice::from_ref(&first),
                subjects: std::slice::from_ref(&grace),
                ..Vouched::default()
            },
            vec![0, 1],
        ),
        (Vouched { names: std::slice::from_ref(&second), until: Some(START), ..Vouched::default() }, vec![0, 1, 2]),
        (Vouched::default(), vec![0, 1, 2]),
    ] {
        let mut secrets = Vec::new();
        for (number, details) in
            [(1, vouched("ada", 0, "first")), (1, vouched("ada", 5, "second")), (2, vouched("grace", 0, "first"))]
        {
            secrets.push(opened_with(&bench, &sessions, user(number), details).await.unwrap().0);
        }
        // Another connector's are none of its business.
        let other = Details { connector: "okta".parse().unwrap(), ..vouched("ada", 0, "first") };
        let other = opened_with(&bench, &sessions, user(1), other).await.unwrap().0;
        let mut change = bench.ledger.change();
        sessions.end_at_upstream(&mut change, &"entra".parse().unwrap(), &whose).await.unwrap();
        change.commit(Event::new(START, EventKind::SessionEnded, &Actor::Anonymous)).await.unwrap();
        let mut found = Vec::new();
        for (number, secret) in secrets.iter().enumerate() {
            if sessions.check(secret).await.unwrap().is_some() {
                found.push(number);
            }
        }
        assert_eq!(found, left, "{whose:?}");
        assert!(sessions.check(&other).await.unwrap().is_some(), "{whose:?}");
        end_all(&bench, &sessions, user(1)).await.unwrap();
        end_all(&bench, &sessions, user(2)).await.unwrap();
    }
}

#[tokio::test]
async fn sessions_are_listed_by_user_and_in_pages() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let mut ids = Vec::new();
    for number in [1, 2, 1, 1, 2] {
        bench.clock.advance(Duration::from_secs(1));
        ids.push(opened(&bench, &sessions, number).await.1.id);
    }
    let listed = |sessions: &[Session]| sessions.iter().map(|session| session.id).collect::<Vec<_>>();
    assert_eq!(listed(&sessions.list(user(1)).await.unwrap()), [ids[0], ids[2], ids[3]]);
    assert_eq!(listed(&sessions.list(user(3)).await.unwrap()), []);
    let (first, next) = sessions.list_all(None, 2).await.unwrap();
    assert_eq!((listed(&first), next), (ids[..2].to_vec(), Some(ids[1])));
    let (rest, next) = sessions.list_all(next, 10).await.unwrap();
    assert_eq!((listed(&rest), next), (ids[2..].to_vec(), None));
    assert_eq!(sessions.count().await.unwrap(), 5);
    end_all(&bench, &sessions, user(1)).await.unwrap();
    assert_eq!(sessions.count().await.unwrap(), 2);
}

#[tokio::test]
async fn a_user_agent_is_cut_and_cleaned() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let long = format!("a\u{1b}[31m\n{}", "é".repeat(5_000));
    let details = Details { user_agent: Some(long), ..details() };
    let (_, session) = opened_with(&bench, &sessions, user(1), details).await.unwrap();
    let kept = session.user_agent.unwrap();
    assert_eq!(kept.chars().count(), 200);
    assert!(kept.starts_with("a[31mé") && !kept.chars().any(char::is_control));
}

const ALL_OF_USER: Table<(UserId, SessionId), ByteArray<32>> = Table::new(0x62, "user sessions");

/// Rows of sessions of a user that ended by idleness long ago, all older than any that are opened: what is left of them
/// until their absolute limit, in the form in which they are stored.
async fn left_behind(bench: &Bench, user: UserId, count: usize) {
    let mut change = bench.ledger.change();
    for number in 0..count {
        let id = SessionId::new(Timestamp::from_seconds(1_000), &bench.ids);
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        change.put(&ALL_OF_USER, OrganisationId::DEFAULT, &(user, id), &hash.into()).unwrap();
    }
    change.commit_quietly(Housekeeping::Login).await.unwrap();
}

async fn rows_of(bench: &Bench, user: UserId) -> usize {
    let prefix = ALL_OF_USER.prefix(OrganisationId::DEFAULT, &user);
    bench.ledger.store().range(Range::prefix(prefix, 10_000)).await.unwrap().len()
}

#[tokio::test]
async fn the_end_of_all_sessions_reaches_those_behind_a_thousand_that_idled_out() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let (secret, live) = opened(&bench, &sessions, 1).await;
    left_behind(&bench, user(1), 1_001).await;
    let listed = sessions.list(user(1)).await.unwrap();
    assert_eq!(listed, [live], "the list reaches it too");
    assert_eq!(end_all(&bench, &sessions, user(1)).await, Ok(1));
    assert_eq!(sessions.check(&secret).await.unwrap(), None);
    assert_eq!(rows_of(&bench, user(1)).await, 0, "what was left behind is gone as well");
}

#[tokio::test]
async fn a_user_has_at_most_a_hundred_sessions_and_the_oldest_makes_room() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let (other, _) = opened(&bench, &sessions, 2).await;
    let mut mine = Vec::new();
    for _ in 0..101 {
        bench.clock.advance(Duration::from_secs(1));
        mine.push(opened(&bench, &sessions, 1).await);
    }
    assert_eq!(sessions.check(&mine[0].0).await.unwrap(), None);
    for (secret, _) in &mine[1..] {
        assert!(sessions.check(secret).await.unwrap().is_some());
    }
    assert!(sessions.check(&other).await.unwrap().is_some(), "nobody else's ends");
    let ended: Vec<_> = bench.events().await.into_iter().filter(|e| e.event.kind == EventKind::SessionEnded).collect();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].event.target, format!("session:{}", mine[0].1.id));
}

#[tokio::test]
async fn sessions_that_idled_out_make_room_before_one_that_is_in_use() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let (used, _) = opened(&bench, &sessions, 1).await;
    for _ in 0..99 {
        opened(&bench, &sessions, 1).await;
    }
    bench.clock.advance(HOUR / 2);
    sessions.check(&used).await.unwrap();
    bench.clock.advance(HOUR / 2);
    let (new, _) = opened(&bench, &sessions, 1).await;
    assert!(sessions.check(&used).await.unwrap().is_some());
    assert!(sessions.check(&new).await.unwrap().is_some());
    assert_eq!(rows_of(&bench, user(1)).await, 2);
}

async fn end_everybody(sessions: &Sessions) {
    sessions.end_everybody(|now| Event::new(now, EventKind::SessionsEnded, &Actor::Anonymous)).await.unwrap();
}

#[tokio::test]
async fn everybodys_sessions_end_at_once_also_for_who_opens_the_store_later() {
    let bench = Bench::new();
    let before = sessions(&bench);
    let (ada, session) = opened(&bench, &before, 1).await;
    let (grace, _) = opened(&bench, &before, 2).await;
    assert!(before.check(&ada).await.unwrap().is_some(), "it is kept ready");
    let writes = bench.rows().await;
    end_everybody(&before).await;
    assert_eq!(bench.rows().await, writes + 1, "one row, however many sessions there are");
    let (again, _) = opened(&bench, &before, 1).await;
    for sessions in [&before, &sessions(&bench)] {
        assert_eq!(sessions.check(&ada).await.unwrap(), None);
        assert_eq!(sessions.check(&grace).await.unwrap(), None);
        assert_eq!(sessions.load(session.id).await, Err(Error::NotFound));
        assert_eq!(sessions.list(user(2)).await.unwrap(), []);
        assert!(sessions.check(&again).await.unwrap().is_some(), "who signs in after it is signed in");
    }
    assert_eq!(end_all(&bench, &before, user(1)).await, Ok(1), "those that are over are not counted");
    assert_eq!(bench.events().await.iter().filter(|e| e.event.kind == EventKind::SessionsEnded).count(), 1);
}

#[tokio::test]
async fn a_sign_in_that_races_with_the_end_of_everybodys_sessions_loses() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let mut change = bench.ledger.change();
    let (secret, _) = sessions.open(&mut change, user(1), details()).await.unwrap();
    end_everybody(&sessions).await;
    let late = change.commit(Event::new(START, EventKind::SessionCreated, &Actor::Anonymous)).await;
    assert_eq!(late, Err(store::Error::Conflict));
    assert_eq!(sessions.check(&secret).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_made_by_a_session_is_not_made_once_everybodys_have_ended() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let (_, session) = opened(&bench, &sessions, 1).await;
    let mut change = bench.ledger.change();
    assert!(sessions.holds_in(&mut change, session.id).await.unwrap());
    end_everybody(&sessions).await;
    let late = change.commit(Event::new(START, EventKind::TokenCreated, &Actor::Anonymous)).await;
    assert_eq!(late, Err(store::Error::Conflict));
    assert!(!sessions.holds_in(&mut bench.ledger.change(), session.id).await.unwrap());
}

#[tokio::test]
async fn a_backup_that_is_put_back_brings_no_ended_session_back() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let (secret, session) = opened(&bench, &sessions, 1).await;
    // What a backup holds of this session: its rows as they are now.
    let prefix = [OrganisationId::DEFAULT.as_bytes().as_slice(), &[0x60]].concat();
    let backup = bench.ledger.store().range(Range::prefix(prefix, 10)).await.unwrap();
    sessions.end(&bench.permit(), session.id).await.unwrap();
    let table: Table<[u8; 32], Raw<'_>> = Table::new(0x60, "sessions");
    let put_back = async || {
        let mut change = bench.ledger.change();
        for (key, stored) in &backup {
            change.put(&table, OrganisationId::DEFAULT, key.last_chunk::<32>().unwrap(), &Raw(&stored.value)).unwrap();
        }
        change.commit_quietly(Housekeeping::Login).await.unwrap();
    };
    put_back().await;
    assert!(sessions.check(&secret).await.unwrap().is_some(), "the rows by themselves would");
    end_everybody(&sessions).await;
    assert_eq!(sessions.check(&secret).await.unwrap(), None);
    put_back().await;
    assert_eq!(sessions.check(&secret).await.unwrap(), None, "nor when they are put back once more");
}

/// A record as it is stored, behind its format byte.
struct Raw<'a>(&'a [u8]);

impl minicbor::Encode<()> for Raw<'_> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut (),
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.writer_mut().write_all(&self.0[1..]).map_err(minicbor::encode::Error::write)
    }
}

#[tokio::test]
async fn all_other_sessions_of_a_user_end_and_the_one_goes_on() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    let (this, session) = opened(&bench, &sessions, 1).await;
    let (other, _) = opened(&bench, &sessions, 1).await;
    let (grace, _) = opened(&bench, &sessions, 2).await;
    let mut change = bench.ledger.change();
    assert_eq!(sessions.end_others(&mut change, user(1), session.id).await, Ok(1));
    change.commit(Event::new(START, EventKind::SessionEnded, &Actor::Anonymous)).await.unwrap();
    assert_eq!(sessions.check(&other).await.unwrap(), None);
    assert!(sessions.check(&this).await.unwrap().is_some());
    assert!(sessions.check(&grace).await.unwrap().is_some());
}

#[tokio::test]
async fn who_is_signed_in_is_told_page_by_page_without_those_whose_sessions_are_over() {
    let bench = Bench::new();
    let sessions = sessions(&bench);
    opened(&bench, &sessions, 1).await;
    bench.clock.advance(HOUR / 2);
    for number in [2, 3, 3, 5, 7] {
        opened(&bench, &sessions, number).await;
    }
    let (first, next) = sessions.users_signed_in(None, 2).await.unwrap();
    assert_eq!((first, next), (vec![user(1), user(2)], Some(user(2))));
    let (second, next) = sessions.users_signed_in(next, 2).await.unwrap();
    assert_eq!((second, next), (vec![user(3), user(5)], Some(user(5))));
    assert_eq!(sessions.users_signed_in(next, 2).await.unwrap(), (vec![user(7)], None));
    bench.clock.advance(HOUR / 2);
    assert_eq!(sessions.users_signed_in(None, 1).await.unwrap(), (vec![], Some(user(1))), "idled out");
    let of = sessions.list_of(&[user(3), user(1), user(4)]).await.unwrap();
    assert_eq!(of.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 0]);
}
