use super::*;
use crate::upstream::OneTime;

fn signal(effect: Effect, at: i64) -> Signal {
    let at = Timestamp::from_seconds(at);
    Signal {
        claim: OneTime { id: "signal 1".to_owned(), until: at },
        event: "account-disabled".to_owned(),
        effect,
        subject: None,
        at,
        settled: at,
        details: Vec::new(),
    }
}

/// How somebody stands after these, in this order.
fn told(signals: &[(Effect, i64)]) -> Standing {
    let whole = SignalSubject::default();
    signals.iter().fold(Standing::default(), |standing, (effect, at)| {
        after(&standing, &signal(effect.clone(), *at), &whole, &Name::Subject("ada"))
    })
}

#[test]
fn an_address_is_not_barred_for_good() {
    let (whole, email) = (SignalSubject::default(), Name::Email("ada@example.org"));
    let purged = after(&Standing::default(), &signal(Effect::Purge, 1), &whole, &email);
    assert_eq!(purged.barred, Some(Barred::Disabled));
    assert_eq!(after(&purged, &signal(Effect::Enable, 2), &whole, &email).barred, None);
}

#[test]
fn the_later_decision_counts_in_whatever_order_they_come() {
    use Effect::{Disable, Enable, EndSessions, Purge};
    for (signals, barred) in [
        (vec![(Disable, 1)], Some(Barred::Disabled)),
        (vec![(Disable, 1), (Enable, 2)], None),
        (vec![(Enable, 2), (Disable, 1)], None),
        (vec![(Enable, 1), (Disable, 2)], Some(Barred::Disabled)),
        (vec![(Disable, 2), (Enable, 1)], Some(Barred::Disabled)),
        (vec![(Disable, 1), (Enable, 1)], Some(Barred::Disabled)),
        (vec![(Enable, 1), (Disable, 1)], Some(Barred::Disabled)),
        (vec![(Disable, 1), (EndSessions, 9), (Enable, 2)], None),
        (vec![(Purge, 1), (Enable, 2)], Some(Barred::Purged)),
        (vec![(Purge, 1), (Disable, 2), (Enable, 3)], Some(Barred::Purged)),
        (vec![(Disable, 1), (Purge, 2)], Some(Barred::Purged)),
    ] {
        assert_eq!(told(&signals).barred, barred, "{signals:?}");
    }
}

#[test]
fn an_older_signal_opens_nothing_that_a_newer_one_shut() {
    let cut = told(&[(Effect::EndSessions, 5), (Effect::EndSessions, 3)]).cut;
    assert_eq!(cut, Some(Timestamp::from_seconds(5)));
}

#[test]
fn what_is_about_less_than_an_account_disables_nobody() {
    let narrow = SignalSubject { is_narrow: true, ..SignalSubject::default() };
    for effect in [Effect::Disable, Effect::Purge, Effect::Enable] {
        assert_eq!(
            after(&Standing::default(), &signal(effect, 1), &narrow, &Name::Subject("ada")),
            Standing::default()
        );
    }
}

#[test]
fn names_of_one_kind_are_none_of_another() {
    let connector: SourceId = "idp".parse().unwrap();
    let names = [
        Name::Subject("ada"),
        Name::Email("ada"),
        Name::Session(None, "ada"),
        Name::Session(Some(""), "ada"),
        Name::Session(Some("ada"), ""),
        Name::Session(Some("a"), "da"),
    ];
    let keys: std::collections::BTreeSet<_> = names.iter().map(|name| name.key(&connector)).collect();
    assert_eq!(keys.len(), names.len());
    assert_eq!(Name::Email("Ada@X.example").key(&connector), Name::Email("ada@x.example").key(&connector));
    assert_ne!(Name::Subject("Ada").key(&connector), Name::Subject("ada").key(&connector));
}
