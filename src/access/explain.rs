//! Decisions told to people and programs: the same decision that is enforced, rendered.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use super::policy::{Decision, Denial, Finding, Held, Prepared, Question, Verdict, Weight, decide};
use super::roles::RoleBook;
use crate::clock::Timestamp;
use crate::model::{Grant, GrantId, GroupId, Mode, Origin, Permission, RoleId, Scope, SourceId, Status, UserId};

/// A decision with its reasons, in words and as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Yes or no.
    pub allowed: bool,
    /// What was asked for.
    #[serde(serialize_with = "text")]
    pub permission: Permission,
    /// Where; absent when asked for the organisation.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// For which moment.
    #[serde(serialize_with = "text")]
    pub at: Timestamp,
    /// One word for what decided: `allowed`, `beyond-limit`, `denied-by`, `needs-factor`, `network`, `not-active`,
    /// `not-owner`, `nothing-allows`, `replaced`, `undefined-role`, `unknown-permission`, or, for actors that are no users,
    /// `local`, `token`, `refused`.
    pub decided_by: &'static str,
    /// The deciding reason as a sentence.
    pub reason: String,
    /// The level whose grant decided: `organisation` or a scope; absent when no grant did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// The scope whose grants replaced there what wider ones allow; absent when none did.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<Scope>,
    /// What became of each grant, in order.
    pub steps: Vec<Step>,
    /// When refused for want of a right: the roles that would give it.
    #[serde(serialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub needed: Vec<RoleId>,
    /// When refused: what would have to be otherwise, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// When refused for want of a recent second factor: within which time it must have been shown, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor_within_s: Option<u64>,
    /// The grant that decided, whose groups and maker the sentences name.
    #[serde(skip)]
    deciding: Option<HeldRole>,
}

/// The names of what explanations know by id.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Groups.
    pub groups: BTreeMap<GroupId, String>,
    /// Login names of users.
    pub users: BTreeMap<UserId, String>,
    /// Of a group and who is in it on the way, the group or, without one, the user: how that came.
    pub brought: BTreeMap<(GroupId, Option<GroupId>), Brought>,
}

/// How a membership came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    /// The source that brought it; absent when an administrator did.
    pub source: Option<SourceId>,
    /// When.
    pub since: Option<Timestamp>,
}

/// One group on the way from a user to a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Through {
    /// Its name.
    pub group: String,
    /// The source that brought the membership on this way; absent when an administrator did.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceId>,
    /// Since when.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// What became of one grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// `allows`, `allows-owner`, `denies`, `elsewhere`, `ended`, `not-yet`, `replaced`, `silent`, `undefined`.
    pub outcome: &'static str,
    /// The grant's role, place and origin.
    #[serde(flatten)]
    pub held: HeldRole,
    /// The permission of the role that spoke, possibly with `*`.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub rule: Option<Permission>,
    /// Where that is written: `clearvantage.toml:31`, or who made the role and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_at: Option<String>,
    /// From the granted role through its includes to the one that says it; absent when the role itself does.
    #[serde(serialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub includes: Vec<RoleId>,
}

/// A role that somebody holds, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldRole {
    /// The grant.
    #[serde(serialize_with = "text")]
    pub grant: GrantId,
    /// The role.
    #[serde(serialize_with = "text")]
    pub role: RoleId,
    /// Where it holds; absent for the whole organisation.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// `add` or `override`.
    pub mode: &'static str,
    /// `by hand: …` or `rule of corp at cleargate.toml:31`.
    pub origin: String,
    /// Empty when given to the user; else from the user's direct group to the one that holds it.
    #[serde(serialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupId>,
    /// From when on.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub starts: Option<Timestamp>,
    /// Until when.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// When it was given, where that is known.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub made: Option<Timestamp>,
    /// Who gave it, where that is known: `user:0192…`, `local:0`, `system:sync:corp`.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub maker: Option<String>,
    /// The login name of the user who gave it, in explanations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maker_name: Option<String>,
    /// The groups by name, in explanations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub through: Vec<Through>,
}

/// What somebody may do at one level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Level {
    /// The scope; absent for the organisation.
    #[serde(serialize_with = "option", skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The grants that hold at this level now, wider ones that still count among them.
    pub roles: Vec<HeldRole>,
    /// Every permission of the catalogue that is allowed here, sorted.
    pub permissions: Vec<Right>,
}

/// One permission that somebody has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Right {
    /// Which.
    #[serde(serialize_with = "text")]
    pub permission: Permission,
    /// Only for objects that they own.
    pub if_owner: bool,
    /// The granted role.
    #[serde(serialize_with = "text")]
    pub role: RoleId,
    /// From the granted role through its includes to the one that says it; absent when the role itself does.
    #[serde(serialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub includes: Vec<RoleId>,
    /// The grant that gives it.
    #[serde(serialize_with = "text")]
    pub grant: GrantId,
}

impl HeldRole {
    fn new(held: &Held) -> Self {
        let Grant { id, role, scope, mode, origin, starts, ends, made, maker, .. } = held.grant.clone();
        let mode = match mode {
            Mode::Add => "add",
            Mode::Override => "override",
        };
        let origin = match origin {
            Origin::ByHand(reason) if reason.is_empty() => "by hand".to_owned(),
            Origin::ByHand(reason) => format!("by hand: {reason}"),
            Origin::Rule(source, position) => format!("rule of {source} at {position}"),
        };
        Self {
            grant: id,
            role,
            scope,
            mode,
            origin,
            groups: held.groups.clone(),
            starts,
            ends,
            made,
            maker,
            maker_name: None,
            through: Vec::new(),
        }
    }

    /// The user who gave it.
    fn made_by(&self) -> Option<UserId> {
        self.maker.as_deref()?.strip_prefix("user:")?.parse().ok()
    }

    /// The sentence, with names where they are known and ids where not.
    fn told(&self, names: &BTreeMap<GroupId, String>, maker: Option<&str>) -> String {
        let name = |group: &GroupId| names.get(group).cloned().unwrap_or_else(|| group.to_string());
        let mut told = format!("role {}", self.role);
        if let Some(scope) = &self.scope {
            told.push_str(&format!(" in {scope}"));
        }
        if let Some((last, first)) = self.groups.split_last() {
            told.push_str(&format!(", through group {}", name(last)));
            for group in first.iter().rev() {
                told.push_str(&format!(" of which {} is a member", name(group)));
            }
        }
        told.push_str(&format!(", {}", self.origin));
        if let Some(maker) = maker.or(self.maker.as_deref()).filter(|_| self.origin.starts_with("by hand")) {
            told.push_str(&format!(", given by {maker}"));
        }
        told.push_str(&format!(" (grant {})", self.grant));
        told
    }

    fn name(&mut self, names: &Names) {
        self.maker_name = self.made_by().and_then(|user| names.users.get(&user).cloned());
        let mut member = None;
        self.through.clear();
        for group in &self.groups {
            let Brought { source, since } = names.brought.get(&(*group, member)).cloned().unwrap_or_default();
            let name = names.groups.get(group).cloned().unwrap_or_else(|| group.to_string());
            self.through.push(Through { group: name, source, since });
            member = Some(*group);
        }
    }
}

/// `role data_analyst in department:finance, through group 0192…, by hand`.
impl fmt::Display for HeldRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(&BTreeMap::new(), None))
    }
}

/// A name that others chose, between back-ticks that it cannot end itself.
fn quoted(name: &str) -> String {
    let inner: String = name.chars().map(|c| if c == '`' || c.is_control() { '\'' } else { c }).collect();
    format!("`{inner}`")
}

/// The path of includes where it says more than the role's own name.
fn includes(path: &[RoleId]) -> Vec<RoleId> {
    if path.len() > 1 { path.to_vec() } else { Vec::new() }
}

impl Step {
    fn new(held: &Held, weight: &Weight<'_>, roles: &RoleBook) -> Self {
        let (outcome, finding) = match weight {
            Weight::Allows(finding) => ("allows", Some(finding)),
            Weight::AllowsOwner(finding) => ("allows-owner", Some(finding)),
            Weight::Denies(finding) => ("denies", Some(finding)),
            Weight::Elsewhere => ("elsewhere", None),
            Weight::Ended => ("ended", None),
            Weight::NeedsFactor(finding) => ("needs-factor", Some(finding)),
            Weight::NotYet => ("not-yet", None),
            Weight::Replaced(finding) => ("replaced", Some(finding)),
            Weight::Silent => ("silent", None),
            Weight::Undefined => ("undefined", None),
        };
        Self {
            outcome,
            held: HeldRole::new(held),
            rule: finding.and_then(|finding| finding.rule().cloned()),
            rule_at: finding.and_then(|finding| written(finding, outcome == "denies", roles)),
            includes: finding.map(|finding| includes(finding.includes())).unwrap_or_default(),
        }
    }
}

impl Explanation {
    /// Tells a decision.
    pub fn new(decision: &Decision<'_>, question: &Question<'_>, roles: &RoleBook, at: Timestamp) -> Self {
        let (decided_by, reason) = tell(decision, question, roles);
        let deciding = deciding(&decision.verdict).map(HeldRole::new);
        let level =
            deciding.as_ref().map(|held| held.scope.as_ref().map_or("organisation".to_owned(), Scope::to_string));
        let wants = matches!(
            decision.verdict,
            Verdict::Denied(Denial::NothingAllows | Denial::NotOwner(_) | Denial::Replaced(_))
        );
        let needed = if wants { roles.giving(question.permission).cloned().collect() } else { Vec::new() };
        Self {
            allowed: decision.is_allowed(),
            permission: question.permission.clone(),
            scope: question.scope.cloned(),
            at,
            decided_by,
            reason,
            level,
            replaced_by: decision.replaced_by().cloned(),
            steps: decision.weighed().map(|(held, weight)| Step::new(held, &weight, roles)).collect(),
            remedy: remedy(decision, question, &needed),
            factor_within_s: match &decision.verdict {
                Verdict::Denied(Denial::NeedsFactor(finding)) => finding.factor_rule().within_s,
                _ => None,
            },
            needed,
            deciding,
        }
    }

    /// The answer to an actor that is no user and has no grants.
    pub(super) fn plain(
        allowed: bool,
        question: &Question<'_>,
        at: Timestamp,
        decided_by: &'static str,
        reason: &str,
    ) -> Self {
        Self {
            allowed,
            permission: question.permission.clone(),
            scope: question.scope.cloned(),
            at,
            decided_by,
            reason: reason.to_owned(),
            level: None,
            replaced_by: None,
            steps: Vec::new(),
            needed: Vec::new(),
            remedy: None,
            factor_within_s: None,
            deciding: None,
        }
    }

    /// The ways from the user to grants, each from the direct group to the one that holds it.
    pub fn ways(&self) -> impl Iterator<Item = &[GroupId]> {
        self.held().map(|held| held.groups.as_slice()).filter(|groups| !groups.is_empty())
    }

    /// The users who gave what is told of.
    pub fn makers(&self) -> impl Iterator<Item = UserId> {
        self.held().filter_map(HeldRole::made_by)
    }

    fn held(&self) -> impl Iterator<Item = &HeldRole> {
        self.steps.iter().map(|step| &step.held).chain(&self.deciding)
    }

    /// Puts names where only ids were known.
    pub fn name(&mut self, names: &Names) {
        self.steps.iter_mut().for_each(|step| step.held.name(names));
        let Some(deciding) = &mut self.deciding else { return };
        deciding.name(names);
        // Only the sentence that was made of ids is looked for, once: what names say is never read.
        let plain = deciding.told(&BTreeMap::new(), None);
        let names = deciding.groups.iter().zip(&deciding.through).map(|(id, through)| (*id, quoted(&through.group)));
        let maker = deciding.maker_name.as_deref().map(quoted);
        let told = deciding.told(&names.collect(), maker.as_deref());
        self.reason = self.reason.replacen(&plain, &told, 1);
    }
}

/// The grant that a verdict stands on.
fn deciding<'a>(verdict: &Verdict<'a>) -> Option<&'a Held> {
    match verdict {
        Verdict::Allowed(finding)
        | Verdict::Denied(
            Denial::DeniedBy(finding)
            | Denial::NeedsFactor(finding)
            | Denial::NotOwner(finding)
            | Denial::Replaced(finding),
        ) => Some(finding.held),
        Verdict::Denied(Denial::UndefinedRole(held)) => Some(held),
        Verdict::Denied(
            Denial::BeyondLimit | Denial::NotActive(_) | Denial::NothingAllows | Denial::UnknownPermission,
        ) => None,
    }
}

/// Where the rule that speaks is written.
fn written(finding: &Finding<'_>, denies: bool, roles: &RoleBook) -> Option<String> {
    let role = finding.includes().last().unwrap_or(&finding.held.grant.role);
    roles.find(role)?.written.of(finding.rule()?, denies).map(str::to_owned)
}

/// What would have to be otherwise for a yes.
fn remedy(decision: &Decision<'_>, question: &Question<'_>, needed: &[RoleId]) -> Option<String> {
    let Verdict::Denied(denial) = &decision.verdict else { return None };
    let place = question.scope.map(|scope| format!(" in {scope} or above it")).unwrap_or_default();
    Some(match denial {
        Denial::BeyondLimit => format!("a token that is for {} would be needed", question.permission),
        Denial::DeniedBy(finding) => {
            let Grant { id, role, .. } = &finding.held.grant;
            format!("the grant {id} of the role {role} would have to end: no other role outweighs a deny")
        }
        Denial::NeedsFactor(_) => "a second factor would have to be shown again, at /login/step-up".to_owned(),
        Denial::NotActive(_) => "the account would have to be active".to_owned(),
        Denial::NotOwner(_) => {
            format!("they would have to own it, or hold a role that gives {} for everything", question.permission)
        }
        Denial::NothingAllows if needed.is_empty() => {
            format!("no role gives {}: one would have to be made", question.permission)
        }
        Denial::NothingAllows => format!("one of the roles under `needed` would have to be given{place}"),
        Denial::Replaced(_) => {
            let scope = decision.replaced_by().or(question.scope).map(Scope::to_string).unwrap_or_default();
            format!("a role that gives it would have to be given in {scope}, or the grant that overrides there ended")
        }
        Denial::UndefinedRole(held) => {
            let Grant { id, role, .. } = &held.grant;
            format!("the role {role} would have to be defined again, or the grant {id} ended")
        }
        Denial::UnknownPermission => return None,
    })
}

fn tell(decision: &Decision<'_>, question: &Question<'_>, roles: &RoleBook) -> (&'static str, String) {
    let is_deny = matches!(&decision.verdict, Verdict::Denied(Denial::DeniedBy(_)));
    let by = |finding: &Finding<'_>| {
        let path: Vec<&str> = finding.includes().iter().skip(1).map(RoleId::as_str).collect();
        let path = if path.is_empty() { String::new() } else { format!(" by including {}", path.join(", ")) };
        let rule = finding.rule().map(Permission::to_string).unwrap_or_default();
        let at = written(finding, is_deny, roles).map(|place| format!(" ({place})")).unwrap_or_default();
        format!("{}, which says {rule}{at}{path}", HeldRole::new(finding.held))
    };
    match &decision.verdict {
        Verdict::Allowed(finding) => ("allowed", format!("allowed by {}", by(finding))),
        Verdict::Denied(denial) => match denial {
            Denial::BeyondLimit => ("beyond-limit", "the token is not for this, though its owner may".to_owned()),
            Denial::DeniedBy(finding) => ("denied-by", format!("denied by {}; a deny always wins", by(finding))),
            Denial::NeedsFactor(finding) => {
                let within = finding.factor_rule().within().unwrap_or_default();
                ("needs-factor", format!("it needs a second factor shown within {within}, by {}", by(finding)))
            }
            Denial::NotActive(status) => ("not-active", format!("the account is {}", status_name(*status))),
            Denial::NotOwner(finding) => ("not-owner", format!("allowed to the owner only, by {}", by(finding))),
            Denial::NothingAllows => ("nothing-allows", "no grant that holds here and now gives it".to_owned()),
            Denial::Replaced(finding) => {
                let scope = decision.replaced_by().or(question.scope).map(Scope::to_string).unwrap_or_default();
                let by = by(finding);
                ("replaced", format!("it would be allowed by {by}, but a grant that overrides in {scope} replaces it"))
            }
            Denial::UndefinedRole(held) => {
                let held = HeldRole::new(held);
                ("undefined-role", format!("{held} is not defined any more, so what it denied is unknown"))
            }
            Denial::UnknownPermission => ("unknown-permission", "there is no such permission".to_owned()),
        },
    }
}

const fn status_name(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Inactive => "inactive",
        Status::Invited => "invited and has not signed in yet",
        Status::Tombstone => "deleted",
    }
}

/// The refusal in one line; `{:#}` adds a line for each grant and what would be needed.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.permission)?;
        if let Some(scope) = &self.scope {
            write!(f, " in {scope}")?;
        }
        write!(f, " is {}: {}", if self.allowed { "allowed" } else { "refused" }, self.reason)?;
        if f.alternate() {
            for step in &self.steps {
                write!(f, "\n  {}: {}", step.outcome, step.held)?;
                if let Some(rule) = &step.rule {
                    write!(f, " says {rule}")?;
                }
                if let Some(place) = &step.rule_at {
                    write!(f, " ({place})")?;
                }
            }
            if !self.needed.is_empty() {
                let needed: Vec<&str> = self.needed.iter().map(RoleId::as_str).collect();
                write!(f, "\n  one of these roles would give it: {}", needed.join(", "))?;
            }
        }
        Ok(())
    }
}

/// What a standing may do, for the organisation first, then for each scope that a grant names. It is the decision asked
/// for every permission of the catalogue, so it cannot differ from enforcement.
pub(super) fn effective(prepared: &Prepared, now: Timestamp) -> Vec<Level> {
    let held = &prepared.standing().held;
    let mut scopes: Vec<Option<&Scope>> = held.iter().map(|held| held.grant.scope.as_ref()).collect();
    scopes.push(None);
    scopes.sort_unstable();
    scopes.dedup();
    scopes.into_iter().map(|scope| level(scope, prepared, now)).collect()
}

/// What a standing may do in one place.
pub(super) fn level(scope: Option<&Scope>, prepared: &Prepared, now: Timestamp) -> Level {
    let mut permissions = Vec::new();
    for permission in prepared.roles().permissions() {
        let question = Question::new(permission).within(scope);
        let (finding, if_owner) = match decide(&question, prepared, now).verdict {
            Verdict::Allowed(finding) => (finding, false),
            // The same question by the owner: a token's limit may still cut it.
            Verdict::Denied(Denial::NotOwner(_)) => match decide(&question.owned(true), prepared, now).verdict {
                Verdict::Allowed(finding) => (finding, true),
                Verdict::Denied(_) => continue,
            },
            Verdict::Denied(_) => continue,
        };
        permissions.push(Right {
            permission: permission.clone(),
            if_owner,
            role: finding.held.grant.role.clone(),
            includes: includes(finding.includes()),
            grant: finding.held.grant.id,
        });
    }
    let is_active = prepared.standing().status == Status::Active;
    let counting = prepared.counting(scope, now).filter(|_| is_active);
    Level { scope: scope.cloned(), roles: counting.map(HeldRole::new).collect(), permissions }
}

fn text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn option<S: Serializer>(value: &Option<impl fmt::Display>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

fn list<S: Serializer>(values: &[impl fmt::Display], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(ToString::to_string))
}
