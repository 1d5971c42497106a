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
    assert!(shard.knows(user(1), &permission(1), 5) && !shard.knows(user(1), &permission(1), 6));
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
    assert_eq!(shard.take().len(), 2);
    shard.give_back(user(1));
    shard.give_back(user(1));
    shard.give_back(user(2));
    shard.forget(user(2));
    assert_eq!(shard.take().iter().map(|due| due.user).collect::<Vec<_>>(), [user(1)]);
    shard.tidy(2);
    assert_eq!((shard.pairs, shard.people.len()), (0, 0), "nobody was seen today");
}
