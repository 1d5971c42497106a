//! Writing resources of configured types (RFC 7644 sections 3.3, 3.5 and 3.6).

use serde_json::{Map, Value};

use super::body::Manner;
use super::call::Call;
use super::read::{Record, Rows};
use super::resource::{Kind, object};
use super::routes::{Answered, Created};
use super::{Error, Scim, body, patch};
use crate::directory::ObjectDraft;
use crate::model::Object;

impl Scim {
    /// `POST /{endpoint}`.
    pub(super) async fn create_object(
        &self,
        call: &Call,
        kind: Kind,
        body: &Map<String, Value>,
    ) -> Result<Created, Error> {
        let permit = self.permit(call).await?;
        let draft = object::draft_of(body::resource(&self.catalogue.shape(kind), body)?);
        let created = self.directory.create_object(&permit, &self.catalogue.of(kind).name, &draft).await?;
        self.answered(call, Record::Object(kind, created), Rows::None).await.map(Created)
    }

    /// `PUT /{endpoint}/{id}`.
    pub(super) async fn replace_object(
        &self,
        call: &Call,
        kind: Kind,
        id: &str,
        body: &Map<String, Value>,
    ) -> Result<Answered, Error> {
        let shape = self.catalogue.shape(kind);
        let resource = body::canonical(&shape, body)?;
        let change = |before: &Object, draft: &mut ObjectDraft| {
            let before = object::canonical(before, &call.source);
            *draft = object::draft_of(body::settle(&shape, &before, resource.clone(), Manner::Put)?);
            Ok(())
        };
        self.change_object(call, kind, id, change).await
    }

    /// `PATCH /{endpoint}/{id}`.
    pub(super) async fn patch_object(
        &self,
        call: &Call,
        kind: Kind,
        id: &str,
        body: &Map<String, Value>,
    ) -> Result<Answered, Error> {
        let shape = self.catalogue.shape(kind);
        let steps = patch::parse(&shape, body)?;
        let change = |before: &Object, draft: &mut ObjectDraft| {
            *draft = object::draft_of(patch::apply(&shape, &object::canonical(before, &call.source), &steps)?);
            Ok(())
        };
        self.change_object(call, kind, id, change).await
    }

    async fn change_object(
        &self,
        call: &Call,
        kind: Kind,
        id: &str,
        edit: impl Fn(&Object, &mut ObjectDraft) -> Result<(), Error> + Sync,
    ) -> Result<Answered, Error> {
        let permit = self.permit(call).await?;
        let (name, object) = (&*self.catalogue.of(kind).name, id.parse().map_err(|_| Error::NotFound)?);
        let write = |revision| self.directory.change_object(&permit, (name, object), revision, &edit);
        let object = self.conditionally(call, kind, id, write).await?;
        self.answered(call, Record::Object(kind, object), Rows::None).await
    }

    /// `DELETE /{endpoint}/{id}`.
    pub(super) async fn delete_object(&self, call: &Call, kind: Kind, id: &str) -> Result<(), Error> {
        let permit = self.permit(call).await?;
        let (directory, permit, name) = (&self.directory, &permit, &*self.catalogue.of(kind).name);
        let object = id.parse().map_err(|_| Error::NotFound)?;
        let write = |revision| async move { Ok(directory.delete_object(permit, (name, object), revision).await?) };
        self.conditionally(call, kind, id, write).await
    }
}
