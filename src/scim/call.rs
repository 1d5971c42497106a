//! A request as the handlers see it: authenticated, its body read within limits.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{Method, header};
use http_body_util::BodyExt;
use serde_json::{Map, Value};

use super::etag::Conditions;
use super::journal::Trace;
use super::projection::Projection;
use super::query;
use super::resource::Kind;
use super::schema::Catalogue;
use super::{Error, MEDIA_TYPE, Scim, json};
use crate::http::circumstance;
use crate::model::{Actor, Circumstance, SourceId};

/// A request's body.
pub enum Content {
    /// There is none.
    None,
    /// As it comes from the client.
    Raw(Body),
    /// Read already, as a part of another body.
    Read(Map<String, Value>),
}

/// A request of a connection.
pub struct Call {
    /// The connection.
    pub actor: Actor,
    /// The connection's source.
    pub source: SourceId,
    /// From where.
    pub circumstance: Circumstance,
    /// `If-Match` and `If-None-Match`.
    pub conditions: Conditions,
    /// The method.
    pub method: Method,
    /// The query part of the address.
    pub query: Option<String>,
    media_type: Option<String>,
    trace: Option<Trace>,
}

impl FromRequestParts<Arc<Scim>> for Call {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Scim>) -> Result<Self, Error> {
        let actor = parts.extensions.get::<Actor>().cloned().ok_or(Error::Unauthorized)?;
        let Actor::Connection { source, .. } = &actor else { return Err(Error::Unauthorized) };
        let media_type = parts.headers.get(header::CONTENT_TYPE);
        Ok(Self {
            source: source.clone(),
            circumstance: circumstance(parts),
            conditions: Conditions::read(&parts.headers),
            // The answer to HEAD is that to GET without its body, which the router takes off.
            method: if parts.method == Method::HEAD { Method::GET } else { parts.method.clone() },
            query: parts.uri.query().map(str::to_owned),
            media_type: media_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
            trace: parts.extensions.get().cloned(),
            actor,
        })
    }
}

impl Call {
    /// The request that an operation of this bulk request stands for: `version` is its `If-Match`, `query` the query
    /// part of its address.
    pub fn of_operation(&self, method: &Method, version: Option<&str>, query: &str) -> Self {
        Self {
            actor: self.actor.clone(),
            source: self.source.clone(),
            circumstance: self.circumstance.clone(),
            conditions: Conditions::of_version(version),
            method: method.clone(),
            query: Some(query.to_owned()),
            media_type: None,
            trace: None,
        }
    }

    /// What the answer shows of a resource.
    pub fn projection<'a>(&self, catalogue: &'a Catalogue, kind: Kind) -> Projection<'a> {
        query::projection_of_url(&catalogue.shape(kind), self.query.as_deref())
    }

    /// The request's body, a JSON object.
    ///
    /// # Errors
    /// `MediaType`, `InvalidSyntax`.
    pub async fn object(&self, body: Content) -> Result<Map<String, Value>, Error> {
        let body = match body {
            Content::None => Body::empty(),
            Content::Raw(body) => body,
            Content::Read(object) => return Ok(object),
        };
        self.check_media_type()?;
        // The route bounds the body, and answers itself when it is too large.
        let bytes = body.collect().await.map_err(|_| broke_off())?;
        self.parse(&bytes.to_bytes())
    }

    /// Checks that the request says of its body that it is JSON.
    ///
    /// # Errors
    /// `MediaType`.
    pub fn check_media_type(&self) -> Result<(), Error> {
        let Some(media_type) = &self.media_type else { return Ok(()) };
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        let is_known = essence.eq_ignore_ascii_case(MEDIA_TYPE) || essence.eq_ignore_ascii_case("application/json");
        if is_known { Ok(()) } else { Err(Error::MediaType) }
    }

    /// The object that a body is, which has been read.
    ///
    /// # Errors
    /// `InvalidSyntax`.
    pub fn parse(&self, bytes: &[u8]) -> Result<Map<String, Value>, Error> {
        let object = json::parse_object(bytes)?;
        if let Some(trace) = &self.trace {
            trace.has_body(&object);
        }
        Ok(object)
    }
}

/// The client went away before the end of its body.
pub fn broke_off() -> Error {
    Error::InvalidSyntax("the body broke off".to_owned())
}
