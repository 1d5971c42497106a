use serde_json::json;

use super::*;
use crate::clock::ManualClock;

const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn pages() -> (Pages, ManualClock) {
    let clock = ManualClock::new(START);
    (Pages::new(&MacKey::new(&[7; 32]), clock.clock()), clock)
}

#[test]
fn a_token_goes_on_where_it_was_given_and_keeps_the_limit() {
    let (pages, _) = pages();
    let binding = Binding::of(&["subject", "token:1"]);
    let token = pages.issue(&binding, 2, "bob").unwrap();
    let expected = Page { after: Some("bob".to_owned()), limit: 2 };
    assert_eq!(pages.read(&binding, Some(&json!({"token": token}))).unwrap(), expected);
    assert_eq!(pages.read(&binding, Some(&json!({"token": token, "limit": 2, "new": {}}))).unwrap(), expected);
    assert!(pages.read(&binding, Some(&json!({"token": token, "limit": 3}))).is_err());
    let begin = pages.issue(&binding, 0, "").unwrap();
    assert_eq!(pages.read(&binding, Some(&json!({"token": begin}))).unwrap(), Page { after: None, limit: 0 });
}

#[test]
fn a_token_is_refused_elsewhere_altered_or_too_old() {
    let (pages, clock) = pages();
    let binding = Binding::of(&["subject", "token:1"]);
    let token = pages.issue(&binding, 2, "bob").unwrap();
    let refused = |binding: &Binding, token: &str| pages.read(binding, Some(&json!({"token": token}))).is_err();
    assert!(refused(&Binding::of(&["subject", "token:2"]), &token));
    assert!(refused(&Binding::of(&["subjec", "ttoken:1"]), &token));
    for at in 0..token.len() {
        let mut altered = token.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        // The last character has bits that stand for nothing.
        assert!(refused(&binding, &altered) || at + 1 == token.len(), "{at}");
    }
    for text in ["", "x", "%", &"A".repeat(3000)] {
        assert!(refused(&binding, text), "{text}");
    }
    assert!(!refused(&binding, &token));
    clock.advance(TIMEOUT + Duration::from_secs(1));
    assert!(refused(&binding, &token));
}

#[test]
fn limits_are_whole_numbers_and_capped() {
    let (pages, _) = pages();
    let binding = Binding::of(&[]);
    let limit = |value: Value| pages.read(&binding, Some(&json!({"limit": value}))).map(|page| page.limit);
    assert_eq!(limit(json!(0)).unwrap(), 0);
    assert_eq!(limit(json!(1_000_000)).unwrap(), MAX_LIMIT);
    assert_eq!(limit(json!(u64::MAX)).unwrap(), MAX_LIMIT);
    for bad in [json!(-1), json!(1.5), json!("10"), json!(null)] {
        assert!(limit(bad.clone()).is_err(), "{bad}");
    }
    assert_eq!(pages.read(&binding, None).unwrap(), Page { after: None, limit: DEFAULT_LIMIT });
    assert!(pages.read(&binding, Some(&json!(null))).is_err());
    assert!(pages.read(&binding, Some(&json!({"properties": []}))).is_err());
}
