//! Resources of types that the configuration defines: looking them up and changing them. Who owns one may change it.

use super::brake::{Kind, Removal};
use super::connections::taken_over;
use super::reconcile::MAX_EXTERNAL_ID_BYTES;
use super::tables::{OBJECT_LINKS, OBJECTS, TOTALS};
use super::users::suffix_id;
use super::{Directory, Error, MAX_PAGE};
use crate::access::Permit;
use crate::audit::{Change, Event, EventKind};
use crate::model::{Attributes, Object, ObjectId, SourceId};
use crate::store::{self, Range, Retryable};

/// A resource as it should be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectDraft {
    /// The source's id for it.
    pub external_id: Option<String>,
    /// Everything else by name.
    pub attributes: Attributes,
}

impl Directory {
    /// The resource of this type with this id.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_object(&self, resource_type: &str, id: ObjectId) -> Result<Option<Object>, Error> {
        Ok(self.store().find(&OBJECTS, self.organisation, &(resource_type.to_owned(), id)).await?)
    }

    /// The resources of this type that a source knows under this id.
    ///
    /// # Errors
    /// `Store`.
    pub async fn find_objects_by_external_id(
        &self,
        resource_type: &str,
        source: &SourceId,
        external_id: &str,
    ) -> Result<Vec<Object>, Error> {
        let link = ((source.clone(), resource_type.to_owned()), external_id.to_owned());
        let rows = self.store().range(Range::prefix(OBJECT_LINKS.prefix(self.organisation, &link), MAX_PAGE)).await?;
        let mut keys = Vec::with_capacity(rows.len());
        for (key, _) in &rows {
            keys.push((resource_type.to_owned(), suffix_id(OBJECT_LINKS.name(), key)?));
        }
        Ok(self.store().find_many(&OBJECTS, self.organisation, &keys).await?.into_iter().flatten().collect())
    }

    /// Resources of this type in the order of their creation, after `after`, at most `limit` and [`MAX_PAGE`].
    ///
    /// # Errors
    /// `Store`.
    pub async fn list_objects(
        &self,
        resource_type: &str,
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<Object>, Error> {
        let prefix = OBJECTS.prefix(self.organisation, resource_type);
        let mut range = Range::prefix(prefix, limit.min(MAX_PAGE));
        if let Some(after) = after {
            range = range.after(&OBJECTS.key(self.organisation, &(resource_type.to_owned(), after)));
        }
        let rows = self.store().range(range).await?;
        rows.iter().map(|(_, stored)| Ok(store::decode(OBJECTS.name(), &stored.value)?)).collect()
    }

    /// The same without the first `skip`, which are walked over but not decoded.
    ///
    /// # Errors
    /// `Store`.
    pub async fn list_objects_from(
        &self,
        resource_type: &str,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Object>, Error> {
        let rows = self
            .rows_from(OBJECTS.prefix(self.organisation, resource_type), &total_name(resource_type), skip, limit)
            .await?;
        rows.iter().map(|(_, stored)| Ok(store::decode(OBJECTS.name(), &stored.value)?)).collect()
    }

    /// How many resources of this type there are; kept, not counted.
    ///
    /// # Errors
    /// `Store`.
    pub async fn count_objects(&self, resource_type: &str) -> Result<u64, Error> {
        self.total(&total_name(resource_type)).await
    }

    /// Creates a resource.
    ///
    /// # Errors
    /// `Conflict` when a unique value is taken, `Invalid`, `Store`.
    pub async fn create_object(
        &self,
        permit: &Permit,
        resource_type: &str,
        draft: &ObjectDraft,
    ) -> Result<Object, Error> {
        check_external_id(draft)?;
        self.ledger
            .retry(|mut change| async move {
                self.check_running(&mut change, permit).await?;
                let now = self.clock.now();
                let object = Object {
                    id: ObjectId::new(now, &self.ids),
                    resource_type: resource_type.to_owned(),
                    owner: self.authority(permit).owner().cloned(),
                    external_id: draft.external_id.clone(),
                    attributes: draft.attributes.clone(),
                    created: now,
                    changed: now,
                    revision: 1,
                };
                self.stage_object(&mut change, None, Some(&object)).await?;
                change.add(&TOTALS, self.organisation, &*total_name(resource_type), 1);
                change.commit(described(permit.event(now, EventKind::ResourceCreated), &object)).await?;
                Ok(object)
            })
            .await
    }

    /// Changes a resource: `edit` gets it as it stands and a draft to leave as it should be; it may run more than once.
    /// `revision` is the one that the caller has seen, where it matters.
    ///
    /// # Errors
    /// `NotFound`, `Revision`, `Conflict`, `Owned`, `Invalid`, `Store`, and what `edit` returns.
    pub async fn change_object<E>(
        &self,
        permit: &Permit,
        (resource_type, id): (&str, ObjectId),
        revision: Option<u64>,
        edit: impl Fn(&Object, &mut ObjectDraft) -> Result<(), E> + Sync,
    ) -> Result<Object, E>
    where
        E: From<Error> + Retryable,
    {
        let edit = &edit;
        self.ledger
            .retry(|mut change| async move {
                let before = self.object_in(&mut change, permit, (resource_type, id), revision).await?;
                // The external id is its owner's word.
                let is_own = before.owner.as_ref() == self.authority(permit).owner();
                let external_id = before.external_id.clone().filter(|_| is_own);
                let mut draft = ObjectDraft { external_id, attributes: before.attributes.clone() };
                edit(&before, &mut draft)?;
                Ok(self.apply_object(change, permit, before, draft).await?)
            })
            .await
    }

    async fn apply_object(
        &self,
        mut change: Change,
        permit: &Permit,
        before: Object,
        draft: ObjectDraft,
    ) -> Result<Object, Error> {
        check_external_id(&draft)?;
        let owner = self.authority(permit).owner().cloned();
        if before.owner == owner && before.external_id == draft.external_id && before.attributes == draft.attributes {
            return Ok(before);
        }
        let after = Object {
            owner,
            external_id: draft.external_id,
            attributes: draft.attributes,
            changed: self.clock.now(),
            revision: before.revision.saturating_add(1),
            ..before.clone()
        };
        self.stage_object(&mut change, Some(&before), Some(&after)).await?;
        let event = described(permit.event(after.changed, EventKind::ResourceChanged), &after);
        change.commit(taken_over(event, before.owner.as_ref(), after.owner.as_ref(), true)).await?;
        Ok(after)
    }

    /// Deletes a resource.
    ///
    /// # Errors
    /// `NotFound`, `Revision`, `Owned`, `Paused`, `Store`.
    pub async fn delete_object(
        &self,
        permit: &Permit,
        (resource_type, id): (&str, ObjectId),
        revision: Option<u64>,
    ) -> Result<(), Error> {
        self.ledger
            .retry(|mut change| async move {
                let before = self.object_in(&mut change, permit, (resource_type, id), revision).await?;
                self.stage_removal(&mut change, permit, Removal::Deleted(Kind::Resources)).await?;
                self.stage_object(&mut change, Some(&before), None).await?;
                change.add(&TOTALS, self.organisation, &*total_name(resource_type), -1);
                let event = permit.event(self.clock.now(), EventKind::ResourceDeleted);
                let event = described(event, &before);
                let owner = self.authority(permit);
                change.commit(taken_over(event, before.owner.as_ref(), owner.owner(), true)).await?;
                Ok(())
            })
            .await
    }

    async fn object_in(
        &self,
        change: &mut Change,
        permit: &Permit,
        (resource_type, id): (&str, ObjectId),
        revision: Option<u64>,
    ) -> Result<Object, Error> {
        self.check_running(change, permit).await?;
        let found = change.find(&OBJECTS, self.organisation, &(resource_type.to_owned(), id)).await?;
        let object = found.ok_or_else(|| Error::NotFound { what: "resource", id: id.to_string() })?;
        if revision.is_some_and(|seen| seen != object.revision) {
            return Err(Error::Revision { current: object.revision });
        }
        let authority = self.authority(permit);
        if object.owner.as_ref() != authority.owner() && !authority.takes_over(object.owner.as_ref()) {
            return Err(Error::Owned { owner: object.owner });
        }
        Ok(object)
    }

    /// The record and everything that finds it, from one state to the next.
    async fn stage_object(
        &self,
        change: &mut Change,
        before: Option<&Object>,
        after: Option<&Object>,
    ) -> Result<(), Error> {
        let Some(object) = after.or(before) else { return Ok(()) };
        let of = |object: Option<&Object>| object.map(|object| object.attributes.clone());
        let (old, new) = (of(before), of(after));
        self.stage_unique(change, &object.resource_type, object.id, old.as_ref(), new.as_ref()).await?;
        let owner = |object: Option<&Object>| object.and_then(|object| object.owner.clone());
        self.count_owner(change, Kind::Resources, owner(before).as_ref(), owner(after).as_ref());
        let (old, new) = (before.and_then(link), after.and_then(link));
        if old != new {
            if let Some(old) = old {
                change.delete(&OBJECT_LINKS, self.organisation, &old);
            }
            if let Some(new) = new {
                change.put(&OBJECT_LINKS, self.organisation, &new, &())?;
            }
        }
        let key = (object.resource_type.clone(), object.id);
        match after {
            Some(after) => change.put(&OBJECTS, self.organisation, &key, after)?,
            None => change.delete(&OBJECTS, self.organisation, &key),
        }
        Ok(())
    }
}

/// The key under which its owner's id finds a resource.
fn link(object: &Object) -> Option<((SourceId, String), String, ObjectId)> {
    let (owner, external_id) = (object.owner.clone()?, object.external_id.clone()?);
    Some(((owner, object.resource_type.clone()), external_id, object.id))
}

fn total_name(resource_type: &str) -> String {
    format!("objects:{resource_type}")
}

fn described(event: Event, object: &Object) -> Event {
    let named = ["displayName", "name", "userName"].iter().find_map(|name| object.attributes.0.get(*name)?.as_str());
    let name = named.or(object.external_id.as_deref()).unwrap_or_default();
    event.on("resource", object.id, name).detail("type", &object.resource_type)
}

fn check_external_id(draft: &ObjectDraft) -> Result<(), Error> {
    match &draft.external_id {
        Some(id) if id.is_empty() || id.len() > MAX_EXTERNAL_ID_BYTES => {
            let reason = format!("must have 1 to {MAX_EXTERNAL_ID_BYTES} bytes");
            Err(Error::Invalid { field: "externalId".to_owned(), reason })
        }
        _ => Ok(()),
    }
}
