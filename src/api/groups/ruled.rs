//! Groups whose members follow from a rule: setting it, and seeing beforehand whom it names.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::owned;
use crate::access::{Overlay, Permit};
use crate::api::admit::Caller;
use crate::api::fields::Fields;
use crate::api::{Api, Error, render};
use crate::directory::{GroupRule, Member, Moves, Preview};
use crate::model::{Group, Subject, UserId};

/// Most people who are shown of those whom a rule names.
const MAX_SHOWN: usize = 20;
/// How long an answer waits for a large directory; the rest is done behind the scenes.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// What a body says about the rule.
pub(super) struct RuleWish {
    /// Whether it says anything.
    pub(super) is_named: bool,
    rule: Option<GroupRule>,
    /// Whether it only asks what would be.
    pub(super) is_dry: bool,
}

/// What came of a wish.
pub(super) enum Ruled {
    /// The group as it is now.
    Changed(Box<Group>),
    /// Nothing was to be written.
    Told(Response),
}

impl RuleWish {
    pub(super) fn take(fields: &mut Fields) -> Result<Self, Error> {
        let is_named = fields.has("rule");
        let text = fields.text("rule")?.filter(|text| !text.trim().is_empty());
        let rule =
            text.map(|text| text.parse().map_err(|reason: String| Error::invalid("rule", reason))).transpose()?;
        let is_dry = fields.flag("dry_run")?.unwrap_or(false);
        Ok(Self { is_named, rule, is_dry })
    }

    pub(super) fn rule(&self) -> Option<&GroupRule> {
        self.rule.as_ref()
    }
}

impl Api {
    /// Whom a rule would name, for who may know: a rule asks for any attribute of anybody.
    pub(super) async fn previewed(
        &self,
        caller: &Caller,
        group: Option<&Group>,
        rule: &GroupRule,
    ) -> Result<Preview, Error> {
        self.permit(caller, "users:read", None).await?;
        self.check_sees_all(caller).await?;
        let group = group.map(|group| group.id);
        let _turn = self.previews.lock().await;
        Ok(self.services.directory.preview_rule(group, rule, MAX_SHOWN).await?)
    }

    /// Gives a group another rule, or none, by which nobody gains more than the caller has. Its members follow when it is
    /// filled.
    pub(super) async fn change_rule(
        &self,
        caller: &Caller,
        permit: &Permit,
        group: Group,
        revision: Option<u64>,
        wish: &RuleWish,
    ) -> Result<Ruled, Error> {
        let directory = &self.services.directory;
        let preview = match wish.rule() {
            Some(rule) => self.previewed(caller, Some(&group), rule).await?,
            None => Preview::default(),
        };
        if wish.rule().map(ToString::to_string) != group.rule {
            // Whoever it names gains what the group holds, and others lose it: today, or when their attributes change.
            self.check_entering(caller, &group, Member::Group(group.id)).await?;
            self.check_leaving(caller, &group, Member::Group(group.id)).await?;
        }
        let weighed = self.weigh(permit.clone(), &overlay(&preview, &group), false).await?;
        if wish.is_dry {
            return Ok(Ruled::Told(match wish.rule() {
                Some(rule) => self.told_preview(caller, rule, &preview).await?,
                None => self.shown(caller, &group, StatusCode::OK).await?,
            }));
        }
        // What was looked at is what is changed: another rule by then is for somebody else to take back.
        let revision = revision.or(Some(group.revision));
        let changed = directory.rule_group(&weighed, group.id, revision, wish.rule()).await;
        Ok(Ruled::Changed(Box::new(changed.map_err(|error| owned(error, &group))?)))
    }

    /// The answer to the question what a rule would do.
    pub(super) async fn told_preview(
        &self,
        caller: &Caller,
        rule: &GroupRule,
        preview: &Preview,
    ) -> Result<Response, Error> {
        let sight = self.sight(caller).await?;
        let shown: Vec<Value> = preview.shown.iter().filter(|user| sight.sees_user(user)).map(render::brief).collect();
        let body = json!({
            "dry_run": true,
            "rule": rule.to_string(),
            "members": preview.matching,
            "joining": preview.joining.len(),
            "leaving": preview.leaving.len(),
            "shown": shown,
        });
        Ok(render::answer(StatusCode::OK, &body))
    }

    /// Has the members follow the rule, and waits for it: `done`, or 202 where it takes longer.
    pub(super) async fn filled(&self, group: &Group, done: StatusCode) -> Result<StatusCode, Error> {
        let directory = &self.services.directory;
        directory.start_filling(self.services.access.task_permit("group-rules", None));
        let is_filled = directory.is_filled(group.id, MAX_WAIT).await?;
        Ok(if is_filled { done } else { StatusCode::ACCEPTED })
    }

    /// Checks that the caller may move an account by its attributes into groups and out of them, and says what that would
    /// make different.
    pub(in crate::api) async fn check_moves(
        &self,
        caller: &Caller,
        user: UserId,
        moves: &Moves,
    ) -> Result<Overlay, Error> {
        let mut overlay = Overlay::default();
        for group in &moves.entered {
            self.check_entering(caller, group, Member::User(user)).await?;
            overlay.joined.push((Subject::User(user), group.id));
        }
        for group in &moves.left {
            self.check_leaving(caller, group, Member::User(user)).await?;
            overlay.left.push((Subject::User(user), group.id));
        }
        Ok(overlay)
    }
}

/// What a rule would make different.
fn overlay(preview: &Preview, group: &Group) -> Overlay {
    let subjects = |ids: &[UserId]| ids.iter().map(|id| (Subject::User(*id), group.id)).collect();
    Overlay { joined: subjects(&preview.joining), left: subjects(&preview.leaving), ..Overlay::default() }
}
