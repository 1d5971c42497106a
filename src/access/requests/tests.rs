use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_795_334_400);

fn wish(role: &str) -> Wish {
    Wish { role: role.parse().unwrap(), scope: None, reason: String::new(), until: None }
}

fn entry(number: u8, role: &str, created: Timestamp, waits: bool) -> Entry {
    Entry { id: Id::from_bytes([number; 16]), role: role.parse().unwrap(), scope: None, created, waits }
}

#[test]
fn what_waits_is_asked_for_once_and_what_was_decided_or_has_expired_again() {
    let asked = |created, waits| Asked { entries: vec![entry(1, "editor", created, waits)] };
    let lately = NOW.minus(2 * DAY);
    assert!(asked(lately, true).check(&wish("editor"), NOW).is_err());
    asked(lately, true).check(&wish("browser"), NOW).unwrap();
    asked(lately, false).check(&wish("editor"), NOW).unwrap();
    asked(NOW.minus(LASTS), true).check(&wish("editor"), NOW).unwrap();
    let mut elsewhere = wish("editor");
    elsewhere.scope = Some("department:finance".parse().unwrap());
    asked(lately, true).check(&elsewhere, NOW).unwrap();
}

#[test]
fn what_is_remembered_is_bounded_and_what_waits_stays() {
    let mut asked = Asked::default();
    let first = entry(0, "first", NOW.minus(DAY), true);
    assert!(asked.remember(first.clone(), NOW).is_empty());
    let mut over = Vec::new();
    for number in 1..=60 {
        over.extend(asked.remember(entry(number, "more", NOW, false), NOW));
    }
    assert_eq!((asked.entries.len(), over.len()), (MAX_REMEMBERED, 11));
    assert_eq!(asked.entries[0], first);
    assert_eq!(over[0], Id::from_bytes([1; 16]));
    // What is too old is forgotten.
    asked.remember(entry(99, "last", NOW.plus(KEPT), true), NOW.plus(KEPT));
    assert_eq!(asked.entries.len(), 1);
}
