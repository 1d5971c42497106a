//! Mapping rules: what a source says about a person, to roles.
//!
//! A rule looks at one source's people only, and of their groups only at those that this source owns, so that nobody
//! gains a role by a group of the same name elsewhere. Whenever a person or a membership changes, the rule grants of
//! the people concerned are made what the rules say, in the same commit.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::joins::JoinRule;
use super::membership::Overlay;
use super::tables::RULE_TURNS;
use super::{Directory, Error};
use crate::access::{self, Permit, RuleGrant};
use crate::audit::Change;
use crate::clock::Timestamp;
use crate::filter::Operator::{Contains, EndsWith, Equal, StartsWith};
use crate::filter::{Filter, NoSchema};
use crate::model::{
    Attributes, Grant, Group, GroupId, Keeping, Origin, RoleId, Scope, SourceId, Subject, User, UserId, UserName,
};
use crate::store;

/// What a rule's condition calls the names, ids and DNs of a person's groups.
const GROUPS_FIELD: &str = "groups";

/// One rule: where it holds, a role is given.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Whose people it is about.
    pub source: SourceId,
    /// The condition on the record: its attributes, `userName`, and `groups` with names, ids and DNs.
    pub when: Filter,
    /// What is given.
    pub role: RoleId,
    /// Where; `None` is organisation-wide.
    pub scope: Option<Scope>,
    /// What later sign-ins make of it, where the source is a connector.
    pub keeping: Keeping,
    /// Where the rule stands: `cleargate.toml:31`.
    pub position: String,
}

impl Rule {
    /// Whether what the rule says may hang on one of these names of a group.
    fn looks_at(&self, names: &[&Value]) -> bool {
        let looks = self.when.visit(&mut |path, comparison| {
            if !path.name.eq_ignore_ascii_case(GROUPS_FIELD) {
                return Ok(());
            }
            // These hold where one name meets them, whatever the others are.
            let Some((operator @ (Equal | Contains | StartsWith | EndsWith), value)) = comparison else {
                return Err(());
            };
            let comparison = Filter::Compare { path: path.clone(), operator, value: value.clone() };
            let is_met = |name: &&Value| {
                let record = Map::from_iter([(GROUPS_FIELD.to_owned(), Value::Array(vec![(*name).clone()]))]);
                comparison.matches(&record, &NoSchema)
            };
            if names.iter().any(is_met) { Err(()) } else { Ok(()) }
        });
        looks.is_err()
    }
}

/// The rules in force, in the order of the file. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    roles: Arc<[Rule]>,
    pub(super) joins: Arc<[JoinRule]>,
}

impl Rules {
    /// These rules, which give roles.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { roles: rules.into(), joins: Arc::default() }
    }

    /// The same with these, which put people into groups.
    #[must_use]
    pub fn with_joins(self, joins: Vec<JoinRule>) -> Self {
        Self { joins: joins.into(), ..self }
    }

    /// Whether any rule gives roles to people of `source`.
    pub fn any_for(&self, source: &SourceId) -> bool {
        self.roles.iter().any(|rule| rule.source == *source)
    }

    /// The roles that the rules of `source` can give, and where.
    pub fn given_by(&self, source: &SourceId) -> impl Iterator<Item = (&RoleId, Option<&Scope>)> {
        let is_about = move |rule: &&Rule| rule.source == *source;
        self.roles.iter().filter(is_about).map(|rule| (&rule.role, rule.scope.as_ref()))
    }

    /// All that give roles.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.roles.iter()
    }

    /// Whether a rule gives something in this scope.
    pub fn names(&self, scope: &Scope) -> bool {
        self.roles.iter().any(|rule| rule.scope.as_ref() == Some(scope))
    }

    /// Whether a rule of `source` may say something else of whoever is in a group now that the group has these names,
    /// where it had the others. It says so where it is in doubt.
    pub fn tell_apart(&self, source: &SourceId, before: &[Value], after: &[Value]) -> bool {
        let gone = before.iter().filter(|name| !after.contains(name));
        let changed: Vec<&Value> = gone.chain(after.iter().filter(|name| !before.contains(name))).collect();
        !changed.is_empty() && self.roles.iter().any(|rule| rule.source == *source && rule.looks_at(&changed))
    }

    /// Whether there are none that give roles.
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty()
    }

    /// The roles that the rules of `source` give to whom `record` describes; of a connector, at the sign-in that makes or
    /// first links the account.
    pub fn wanted(&self, source: &SourceId, record: &Map<String, Value>) -> Vec<RuleGrant> {
        self.given(source, record, |_| true)
    }

    /// The roles that the rules of a connector give at a sign-in that says `record`.
    pub fn wanted_at(&self, source: &SourceId, record: &Map<String, Value>, is_first: bool) -> Vec<RuleGrant> {
        self.given(source, record, |rule| is_first || rule.keeping != Keeping::First)
    }

    fn given(&self, source: &SourceId, record: &Map<String, Value>, counts: impl Fn(&Rule) -> bool) -> Vec<RuleGrant> {
        self.roles
            .iter()
            .filter(|rule| rule.source == *source && counts(rule) && rule.when.matches(record, &NoSchema))
            .map(|rule| RuleGrant {
                role: rule.role.clone(),
                scope: rule.scope.clone(),
                position: rule.position.clone(),
            })
            .collect()
    }

    /// Whether a later sign-in leaves alone what a rule of a connector gave. Where the file has changed since, a rule of
    /// the same role and scope stands for the one that was at `position`, unless what it gave `is_wanted` anew.
    fn keeps(
        &self,
        source: &SourceId,
        (role, scope): (&RoleId, Option<&Scope>),
        position: &str,
        is_wanted: bool,
    ) -> bool {
        let same = |rule: &&Rule| rule.source == *source && rule.role == *role && rule.scope.as_ref() == scope;
        match self.roles.iter().filter(same).find(|rule| rule.position == position) {
            Some(rule) => rule.keeping != Keeping::Full,
            None => !is_wanted && self.roles.iter().filter(same).any(|rule| rule.keeping != Keeping::Full),
        }
    }
}

/// What of the roles and memberships that a connector's rules gave goes when it takes its word back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    /// What a sign-in that says nothing would take.
    Unsaid,
    /// What sign-ins until then gave and later ones leave alone; of the rest the last one has spoken.
    Kept {
        /// When the word was taken back.
        until: Timestamp,
    },
    /// All of it.
    Everything,
}

impl Directory {
    /// Makes the rule grants of a user whom a source owns what they must be, in the caller's change.
    pub(super) async fn stage_rules(&self, change: &mut Change, permit: &Permit, user: &User) -> Result<(), Error> {
        self.take_turn(change, user.id, [user.owner.as_ref(), None]).await?;
        self.stage_rules_over(change, permit, user, None, None).await
    }

    /// Makes two changes that look at what a user's rule grants follow from lose the race against each other, where rules
    /// are about people of one of `owners`: one writes the record and reads the memberships, the other the reverse.
    /// To be called before either is read.
    pub(super) async fn take_turn(
        &self,
        change: &mut Change,
        user: UserId,
        owners: [Option<&SourceId>; 2],
    ) -> Result<(), Error> {
        if owners.into_iter().flatten().any(|owner| self.rules.any_for(owner)) {
            change.hold(&RULE_TURNS, self.organisation, &user).await?;
            change.add(&RULE_TURNS, self.organisation, &user, 1);
        }
        Ok(())
    }

    /// The same, with membership rows and a group that the change is about to write. The caller has taken the user's turn.
    pub(super) async fn stage_rules_over(
        &self,
        change: &mut Change,
        permit: &Permit,
        user: &User,
        overlay: Option<Overlay<'_>>,
        changed: Option<&Group>,
    ) -> Result<(), Error> {
        let Some(owner) = user.owner.as_ref().filter(|owner| self.rules.any_for(owner)) else {
            return Ok(());
        };
        let paths = self.group_paths_over(user.id, overlay, Some(change)).await?;
        let ids: Vec<GroupId> = paths.iter().filter_map(|path| path.last().copied()).collect();
        let mut groups = self.groups_by_id(&ids).await?;
        if let Some(changed) = changed.filter(|changed| ids.contains(&changed.id)) {
            groups.retain(|group| group.id != changed.id);
            groups.push(changed.clone());
        }
        let groups = groups.iter().filter(|group| group.owner.as_ref() == Some(owner));
        let record = rule_record(&user.attributes, &user.user_name, groups);
        let wanted = self.rules.wanted(owner, &record);
        self.grants.replace_rule_grants(change, permit, user.id, owner, &wanted).await.map_err(of_access)?;
        Ok(())
    }

    /// Makes the rule grants of a connector what this sign-in says, in the caller's change. `attributes` is what the
    /// connector vouched for, `groups` among it; `is_first` tells whether it makes or first links the account.
    pub(crate) async fn stage_sign_in_rules(
        &self,
        change: &mut Change,
        permit: &Permit,
        user: &User,
        connector: &SourceId,
        attributes: &Map<String, Value>,
        is_first: bool,
    ) -> Result<(), Error> {
        let wanted = self.rules.wanted_at(connector, attributes, is_first);
        // What the same rule gives anew, from where it stands now, is not kept twice.
        let stays = |grant: &Grant, position: &str| {
            let is_wanted = wanted.iter().any(|rule| rule.role == grant.role && rule.scope == grant.scope);
            self.rules.keeps(connector, (&grant.role, grant.scope.as_ref()), position, is_wanted)
        };
        let grants = &self.grants;
        grants.replace_rule_grants_but(change, permit, user.id, connector, &wanted, stays).await.map_err(of_access)?;
        Ok(())
    }

    /// Whether a rule may say something else of the members of a group that was `before` and is `after`: one of its owner's,
    /// for no other looks at the group.
    pub(super) fn are_told_apart(&self, before: &Group, after: &Group) -> bool {
        let (old, new) = (names_of(before), names_of(after));
        match (&before.owner, &after.owner) {
            (Some(owner), Some(other)) if owner == other => self.rules.tell_apart(owner, &old, &new),
            (owner, other) => {
                owner.as_ref().is_some_and(|owner| self.rules.tell_apart(owner, &old, &[]))
                    || other.as_ref().is_some_and(|other| self.rules.tell_apart(other, &[], &new))
            }
        }
    }

    /// Takes from a user, in the caller's change, what the rules of a connector gave that takes its word back, and tells
    /// how many grants that were.
    pub(crate) async fn stage_word_taken(
        &self,
        change: &mut Change,
        permit: &Permit,
        user: UserId,
        connector: &SourceId,
        taking: Taking,
    ) -> Result<usize, Error> {
        let keeps = |grant: &Grant, position: &str| {
            self.rules.keeps(connector, (&grant.role, grant.scope.as_ref()), position, false)
        };
        let stays = |grant: &Grant, position: &str| match taking {
            Taking::Unsaid => keeps(grant, position),
            Taking::Kept { until } => !keeps(grant, position) || grant.made.is_some_and(|made| made > until),
            Taking::Everything => false,
        };
        let changes = self.grants.replace_rule_grants_but(change, permit, user, connector, &[], stays).await;
        Ok(changes.map_err(of_access)?.deleted)
    }

    /// Takes from a user what the rules of a source gave that owns the user no longer, or of a connector that is no longer
    /// linked to them.
    pub(super) async fn stage_no_rules(
        &self,
        change: &mut Change,
        permit: &Permit,
        user: UserId,
        source: &SourceId,
    ) -> Result<(), Error> {
        self.grants.replace_rule_grants(change, permit, user, source, &[]).await.map_err(of_access)?;
        self.stage_joins_taken(change, permit, user, source, Taking::Everything).await?;
        Ok(())
    }

    /// Whether an administrator gave the user a role.
    pub(super) async fn holds_grant_by_hand(&self, user: UserId) -> Result<bool, Error> {
        let grants = self.grants.list(Subject::User(user)).await.map_err(of_access)?;
        Ok(grants.iter().any(|grant| matches!(grant.origin, Origin::ByHand(_))))
    }

    /// Takes every grant from a user who is being deleted.
    pub(super) async fn stage_no_grants(
        &self,
        change: &mut Change,
        permit: &Permit,
        subject: Subject,
    ) -> Result<(), Error> {
        self.grants.delete_of(change, permit, subject).await.map_err(of_access)?;
        Ok(())
    }
}

/// What a rule sees of a person in these groups.
pub fn rule_record<'a>(
    attributes: &Attributes,
    user_name: &UserName,
    groups: impl Iterator<Item = &'a Group>,
) -> Map<String, Value> {
    let mut record = attributes.0.clone();
    record.insert("userName".to_owned(), user_name.as_str().into());
    let names: Vec<Value> = groups.flat_map(names_of).collect();
    record.insert(GROUPS_FIELD.to_owned(), names.into());
    record
}

/// What rules know a group by.
fn names_of(group: &Group) -> Vec<Value> {
    // Whoever may name a group must not be able to name it like another one's id.
    let name = Some(group.name.as_str()).filter(|name| !is_like_an_id(name));
    let mut names: Vec<Value> = name.map(Value::from).into_iter().collect();
    names.extend(group.external_id.as_deref().map(Value::from));
    names.extend(group.attributes.0.get("dn").filter(|dn| dn.is_string()).cloned());
    names
}

/// Whether the name of a group looks like what identifies groups: a UUID, an id of 389 Directory Server, or a
/// distinguished name. Such a name is matched by no rule; the group's own id and DN are.
pub fn is_like_an_id(name: &str) -> bool {
    let name = name.trim();
    is_hexadecimal(name, &[8, 4, 4, 4, 12]) || is_hexadecimal(name, &[8, 8, 8, 8]) || starts_like_a_dn(name)
}

/// Whether the text is groups of hexadecimal digits of these lengths, with hyphens between them.
fn is_hexadecimal(text: &str, lengths: &[usize]) -> bool {
    let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    let is_digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit());
    text.split('-').count() == lengths.len()
        && text.split('-').zip(lengths).all(|(part, length)| is_digits(part, *length))
}

/// Whether the text begins with an attribute type and `=` (RFC 4514 section 3): more than are names, none less.
fn starts_like_a_dn(text: &str) -> bool {
    let Some((kind, _)) = text.split_once('=') else { return false };
    let kind = kind.trim();
    !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b';'))
}

fn of_access(error: access::Error) -> Error {
    match error {
        access::Error::Store(error) => Error::Store(error),
        other => Error::Store(store::Error::Unavailable { reason: other.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;
    use crate::model::OrganisationId;

    fn group(name: &str, external_id: Option<&str>, dn: Option<&str>) -> Group {
        let mut attributes = Attributes::default();
        attributes.0.extend(dn.map(|dn| ("dn".to_owned(), dn.into())));
        Group {
            id: GroupId::from_bytes([1; 16]),
            organisation: OrganisationId::DEFAULT,
            name: name.parse().unwrap(),
            owner: None,
            external_id: external_id.map(str::to_owned),
            attributes,
            created: Timestamp::default(),
            changed: Timestamp::default(),
            revision: 1,
            companies: None,
            rule: None,
        }
    }

    #[test]
    fn a_group_is_not_matched_by_a_name_that_looks_like_the_id_or_dn_of_another() {
        let id = "6f1b0c9a-103d-4b5a-8b5a-0b1c2d3e4f50";
        let groups = [
            group("Admins", Some(id), Some("cn=admins,dc=x")),
            group(&id.to_uppercase(), Some("other"), None),
            group(&format!("{{{id}}}"), None, None),
            group("CN=Admins, DC=x", None, None),
            group("2.5.4.3=Admins", None, None),
        ];
        let record = rule_record(&Attributes::default(), &"ada".parse().unwrap(), groups.iter());
        assert_eq!(record["groups"], json!(["Admins", id, "cn=admins,dc=x", "other"]));
    }

    #[test]
    fn a_rule_is_asked_again_only_where_it_may_tell_the_names_apart() {
        let okta: SourceId = "okta".parse().unwrap();
        let names = |names: &[&str]| names.iter().map(|name| Value::from(*name)).collect::<Vec<_>>();
        for (when, told) in [
            (r#"groups eq "Officers""#, true),
            (r#"groups eq "before""#, true),
            (r#"groups eq "stays""#, false),
            (r#"groups eq "Other""#, false),
            (r#"title eq "Officers""#, false),
            (r#"groups sw "Off" and title pr"#, true),
            (r#"groups ew "xyz" or groups co "icer""#, true),
            (r#"not (groups eq "Officers")"#, true),
            (r#"not (groups eq "Other")"#, false),
            // What holds of several at once, or of none, is in doubt.
            (r#"groups ne "Other""#, true),
            ("groups pr", true),
            (r#"groups gt "a""#, true),
        ] {
            let rule = Rule {
                source: okta.clone(),
                when: when.parse().unwrap(),
                role: "reviewer".parse().unwrap(),
                scope: None,
                keeping: Keeping::Full,
                position: String::new(),
            };
            let rules = Rules::new(vec![rule]);
            let (before, after) = (names(&["Before", "stays"]), names(&["stays", "Officers"]));
            assert_eq!(rules.tell_apart(&okta, &before, &after), told, "{when}");
            assert!(!rules.tell_apart(&okta, &before, &before), "{when}");
            assert!(!rules.tell_apart(&"entra".parse().unwrap(), &before, &after), "{when}");
        }
    }

    #[test]
    fn a_rule_that_was_moved_in_the_file_keeps_what_it_gave_unless_another_stands_there() {
        let rule = |position: &str, keeping| Rule {
            source: "idp".parse().unwrap(),
            when: "a pr".parse().unwrap(),
            role: "viewer".parse().unwrap(),
            scope: None,
            keeping,
            position: position.to_owned(),
        };
        let rules = Rules::new(vec![rule("f:1", Keeping::Full), rule("f:9", Keeping::Additive)]);
        let keeps = |source: &str, role: &str, position: &str| {
            rules.keeps(&source.parse().unwrap(), (&role.parse().unwrap(), None), position, false)
        };
        assert!(!keeps("idp", "viewer", "f:1") && keeps("idp", "viewer", "f:9") && keeps("idp", "viewer", "f:5"));
        assert!(!keeps("idp", "editor", "f:9") && !keeps("other", "viewer", "f:9"));
    }

    #[test]
    fn names_that_people_give_are_no_ids() {
        for name in ["Admins", "a-b-c-d-e", "R&D + Sales = all", "=", "8e8f0c9a-6f1b-103d-8b5a-0b1c2d3e4f5"] {
            assert!(!is_like_an_id(name), "{name}");
        }
    }
}
