//! The benchmark: the real program over loopback, and scim2-server (PyPI) and scimmy-routers (npm) beside it in the same
//! run; then the program once more with many times the people.
//!
//! `./run bench` prints a Markdown table. What counts is the CPU time of the server per request, which other work on the
//! machine hardly moves; requests per second include the one client's own work. Every figure is the median of rounds
//! that go through all operations in turn, so that a slow minute of the machine does not fall on one of them.
//! `./run bench -- --quick` takes under a minute, with fewer people and one round; `--many 1000000` says how many people
//! there are at the end; `--only page` measures only the operations of Cleargate whose names have that word,
//! `--only saml` SAML by itself, `--only federated` sign-ins by SAML and OpenID Connect, `--only sessions` the checks of sessions, of which `--sessions` says how many there are.

#![allow(missing_docs, reason = "a program, not an interface")]
#![allow(
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on fails, and its answer is what it prints"
)]

mod access;
mod client;
mod commits;
mod federated;
mod lists;
mod measure;
mod provisioning;
mod rival;
mod saml;
mod seeding;
mod sessions;
mod signing_in;
mod table;

/// What the tests use to run the program and to talk to it.
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/it/support"]
mod support {
    pub mod daemon;
    pub mod http;
    pub mod port;
}

use std::time::Duration;

use federated::Providers;
use measure::Measure;
use provisioning::{Operation, Service};
use rival::{Kind, Rival};
use support::daemon::Daemon;
use table::{Row, Table};

/// That of the program, for what is measured in this process.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How much is done.
#[derive(Clone)]
struct Extent {
    people: usize,
    /// People of the second part.
    many: usize,
    rounds: usize,
    /// How long one operation is measured in one round.
    each: Duration,
    sign_ins: usize,
    /// Sessions that live at the same time.
    sessions: usize,
    /// Measures only what has this word, and nothing but Cleargate; `access` is the decisions,
    /// `sessions` the checks of sessions.
    only: Option<String>,
}

const FULL: Extent = Extent {
    people: 10_000,
    many: 100_000,
    rounds: 3,
    each: Duration::from_millis(1500),
    sign_ins: 200,
    sessions: 1_000_000,
    only: None,
};
const QUICK: Extent = Extent {
    people: 1_000,
    many: 10_000,
    rounds: 1,
    each: Duration::from_millis(400),
    sign_ins: 20,
    sessions: 20_000,
    only: None,
};

impl Extent {
    fn read() -> Self {
        let arguments: Vec<String> = std::env::args().collect();
        let after = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1).cloned();
        let mut extent = if arguments.iter().any(|argument| argument == "--quick") { QUICK } else { FULL };
        extent.many = after("--many").map_or(extent.many, |number| number.parse().unwrap());
        extent.sessions = after("--sessions").map_or(extent.sessions, |number| number.parse().unwrap());
        extent.only = after("--only");
        extent
    }

    fn measures(&self, operation: Operation) -> bool {
        self.only.as_ref().is_none_or(|word| operation.name(self.people).contains(word))
    }
}

/// Connections where there are many at the same time.
const MANY: usize = 32;

/// Nothing is refused for coming too often.
const LINES: &str = "[limits]\nscim = \"1000000000/1m\"\napi = \"1000000000/1m\"\npage = \"1000000000/1m\"\n\
                     sign_in = \"1000000000/1m\"\nsign_in_account = \"1000000000/1m\"\n\
                     sign_in_global = \"1000000000/1m\"\nspray_names = 0\nspray_same_password = 0\n[log]\nfilter = \"warn\"\n\
                     [[scim]]\nid = \"bench\"\nbrake.at_least = 1_000_000_000\n";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let extent = Extent::read();
    let mut by_themselves = Vec::new();
    if extent.only.as_deref().is_none_or(|word| word == "saml") {
        eprintln!("SAML by itself");
        let (rows, memory) = saml::measure(extent.each, extent.sign_ins * 50);
        for (name, ours) in &rows {
            println!("{name}: {:.0} µs, {:.0} a second", ours.cpu_us, ours.per_second);
        }
        println!("{memory}");
        by_themselves = rows;
    }
    if extent.only.as_deref() == Some("saml") {
        return;
    }
    let mut daemon = Daemon::new();
    let providers = Providers::start(&daemon.url()).await;
    daemon.configure(&format!("{LINES}{}", providers.lines(&daemon)));
    daemon.start().await;
    let token = daemon.scim_token("bench").await;

    eprintln!("seeding {} people", extent.people);
    let mut cleargate = Service::new(&daemon.url(), "/scim/v2", &token, daemon.id());
    cleargate.seed(extent.people).await;
    let memory = measure::resident_mib(daemon.id());
    let mut table = Table::new(extent.people);
    for (name, ours) in by_themselves {
        table.add(Row { name, ours, theirs: [None, None] });
    }
    let mut told = Vec::new();
    let few = provisioning(&mut cleargate, &extent, &mut table).await;
    if extent.only.is_none() {
        eprintln!("sessions and sign-in");
        for (name, measures) in signing_in::measure(&daemon, &extent).await {
            table.add(Row { name: name.to_owned(), ours: Measure::median(measures), theirs: [None, None] });
        }
    }
    if extent.only.as_deref().is_none_or(|word| "federated".contains(word)) {
        eprintln!("SAML and OpenID Connect");
        for (name, measures) in federated::measure(&daemon, &providers, &extent).await {
            table.add(Row { name: name.to_owned(), ours: Measure::median(measures), theirs: [None, None] });
        }
        told.push(federated::besieged(&daemon, &providers, extent.sign_ins * 50).await);
    }
    if extent.only.is_none() {
        eprintln!("commits");
        let (alone, grouped) = commits::measure(extent.rounds, extent.each).await;
        table.add(Row { name: "Durable commit, one writer".to_owned(), ours: alone, theirs: [None, None] });
        table.add(Row { name: "Durable commit, 64 writers".to_owned(), ours: grouped, theirs: [None, None] });
    }
    if extent.only.as_deref().is_none_or(|word| "access".contains(word)) {
        eprintln!("decisions");
        for (name, ours) in access::measure(extent.rounds, extent.each, extent.many).await {
            table.add(Row { name, ours, theirs: [None, None] });
        }
    }
    if extent.only.as_deref().is_none_or(|word| "sessions".contains(word)) {
        eprintln!("sessions by themselves");
        for (name, measures) in sessions::measure(&extent).await {
            table.add(Row { name: name.to_owned(), ours: Measure::median(measures), theirs: [None, None] });
        }
        told.push(signing_in::under_flood(&daemon, &extent).await);
        told.push(signing_in::of_names(&daemon).await);
        eprintln!("{} sessions", extent.sessions);
        told.push(sessions::many(extent.sessions).await);
    }
    drop(daemon);
    let many = with_many(&extent, &few).await;

    println!("{}", table.markdown());
    println!("{}", table::growth(extent.many, &many));
    println!("Memory of Cleargate with {} people: {memory} MiB.", extent.people);
    for line in told {
        println!("{line}");
    }
    for behind in table.behind() {
        println!("Slower than another service: {behind}.");
    }
}

/// Measures all services in turn; tells what the operations cost here.
async fn provisioning(cleargate: &mut Service, extent: &Extent, table: &mut Table) -> Vec<(Operation, Measure)> {
    let (mut rivals, mut peers) = (Vec::new(), Vec::new());
    for kind in Kind::ALL {
        let rival = if extent.only.is_none() { Rival::start(kind).await } else { None };
        let mut peer = rival.as_ref().map(Rival::service);
        if let Some(peer) = &mut peer {
            eprintln!("seeding {}", kind.name());
            peer.seed(extent.people).await;
        }
        rivals.push(rival);
        peers.push(peer);
    }
    let operations = Operation::ALL.into_iter().filter(|operation| extent.measures(*operation));
    let mut rows: Vec<(Operation, Vec<Measure>, [Vec<Measure>; 2])> =
        operations.map(|operation| (operation, Vec::new(), Default::default())).collect();
    for round in 1..=extent.rounds {
        eprintln!("provisioning, round {round} of {}", extent.rounds);
        for (operation, ours, theirs) in &mut rows {
            ours.push(cleargate.measure(*operation, extent.each).await);
            for (peer, theirs) in peers.iter_mut().zip(theirs) {
                if let Some(peer) = peer.as_mut().filter(|peer| peer.offers(*operation)) {
                    theirs.push(peer.measure(*operation, extent.each).await);
                }
            }
        }
    }
    drop(rivals);
    let mut few = Vec::new();
    for (operation, ours, theirs) in rows {
        let ours = Measure::median(ours);
        few.push((operation, ours));
        table.add(Row { name: operation.name(extent.people), ours, theirs: theirs.map(Measure::try_median) });
    }
    few
}

/// Cleargate by itself with many people, and how many times what it cost with few.
async fn with_many(extent: &Extent, few: &[(Operation, Measure)]) -> Vec<(String, Measure, f64)> {
    if few.is_empty() {
        return Vec::new();
    }
    let mut daemon = Daemon::new();
    daemon.configure(LINES);
    eprintln!("seeding {} people", extent.many);
    let began = std::time::Instant::now();
    let (people, group) = seeding::seed(&daemon, extent.many).await;
    eprintln!("took {:?}", began.elapsed());
    daemon.start().await;
    let token = daemon.scim_token("bench").await;
    let service = Service::new(&daemon.url(), "/scim/v2", &token, daemon.id());
    let mut service = service.with(people, group).await;
    let mut rows: Vec<(Operation, f64, Vec<Measure>)> = few
        .iter()
        .filter(|(operation, _)| Operation::OF_MANY.contains(operation))
        .map(|(operation, measure)| (*operation, measure.cpu_us, Vec::new()))
        .collect();
    for _ in 0..extent.rounds {
        for (operation, _, measures) in &mut rows {
            measures.push(service.measure(*operation, extent.each).await);
        }
    }
    let named = rows.into_iter().map(|(operation, before, measures)| {
        let measure = Measure::median(measures);
        (operation.name(extent.many), measure, measure.cpu_us / before)
    });
    named.collect()
}
