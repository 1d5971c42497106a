use super::*;
use crate::clock::ManualClock;
use crate::filter::{Fact, Kind};

const PLAIN: Fact = Fact { kind: Kind::Any, case_exact: false };

fn place(kind: u8, byte: u8) -> Place {
    Place { kind, id: [byte; 16] }
}

fn ground() -> (ManualClock, Cursors, Binding) {
    let clock = ManualClock::new(Timestamp::from_seconds(1_800_000_000));
    let cursors = Cursors::new(&MacKey::new(&[7; 32]), clock.clock());
    (clock, cursors, Binding::of(&["okta", "User", "userName sw \"a\""]))
}

fn positions() -> [Position; 4] {
    let key = |text: &str| SortKey::of(&serde_json::json!(text), PLAIN);
    [
        Position { after: Mark { key: None, place: place(0, 9) }, total: None },
        Position { after: Mark { key: None, place: place(255, 0) }, total: Some(1_000_000) },
        Position { after: Mark { key: key("Ada"), place: place(1, 255) }, total: Some(0) },
        Position { after: Mark { key: key(&"ä".repeat(10_000)), place: place(1, 1) }, total: None },
    ]
}

#[test]
fn a_cursor_reads_back_and_has_unreserved_characters_only() {
    let (_, cursors, binding) = ground();
    for position in positions() {
        let text = cursors.issue(&binding, &position).unwrap();
        assert_eq!(cursors.read(&binding, &text).unwrap(), position);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')), "{text}");
        assert!(text.len() <= 1000, "{} characters", text.len());
    }
}

#[test]
fn an_altered_or_cut_cursor_is_refused() {
    let (_, cursors, binding) = ground();
    let text = cursors.issue(&binding, &positions()[2]).unwrap();
    let refused = |text: &str| matches!(cursors.read(&binding, text), Err(Error::InvalidCursor(_)));
    for at in 0..text.len() {
        let mut altered = text.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        assert!(refused(std::str::from_utf8(&altered).unwrap()), "altered at {at}");
        assert!(refused(&text[..at]), "cut at {at}");
    }
    for wrong in [format!("{text}="), format!("{text}A"), format!(" {text}"), "A".repeat(100_000), "é".to_owned()] {
        assert!(refused(&wrong), "{wrong}");
    }
}

#[test]
fn a_cursor_holds_for_its_caller_and_query_and_key_alone() {
    let (clock, cursors, binding) = ground();
    let position = &positions()[0];
    let text = cursors.issue(&binding, position).unwrap();
    for other in [
        &["entra", "User", "userName sw \"a\""][..],
        &["okta", "Group", "userName sw \"a\""],
        &["okta", "User", "userName sw \"b\""],
        &["okta", "User"],
        &["okta", "UseruserName sw \"a\""],
        &["oktaUser", "", "userName sw \"a\""],
    ] {
        assert!(matches!(cursors.read(&Binding::of(other), &text), Err(Error::InvalidCursor(_))), "{other:?}");
    }
    let others = Cursors::new(&MacKey::new(&[8; 32]), clock.clock());
    assert!(matches!(others.read(&binding, &text), Err(Error::InvalidCursor(_))));
}

#[test]
fn a_cursor_expires_and_a_clock_that_was_set_back_does_not_matter() {
    let (clock, cursors, binding) = ground();
    let text = cursors.issue(&binding, &positions()[0]).unwrap();
    clock.advance(TIMEOUT);
    assert!(cursors.read(&binding, &text).is_ok());
    clock.advance(Duration::from_millis(1));
    assert!(matches!(cursors.read(&binding, &text), Err(Error::ExpiredCursor)));
    let earlier = ManualClock::new(Timestamp::from_seconds(1_700_000_000));
    let cursors = Cursors::new(&MacKey::new(&[7; 32]), earlier.clock());
    assert!(cursors.read(&binding, &text).is_ok());
}
