//! Writing users (RFC 7644 sections 3.3, 3.5 and 3.6).

use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::body::Manner;
use super::call::Call;
use super::etag::{Conditions, Version};
use super::password;
use super::projection::Projection;
use super::read::{Record, Related, Rows};
use super::render::Renderer;
use super::resource::Kind;
use super::resource::user::{self, Silence};
use super::routes::{Answered, Created, not_modified};
use super::{Error, Scim, body, patch};
use crate::access::{self, NewGrant, Overlay, RuleGrant, SeatClaim};
use crate::directory::{self, SourceRecord, rule_record};
use crate::model::{SourceId, Status, Subject, User, UserId};
use crate::secret::Secret;

/// How often a write with conditions is tried again that others overtook.
const MAX_OVERTAKEN: usize = 64;

impl Scim {
    /// `POST /Users`.
    pub(super) async fn create_user(&self, call: &Call, body: &Map<String, Value>) -> Result<Created, Error> {
        let permit = self.permit(call).await?;
        let mut resource = body::resource(&self.catalogue.shape(Kind::User), body)?;
        let password = password::take(&mut resource);
        let record = user::record(resource, Silence::Keeps)?;
        user::check_name(&record, None)?;
        let prepared = self.prepare(call, password).await?;
        let _seats = self.claim_seat(call, None, &record).await?;
        let user = self.write_new(&permit, &record, prepared.as_ref()).await?;
        // Nobody can have put a user into a group before it existed.
        self.answered(call, Record::User(user), Rows::None).await.map(Created)
    }

    /// `PUT /Users/{id}`. Read-only attributes in the body are passed over; without `active` the user stays enabled or
    /// disabled.
    pub(super) async fn replace_user(
        &self,
        call: &Call,
        id: &str,
        body: &Map<String, Value>,
    ) -> Result<Answered, Error> {
        let shape = self.catalogue.shape(Kind::User);
        let mut resource = body::canonical(&shape, body)?;
        let password = password::take(&mut resource);
        let change = |known: &User, draft: &mut crate::directory::SourceRecord| {
            let before = user::canonical(known, &call.source);
            *draft = user::record(body::settle(&shape, &before, resource.clone(), Manner::Put)?, Silence::Keeps)?;
            user::check_name(draft, Some(known))
        };
        self.change_user(call, id, password, change).await
    }

    /// `PATCH /Users/{id}`: answered with the user, which every client takes.
    pub(super) async fn patch_user(&self, call: &Call, id: &str, body: &Map<String, Value>) -> Result<Answered, Error> {
        let shape = self.catalogue.shape(Kind::User);
        let (steps, password) = patch::password(patch::parse(&shape, body)?)?;
        let change = |before: &User, draft: &mut crate::directory::SourceRecord| {
            let after = patch::apply(&shape, &user::canonical(before, &call.source), &steps)?;
            *draft = user::record(after, Silence::Disables)?;
            user::check_name(draft, Some(before))
        };
        self.change_user(call, id, password, change).await
    }

    async fn change_user(
        &self,
        call: &Call,
        id: &str,
        password: Option<Secret>,
        edit: impl Fn(&User, &mut crate::directory::SourceRecord) -> Result<(), Error> + Sync,
    ) -> Result<Answered, Error> {
        let permit = self.permit(call).await?;
        let user = id.parse().map_err(|_| Error::NotFound)?;
        // What the request's conditions refuse is refused before anything is made ready for it.
        self.expected_revision(call, Kind::User, id).await?;
        let prepared = self.prepare(call, password).await?;
        let _seats = match self.directory.find_user(user).await?.filter(|user| user.status != Status::Active) {
            Some(user) => {
                let mut draft = SourceRecord {
                    external_id: user.external_id(&call.source).map(str::to_owned),
                    user_name: user.user_name.clone(),
                    active: None,
                    attributes: user.attributes.clone(),
                };
                edit(&user, &mut draft)?;
                self.claim_seat(call, Some(&user), &draft).await?
            }
            None => None,
        };
        let write = |revision| self.write_known(&permit, (user, revision), &edit, prepared.as_ref());
        let user = self.conditionally(call, Kind::User, id, write).await?;
        let rows = Rows::shown(&call.projection(&self.catalogue, Kind::User), Kind::User);
        self.answered(call, Record::User(user), rows).await
    }

    /// Refuses an account that becomes active and takes a seat where none is left. What is returned is kept until it is
    /// written.
    async fn claim_seat(
        &self,
        call: &Call,
        user: Option<&User>,
        record: &SourceRecord,
    ) -> Result<Option<SeatClaim>, Error> {
        let is_active = record.active.unwrap_or(user.is_none());
        if !is_active {
            return Ok(None);
        }
        let overlay = match user {
            Some(user) => Overlay { status: vec![(user.id, Some(Status::Active))], ..Overlay::default() },
            None => {
                let nobody = UserId::from_bytes([0; 16]);
                let known = rule_record(&record.attributes, &record.user_name, std::iter::empty());
                let given = self.directory.rules().wanted(&call.source, &known);
                let grant = |rule: RuleGrant| {
                    NewGrant { scope: rule.scope, ..NewGrant::new(Subject::User(nobody), rule.role) }.imagined()
                };
                let status = vec![(nobody, Some(Status::Active))];
                Overlay { given: given.into_iter().map(grant).collect(), status, ..Overlay::default() }
            }
        };
        self.access.claim_seats(&overlay).await.map_err(|error| match error {
            access::Error::SeatLimit { detail } => Error::SeatLimit(detail),
            access::Error::Store(error) => directory::Error::Store(error).into(),
            _ => Error::Unavailable,
        })
    }

    /// `DELETE /Users/{id}`.
    pub(super) async fn delete_user(&self, call: &Call, id: &str) -> Result<(), Error> {
        let permit = self.permit(call).await?;
        let (directory, permit, user) = (&self.directory, &permit, id.parse().map_err(|_| Error::NotFound)?);
        let write = |revision| async move { Ok(directory.delete_user(permit, user, revision).await?) };
        self.conditionally(call, Kind::User, id, write).await
    }

    /// Does a write that must find the revision which it is told, where the request has conditions. Who writes meanwhile
    /// makes no condition fail that the new revision meets as well: `*` is every one (RFC 9110 section 13.1.1).
    pub(super) async fn conditionally<T, F: Future<Output = Result<T, Error>>>(
        &self,
        call: &Call,
        kind: Kind,
        id: &str,
        write: impl Fn(Option<u64>) -> F,
    ) -> Result<T, Error> {
        let mut revision = self.expected_revision(call, kind, id).await?;
        for _ in 0..MAX_OVERTAKEN {
            match write(revision).await {
                Err(Error::Directory(directory::Error::Revision { current })) => {
                    call.conditions.check_write(current)?;
                    revision = Some(current);
                }
                answer => return answer,
            }
        }
        Err(Error::Unavailable)
    }

    /// The revision that a conditional request expects, `None` for one without conditions.
    async fn expected_revision(&self, call: &Call, kind: Kind, id: &str) -> Result<Option<u64>, Error> {
        if call.conditions.are_empty() {
            return Ok(None);
        }
        let revision = self.load(kind, id).await?.revision();
        call.conditions.check_write(revision)?;
        Ok(Some(revision))
    }

    /// A record as the answer to a write.
    pub(super) async fn answered(&self, call: &Call, record: Record, rows: Rows) -> Result<Answered, Error> {
        let kind = record.kind();
        let projection = call.projection(&self.catalogue, kind);
        let related = self.related_to(&record, &rows).await?;
        let version = Version::new(record.revision()).with_groups(related.groups());
        let renderer = self.renderer(&call.source, kind, &projection);
        self.written(renderer, &record, &related, version)
    }

    /// A record as the answer to a read, or that whoever reads has this picture of it already: then it is not written.
    pub(super) async fn shown(
        &self,
        renderer: Renderer<'_>,
        record: &Record,
        conditions: &Conditions,
    ) -> Result<Response, Error> {
        let rows = Rows::shown(renderer.projection, record.kind());
        let mut version = Version::new(record.revision());
        // The version of a user who is shown with groups is known when these are read, that of everything else before.
        let is_known = record.kind() != Kind::User || matches!(rows, Rows::None);
        if is_known && conditions.know(version) {
            return Ok(not_modified(version));
        }
        let related = self.related_to(record, &rows).await?;
        version = version.with_groups(related.groups());
        if conditions.know(version) {
            return Ok(not_modified(version));
        }
        Ok(self.written(renderer, record, &related, version)?.into_response())
    }

    async fn related_to(&self, record: &Record, rows: &Rows) -> Result<Related, Error> {
        Ok(self.related(std::slice::from_ref(record), rows).await?.pop().unwrap_or(Related::Nothing))
    }

    fn written(
        &self,
        renderer: Renderer<'_>,
        record: &Record,
        related: &Related,
        version: Version,
    ) -> Result<Answered, Error> {
        let location = self.place().location(record.kind(), &record.id());
        Ok(Answered { body: renderer.bytes(record, related, version)?, location, version })
    }

    /// What writes resources of a kind for an answer.
    pub(super) fn renderer<'a>(
        &'a self,
        source: &'a SourceId,
        kind: Kind,
        projection: &'a Projection<'a>,
    ) -> Renderer<'a> {
        Renderer { place: self.place(), shape: self.catalogue.shape(kind), source: Some(source), projection }
    }
}
