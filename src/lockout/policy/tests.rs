use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Plays attempts one after the other: `w` wrong, `r` right, `u` not verified, `m` a minute passes, `s` a second, `h` half an hour, `d` a
/// day. Gives `.` for what was admitted and `x` for what was refused.
fn play(policy: &Policy, script: &str) -> String {
    let (mut state, mut now) = (State::default(), START);
    let mut told = String::new();
    for step in script.chars() {
        match step {
            's' => now = now.plus(Duration::from_secs(1)),
            'm' => now = now.plus(MINUTE),
            'h' => now = now.plus(MINUTE * 30),
            'd' => now = now.plus(HOUR * 24),
            _ => match state.reserve(policy, now) {
                Admission::Admitted(counted, ticket) => {
                    assert!(counted.knows(&ticket));
                    state = match step {
                        'r' => counted.succeed(),
                        'u' => counted.release(),
                        _ => counted.fail(policy, now).0,
                    };
                    told.push('.');
                }
                Admission::Refused { state: kept, until, .. } => {
                    assert!(until > now);
                    state = kept;
                    told.push('x');
                }
            },
        }
    }
    told
}

#[test]
fn the_manuals_preset_locks_after_three_for_half_an_hour() {
    let policy = Policy::clearvantage();
    for (script, expected) in [
        ("www", "..."),
        ("wwww", "...x"),
        ("wwwr", "...x"),
        // A right one in time forgets the wrong ones.
        ("wwrwwr", "......"),
        ("wwrwww", "......"),
        ("wwrwwww", "......x"),
        // The lock ends by itself, and there are three tries again.
        ("wwwhr", "...."),
        ("wwwhwwww", "......x"),
        // An attempt during the lock starts it anew.
        ("wwwmmmmmmmmmmwmmmmmmmmmmmmmmmmmmmmr", "...xx"),
        ("wwwmmmmmmmmmmwhr", "...x."),
        ("wwwmmmmmmmmmmmmmmmmmmmmmmmmmmmmmr", "...x"),
        ("wwwmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmr", "...."),
        // Old mistakes are forgotten in a day.
        ("wwdww", "...."),
    ] {
        assert_eq!(play(&policy, script), expected, "{script}");
    }
}

#[test]
fn an_attempt_in_which_nothing_was_verified_is_none() {
    for (policy, script, expected) in [
        (Policy::clearvantage(), "uuuuwuuwuuwu", "...........x"),
        (Policy::clearvantage(), "wuurwww", "......."),
        (Policy::balanced(), "wwwwwwwwwwmuuuww", "..............x"),
    ] {
        assert_eq!(play(&policy, script), expected, "{script}");
    }
}

#[test]
fn one_that_was_not_verified_does_not_hide_those_at_the_same_time() {
    let policy = Policy::clearvantage();
    let mut state = State::default();
    for _ in 0..3 {
        let Admission::Admitted(counted, _) = state.reserve(&policy, START) else { panic!("refused") };
        state = counted;
    }
    assert!(matches!(state.reserve(&policy, START), Admission::Refused { .. }), "three are open");
    let state = state.fail(&policy, START).0.release().fail(&policy, START).0;
    assert_eq!(state.counted(), 2);
    assert!(matches!(state.reserve(&policy, START), Admission::Admitted(..)));
}

#[test]
fn the_default_preset_slows_down_and_never_shuts_for_good() {
    let policy = Policy::balanced();
    for (script, expected) in [
        ("wwwwwwwwww", ".........."),
        ("wwwwwwwwwww", "..........x"),
        ("wwwwwwwwwr", ".........."),
        // After a minute one more, after that two minutes, then four.
        ("wwwwwwwwwwmww", "...........x"),
        ("wwwwwwwwwwmwmw", "...........x"),
        ("wwwwwwwwwwmwmmw", "............"),
        ("wwwwwwwwwwmwmmwmmmw", "............x"),
        ("wwwwwwwwwwmwmmwmmmmr", "............."),
        // Refused attempts extend nothing.
        ("wwwwwwwwwwwwwwmr", "..........xxxx."),
        // A right one ends it all.
        ("wwwwwwwwwwmrwwwwwwwwww", "....................."),
    ] {
        assert_eq!(play(&policy, script), expected, "{script}");
    }
    // An attacker who never stops gets fewer than 40 tries a day, and the owner never waits for more than an hour.
    let day = play(&policy, &"wm".repeat(24 * 60));
    assert!(day.matches('.').count() < 40, "{}", day.matches('.').count());
    let longest = day.split('.').map(str::len).max().unwrap();
    assert!(longest <= 60, "{longest}");
}

#[test]
fn right_and_wrong_at_the_same_time_give_no_try_back() {
    let policy = Policy::clearvantage();
    let admit = |state: State| match state.reserve(&policy, START) {
        Admission::Admitted(state, ticket) => (state, ticket),
        Admission::Refused { .. } => panic!("refused"),
    };
    // Three at the same time, the second is right.
    for order in [["w", "r", "w"], ["r", "w", "w"], ["w", "w", "r"]] {
        let mut state = State::default();
        for _ in order {
            state = admit(state).0;
        }
        assert!(matches!(state.reserve(&policy, START), Admission::Refused { is_news: false, .. }), "while open");
        for outcome in order {
            state = if outcome == "r" { state.succeed() } else { state.fail(&policy, START).0 };
            assert!(matches!(state.reserve(&policy, START), Admission::Refused { .. }), "{order:?} after {outcome}");
        }
    }
    // Two right ones at the same time, a double click, leave nothing.
    let (state, _) = admit(admit(State::default()).0);
    assert!(state.succeed().succeed().is_clear());
    // A right one that was alone again forgets what a mixed group left.
    let (state, _) = admit(admit(State::default()).0);
    let state = state.succeed().fail(&policy, START).0;
    assert_eq!(state.counted(), 2);
    assert!(admit(state).0.succeed().is_clear());
}

#[test]
fn an_attempt_that_never_comes_back_has_failed() {
    let policy = Policy::clearvantage();
    let mut state = State::default();
    for _ in 0..2 {
        let Admission::Admitted(next, _) = state.reserve(&policy, START) else { panic!("refused") };
        state = next;
    }
    let later = START.plus(LONGEST_ATTEMPT);
    let Admission::Admitted(state, _) = state.reserve(&policy, later) else { panic!("refused") };
    assert_eq!((state.failed, state.open), (2, 1));
    let (state, is_news) = state.fail(&policy, later);
    assert!(is_news && state.locked_until(&policy, later).is_some());
}

#[test]
fn an_answer_from_before_a_forgetting_changes_nothing_after_it() {
    let policy = Policy::clearvantage();
    let Admission::Admitted(_, old) = State::default().reserve(&policy, START) else { panic!("refused") };
    let later = START.plus(MINUTE);
    let Admission::Admitted(state, new) = State::default().reserve(&policy, later) else { panic!("refused") };
    assert!(state.knows(&new) && !state.knows(&old) && !State::default().knows(&old));
}

#[test]
fn a_lock_is_news_once() {
    let policy = Policy::clearvantage();
    let mut state = State::default();
    let mut news = 0;
    for _ in 0..3 {
        let Admission::Admitted(next, _) = state.reserve(&policy, START) else { panic!("refused") };
        let (next, is_news) = next.fail(&policy, START);
        (state, news) = (next, news + i32::from(is_news));
    }
    for second in 0..5 {
        let now = START.plus(Duration::from_secs(second));
        let Admission::Refused { state: next, is_news, .. } = state.reserve(&policy, now) else { panic!("admitted") };
        (state, news) = (next, news + i32::from(is_news));
    }
    assert_eq!(news, 1);
}

#[test]
fn refusals_within_a_second_write_nothing() {
    let policy = Policy::clearvantage();
    let state = State { failed: 3, last: START, is_announced: true, ..State::default() };
    let Admission::Refused { is_changed, .. } = state.reserve(&policy, START.plus(Duration::from_millis(999))) else {
        panic!("admitted")
    };
    assert!(!is_changed);
    let later = START.plus(Duration::from_secs(1));
    let Admission::Refused { is_changed, until, .. } = state.reserve(&policy, later) else { panic!("admitted") };
    assert!(is_changed);
    assert_eq!(until, later.plus(MINUTE * 30));
}

#[test]
fn presets_are_found_by_name() {
    assert_eq!(Policy::preset("clearvantage"), Ok(Policy::clearvantage()));
    assert_eq!(Policy::preset("balanced"), Ok(Policy::balanced()));
    assert!(Policy::preset("none").unwrap_err().to_string().contains("`none`"));
}

/// Something that happens to one account.
#[derive(Clone, Copy, Debug)]
enum Step {
    Reserve,
    Answer { which: usize, is_right: bool },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Reserve),
        2 => (any::<usize>(), proptest::bool::weighted(0.1)).prop_map(|(which, is_right)| Step::Answer { which, is_right }),
        1 => (0u64..100).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever overlaps with whatever: between two forgettings no more attempts than the policy has are wrong.
    #[test]
    fn no_order_of_answers_admits_more_wrong_attempts(steps in proptest::collection::vec(step(), 0..200)) {
        let policy = Policy::clearvantage();
        let (mut state, mut now, mut open, mut wrong) = (State::default(), START, Vec::new(), 0);
        for step in steps {
            match step {
                Step::Wait(millis) => now = now.plus(Duration::from_millis(millis)),
                Step::Reserve => match state.reserve(&policy, now) {
                    Admission::Admitted(next, ticket) => { state = next; open.push(ticket); }
                    Admission::Refused { state: next, .. } => state = next,
                },
                Step::Answer { which, is_right } if !open.is_empty() => {
                    let ticket = open.swap_remove(which % open.len());
                    if !state.knows(&ticket) { continue }
                    if is_right { state = state.succeed() } else { state = state.fail(&policy, now).0; wrong += 1 }
                    if state.is_clear() { wrong = 0 }
                }
                Step::Answer { .. } => {}
            }
            prop_assert!(wrong <= 3, "{state:?}");
            prop_assert!(open.len() <= 3 && state.counted() <= 3);
        }
    }
}
