//! What the server offers (RFC 7644 section 4), made from the tables: the same for everybody, but that some connections
//! set passwords, and have rates of their own.

use serde_json::{Map, Value, json};

use super::query::{DEFAULT_COUNT, MAX_COUNT};
use super::resource::Place;
use super::schema::{self, Catalogue, Extension, ResourceType, Schema};
use super::{Error, bulk, cursor};

/// The schema of a list.
pub const LIST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// `GET /ServiceProviderConfig` (RFC 7643 section 5). Every field is there, also of what is not offered: some clients
/// do not read the document otherwise.
pub fn service_provider_config(base: &str, sets_passwords: bool, most_operations: usize) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {
            "supported": true,
            "maxOperations": most_operations,
            "maxPayloadSize": bulk::MAX_BODY_BYTES,
        },
        "filter": {"supported": true, "maxResults": MAX_COUNT},
        "pagination": {
            "cursor": true,
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": DEFAULT_COUNT,
            "maxPageSize": MAX_COUNT,
            "cursorTimeout": cursor::TIMEOUT.as_secs(),
        },
        "changePassword": {"supported": sets_passwords},
        "sort": {"supported": true},
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token made for the connection, in the header Authorization",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
            "primary": true,
        }, {
            "type": "oauth2",
            "name": "OAuth 2 client credentials",
            "description": "An access token for a client of the connection, from /oauth2/token",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6749",
            "primary": false,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base}/ServiceProviderConfig"),
        },
    })
}

/// `GET /Schemas`.
pub fn schemas(place: Place<'_>) -> Value {
    list(place.catalogue.schemas().into_iter().map(|schema| schema_resource(place, schema)).collect())
}

/// `GET /Schemas/{id}`.
///
/// # Errors
/// `NotFound`.
pub fn schema(place: Place<'_>, id: &str) -> Result<Value, Error> {
    let found = place.catalogue.schemas().into_iter().find(|schema| schema.is(id));
    found.map(|schema| schema_resource(place, schema)).ok_or(Error::NotFound)
}

/// `GET /ResourceTypes`.
pub fn resource_types(place: Place<'_>) -> Value {
    list(every(place.catalogue).map(|of| resource_type_resource(place, of)).collect())
}

/// `GET /ResourceTypes/{name}`.
///
/// # Errors
/// `NotFound`.
pub fn resource_type(place: Place<'_>, name: &str) -> Result<Value, Error> {
    let found = every(place.catalogue).find(|of| of.name.eq_ignore_ascii_case(name));
    found.map(|of| resource_type_resource(place, of)).ok_or(Error::NotFound)
}

fn every(catalogue: &Catalogue) -> impl Iterator<Item = &ResourceType> {
    catalogue.kinds().map(|kind| catalogue.of(kind))
}

fn schema_resource(place: Place<'_>, schema: &Schema) -> Value {
    let mut resource: Map<String, Value> = schema::describe(schema);
    let meta = json!({"resourceType": "Schema", "location": format!("{}/Schemas/{}", place.base, schema.id)});
    resource.insert("meta".to_owned(), meta);
    Value::Object(resource)
}

fn resource_type_resource(place: Place<'_>, of: &ResourceType) -> Value {
    let extension = |extension: &Extension| json!({"schema": extension.schema.id, "required": extension.required});
    let extensions: Vec<Value> = of.extensions.iter().map(extension).collect();
    let mut resource = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": of.name,
        "name": of.name,
        "endpoint": format!("/{}", of.endpoint),
        "description": of.description,
        "schema": of.core.id,
        "meta": {"resourceType": "ResourceType", "location": format!("{}/ResourceTypes/{}", place.base, of.name)},
    });
    if let Some(map) = resource.as_object_mut().filter(|_| !extensions.is_empty()) {
        map.insert("schemaExtensions".to_owned(), Value::Array(extensions));
    }
    resource
}

fn list(resources: Vec<Value>) -> Value {
    json!({
        "schemas": [LIST_SCHEMA],
        "totalResults": resources.len(),
        "startIndex": 1,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}
