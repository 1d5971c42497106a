//! What the server offers (RFC 7644 section 4): the same for everybody, made from the tables.

use serde_json::{Map, Value, json};

use super::Error;
use super::query::MAX_COUNT;
use super::resource::Kind;
use super::schema::{self, Schema};

/// The schema of a list.
pub const LIST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// `GET /ServiceProviderConfig` (RFC 7643 section 5). Every field is there, also of what is not offered: some clients
/// do not read the document otherwise.
pub fn service_provider_config(base: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": MAX_COUNT},
        "changePassword": {"supported": false},
        "sort": {"supported": true},
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token made for the connection, in the header Authorization",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base}/ServiceProviderConfig"),
        },
    })
}

/// `GET /Schemas`.
pub fn schemas(base: &str) -> Value {
    list(all_schemas().map(|schema| schema_resource(base, schema)).collect())
}

/// `GET /Schemas/{id}`.
///
/// # Errors
/// `NotFound`.
pub fn schema(base: &str, id: &str) -> Result<Value, Error> {
    all_schemas().find(|schema| schema.is(id)).map(|schema| schema_resource(base, schema)).ok_or(Error::NotFound)
}

/// `GET /ResourceTypes`.
pub fn resource_types(base: &str) -> Value {
    list(Kind::ALL.into_iter().map(|kind| resource_type_resource(base, kind)).collect())
}

/// `GET /ResourceTypes/{name}`.
///
/// # Errors
/// `NotFound`.
pub fn resource_type(base: &str, name: &str) -> Result<Value, Error> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name));
    kind.map(|kind| resource_type_resource(base, kind)).ok_or(Error::NotFound)
}

fn all_schemas() -> impl Iterator<Item = &'static Schema> {
    Kind::ALL.into_iter().flat_map(|kind| {
        let shape = kind.shape();
        std::iter::once(shape.core).chain(shape.extensions.iter().copied())
    })
}

fn schema_resource(base: &str, schema: &Schema) -> Value {
    let mut resource: Map<String, Value> = schema::describe(schema);
    let meta = json!({"resourceType": "Schema", "location": format!("{base}/Schemas/{}", schema.id)});
    resource.insert("meta".to_owned(), meta);
    Value::Object(resource)
}

fn resource_type_resource(base: &str, kind: Kind) -> Value {
    let shape = kind.shape();
    let extensions: Vec<Value> =
        shape.extensions.iter().map(|schema| json!({"schema": schema.id, "required": false})).collect();
    let mut resource = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": kind.name(),
        "name": kind.name(),
        "endpoint": format!("/{}", kind.endpoint()),
        "description": shape.core.description,
        "schema": shape.core.id,
        "meta": {"resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{}", kind.name())},
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
