use std::sync::mpsc;

use super::*;
use crate::clock::ManualClock;

const SMALL: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

fn text(password: &str) -> Zeroizing<String> {
    Zeroizing::new(password.to_owned())
}

/// A queue without threads, so that a test decides when work is done.
fn queue(capacity: usize, clock: &ManualClock) -> Hasher {
    let queue = Arc::new(Queue {
        waiting: Mutex::default(),
        changed: Condvar::new(),
        capacity,
        clock: clock.clock(),
        metrics: OnceLock::new(),
    });
    let closer = Arc::new(Closer(Arc::clone(&queue)));
    Hasher { queue, _closer: closer, cost: SMALL }
}

fn hash(hasher: &Hasher, lane: Lane, password: &str) -> impl Future<Output = Result<[u8; 32], Error>> + use<> {
    let (hasher, password) = (hasher.clone(), text(password));
    async move { hasher.hash(lane, SMALL, [1; 16], password).await }
}

#[expect(clippy::disallowed_methods, reason = "what a test starts ends with its runtime")]
fn start<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(future)
}

/// Lets the calls in `futures` run until each of them waits.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn the_hash_is_argon2id_as_the_standard_computes_it() {
    // Of the reference implementation: `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32 -r`.
    let cost = Cost { memory_kib: 65536, passes: 2, lanes: 1 };
    let output = compute(cost, b"somesalt", "password", &mut Vec::new()).unwrap();
    let hex: String = output.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
}

#[test]
fn memory_that_held_another_hash_gives_the_same_result() {
    let mut memory = Vec::new();
    let large = Cost { memory_kib: 512, passes: 1, lanes: 1 };
    let fresh = compute(SMALL, &[1; 16], "one", &mut Vec::new()).unwrap();
    compute(large, &[2; 16], "another", &mut memory).unwrap();
    assert_eq!(compute(SMALL, &[1; 16], "one", &mut memory).unwrap(), fresh);
    assert_ne!(compute(SMALL, &[1; 16], "two", &mut memory).unwrap(), fresh);
    assert_ne!(compute(SMALL, &[3; 16], "one", &mut memory).unwrap(), fresh);
}

#[test]
fn costs_out_of_bounds_start_nothing() {
    let clock = ManualClock::new(Timestamp::default()).clock();
    for cost in [
        Cost { memory_kib: 7, ..Cost::DEFAULT },
        Cost { memory_kib: u32::MAX, ..Cost::DEFAULT },
        Cost { passes: 0, ..Cost::DEFAULT },
        Cost { lanes: 0, ..Cost::DEFAULT },
    ] {
        assert!(matches!(Hasher::start(cost, clock.clone()), Err(Error::Corrupt { .. })), "{cost:?}");
    }
}

#[tokio::test]
async fn a_full_queue_says_so_at_once_and_machines_get_half_of_it() {
    let clock = ManualClock::new(Timestamp::default());
    let hasher = queue(4, &clock);
    let mut waiting = Vec::new();
    for _ in 0..2 {
        waiting.push(start(hash(&hasher, Lane::Background, "x")));
    }
    settle().await;
    assert!(matches!(hash(&hasher, Lane::Background, "x").await, Err(Error::Busy { .. })));
    for _ in 0..2 {
        waiting.push(start(hash(&hasher, Lane::Interactive, "x")));
    }
    settle().await;
    assert_eq!(hasher.depth(), 4);
    let Err(Error::Busy { retry_after }) = hash(&hasher, Lane::Interactive, "x").await else { panic!("not busy") };
    assert_eq!(retry_after, Duration::from_secs(1));
    waiting.into_iter().for_each(|task| task.abort());
}

#[tokio::test]
async fn who_hung_up_makes_room_and_is_not_hashed() {
    let clock = ManualClock::new(Timestamp::default());
    let hasher = queue(2, &clock);
    let gone: Vec<_> = (0..2).map(|_| start(hash(&hasher, Lane::Interactive, "gone"))).collect();
    settle().await;
    gone.iter().for_each(tokio::task::JoinHandle::abort);
    settle().await;
    let here = start(hash(&hasher, Lane::Interactive, "here"));
    settle().await;
    assert_eq!(hasher.depth(), 1, "the two that had gone are out");
    here.abort();
    settle().await;
    // A thread passes over a job whose caller has gone: with a cost that could not be computed it would fail.
    assert!(hasher.queue.next().unwrap().answer.is_closed());
}

#[tokio::test]
async fn people_are_served_before_machines() {
    let clock = ManualClock::new(Timestamp::default());
    let hasher = queue(10, &clock);
    let machine = start(hash(&hasher, Lane::Background, "machine"));
    settle().await;
    let person = start(hash(&hasher, Lane::Interactive, "person"));
    settle().await;
    assert_eq!(hasher.queue.next().unwrap().password.as_str(), "person");
    assert_eq!(hasher.queue.next().unwrap().password.as_str(), "machine");
    drop((machine, person));
}

#[tokio::test]
async fn what_waited_too_long_is_told_to_come_back() {
    let clock = ManualClock::new(Timestamp::default());
    let hasher = queue(10, &clock);
    let late = start(hash(&hasher, Lane::Interactive, "late"));
    settle().await;
    clock.advance(DEADLINE);
    let fresh = start(hash(&hasher, Lane::Interactive, "fresh"));
    settle().await;
    let queue = Arc::clone(&hasher.queue);
    let thread = std::thread::spawn(move || run(&queue));
    assert!(matches!(late.await.unwrap(), Err(Error::Busy { .. })));
    assert!(fresh.await.unwrap().is_ok());
    drop(hasher);
    thread.join().unwrap();
}

#[tokio::test]
async fn threads_end_with_the_last_handle_and_callers_are_told() {
    let clock = ManualClock::new(Timestamp::default());
    let hasher = queue(10, &clock);
    let queue = Arc::clone(&hasher.queue);
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || {
        run(&queue);
        ended.send(()).unwrap();
    });
    let other = hasher.clone();
    assert!(hash(&other, Lane::Interactive, "x").await.is_ok());
    drop(hasher);
    assert!(hash(&other, Lane::Interactive, "x").await.is_ok(), "one handle is enough");
    drop(other);
    assert!(end.recv_timeout(Duration::from_secs(10)).is_ok());
}

#[test]
fn the_queue_holds_about_a_second_of_work() {
    let clock = ManualClock::new(Timestamp::default());
    let two = Hasher::with_threads(Cost::DEFAULT, clock.clock(), 2).unwrap();
    assert_eq!(two.capacity(), 110);
    let heavy = Cost { memory_kib: 1024 * 1024, passes: 4, lanes: 1 };
    assert_eq!(Hasher::with_threads(heavy, clock.clock(), 1).unwrap().capacity(), 1);
}
