use super::*;
use crate::model::Id;

fn permission(number: usize) -> Permission {
    format!("things{number}:read").parse().unwrap()
}

fn user(number: usize) -> UserId {
    Id::from_bytes(u128::try_from(number).unwrap().to_be_bytes())
}

#[test]
fn a_part_of_the_memory_does_not_grow_beyond_its_bound_and_says_so() {
    let mut shard = Shard::default();
    let noted = (0..MAX_PAIRS + 1_000).filter(|number| shard.note(user(*number), &permission(0), 1)).count();
    assert_eq!((noted, shard.pairs, shard.people.len()), (MAX_PAIRS, MAX_PAIRS, MAX_PAIRS));
    assert!(!shard.note(user(0), &permission(1), 1), "also of somebody who is there");
    assert!(shard.note(user(0), &permission(0), 1), "what is known takes no room");
    // What waits to be written stays; what is written makes room.
    shard.tidy(1);
    assert_eq!(shard.pairs, MAX_PAIRS);
    assert_eq!(shard.take().len(), MAX_PAIRS);
    shard.tidy(1);
    assert_eq!((shard.pairs, shard.people.len()), (0, 0));
    assert!(shard.note(user(0), &permission(1), 1));
}

#[test]
fn names_are_bounded_too() {
    let mut shard = Shard::default();
    let noted = (0..MAX_NAMES + 10).filter(|number| shard.note(user(1), &permission(*number), 1)).count();
    assert_eq!((noted, shard.names.len()), (MAX_NAMES, MAX_NAMES));
}

#[test]
fn the_first_use_of_a_day_is_written_and_no_further_one() {
    let mut shard = Shard::default();
    let told = |due: Vec<Due>| due.into_iter().map(|due| (due.day, due.permissions)).collect::<Vec<_>>();
    for _ in 0..3 {
        assert!(shard.note(user(1), &permission(1), 5));
    }
    let look = |shard: &Shard, day| shard.look(user(1), &permission(1), day);
    assert_eq!((look(&shard, 5), look(&shard, 6)), (Look::Known, Look::New));
    assert_eq!(told(shard.take()), [(5, vec![permission(1)])]);
    assert!(shard.note(user(1), &permission(1), 5) && shard.take().is_empty());
    assert!(shard.note(user(1), &permission(2), 6));
    assert_eq!(told(shard.take()), [(6, vec![permission(2)])], "what was used the day before was written then");
    assert_eq!(shard.pairs, 1);
    // What was not written is written with the next day.
    assert!(shard.note(user(1), &permission(3), 6) && shard.note(user(1), &permission(4), 7));
    assert_eq!(told(shard.take()), [(7, vec![permission(2), permission(3), permission(4)])]);
}

#[test]
fn what_could_not_be_written_waits_and_who_is_gone_does_not() {
    let mut shard = Shard::default();
    assert!(shard.note(user(1), &permission(1), 1) && shard.note(user(2), &permission(1), 1));
    let due = shard.take();
    assert_eq!(due.len(), 2);
    for due in due.iter().chain(&due) {
        assert!(shard.give_back(due));
    }
    shard.forget(user(2));
    assert!(shard.give_back(&due[1]), "who is gone takes no room");
    assert_eq!(shard.take().iter().map(|due| due.user).collect::<Vec<_>>(), [user(1)]);
    shard.tidy(2);
    assert_eq!((shard.pairs, shard.people.len()), (0, 0), "nobody was seen today");
}

#[test]
fn what_could_not_be_written_is_written_with_what_was_used_the_day_after() {
    let mut shard = Shard::default();
    assert!(shard.note(user(1), &permission(1), 1));
    let due = shard.take();
    // While it is written, a day begins.
    assert!(shard.note(user(1), &permission(2), 2));
    assert!(shard.give_back(&due[0]) && shard.give_back(&due[0]));
    assert_eq!(shard.pairs, 2);
    let mut told = shard.take();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].day, told.remove(0).permissions), (2, vec![permission(2), permission(1)]));

    // Where others took the room, some of it is lost, and said to be.
    assert!(shard.note(user(1), &permission(3), 3));
    let due = shard.take();
    assert!(shard.note(user(1), &permission(4), 4));
    for number in 2..MAX_PAIRS + 1 {
        assert!(shard.note(user(number), &permission(4), 4));
    }
    assert!(!shard.give_back(&due[0]));
    assert_eq!((shard.pairs, shard.look(user(1), &permission(3), 4)), (MAX_PAIRS, Look::Full));
}

#[test]
fn a_look_tells_what_finds_no_room() {
    let mut shard = Shard::default();
    for number in 0..MAX_PAIRS {
        assert_eq!(shard.look(user(number), &permission(0), 1), Look::New);
        assert!(shard.note(user(number), &permission(0), 1));
    }
    for (who, what, day, told) in [
        (0, 0, 1, Look::Known),
        (0, 1, 1, Look::Full),
        (MAX_PAIRS, 0, 1, Look::Full),
        // The day after, what is there takes no more room than before.
        (0, 0, 2, Look::New),
        (MAX_PAIRS, 0, 2, Look::Full),
    ] {
        assert_eq!(shard.look(user(who), &permission(what), day), told, "{who} {what} {day}");
        assert_eq!(shard.note(user(who), &permission(what), day), told != Look::Full, "{who} {what} {day}");
    }
    let mut shard = Shard::default();
    for number in 0..MAX_NAMES {
        assert!(shard.note(user(1), &permission(number), 1));
    }
    assert_eq!(shard.look(user(1), &permission(MAX_NAMES), 1), Look::Full);
    assert_eq!(shard.look(user(1), &permission(0), 2), Look::New);
}

#[test]
fn of_each_permission_the_last_day_is_told_whoever_used_it() {
    let mut shard = Shard::default();
    for (who, what, day) in [(1, 1, 5), (2, 1, 7), (3, 1, 6), (3, 2, 6)] {
        assert!(shard.note(user(who), &permission(what), day));
    }
    assert_eq!(shard.days(), [Some(7), Some(6)]);
    assert_eq!([1, 2, 3].map(|what| shard.day(&permission(what))), [Some(7), Some(6), None]);
    shard.forget(user(3));
    assert_eq!((shard.days(), shard.day(&permission(2))), (vec![Some(7), None], None));
}
