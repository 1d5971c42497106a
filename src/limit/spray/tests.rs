use super::*;
use crate::clock::ManualClock;
use crate::model::fold;
use proptest::prelude::*;

const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn spray() -> (Spray, ManualClock) {
    let clock = ManualClock::new(START);
    (Spray::new(SpraySettings::default(), &clock.clock(), &IdSource::seeded(1)), clock)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Tries of passwords on numbered names, from one address: the networks that are blocked for them.
fn tries(spray: &Spray, from: IpAddr, pairs: impl Iterator<Item = (usize, usize)>) -> Vec<String> {
    pairs
        .flat_map(|(name, password)| {
            spray.wrong(from, &fold(&format!("user{name}")), &Secret::new(format!("password{password}")))
        })
        .map(|blocked| format!("{} {}", blocked.block.network, blocked.block.why.name()))
        .collect()
}

#[test]
fn many_names_from_one_address_block_it_and_not_its_neighbors() {
    let (spray, clock) = spray();
    let from = address("198.51.100.7");
    assert!(tries(&spray, from, (0..20).map(|n| (n, n))).is_empty());
    assert_eq!(tries(&spray, from, [(20, 20)].into_iter()), ["198.51.100.7/32 many names"]);
    assert_eq!(spray.check(from).unwrap_err().after, 15 * MINUTE);
    assert!(spray.check(address("::ffff:198.51.100.7")).is_err(), "the same in another spelling");
    assert!(spray.check(address("198.51.100.8")).is_ok());
    clock.advance(15 * MINUTE);
    assert!(spray.check(from).is_ok());
}

#[test]
fn one_password_on_six_names_is_enough_and_one_name_with_many_passwords_is_not() {
    let (spray, _) = spray();
    assert!(tries(&spray, address("192.0.2.1"), (0..500).map(|n| (1, n))).is_empty());
    assert!(tries(&spray, address("192.0.2.2"), (0..5).map(|n| (n, 0))).is_empty());
    let sixth = tries(&spray, address("192.0.2.2"), [(5, 0)].into_iter());
    assert_eq!(sixth, ["192.0.2.2/32 one password for several names"]);
}

#[test]
fn two_passwords_of_its_own_for_each_name_are_no_way_to_try_more_names() {
    let (narrow, _) = spray();
    let pairs = || (0..100).flat_map(|n| [(n, 2 * n), (n, 2 * n + 1)]);
    let blocked = tries(&narrow, address("198.51.100.7"), pairs());
    assert_eq!(blocked.first().map(String::as_str), Some("198.51.100.7/32 many names"));
    assert!(blocked.len() >= 4, "each twenty-first name gives it away again: {blocked:?}");
    let (wide, _) = spray();
    let neighbors =
        pairs().flat_map(|pair| tries(&wide, address(&format!("198.51.100.{}", pair.0)), [pair].into_iter()));
    assert_eq!(neighbors.collect::<Vec<_>>(), ["198.51.100.0/24 many names"]);
}

#[test]
fn who_spreads_over_the_addresses_of_a_neighborhood_is_seen_there() {
    for (prefix, network) in [("198.51.100.", "198.51.100.0/24"), ("2001:db8:7:", "2001:db8:7::/48")] {
        let (spray, _) = spray();
        let mut seen = Vec::new();
        for n in 0..81_usize {
            let from = if prefix.ends_with('.') { format!("{prefix}{n}") } else { format!("{prefix}{n:x}::1") };
            seen.extend(tries(&spray, address(&from), [(n, n)].into_iter()));
        }
        assert_eq!(seen, [format!("{network} many names")]);
    }
}

#[test]
fn an_ipv6_client_does_not_hop_within_its_network() {
    let (spray, _) = spray();
    let mut seen = Vec::new();
    for n in 0..21_usize {
        seen.extend(tries(&spray, address(&format!("2001:db8::{n:x}")), [(n, n)].into_iter()));
    }
    assert_eq!(seen, ["2001:db8::/64 many names"]);
}

#[test]
fn slips_of_people_who_get_in_after_them_are_no_spraying() {
    let (spray, _) = spray();
    let office = address("203.0.113.9");
    for person in 0..400 {
        assert!(tries(&spray, office, [(person, person), (person, person + 1)].into_iter()).is_empty(), "{person}");
        spray.right(office, &fold(&format!("user{person}")));
    }
}

#[test]
fn what_is_older_than_ten_minutes_gives_nothing_away() {
    let (spray, clock) = spray();
    let from = address("198.51.100.7");
    for round in 0..6 {
        assert!(tries(&spray, from, (0..19).map(|n| (round * 19 + n, round * 19 + n))).is_empty(), "{round}");
        clock.advance(11 * MINUTE);
    }
}

#[test]
fn each_further_block_is_twice_as_long_up_to_a_day_and_a_quiet_day_forgets() {
    let (spray, clock) = spray();
    let from = address("198.51.100.7");
    let mut lasted = Vec::new();
    for round in 0..9 {
        tries(&spray, from, (0..21).map(|n| (round * 21 + n, round * 21 + n)));
        let after = spray.check(from).unwrap_err().after;
        lasted.push(after.as_secs() / 60);
        clock.advance(after);
    }
    assert_eq!(lasted, [15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
    clock.advance(REMEMBERED);
    tries(&spray, from, (0..21).map(|n| (n, n)));
    assert_eq!(spray.check(from).unwrap_err().after, 15 * MINUTE);
}

#[test]
fn either_figure_can_be_switched_off_and_both() {
    let clock = ManualClock::new(START);
    for (names, names_of_password, expected) in [(0, 5, 1), (20, 0, 1), (0, 0, 0)] {
        let settings = SpraySettings { names, names_of_password, ..SpraySettings::default() };
        let spray = Spray::new(settings, &clock.clock(), &IdSource::seeded(1));
        let blocked = tries(&spray, address("192.0.2.1"), (0..30).map(|n| (n, if names == 0 { n / 6 } else { 0 })));
        assert_eq!(blocked.len().min(1), expected, "{names} {names_of_password}: {blocked:?}");
        assert_eq!(spray.bytes() == 0, expected == 0);
    }
}

#[test]
fn a_block_is_listed_and_released() {
    let (spray, clock) = spray();
    let from = address("198.51.100.7");
    tries(&spray, from, (0..21).map(|n| (n, n)));
    let [block] = spray.list()[..] else { panic!("{:?}", spray.list()) };
    assert_eq!(block.network.to_string(), "198.51.100.7/32");
    assert!(spray.release(block.network) && !spray.release(block.network));
    assert!(spray.check(from).is_ok() && spray.list().is_empty());
    tries(&spray, from, (0..21).map(|n| (n, n)));
    assert_eq!(spray.check(from).unwrap_err().after, 15 * MINUTE, "released is forgotten");
    clock.advance(15 * MINUTE);
    assert!(spray.list().is_empty() && !spray.release(block.network));
}

/// A block as another process left it.
fn left(number: u32, until: Timestamp) -> KeptBlock {
    let network = Network::of(IpAddr::V4(number.into()), 32);
    let block = Block { network, until, why: Pattern::Names };
    KeptBlock { block, times: 1, remembered_until: until.plus(REMEMBERED) }
}

#[test]
fn of_more_blocks_than_are_held_those_in_force_come_back_first() {
    let (spray, _) = spray();
    let over = (0..5_000).map(|number| left(number, START.minus(MINUTE)));
    let kept = over.chain((5_000..6_000).map(|number| left(number, START.plus(MINUTE)))).collect();
    assert_eq!((spray.restore(kept), spray.list().len()), (1_000, 1_000));
    assert!(spray.check(IpAddr::V4(5_999.into())).is_err() && spray.check(IpAddr::V4(0.into())).is_ok());
    assert!(spray.0.blocks().len() <= MAX_BLOCKS);
}

#[test]
fn what_comes_back_lasts_no_longer_than_by_the_settings_of_today_and_not_at_all_where_they_are_off() {
    let clock = ManualClock::new(START);
    for (settings, expected) in [
        (SpraySettings { block_for: MINUTE, ..SpraySettings::default() }, Some(MINUTE)),
        (SpraySettings::default(), Some(15 * MINUTE)),
        (SpraySettings { block_for: 24 * 60 * MINUTE, ..SpraySettings::default() }, Some(60 * MINUTE)),
        (SpraySettings { names: 0, names_of_password: 0, ..SpraySettings::default() }, None),
    ] {
        let spray = Spray::new(settings, &clock.clock(), &IdSource::seeded(1));
        spray.restore(vec![left(7, START.plus(60 * MINUTE))]);
        assert_eq!(spray.check(IpAddr::V4(7.into())).err().map(|retry| retry.after), expected, "{settings:?}");
    }
}

#[test]
fn a_block_that_makes_room_for_another_is_told() {
    let (spray, _) = spray();
    let most = u32::try_from(MAX_BLOCKS).unwrap();
    let kept = (0..most).map(|number| left(number, START.plus(Duration::from_millis(u64::from(number) + 1)))).collect();
    assert_eq!(spray.restore(kept), MAX_BLOCKS);
    let mut displaced = Vec::new();
    for n in 0..21 {
        let password = Secret::new(format!("password{n}"));
        displaced.extend(spray.wrong(address("198.51.100.7"), &fold(&format!("user{n}")), &password));
    }
    let displaced: Vec<String> =
        displaced.iter().filter_map(|blocked| blocked.displaced).map(|n| n.to_string()).collect();
    assert_eq!(displaced, ["0.0.0.0/32"], "the one that ends first");
}

#[test]
fn a_million_addresses_take_no_more_memory_than_they_may() {
    let (spray, clock) = spray();
    let most = 2 * TALLY_BYTES + 4 * 1024 * 1024;
    for n in 0..1_000_000_u128 {
        // Of each address enough to grow its tally, and neighborhoods that grow and that do not.
        let from = IpAddr::V6((0x2001_0db8_u128 << 96 | n << 64).into());
        let name = fold(&format!("user{}", n % 1000));
        spray.wrong(from, &name, &Secret::new(n.to_string()));
        if n % 100_000 == 0 {
            assert!(spray.bytes() <= most, "{} after {n}", spray.bytes());
            clock.advance(MINUTE);
        }
    }
    assert!(spray.bytes() <= most, "{}", spray.bytes());
    assert!(spray.list().len() <= MAX_BLOCKS);
    // Full tallies are bounded as well.
    let (full, _) = self::spray();
    for n in 0..60_000_u128 {
        let from = IpAddr::V4((u32::try_from(n).unwrap() << 8).into());
        for name in 0..20 {
            full.wrong(from, &fold(&format!("user{name}")), &Secret::new(format!("{n}-{name}")));
        }
    }
    assert!(full.bytes() <= most, "{}", full.bytes());
    full.sweep();
    clock.advance(Duration::from_secs(3 * 24 * 60 * 60));
    spray.sweep();
    assert!(spray.bytes() < 64 * 1024, "{}", spray.bytes());
}

proptest! {
    #[test]
    fn whoever_keeps_below_both_figures_is_never_blocked(pairs in prop::collection::vec((0_usize..20, 0_usize..40), 0..400)) {
        // Each password is of one name, and there are twenty names.
        let (spray, _) = spray();
        let own = pairs.into_iter().map(|(name, password)| (name, name * 1000 + password));
        // Sixteen bits of a hash collide now and then; five names would have to at once.
        prop_assert!(tries(&spray, address("192.0.2.1"), own).is_empty());
    }
}
