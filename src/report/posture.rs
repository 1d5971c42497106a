//! How far the organisation keeps to good practice: rights nobody needs, administrators, grants wider than they need to be,
//! what leavers left behind.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::tokens::Flaw;
use super::unused::{Held, Recorded};
use super::{Error, Reports};
use crate::access::{Question, RoleBook};
use crate::clock::Timestamp;
use crate::directory::Member;
use crate::model::{Grant, GroupId, Permission, RoleId, Subject, User, UserId};

/// What an administrator of the organisation may do.
const TO_ADMINISTER: &str = "grants:create";
/// Most grants of one role that are looked at.
const MAX_OF_ROLE: usize = 1_000;
/// Most grants that are looked at in all; of roles after that only whether anybody holds them.
const MAX_GRANTS: usize = 50_000;
/// Most people that are looked at for administrators.
const MAX_PEOPLE: usize = 2_000;
/// Most tokens that are looked at.
const MAX_TOKENS: usize = 10_000;
/// Most things that a finding names.
const MAX_NAMED: usize = 50;
/// From how many administrators on it is worth asking whether all are needed, where they are also a tenth of the users.
const MANY_ADMINISTRATORS: usize = 5;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// To be looked at.
    Warning,
    /// To be mended now.
    Severe,
}

impl Severity {
    /// `note`, `warning` or `severe`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Severe => "severe",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check: `leavers-tokens`.
    pub check: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What is the matter.
    pub summary: String,
    /// How many.
    pub count: usize,
    /// The first of them, by name.
    pub items: Vec<String>,
    /// What to do.
    pub advice: &'static str,
}

impl Finding {
    pub(super) fn new(
        check: &'static str,
        severity: Severity,
        all: Vec<String>,
        summary: &str,
        advice: &'static str,
    ) -> Self {
        let count = all.len();
        let summary = format!("{count} {summary}");
        Self { check, severity, summary, count, items: all.into_iter().take(MAX_NAMED).collect(), advice }
    }
}

/// What the checks found, the worst first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posture {
    /// When.
    pub at: Timestamp,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Whether everything was looked at; else numbers are at least what is told.
    pub is_complete: bool,
    /// How far back it is known which rights were used.
    pub recorded: Recorded,
}

impl Posture {
    /// How many findings are so severe.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// `checked_at`, `complete`, `severe`, `warnings`, `uses` and `findings`.
    pub fn to_json(&self) -> Value {
        let show = |finding: &Finding| {
            json!({
                "check": finding.check,
                "severity": finding.severity.name(),
                "summary": finding.summary,
                "count": finding.count,
                "items": finding.items,
                "advice": finding.advice,
            })
        };
        json!({
            "checked_at": self.at.to_string(),
            "complete": self.is_complete,
            "severe": self.count(Severity::Severe),
            "warnings": self.count(Severity::Warning),
            "uses": self.recorded.to_json(),
            "findings": self.findings.iter().map(show).collect::<Vec<_>>(),
        })
    }
}

/// What became of the grants of one role.
#[derive(Default)]
struct Uses {
    live: usize,
    wide: Vec<Grant>,
    scoped: Vec<Grant>,
    ended: usize,
    /// Whether there are more grants than were looked at.
    is_cut: bool,
}

impl Reports {
    /// Looks at roles, grants, administrators and tokens, and at what was not used for so many days.
    ///
    /// # Errors
    /// When something cannot be read.
    pub async fn posture(&self, days: u32) -> Result<Posture, Error> {
        let roles = self.access.roles();
        let (mut left, mut is_complete) = (MAX_GRANTS, true);
        let mut uses: Vec<(RoleId, Uses)> = Vec::new();
        for entry in roles.iter().filter(|entry| !entry.is_hidden) {
            let most = MAX_OF_ROLE.min(left).max(1);
            let grants = self.access.grants().of_role(&entry.role.id, most).await?;
            let is_cut = grants.len() >= most;
            is_complete &= !is_cut;
            left = left.saturating_sub(grants.len());
            uses.push((entry.role.id.clone(), Uses { is_cut, ..self.uses(grants) }));
        }
        let mut findings = of_roles(&roles, &uses);
        findings.extend(self.of_administrators(&roles, &uses).await?);
        findings.extend(self.of_tokens().await?);
        let held = uses.into_iter().map(|(role, uses)| {
            let Uses { wide, scoped, is_cut, .. } = uses;
            Held { role, grants: [wide, scoped].concat(), is_cut }
        });
        let held: Vec<Held> = held.collect();
        let (unused, recorded, is_everybody) = self.of_uses(&roles, &held, days).await?;
        findings.extend(unused);
        findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.check));
        Ok(Posture { at: self.clock.now(), findings, is_complete: is_complete && is_everybody, recorded })
    }

    fn uses(&self, grants: Vec<Grant>) -> Uses {
        let now = self.clock.now();
        let mut uses = Uses::default();
        for grant in grants {
            if grant.ends.is_some_and(|ends| ends <= now) {
                uses.ended += 1;
                continue;
            }
            uses.live += 1;
            match grant.scope {
                Some(_) => uses.scoped.push(grant),
                None => uses.wide.push(grant),
            }
        }
        uses
    }

    async fn of_administrators(&self, roles: &RoleBook, uses: &[(RoleId, Uses)]) -> Result<Vec<Finding>, Error> {
        let Ok(permission) = TO_ADMINISTER.parse::<Permission>() else { return Ok(Vec::new()) };
        let giving: BTreeSet<&RoleId> = roles.giving(&permission).collect();
        let mut people: BTreeSet<UserId> = BTreeSet::new();
        let mut groups: BTreeSet<GroupId> = BTreeSet::new();
        for grant in uses.iter().filter(|(role, _)| giving.contains(role)).flat_map(|(_, uses)| &uses.wide) {
            match grant.subject {
                Subject::User(id) => {
                    people.insert(id);
                }
                Subject::Group(id) => self.gather(id, &mut people, &mut groups).await?,
            }
        }
        let ids: Vec<UserId> = people.into_iter().take(MAX_PEOPLE).collect();
        let (mut active, mut others) = (Vec::new(), Vec::new());
        for ids in ids.chunks(super::CHUNK) {
            let users: Vec<User> = self.directory.users_by_id(ids).await?;
            for user in users {
                let name = user.user_name.as_str().to_owned();
                if user.status != crate::model::Status::Active {
                    others.push(name);
                } else if self.access.explain(user.id, &Question::new(&permission), None).await?.allowed {
                    active.push(name);
                }
            }
        }
        let users = usize::try_from(self.directory.count_users().await?).unwrap_or(usize::MAX);
        let mut findings = vec![administrators(active, users)];
        if !others.is_empty() {
            findings.push(Finding::new(
                "leavers-rights",
                Severity::Warning,
                others,
                "accounts that are not active still hold the right to administer",
                "end their grants: it comes back with the account",
            ));
        }
        Ok(findings)
    }

    /// Everybody in a group and below it, as far as is looked.
    async fn gather(
        &self,
        group: GroupId,
        people: &mut BTreeSet<UserId>,
        seen: &mut BTreeSet<GroupId>,
    ) -> Result<(), Error> {
        let mut open = vec![group];
        while let Some(group) = open.pop() {
            if !seen.insert(group) {
                continue;
            }
            let mut after = None;
            loop {
                let page = self.directory.members(group, after, super::CHUNK).await?;
                after = page.last().copied();
                let is_last = page.len() < super::CHUNK;
                for member in page {
                    match member {
                        Member::Group(nested) => open.push(nested),
                        Member::User(user) => {
                            people.insert(user);
                        }
                    }
                }
                if is_last || people.len() >= MAX_PEOPLE {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn of_tokens(&self) -> Result<Vec<Finding>, Error> {
        let flawed = self.flawed_tokens(MAX_TOKENS).await?;
        let with = |flaw: Flaw| -> Vec<String> {
            let with = flawed.iter().filter(|(_, flaws)| flaws.contains(&flaw));
            with.map(|(token, _)| format!("{} ({})", token.name, token.id)).collect()
        };
        let checks = [
            (
                "leavers-tokens",
                Severity::Severe,
                Flaw::MadeByLeaver,
                "tokens still work whose maker is not active",
                "make new ones for their connections and revoke these: `cleargate report tokens`",
            ),
            (
                "void-tokens",
                Severity::Warning,
                Flaw::Void,
                "tokens are of somebody who is not active; they are refused, and work again with the account",
                "revoke them: `cleargate token revoke ID`",
            ),
            (
                "stale-tokens",
                Severity::Warning,
                Flaw::Unused,
                "tokens were not used for 90 days",
                "revoke what nobody needs: `cleargate report tokens`",
            ),
            ("expired-tokens", Severity::Note, Flaw::Expired, "tokens have expired", "revoke them, to tidy up"),
        ];
        let found = checks
            .into_iter()
            .map(|(check, severity, flaw, summary, advice)| Finding::new(check, severity, with(flaw), summary, advice));
        Ok(found.filter(|finding| finding.count > 0).collect())
    }
}

fn administrators(active: Vec<String>, users: usize) -> Finding {
    let count = active.len();
    let too_many = count > MANY_ADMINISTRATORS && count.saturating_mul(10) > users;
    let (severity, advice) = match count {
        0 if users > 0 => {
            (Severity::Warning, "make somebody an administrator, so that it does not hang on the machine alone")
        }
        1 => (Severity::Warning, "make a second one, so that it does not hang on one person"),
        _ if too_many => {
            (Severity::Warning, "they are more than a tenth of all: give narrower roles to who does not need this")
        }
        _ => (Severity::Note, "see that each of them still needs it"),
    };
    let summary = "active users may give roles in the whole organization";
    Finding::new("administrators", severity, active, summary, advice)
}

fn of_roles(roles: &RoleBook, uses: &[(RoleId, Uses)]) -> Vec<Finding> {
    let held: Vec<&RoleId> = uses.iter().filter(|(_, uses)| uses.live > 0).map(|(role, _)| role).collect();
    let unused: Vec<String> =
        uses.iter().filter(|(_, uses)| uses.live == 0).map(|(role, _)| role.to_string()).collect();
    let is_held = |permission: &Permission| held.iter().any(|role| roles.gives(role, permission));
    let idle: Vec<String> =
        roles.catalogue().iter().filter(|permission| !is_held(permission)).map(|p| p.to_string()).collect();
    let wide: Vec<String> = uses
        .iter()
        .filter(|(_, uses)| !uses.wide.is_empty() && !uses.scoped.is_empty())
        .map(|(role, uses)| {
            format!("{role}: {} organization-wide, {} within scopes", uses.wide.len(), uses.scoped.len())
        })
        .collect();
    let ended: Vec<String> =
        uses.iter().filter(|(_, uses)| uses.ended > 0).map(|(role, uses)| format!("{role}: {}", uses.ended)).collect();
    let mut findings = vec![
        Finding::new(
            "idle-rights",
            Severity::Note,
            idle,
            "rights are given by no role that anybody holds",
            "leave them out of the policy pack, or give a role that has them",
        ),
        Finding::new(
            "idle-roles",
            Severity::Note,
            unused,
            "roles are held by nobody",
            "take them out of what can be given, or leave them for later",
        ),
        Finding::new(
            "wide-grants",
            Severity::Warning,
            wide,
            "roles are held organization-wide by some and within scopes by others",
            "give them within departments or other scopes where that is enough: `cleargate report access`",
        ),
        Finding::new(
            "ended-grants",
            Severity::Note,
            ended,
            "roles have grants that have ended",
            "delete them, so that lists show what holds: `cleargate grant delete ID`",
        ),
    ];
    findings.retain(|finding| finding.count > 0);
    findings
}
