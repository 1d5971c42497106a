//! Taking the steps of a plan, in bounded batches.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::access::Permit;
use crate::audit::EventKind;
use crate::directory::{Directory, Error, GroupDraft, Member, MemberChange, SourceRecord};
use crate::model::{GroupId, GroupName, User, UserId};
use crate::store;

use super::plan::{Counts, GroupStep, PersonStep, Plan, Skipped};
use super::{Existing, MemberRef};

/// Accounts in one commit.
const PEOPLE_PER_BATCH: usize = 200;
/// Memberships in one commit.
const MEMBERS_PER_BATCH: usize = 1000;
/// Commits of new accounts that are under way at the same time, so that the store can group them.
const BATCHES_AT_ONCE: usize = 4;

/// Takes every step and gives what was really done.
pub(super) async fn apply(
    directory: &Directory,
    permit: &Permit,
    plan: Plan,
    existing: &Existing,
) -> Result<(Counts, Vec<Skipped>), Error> {
    let mut work = Work {
        directory,
        permit,
        people: existing.people.iter().map(|(id, user)| (id.clone(), user.id)).collect(),
        groups: existing.groups.iter().map(|(id, known)| (id.clone(), known.group.id)).collect(),
        counts: Counts { unchanged: plan.counts.unchanged, ..Counts::default() },
        skipped: plan.skipped,
    };
    let first_new = plan.people.partition_point(|step| step.kind != EventKind::UserCreated);
    let (known, new) = plan.people.split_at(first_new);
    // Who loses access has commits without anybody else, so that nobody's entry holds them up.
    let (leaving, staying) = known.split_at(known.partition_point(|step| step.kind == EventKind::UserDeactivated));
    // One name may pass from one account to another, so that the order counts: one batch after the other.
    let mut refused = Vec::new();
    for batch in leaving.chunks(PEOPLE_PER_BATCH).chain(staying.chunks(PEOPLE_PER_BATCH)) {
        refused.extend(work.people(batch).await?);
    }
    // A name may have been given up by a later step; then the second time succeeds.
    let again: Vec<PersonStep> = refused.into_iter().map(|(step, _)| step).collect();
    let refused = work.people(&again).await?;
    work.skip(refused);
    work.new_people(new).await?;
    let members: BTreeMap<GroupId, &BTreeSet<Member>> =
        existing.groups.values().map(|known| (known.group.id, &known.members)).collect();
    for (group, name) in &plan.deleted_groups {
        work.delete(*group, name, members.get(group).copied()).await?;
    }
    let mut waiting = Vec::new();
    for step in &plan.groups {
        if let Some(group) = work.group(step).await? {
            waiting.push((group, step));
        }
    }
    // Every group is there now, so that any can be a member of any.
    for (group, step) in waiting {
        work.members(group, step).await?;
    }
    Ok((work.counts, work.skipped))
}

/// Takes only the steps by which people become inactive, of a plan that must not be applied otherwise, and tells how many.
/// Who cannot be made inactive stays for the next run.
pub(super) async fn leavers(directory: &Directory, permit: &Permit, plan: &Plan) -> Result<usize, Error> {
    let leaving = plan.people.iter().take_while(|step| step.kind == EventKind::UserDeactivated);
    let leaving: Vec<PersonStep> = leaving.cloned().collect();
    let mut count = 0;
    for batch in leaving.chunks(PEOPLE_PER_BATCH) {
        let (done, _) = apply_batch(directory, permit, batch).await?;
        count += done.len();
    }
    Ok(count)
}

struct Work<'a> {
    directory: &'a Directory,
    permit: &'a Permit,
    people: BTreeMap<String, UserId>,
    groups: BTreeMap<String, GroupId>,
    counts: Counts,
    skipped: Vec<Skipped>,
}

type Refused = Vec<(PersonStep, Error)>;

impl Work<'_> {
    /// Applies one batch; when it fails for one, each by itself. Gives those that are refused.
    async fn people(&mut self, steps: &[PersonStep]) -> Result<Refused, Error> {
        let (done, refused) = apply_batch(self.directory, self.permit, steps).await?;
        self.note(done);
        Ok(refused)
    }

    async fn new_people(&mut self, steps: &[PersonStep]) -> Result<(), Error> {
        let (directory, permit) = (self.directory, self.permit);
        // Boxed one by one: as a mapped iterator the compiler cannot tell that the whole may move between threads.
        let mut batches: Vec<BoxFuture<'_, Result<(Done, Refused), Error>>> = Vec::new();
        for batch in steps.chunks(PEOPLE_PER_BATCH) {
            batches.push(Box::pin(apply_batch(directory, permit, batch)));
        }
        let results: Vec<_> = stream::iter(batches).buffer_unordered(BATCHES_AT_ONCE).try_collect().await?;
        for (done, refused) in results {
            self.note(done);
            self.skip(refused);
        }
        Ok(())
    }

    fn note(&mut self, done: Vec<(String, EventKind, User)>) {
        for (external_id, kind, user) in done {
            self.counts.count(kind);
            self.people.insert(external_id, user.id);
        }
    }

    fn skip(&mut self, refused: Refused) {
        self.skipped.extend(refused.into_iter().map(|(step, error)| Skipped {
            dn: format!("{} ({})", step.record.user_name, step.external_id),
            reason: error.to_string(),
        }));
    }

    /// Creates or changes the group itself; `None` when it cannot be.
    async fn group(&mut self, step: &GroupStep) -> Result<Option<GroupId>, Error> {
        let draft = GroupDraft {
            name: step.name.clone(),
            external_id: Some(step.external_id.clone()),
            attributes: step.attributes.clone(),
            members: MemberChange::default(),
        };
        let result = match step.group {
            None => self.directory.create_group(self.permit, &draft).await,
            Some(id) if step.is_changed => {
                let edit = |_: &_, group: &mut GroupDraft| {
                    *group = draft.clone();
                    Ok::<(), Error>(())
                };
                self.directory.change_group(self.permit, id, None, edit).await
            }
            Some(id) => return Ok(Some(id)),
        };
        match result {
            Ok(group) => {
                self.counts.groups_created += usize::from(step.group.is_none());
                self.counts.groups_updated += usize::from(step.group.is_some());
                self.groups.insert(step.external_id.clone(), group.id);
                Ok(Some(group.id))
            }
            Err(error) if is_about_one(&error) => {
                self.skip_group(&step.name, error.to_string());
                Ok(step.group)
            }
            Err(error) => Err(error),
        }
    }

    /// Who leaves goes first, so that nobody who cannot join keeps somebody in.
    async fn members(&mut self, group: GroupId, step: &GroupStep) -> Result<(), Error> {
        let removed: Vec<(Member, bool)> = step.removed.iter().map(|member| (*member, false)).collect();
        let added = step.added.iter().filter_map(|member| self.resolve(member)).map(|member| (member, true)).collect();
        self.moves(group, &step.name, removed).await?;
        self.moves(group, &step.name, added).await
    }

    /// Deletes a group; a large one loses its members in batches first, so that each is a commit of bounded size.
    async fn delete(
        &mut self,
        group: GroupId,
        name: &GroupName,
        members: Option<&BTreeSet<Member>>,
    ) -> Result<(), Error> {
        let counts = self.counts;
        let moves: Vec<(Member, bool)> = members.into_iter().flatten().map(|member| (*member, false)).collect();
        if moves.len() > MEMBERS_PER_BATCH {
            self.moves(group, name, moves).await?;
        }
        match self.directory.delete_group(self.permit, group, None).await {
            Ok(()) => self.counts = Counts { groups_deleted: counts.groups_deleted + 1, ..counts },
            Err(error) if is_about_one(&error) => self.skip_group(name, error.to_string()),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn skip_group(&mut self, name: &GroupName, reason: String) {
        self.skipped.push(Skipped { dn: name.to_string(), reason });
    }

    /// Moves members in or out, batch by batch; when a batch fails for one, each by itself.
    async fn moves(&mut self, group: GroupId, name: &GroupName, moves: Vec<(Member, bool)>) -> Result<(), Error> {
        for batch in moves.chunks(MEMBERS_PER_BATCH) {
            match self.move_all(group, batch).await {
                Err(error) if is_about_one(&error) => self.move_each(group, name, batch).await?,
                other => other?,
            }
        }
        Ok(())
    }

    async fn move_each(&mut self, group: GroupId, name: &GroupName, moves: &[(Member, bool)]) -> Result<(), Error> {
        let mut refused = Vec::new();
        for one in moves {
            match self.move_all(group, std::slice::from_ref(one)).await {
                Err(error) if is_about_one(&error) => refused.push(error),
                other => other?,
            }
        }
        if let Some(first) = refused.first() {
            self.skip_group(name, format!("{} of its members stay as they are: {first}", refused.len()));
        }
        Ok(())
    }

    async fn move_all(&mut self, group: GroupId, batch: &[(Member, bool)]) -> Result<(), Error> {
        let edit = |_: &_, draft: &mut GroupDraft| {
            for (member, joins) in batch {
                if *joins {
                    draft.members.add(*member);
                } else {
                    draft.members.remove(*member);
                }
            }
            Ok::<(), Error>(())
        };
        self.directory.change_group(self.permit, group, None, edit).await?;
        let joined = batch.iter().filter(|(_, joins)| *joins).count();
        self.counts.memberships_added += joined;
        self.counts.memberships_removed += batch.len() - joined;
        Ok(())
    }

    /// The directory's id of a member; `None` when it could not be created.
    fn resolve(&self, member: &MemberRef) -> Option<Member> {
        match member {
            MemberRef::Group(id) => self.groups.get(id).map(|id| Member::Group(*id)),
            MemberRef::Person(id) => self.people.get(id).map(|id| Member::User(*id)),
        }
    }
}

type Done = Vec<(String, EventKind, User)>;

async fn apply_batch(directory: &Directory, permit: &Permit, steps: &[PersonStep]) -> Result<(Done, Refused), Error> {
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    if steps.is_empty() {
        return Ok((done, refused));
    }
    let records: Vec<(Option<UserId>, SourceRecord)> =
        steps.iter().map(|step| (step.user, step.record.clone())).collect();
    let result = match directory.apply_users(permit, &records).await {
        Err(error) if is_about_one(&error) => None,
        other => Some(other?),
    };
    if let Some(users) = result {
        done.extend(steps.iter().zip(users).map(|(step, user)| (step.external_id.clone(), step.kind, user)));
        return Ok((done, refused));
    }
    for (step, record) in steps.iter().zip(&records) {
        match directory.apply_users(permit, std::slice::from_ref(record)).await {
            Ok(users) => done.extend(users.into_iter().map(|user| (step.external_id.clone(), step.kind, user))),
            Err(error) if is_about_one(&error) => refused.push((step.clone(), error)),
            Err(error) => return Err(error),
        }
    }
    Ok((done, refused))
}

/// Whether an error concerns one person or group and the others can go on.
fn is_about_one(error: &Error) -> bool {
    match error {
        Error::Conflict { .. } | Error::Invalid { .. } | Error::NotFound { .. } | Error::Owned { .. } => true,
        Error::Disabled | Error::OtherRealm { .. } | Error::Retired | Error::Revision { .. } | Error::Ruled { .. } => {
            true
        }
        // Of one too much is its own; a batch that is too large is as many small ones.
        Error::Store(store::Error::TooLarge { .. }) => true,
        // A directory that is pulled is never paused.
        Error::Filling { .. } | Error::Paused { .. } | Error::Store(_) | Error::Unweighed(_) => false,
    }
}
