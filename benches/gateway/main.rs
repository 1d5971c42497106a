//! The benchmark: the real program over loopback, and scim2-server (PyPI) beside it in the same run.
//!
//! `./run bench` prints a Markdown table. What counts is the CPU time of the server per request, which other work on the
//! machine hardly moves; requests per second include the one client's own work. Every figure is the median of rounds
//! that go through all operations in turn, so that a slow minute of the machine does not fall on one of them.
//! `./run bench -- --quick` takes under a minute, with fewer people and one round.

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

mod client;
mod commits;
mod measure;
mod provisioning;
mod rival;
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

use measure::Measure;
use provisioning::{Operation, Service};
use rival::Rival;
use support::daemon::Daemon;
use table::{Row, Table};

/// How much is done.
struct Extent {
    people: usize,
    rounds: usize,
    /// How long one operation is measured in one round.
    each: Duration,
    sign_ins: usize,
}

const FULL: Extent = Extent { people: 10_000, rounds: 3, each: Duration::from_millis(1500), sign_ins: 200 };
const QUICK: Extent = Extent { people: 1_000, rounds: 1, each: Duration::from_millis(400), sign_ins: 20 };

/// Nothing is refused for coming too often.
const LINES: &str = "[limits]\nscim = \"1000000000/1m\"\napi = \"1000000000/1m\"\npage = \"1000000000/1m\"\n\
                     sign_in = \"1000000000/1m\"\nsign_in_account = \"1000000000/1m\"\n[log]\nfilter = \"warn\"\n\
                     [[scim]]\nid = \"bench\"\nbrake.at_least = 1_000_000_000\n";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let extent = if std::env::args().any(|argument| argument == "--quick") { QUICK } else { FULL };
    let provider = signing_in::provider();
    let mut daemon = Daemon::new();
    let metadata = daemon.secret("idp.xml", &provider.metadata());
    daemon.configure(&format!("{LINES}[[saml]]\nid = \"corp\"\nmetadata.file = \"{}\"\n", metadata.display()));
    daemon.start().await;
    let token = daemon.scim_token("bench").await;

    eprintln!("seeding {} people", extent.people);
    let mut cleargate = Service::new(&daemon.url(), "/scim/v2", &token, daemon.id());
    cleargate.seed(extent.people).await;
    let memory = measure::resident_mib(daemon.id());
    let rival = Rival::start().await;
    let mut peer = rival.as_ref().map(Rival::service);
    match &mut peer {
        Some(peer) => peer.seed(extent.people).await,
        None => eprintln!("without scim2-server: CLEARGATE_TEST_VENV is not set, `./run bench` does that"),
    }

    let mut table = Table::new(extent.people);
    let mut rows: Vec<(Operation, Vec<Measure>, Vec<Measure>)> =
        Operation::ALL.iter().map(|operation| (*operation, Vec::new(), Vec::new())).collect();
    for round in 1..=extent.rounds {
        eprintln!("provisioning, round {round} of {}", extent.rounds);
        for (operation, ours, theirs) in &mut rows {
            ours.push(cleargate.measure(*operation, extent.each).await);
            if let Some(peer) = &mut peer {
                theirs.push(peer.measure(*operation, extent.each).await);
            }
        }
    }
    for (operation, ours, theirs) in rows {
        table.add(Row {
            name: operation.name(extent.people),
            ours: Measure::median(ours),
            theirs: Measure::try_median(theirs),
        });
    }

    eprintln!("sessions and sign-in");
    for (name, measures) in signing_in::measure(&daemon, &provider, &extent).await {
        table.add(Row { name: name.to_owned(), ours: Measure::median(measures), theirs: None });
    }
    eprintln!("commits");
    let (alone, grouped) = commits::measure(extent.rounds, extent.each).await;
    let lever = grouped.per_second / alone.per_second;
    table.add(Row { name: "Durable commit, one writer".to_owned(), ours: alone, theirs: None });
    table.add(Row { name: "Durable commit, 64 writers".to_owned(), ours: grouped, theirs: None });

    println!("{}", table.markdown());
    println!(
        "Memory of Cleargate with these people: {memory} MiB. 64 writers that share transactions commit {lever:.1} times \
         as often as one alone."
    );
    for behind in table.behind() {
        println!("Slower than scim2-server: {behind}.");
    }
}
