//! Making the members of a group what a rule that has changed says, page by page, and telling what that would be.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::{error, info};

use super::{EPOCH, Filling, GroupRule, Stage, by_rule, record};
use crate::access::Permit;
use crate::audit::{Change, EventKind, Housekeeping};
use crate::directory::groups::MAX_LISTED;
use crate::directory::membership::Member;
use crate::directory::tables::{DYNAMICS, RULE_EPOCH, USERS};
use crate::directory::users::suffix_id;
use crate::directory::{Directory, Error, MAX_PAGE};
use crate::error::Chain;
use crate::model::{GroupId, User, UserId};
use crate::store::{self, Range};

/// People who are looked at in one commit.
const PAGE: usize = 250;

/// Who would be in a group.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// How many.
    pub matching: usize,
    /// Who is not in it now.
    pub joining: Vec<UserId>,
    /// Who would be no longer.
    pub leaving: Vec<UserId>,
    /// Some of those who would be in it, in the order of their creation.
    pub shown: Vec<User>,
}

impl Directory {
    /// What a rule would make of a group, or of one that is not made yet. Reads everybody.
    ///
    /// # Errors
    /// `Store`.
    pub async fn preview_rule(&self, group: Option<GroupId>, rule: &GroupRule, shown: usize) -> Result<Preview, Error> {
        let members = match group {
            Some(group) => self.all_members(group).await?,
            None => Vec::new(),
        };
        let mut left: BTreeSet<UserId> = members.into_iter().filter_map(user_of).collect();
        let mut preview = Preview::default();
        let mut after = None;
        loop {
            let page: Vec<User> = self.list_users(after, MAX_PAGE).await?;
            after = page.last().map(|user| user.id);
            let is_last = page.len() < MAX_PAGE;
            for user in page {
                if !rule.matches(&record(&user.attributes, &user.user_name)) {
                    continue;
                }
                preview.matching += 1;
                if !left.remove(&user.id) {
                    preview.joining.push(user.id);
                }
                if preview.shown.len() < shown {
                    preview.shown.push(user);
                }
            }
            // Everybody is read: others go on in between.
            tokio::task::yield_now().await;
            if is_last {
                preview.leaving = left.into_iter().collect();
                return Ok(preview);
            }
        }
    }

    /// Whether the members of a group do not follow its rule yet.
    ///
    /// # Errors
    /// `Store`.
    pub async fn has_unfilled(&self) -> Result<bool, Error> {
        Ok(self.unfilled().await?.is_some())
    }

    async fn unfilled(&self) -> Result<Option<GroupId>, Error> {
        let range = Range::prefix(DYNAMICS.prefix(self.organisation, &()), MAX_PAGE);
        for (key, stored) in self.store().range(range).await? {
            let filling: Filling = store::decode(DYNAMICS.name(), &stored.value)?;
            if filling.stage != Stage::Settled {
                return Ok(Some(suffix_id(DYNAMICS.name(), &key)?));
            }
        }
        Ok(None)
    }

    /// Fills groups behind the scenes; see [`Directory::fill_groups`].
    pub fn start_filling(&self, permit: Permit) {
        let directory = self.clone();
        self.tasks.spawn("fill-groups", async move {
            if let Err(error) = directory.fill_groups(&permit).await {
                error!(
                    "the members of dynamic groups do not follow all rules, the next start goes on: {}",
                    Chain(&error)
                );
            }
        });
    }

    /// Makes the members of every group what its rule says, those who leave before those who come, some hundred in each
    /// commit. Goes on where a run before was cut off; ends early when the program is to stop. Looks at groups whose rule
    /// has changed only.
    ///
    /// # Errors
    /// `Store`.
    pub async fn fill_groups(&self, permit: &Permit) -> Result<(), Error> {
        let stopping = self.tasks.stopping();
        let _turn = self.dynamics.0.turn.lock().await;
        while let Some(group) = self.unfilled().await? {
            info!(%group, "making the members of a dynamic group what its rule says");
            while self.fill_page(permit, group).await? {
                if stopping.is_set() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Waits until the members of a group follow its rule, at most so long. Says whether they do.
    ///
    /// # Errors
    /// `Store`.
    pub async fn is_filled(&self, group: GroupId, within: Duration) -> Result<bool, Error> {
        let deadline = Instant::now() + within;
        let mut progress = self.dynamics.0.progress.subscribe();
        loop {
            progress.mark_unchanged();
            let filling = self.store().find(&DYNAMICS, self.organisation, &group).await?;
            if filling.is_none_or(|filling| filling.stage == Stage::Settled) {
                return Ok(true);
            }
            if timeout_at(deadline, progress.changed()).await.is_err() {
                return Ok(false);
            }
        }
    }

    /// One page of one group. Says whether there is more to do about it.
    ///
    /// # Errors
    /// `Store`.
    pub async fn fill_page(&self, permit: &Permit, group: GroupId) -> Result<bool, Error> {
        let more = self
            .ledger
            .retry(|mut change| async move {
                let filling = change.find(&DYNAMICS, self.organisation, &group).await?;
                let Some(filling) = filling.filter(|filling| filling.stage != Stage::Settled) else { return Ok(false) };
                self.stage_page(&mut change, permit, group, filling).await?;
                if change.pending(&crate::directory::tables::MEMBERS.prefix(self.organisation, &group)).next().is_some()
                {
                    change.commit_told().await?;
                } else {
                    change.commit_quietly(Housekeeping::Index).await?;
                }
                Ok::<_, Error>(true)
            })
            .await?;
        self.dynamics.0.progress.send_modify(|count| *count = count.wrapping_add(1));
        Ok(more)
    }

    async fn stage_page(
        &self,
        change: &mut Change,
        permit: &Permit,
        group: GroupId,
        filling: Filling,
    ) -> Result<(), Error> {
        let rule = filling.parsed()?;
        let (mut moved, last, is_last) = match filling.stage {
            Stage::Leavers => self.leavers(group, &rule, filling.after).await?,
            Stage::Joiners | Stage::Settled => self.joiners(&rule, filling.after).await?,
        };
        let by_rule = by_rule()?;
        let mut done = Vec::new();
        for member in std::mem::take(&mut moved) {
            let Member::User(id) = member else {
                self.stage_leave(change, group, member).await?;
                done.push((member, false));
                continue;
            };
            // Read within the change: whoever changes meanwhile is read again.
            let user = change.find(&USERS, self.organisation, &id).await?;
            let is_in = user.is_some_and(|user: User| rule.matches(&record(&user.attributes, &user.user_name)));
            if self.stage_ruled(change, group, id, is_in, &by_rule).await? {
                done.push((member, is_in));
            }
        }
        self.follow(change, permit, group, &done).await?;
        let next = match (filling.stage, is_last) {
            (stage, false) => Filling { stage, after: last, ..filling },
            (Stage::Leavers, true) => Filling { stage: Stage::Joiners, after: None, ..filling },
            (Stage::Joiners | Stage::Settled, true) => {
                // From here on the rows are trusted.
                let epoch = change.find(&RULE_EPOCH, self.organisation, EPOCH).await?.unwrap_or(0).saturating_add(1);
                change.put(&RULE_EPOCH, self.organisation, EPOCH, &epoch)?;
                Filling { stage: Stage::Settled, after: None, ..filling }
            }
        };
        change.put(&DYNAMICS, self.organisation, &group, &next)?;
        for (word, is_in) in [("added", true), ("removed", false)] {
            let of_kind: Vec<String> =
                done.iter().filter(|(_, joined)| *joined == is_in).map(|(member, _)| member.to_string()).collect();
            if let Some(found) = self.find_group(group).await?.filter(|_| !of_kind.is_empty()) {
                let listed = of_kind.get(..MAX_LISTED).unwrap_or(&of_kind).join(" ");
                let event = permit.event(self.clock.now(), EventKind::MembershipChanged);
                let event = event.on("group", group, &found.name).detail(word, listed);
                change.also(event.detail(&format!("{word}_count"), of_kind.len()).detail("rule", &rule));
            }
        }
        Ok(())
    }

    /// Members whom the rule does not name, on the page after this one; the last one looked at, and whether it was the last
    /// page.
    async fn leavers(
        &self,
        group: GroupId,
        rule: &GroupRule,
        after: Option<UserId>,
    ) -> Result<(Vec<Member>, Option<UserId>, bool), Error> {
        let page = self.members(group, after.map(Member::User), PAGE).await?;
        let ids: Vec<UserId> = page.iter().copied().filter_map(user_of).collect();
        let users: Vec<User> = self.users_by_id(&ids).await?;
        let stays: BTreeSet<Member> = users
            .iter()
            .filter(|user| rule.matches(&record(&user.attributes, &user.user_name)))
            .map(|user| Member::User(user.id))
            .collect();
        let is_last = page.len() < PAGE;
        Ok((page.into_iter().filter(|member| !stays.contains(member)).collect(), ids.last().copied(), is_last))
    }

    /// The same of people whom the rule names.
    async fn joiners(
        &self,
        rule: &GroupRule,
        after: Option<UserId>,
    ) -> Result<(Vec<Member>, Option<UserId>, bool), Error> {
        let page: Vec<User> = self.list_users(after, PAGE).await?;
        let named = page.iter().filter(|user| rule.matches(&record(&user.attributes, &user.user_name)));
        let named = named.map(|user| Member::User(user.id)).collect();
        Ok((named, page.last().map(|user| user.id), page.len() < PAGE))
    }

    /// Makes what mapping rules give to those who moved what they say after it, where the group is in one of a source.
    pub(in crate::directory) async fn follow(
        &self,
        change: &mut Change,
        permit: &Permit,
        group: GroupId,
        moved: &[(Member, bool)],
    ) -> Result<(), Error> {
        if moved.is_empty() || self.rules.is_empty() {
            return Ok(());
        }
        let Some(group) = self.find_group(group).await? else { return Ok(()) };
        let owners = self.owners_above(&group, None).await?;
        if owners.is_empty() {
            return Ok(());
        }
        let ids: Vec<UserId> = moved.iter().filter_map(|(member, _)| user_of(*member)).collect();
        for id in &ids {
            self.take_turn(change, *id, [owners.first(), None]).await?;
        }
        for user in self.users_by_id(&ids).await? {
            if user.owner.as_ref().is_some_and(|owner| owners.contains(owner)) {
                self.stage_rules_over(change, permit, &user, None, None).await?;
            }
        }
        Ok(())
    }
}

fn user_of(member: Member) -> Option<UserId> {
    match member {
        Member::User(id) => Some(id),
        Member::Group(_) => None,
    }
}
