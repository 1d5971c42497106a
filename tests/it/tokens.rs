//! Tokens: told once, kept as hashes, refused when altered, expired or revoked.

use std::time::Duration;

use cleargate::audit::{EventKind, Housekeeping, Outcome};
use cleargate::model::{Actor, Circumstance, OrganisationId, TokenId, TokenKind, UserId};
use cleargate::secret::MacKey;
use cleargate::store::{Retryable, Table};
use cleargate::tokens::{Error, Refused, Tokens};

use crate::support::bench::{Bench, START, holds};

fn tokens(bench: &Bench) -> Tokens {
    Tokens::new(bench.ledger.clone(), &bench.master, bench.ids.clone(), bench.clock.clock())
}

fn scim(source: &str) -> TokenKind {
    TokenKind::Scim(source.parse().unwrap())
}

fn management(user: Option<UserId>) -> TokenKind {
    TokenKind::Management(vec!["users:read".parse().unwrap()], user, None)
}

#[tokio::test]
async fn a_token_says_who_presents_it() {
    let bench = Bench::new();
    let tokens = tokens(&bench);
    let user = UserId::from_bytes([5; 16]);
    let (secret, token) = tokens.create(&bench.permit(), "okta", scim("okta"), None).await.unwrap();
    assert!(secret.expose().starts_with("cgs_"));
    let expected = Actor::Connection { source: "okta".parse().unwrap(), token: token.id };
    assert_eq!(tokens.authenticate(secret.expose()).await, Ok(expected));

    let (secret, token) = tokens.create(&bench.permit(), "ci", management(Some(user)), None).await.unwrap();
    assert!(secret.expose().starts_with("cgp_"));
    let limit = vec!["users:read".parse().unwrap()];
    let expected = Actor::Token { id: token.id, limit, user: Some(user), maker: None };
    assert_eq!(tokens.authenticate(secret.expose()).await, Ok(expected));
}

#[tokio::test]
async fn neither_the_store_nor_an_event_holds_the_text() {
    let bench = Bench::new();
    let tokens = tokens(&bench);
    let (secret, _) = tokens.create(&bench.permit(), "okta", scim("okta"), None).await.unwrap();
    tokens.authenticate(secret.expose()).await.unwrap();
    let bytes = bench.everything().await;
    assert!(holds(&bytes, "okta"), "the search itself works");
    for part in [secret.expose(), &secret.expose()[4..47], &secret.expose()[10..30]] {
        assert!(!holds(&bytes, part));
    }
}

#[tokio::test]
async fn altered_cut_swapped_and_foreign_texts_are_refused() {
    let bench = Bench::new();
    let tokens = tokens(&bench);
    let (secret, _) = tokens.create(&bench.permit(), "okta", scim("okta"), None).await.unwrap();
    let text = secret.expose();
    let long = format!("{text}A");
    let swapped = text.replacen("cgs_", "cgp_", 1);
    let huge = format!("cgs_{}", "A".repeat(1 << 20));
    for wrong in ["", "cgs_", "Bearer", &text[4..], &text[..52], &long, &swapped, &huge, &text.to_lowercase()] {
        assert_eq!(tokens.authenticate(wrong).await, Err(Refused::Malformed), "{wrong:.60}");
    }
    // Well formed, made by an installation with another key or with other randomness.
    let stranger = Bench::new();
    let others = Tokens::new(stranger.ledger.clone(), &MacKey::new(&[8; 32]), bench.ids.clone(), bench.clock.clock());
    let (foreign, _) = others.create(&stranger.permit(), "okta", scim("okta"), None).await.unwrap();
    assert_eq!(tokens.authenticate(foreign.expose()).await, Err(Refused::Unknown));
    let rekeyed = Tokens::new(bench.ledger.clone(), &MacKey::new(&[8; 32]), bench.ids.clone(), bench.clock.clock());
    assert_eq!(rekeyed.authenticate(text).await, Err(Refused::Unknown), "the store without its key is no use");
}

#[tokio::test]
async fn a_token_is_refused_from_its_expiry_on_and_stays_listed() {
    let bench = Bench::new();
    let tokens = tokens(&bench);
    let expires = START.plus(Duration::from_secs(600));
    let (secret, token) = tokens.create(&bench.permit(), "ci", management(None), Some(expires)).await.unwrap();
    bench.clock.advance(Duration::from_millis(599_999));
    assert!(tokens.authenticate(secret.expose()).await.is_ok());
    bench.clock.advance(Duration::from_millis(1));
    let refused = tokens.authenticate(secret.expose()).await.unwrap_err();
    assert_eq!(refused, Refused::Expired { id: token.id, name: "ci".into() });
    assert_eq!(tokens.list(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_refusal_makes_an_event_without_the_text() {
    let bench = Bench::new();
    let tokens = tokens(&bench);
    let address = Some("192.0.2.7".parse().unwrap());
    let circumstance = Circumstance { address, request_id: Some("r1".into()) };
    let id = TokenId::from_bytes([3; 16]);
    let event = tokens.refusal(&Refused::Expired { id, name: "ci".into() }, &circumstance).unwrap();
    assert_eq!((event.kind, event.outcome), (EventKind::TokenRefused, Outcome::Denied));
    assert_eq!((event.target, event.target_name), (format!("token:{id}"), "ci".to_owned()));
    assert_eq!((event.address.as_deref(), event.request_id.as_deref()), (Some("192.0.2.7"), Some("r1")));
    assert!(tokens.refusal(&Refused::Unknown, &circumstance).unwrap().target.is_empty());
    let down = cleargate::store::Error::Unavailable { reason: "disk".into() };
    assert_eq!(tokens.refusal(&Refused::Store(down), &circumstance), None);
}

#[tokio::test]
async fn a_revoked_token_is_void_at_once_and_making_and_revoking_are_told() {
    let bench = Bench::new();
    let tokens = tokens(&bench);
    let (secret, token) = tokens.create(&bench.permit(), " okta prod ", scim("okta"), None).await.unwrap();
    let (other, _) = tokens.create(&bench.permit(), "other", scim("okta"), None).await.unwrap();
    assert_eq!(token.name, "okta prod");
    assert_eq!(tokens.revoke(&bench.permit(), token.id).await.unwrap().id, token.id);
    assert_eq!(tokens.authenticate(secret.expose()).await, Err(Refused::Unknown));
    assert!(tokens.authenticate(other.expose()).await.is_ok());
    assert_eq!(tokens.revoke(&bench.permit(), token.id).await, Err(Error::NotFound));
    assert_eq!(tokens.load(token.id).await, Err(Error::NotFound));
    let events = bench.events().await;
    let told: Vec<(EventKind, &str, &str)> =
        events.iter().map(|e| (e.event.kind, e.event.target_name.as_str(), e.event.actor.as_str())).collect();
    assert_eq!(
        told,
        [
            (EventKind::TokenRevoked, "okta prod", "system:test"),
            (EventKind::TokenCreated, "other", "system:test"),
            (EventKind::TokenCreated, "okta prod", "system:test"),
        ]
    );
}

#[tokio::test]
async fn last_use_is_written_once_a_minute_and_is_no_event() {
    let bench = Bench::new();
    let tokens = tokens(&bench);
    let (secret, token) = tokens.create(&bench.permit(), "okta", scim("okta"), None).await.unwrap();
    assert_eq!(token.last_used, None);
    let before = bench.commits();
    for _ in 0..12 {
        tokens.authenticate(secret.expose()).await.unwrap();
        bench.clock.advance(Duration::from_secs(10));
    }
    assert_eq!(bench.commits() - before, 2, "two minutes, two writes");
    assert_eq!(tokens.load(token.id).await.unwrap().last_used, Some(START.plus(Duration::from_secs(60))));
    assert_eq!(bench.events().await.len(), 1);
}

#[tokio::test]
async fn tokens_are_listed_in_pages_oldest_first() {
    let bench = Bench::new();
    let tokens = tokens(&bench);
    for number in 0..5 {
        bench.clock.advance(Duration::from_secs(1));
        tokens.create(&bench.permit(), &format!("t{number}"), scim("okta"), None).await.unwrap();
    }
    let names = |page: &[cleargate::tokens::Token]| page.iter().map(|t| t.name.clone()).collect::<Vec<_>>().join(" ");
    let first = tokens.list(None, 3).await.unwrap();
    assert_eq!(names(&first), "t0 t1 t2");
    let second = tokens.list(Some(first[2].id), 3).await.unwrap();
    assert_eq!(names(&second), "t3 t4");
    assert_eq!(tokens.load(second[0].id).await.unwrap(), second[0]);
}

#[tokio::test]
async fn names_that_do_not_do_and_expiries_that_have_passed_are_refused() {
    let bench = Bench::new();
    let tokens = tokens(&bench);
    for name in ["", "  ", "a\nb", &"x".repeat(101)] {
        let refused = tokens.create(&bench.permit(), name, scim("okta"), None).await.unwrap_err();
        assert!(matches!(refused, Error::Invalid { field: "name", .. }), "{name:?}: {refused:?}");
    }
    let refused = tokens.create(&bench.permit(), "x", scim("okta"), Some(START)).await.unwrap_err();
    assert!(matches!(refused, Error::Invalid { field: "expires", .. }), "{refused:?}");
    assert_eq!((bench.rows().await, bench.events().await.len()), (0, 0));
    assert!(tokens.create(&bench.permit(), &"é".repeat(100), scim("okta"), None).await.is_ok());
}

#[tokio::test]
async fn tokens_of_a_person_are_found_however_many_others_there_are_and_those_of_a_release_before_too() {
    const OF_PEOPLE: Table<(UserId, TokenId), ()> = Table::new(0x73, "tokens of people");
    const FILLED: Table<(), ()> = Table::new(0x74, "tokens of people filled");
    let bench = Bench::new();
    let tokens = tokens(&bench);
    let [ada, bob] = [UserId::from_bytes([5; 16]), UserId::from_bytes([6; 16])];
    let mut old = Vec::new();
    for number in 0..600 {
        let kind = management(Some(if number % 2 == 0 { ada } else { bob }));
        old.push(tokens.create(&bench.permit(), "x", kind, None).await.unwrap().1.id);
    }
    // As a release before left them, which knew no such rows.
    let mut change = bench.ledger.change();
    for (number, id) in old.iter().enumerate() {
        change.delete(&OF_PEOPLE, OrganisationId::DEFAULT, &(if number % 2 == 0 { ada } else { bob }, *id));
    }
    change.delete(&FILLED, OrganisationId::DEFAULT, &());
    change.commit_quietly(Housekeeping::Index).await.unwrap();
    for _ in 0..2 {
        tokens.fill_people().await.unwrap();
    }
    tokens.revoke(&bench.permit(), old[0]).await.unwrap();
    let mut change = bench.ledger.change();
    tokens.revoke_of_in(&mut change, &bench.permit(), ada).await.unwrap();
    change.commit_told().await.unwrap();
    let left = tokens.list(None, 1_000).await.unwrap();
    assert_eq!(left.len(), 300);
    assert!(left.iter().all(|token| token.kind == management(Some(bob))));
}

#[tokio::test]
async fn a_token_that_is_made_while_a_person_is_rid_of_all_of_theirs_is_made_before_or_not_at_all() {
    let bench = Bench::new();
    let tokens = tokens(&bench);
    let (ada, permit) = (UserId::from_bytes([5; 16]), &bench.permit());
    let (_, own) = tokens.create(permit, "own", management(Some(ada)), None).await.unwrap();
    // Asked for by a token of theirs, and committed when that one is gone.
    let mut late = bench.ledger.change();
    assert!(tokens.holds_in(&mut late, own.id).await.unwrap());
    let kind = management(Some(ada));
    let (_, _, event) = tokens.create_in(&mut late, permit, "late", kind, (None, None)).await.unwrap();
    let mut change = bench.ledger.change();
    tokens.revoke_of_in(&mut change, permit, ada).await.unwrap();
    change.commit_told().await.unwrap();
    assert!(late.commit(event).await.unwrap_err().is_lost_race());
    assert!(!tokens.holds_in(&mut bench.ledger.change(), own.id).await.unwrap());
    // Committed when those that are there were looked at.
    let mut change = bench.ledger.change();
    tokens.create(permit, "other", management(Some(ada)), None).await.unwrap();
    tokens.revoke_of_in(&mut change, permit, ada).await.unwrap();
    tokens.create(permit, "early", management(Some(ada)), None).await.unwrap();
    assert!(change.commit_told().await.unwrap_err().is_lost_race());
}

#[tokio::test]
async fn a_row_without_its_token_keeps_none_of_the_others_from_being_found_by_its_person() {
    const OF_PEOPLE: Table<(UserId, TokenId), ()> = Table::new(0x73, "tokens of people");
    const TOKEN_HASHES: Table<TokenId, minicbor::bytes::ByteArray<32>> = Table::new(0x71, "token hashes");
    let bench = Bench::new();
    let tokens = tokens(&bench);
    let ada = UserId::from_bytes([5; 16]);
    let mut change = bench.ledger.change();
    change.put(&TOKEN_HASHES, OrganisationId::DEFAULT, &TokenId::from_bytes([0; 16]), &[9; 32].into()).unwrap();
    for _ in 0..510 {
        let id = tokens.create(&bench.permit(), "x", management(Some(ada)), None).await.unwrap().1.id;
        change.delete(&OF_PEOPLE, OrganisationId::DEFAULT, &(ada, id));
    }
    change.commit_quietly(Housekeeping::Index).await.unwrap();
    tokens.fill_people().await.unwrap();
    let mut change = bench.ledger.change();
    tokens.revoke_of_in(&mut change, &bench.permit(), ada).await.unwrap();
    change.commit_told().await.unwrap();
    assert_eq!(tokens.list(None, 1_000).await.unwrap(), []);
}
