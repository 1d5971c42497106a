//! Rate limits with a clock that the test moves.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cleargate::clock::{ManualClock, Timestamp};
use cleargate::http::Rate;
use cleargate::limit::{Allowance, LimitSettings, Limits, Subject};
use cleargate::secret::IdSource;

const MINUTE: Duration = Duration::from_secs(60);

struct Bench {
    clock: ManualClock,
    limits: Limits,
}

impl Bench {
    fn new(settings: &LimitSettings) -> Self {
        let clock = ManualClock::new(Timestamp::from_seconds(1_800_000_000));
        let limits = Limits::new(settings, &clock.clock(), &IdSource::seeded(7));
        Self { clock, limits }
    }

    fn passes(&self, rate: Rate, subject: Subject<'_>) -> bool {
        self.limits.check(rate, subject).is_ok()
    }

    /// How many of `tries` pass at this moment.
    fn passing(&self, rate: Rate, subject: Subject<'_>, tries: usize) -> usize {
        (0..tries).filter(|_| self.passes(rate, subject)).count()
    }
}

fn address(text: &str) -> Subject<'static> {
    Subject::Address(text.parse().unwrap())
}

#[test]
fn an_account_gets_ten_tries_and_then_one_every_six_seconds() {
    let bench = Bench::new(&LimitSettings::default());
    let ada = Subject::Account("ada");
    assert_eq!(bench.passing(Rate::SignIn, ada, 50), 10);
    let retry = bench.limits.check(Rate::SignIn, ada).unwrap_err();
    assert_eq!((retry.after, retry.seconds(), retry.limiter), (Duration::from_secs(6), 6, "sign_in_account"));
    bench.clock.advance(Duration::from_millis(5_999));
    assert_eq!(bench.limits.check(Rate::SignIn, ada).unwrap_err().after, Duration::from_millis(1));
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.passing(Rate::SignIn, ada, 5), 1);
    bench.clock.advance(MINUTE * 60);
    assert_eq!(bench.passing(Rate::SignIn, ada, 50), 10, "a rest gives the burst back, not more");
    assert_eq!(bench.passing(Rate::SignIn, Subject::Account("bob"), 50), 10, "another account is another matter");
}

#[test]
fn a_token_gets_exactly_its_burst_and_its_rate() {
    let bench = Bench::new(&LimitSettings::default());
    let token = Subject::Token("0192");
    let mut passed = bench.passing(Rate::Scim, token, 1000);
    assert_eq!(passed, 200);
    for _ in 0..3000 {
        bench.clock.advance(Duration::from_millis(1));
        passed += bench.passing(Rate::Scim, token, 2);
    }
    assert_eq!(passed, 200 + 300, "three seconds at a hundred a second");
}

#[test]
fn refused_requests_do_not_push_the_next_one_away() {
    let bench = Bench::new(&LimitSettings::default());
    let ada = Subject::Account("ada");
    assert_eq!(bench.passing(Rate::SignIn, ada, 10_000), 10);
    bench.clock.advance(Duration::from_secs(6));
    assert!(bench.passes(Rate::SignIn, ada));
}

#[test]
fn an_ipv6_client_cannot_hop_within_its_network() {
    let settings = LimitSettings { page: Allowance::new(1, MINUTE, 3), ..LimitSettings::default() };
    let bench = Bench::new(&settings);
    let hops = (0..100_u32).filter(|n| bench.passes(Rate::Page, address(&format!("2001:db8:1:2::{n:x}")))).count();
    assert_eq!(hops, 3);
    assert!(bench.passes(Rate::Page, address("2001:db8:1:3::1")));
    assert_eq!(bench.passing(Rate::Page, address("192.0.2.1"), 9), 3);
    assert_eq!(bench.passing(Rate::Page, address("::ffff:192.0.2.1"), 9), 0, "the same client");
    assert_eq!(bench.passing(Rate::Page, address("192.0.2.2"), 9), 3);
}

#[test]
fn a_neighborhood_shares_one_wider_allowance_for_sign_in() {
    let bench = Bench::new(&LimitSettings::default());
    let all = |make: &dyn Fn(u32) -> IpAddr| {
        (0..10_000).filter(|n| bench.passes(Rate::SignIn, Subject::Address(make(*n)))).count()
    };
    assert_eq!(all(&|n| format!("198.51.100.{}", n % 256).parse().unwrap()), 300, "an IPv4 /24");
    assert_eq!(all(&|n| format!("2001:db8:9:{n:x}::1").parse().unwrap()), 300, "an IPv6 /48");
    assert!(bench.passes(Rate::SignIn, address("198.51.101.1")));
    assert!(bench.passes(Rate::Page, address("198.51.100.1")), "other classes are not touched");
}

#[test]
fn accounts_addresses_and_tokens_of_one_spelling_count_apart() {
    let settings = LimitSettings { api: Allowance::new(1, MINUTE, 1), ..LimitSettings::default() };
    let bench = Bench::new(&settings);
    for subject in [Subject::Account("10.0.0.1"), Subject::Token("10.0.0.1"), address("10.0.0.1")] {
        assert!(bench.passes(Rate::Api, subject));
        assert!(!bench.passes(Rate::Api, subject));
    }
}

#[test]
fn concurrent_requests_pass_exactly_as_often_as_allowed() {
    let bench = Bench::new(&LimitSettings::default());
    let passed = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| passed.fetch_add(bench.passing(Rate::Scim, Subject::Token("t"), 500), Ordering::SeqCst));
        }
    });
    assert_eq!(passed.load(Ordering::SeqCst), 200);
}

#[test]
fn invented_names_cannot_grow_memory_without_bound() {
    let bench = Bench::new(&LimitSettings::default());
    for n in 0..1_300_000_u32 {
        bench.limits.check(Rate::Page, Subject::Account(&n.to_string())).ok();
    }
    assert!(bench.limits.buckets() <= 1 << 20, "{} buckets", bench.limits.buckets());
    assert!(bench.limits.buckets() > 700_000, "they are spread");
    bench.limits.sweep();
    assert!(bench.limits.buckets() > 700_000, "what still counts is kept");
    bench.clock.advance(MINUTE);
    bench.limits.sweep();
    assert_eq!(bench.limits.buckets(), 0, "what rests is dropped");
}

#[test]
fn the_answer_says_when_to_come_again() {
    let bench = Bench::new(&LimitSettings::default());
    assert_eq!(bench.passing(Rate::SignIn, address("192.0.2.1"), 31), 30);
    let retry = bench.limits.check(Rate::SignIn, address("192.0.2.1")).unwrap_err();
    let response = retry.response();
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    assert_eq!(response.status(), 429);
    assert_eq!(header("retry-after"), Some("2"));
    assert_eq!(header("ratelimit-policy"), Some("\"sign_in_address\";q=30;w=60"));
    assert_eq!(header("ratelimit"), Some("\"sign_in_address\";r=0;t=2"));
    bench.clock.advance(Duration::from_millis(1_100));
    assert_eq!(bench.limits.check(Rate::SignIn, address("192.0.2.1")).unwrap_err().seconds(), 1, "rounded up");
}

#[test]
fn the_answer_tells_nothing_about_an_account() {
    let bench = Bench::new(&LimitSettings::default());
    bench.passing(Rate::SignIn, Subject::Account("ada"), 10);
    let response = bench.limits.check(Rate::SignIn, Subject::Account("ada")).unwrap_err().response();
    assert_eq!(response.headers().get("retry-after").unwrap(), "6");
    assert!(response.headers().get("ratelimit").is_none() && response.headers().get("ratelimit-policy").is_none());
}

#[test]
fn an_allowance_of_nothing_is_one() {
    let settings = LimitSettings { api: Allowance::new(0, Duration::ZERO, 0), ..LimitSettings::default() };
    let bench = Bench::new(&settings);
    assert_eq!(bench.passing(Rate::Api, Subject::Token("t"), 5), 1);
    bench.clock.advance(Duration::from_millis(1));
    assert!(bench.passes(Rate::Api, Subject::Token("t")));
}
