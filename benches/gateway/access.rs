//! Decisions in this process, over a store in a file: standings that are kept, and everybody who may do something.

use std::time::{Duration, Instant};

use cleargate::access::{NewGrant, NewScope, Question, RuleGrant};
use cleargate::api;
use cleargate::audit::Housekeeping;
use cleargate::config::{self, Credentials};
use cleargate::directory::{GroupDraft, Member, MemberChange};
use cleargate::gateway::{Foundation, Gateway};
use cleargate::model::{
    Actor, Attributes, Circumstance, GroupId, Id, Permission, Presence, Scope, SourceId, Subject, UserId,
};

use super::measure::{Measure, Watch};
use super::support::daemon::Daemon;
use super::{lists, seeding};

/// Departments, each below the one before.
const DEPTH: usize = 5;
/// Calls between two looks at the clock.
const CALLS: u64 = 200;

/// What is measured, by name, with the figure that it must not exceed.
pub async fn measure(rounds: usize, time: Duration, people: usize) -> Vec<(String, Measure)> {
    let daemon = Daemon::new();
    daemon.configure("[[scim]]\nid = \"bench\"\nbrake.at_least = 1_000_000_000\n");
    let (users, large) = seeding::seed(&daemon, people).await;
    let config = config::load(&daemon.config(), &Credentials::None).unwrap();
    let gateway = Gateway::open(config, Foundation::system()).await.unwrap();
    let bench = Bench { gateway };
    let (some, many) = (users[0].0.parse().unwrap(), users[1].0.parse().unwrap());
    bench.scopes().await;
    bench.in_groups(some).await;
    bench.with_grants(many, 1_000).await;
    let everybody = NewGrant::new(Subject::Group(large.parse::<GroupId>().unwrap()), "browser".parse().unwrap());
    bench.give(everybody).await;

    let router = api::router(bench.gateway.api());
    let deepest = format!("department:d{}", DEPTH - 1).parse().unwrap();
    let mut rows: Vec<(String, Vec<Measure>)> = Vec::new();
    let mut add = |name: String, measure: Measure| match rows.iter_mut().find(|(known, _)| *known == name) {
        Some((_, measures)) => measures.push(measure),
        None => rows.push((name, vec![measure])),
    };
    for _ in 0..rounds {
        add("Decision, 20 groups, 50 grants (2 µs)".to_owned(), bench.decide(some, &deepest, time).await);
        add("Decision, 1,000 grants (20 µs)".to_owned(), bench.decide(many, &deepest, time).await);
        add("Effective permissions (1,000 µs)".to_owned(), bench.effective(some, time).await);
        add(format!("Who can, all of {people} (1,000,000 µs)"), bench.who_can("pages:read", people).await);
        add(format!("Who can, few of {people}"), bench.who_can("elements:create", 1).await);
        lists::measure(&router, &users[2].1, &large, time / 4, &mut add).await;
    }
    rows.into_iter().map(|(name, measures)| (name, Measure::median(measures))).collect()
}

struct Bench {
    gateway: Gateway,
}

impl Bench {
    async fn give(&self, new: NewGrant) {
        let access = self.gateway.access();
        let permit = access.task_permit("bench", None);
        access.grants().create(&permit, &access.roles(), new).await.unwrap();
    }

    async fn scopes(&self) {
        let access = self.gateway.access();
        let permit = access.task_permit("bench", None);
        for level in 0..DEPTH {
            let scope = format!("department:d{level}").parse().unwrap();
            let parent = level.checked_sub(1).map(|above| format!("department:d{above}").parse().unwrap());
            let new = NewScope { scope, name: format!("d{level}"), description: String::new(), parent };
            access.scopes().create(&permit, new).await.unwrap();
        }
    }

    /// Puts a user into 19 more groups, half of them nested, who hold 49 grants in five places.
    async fn in_groups(&self, user: UserId) {
        let directory = self.gateway.directory();
        let permit = self.gateway.access().task_permit("bench", None);
        let mut below: Option<GroupId> = None;
        for number in 0..19 {
            let mut members = MemberChange::default();
            match below.filter(|_| number % 2 == 1) {
                Some(group) => members.add(Member::Group(group)),
                None => members.add(Member::User(user)),
            }
            let name = format!("g{number}").parse().unwrap();
            let draft = GroupDraft { name, external_id: None, attributes: Attributes::default(), members };
            let group = directory.create_group(&permit, &draft).await.unwrap();
            below = Some(group.id);
            for role in ["browser", "updater", "editor"].iter().take(if number < 11 { 3 } else { 2 }) {
                let mut new = NewGrant::new(Subject::Group(group.id), role.parse().unwrap());
                new.scope = Some(format!("department:d{}", number % DEPTH).parse().unwrap());
                self.give(new).await;
            }
        }
    }

    /// Gives a user this many grants.
    async fn with_grants(&self, user: UserId, count: usize) {
        let access = self.gateway.access();
        let source: SourceId = "bench".parse().unwrap();
        let permit = access.task_permit("bench", Some(source.clone()));
        let roles = ["browser", "updater", "editor"];
        let rule = |number: usize| RuleGrant {
            role: roles[number % roles.len()].parse().unwrap(),
            scope: Some(format!("department:d{}", number % 7).parse().unwrap()),
            position: format!("bench:{number}"),
        };
        let wanted: Vec<RuleGrant> = (0..count).map(rule).collect();
        let mut change = self.gateway.ledger().change();
        access.grants().replace_rule_grants(&mut change, &permit, user, &source, &wanted).await.unwrap();
        change.commit_quietly(Housekeeping::SourceState).await.unwrap();
    }

    /// A permit as every request asks for one, its use noted.
    async fn decide(&self, user: UserId, scope: &Scope, time: Duration) -> Measure {
        let access = self.gateway.access();
        let actor = Actor::User { id: user, session: Id::from_bytes([9; 16]), presence: Presence::default() };
        let permission: Permission = "elements:create".parse().unwrap();
        let end = Instant::now() + time;
        let (mut count, watch) = (0, Watch::start(std::process::id()));
        while Instant::now() < end {
            for _ in 0..CALLS {
                let permit = access.permit(&actor, &permission, Some(scope), Circumstance::default()).await;
                std::hint::black_box(permit.unwrap());
            }
            count += CALLS;
        }
        watch.stop(count)
    }

    async fn effective(&self, user: UserId, time: Duration) -> Measure {
        let access = self.gateway.access();
        let end = Instant::now() + time;
        let (mut count, watch) = (0, Watch::start(std::process::id()));
        while Instant::now() < end {
            std::hint::black_box(access.effective(user).await.unwrap());
            count += 1;
        }
        watch.stop(count)
    }

    async fn who_can(&self, permission: &str, at_least: usize) -> Measure {
        let permission: Permission = permission.parse().unwrap();
        let (question, watch) = (Question::new(&permission), Watch::start(std::process::id()));
        // An answer is of a bounded number of candidates.
        let (mut able, mut after) = (0, None);
        loop {
            let (some, next) = self.gateway.access().who_can(&question, after, usize::MAX).await.unwrap();
            able += some.len();
            if next.is_none() {
                break;
            }
            after = next;
        }
        let measure = watch.stop(1);
        assert!(able >= at_least || permission.action() == "create", "{able} of {at_least}");
        measure
    }
}
