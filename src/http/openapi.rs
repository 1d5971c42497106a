//! Descriptions of routes, and the OpenAPI 3.1 document made from them.
//!
//! A surface has one [`Operation`] for each row of its table; a test compares the two. Shapes are written as one line:
//!
//! ```text
//! id:id name:text description:text? parent?:text tags:[text] owner:User
//! ```
//!
//! Each word is a member and its type. `name?` may be absent, `type?` may be null, `[type]` is a list, a capital letter
//! names a shape of the document. Types are `any`, `count`, `decimal`, `flag`, `id`, `object`, `text` and `time`.

use std::collections::BTreeMap;

use ::http::Method;
use serde_json::{Map, Value, json};

/// One route, described for people and programs.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The method.
    pub method: Method,
    /// The path, as in the table of routes.
    pub path: &'static str,
    summary: &'static str,
    needs: &'static str,
    is_public: bool,
    query: Vec<(&'static str, &'static str)>,
    body: Option<Value>,
    body_kind: &'static str,
    answers: BTreeMap<u16, Value>,
    answer_kind: &'static str,
    also: Vec<(u16, &'static str)>,
}

/// The type of bodies and answers that are not told to be of another one.
const JSON: &str = "application/json";

/// What an answer other than a good one means.
const PROBLEMS: [(u16, &str); 14] = [
    (400, "The request cannot be read"),
    (401, "No credentials, or none that are good"),
    (403, "Not permitted"),
    (404, "There is no such thing"),
    (405, "This method is not served here"),
    (408, "The body did not arrive in time"),
    (409, "Something is in the way"),
    (412, "It has changed meanwhile"),
    (413, "The body is too large"),
    (415, "The body is coded"),
    (422, "A field is not acceptable"),
    (429, "Too many requests"),
    (431, "The header is too large"),
    (503, "Not available at the moment; try again"),
];

impl Operation {
    /// A route that answers nobody in particular yet; `summary` is a clause for people.
    pub const fn new(method: Method, path: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            path,
            summary,
            needs: "",
            is_public: false,
            query: Vec::new(),
            body: None,
            body_kind: JSON,
            answers: BTreeMap::new(),
            answer_kind: JSON,
            also: Vec::new(),
        }
    }

    /// A route of this method.
    pub const fn get(path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::GET, path, summary)
    }

    /// A route of this method.
    pub const fn post(path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::POST, path, summary)
    }

    /// A route of this method.
    pub const fn patch(path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::PATCH, path, summary)
    }

    /// A route of this method.
    pub const fn put(path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::PUT, path, summary)
    }

    /// A route of this method.
    pub const fn delete(path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::DELETE, path, summary)
    }

    /// The permission that it takes, as a phrase.
    #[must_use]
    pub const fn needs(mut self, needs: &'static str) -> Self {
        self.needs = needs;
        self
    }

    /// Anybody may ask, also without credentials.
    #[must_use]
    pub const fn public(mut self) -> Self {
        self.is_public = true;
        self
    }

    /// A parameter of the query that may be left out; `kind` as in shapes.
    #[must_use]
    pub fn query(mut self, name: &'static str, kind: &'static str) -> Self {
        self.query.push((name, kind));
        self
    }

    /// Takes a body of this shape.
    #[must_use]
    pub fn takes(mut self, line: &str) -> Self {
        let mut shape = shape(line);
        // What is not known is refused.
        if let Some(members) = shape.as_object_mut().filter(|members| members.contains_key("properties")) {
            members.insert("additionalProperties".to_owned(), false.into());
        }
        self.body = Some(shape);
        self
    }

    /// Takes a body of this schema.
    #[must_use]
    pub fn takes_schema(mut self, schema: Value) -> Self {
        self.body = Some(schema);
        self
    }

    /// Takes bytes of this media type.
    #[must_use]
    pub fn takes_bytes(mut self, kind: &'static str) -> Self {
        self.body = Some(json!({"type": "string", "format": "binary"}));
        self.body_kind = kind;
        self
    }

    /// Answers with bytes of this media type.
    #[must_use]
    pub fn answers_bytes(mut self, status: u16, kind: &'static str) -> Self {
        self.answers.insert(status, json!({"type": "string"}));
        self.answer_kind = kind;
        self
    }

    /// Answers with text of this media type instead, where that is asked for.
    #[must_use]
    pub fn also_answers(mut self, status: u16, kind: &'static str) -> Self {
        self.also.push((status, kind));
        self
    }

    /// Answers so with a shape.
    #[must_use]
    pub fn answers(mut self, status: u16, line: &str) -> Self {
        self.answers.insert(status, shape(line));
        self
    }

    /// Answers so with a schema.
    #[must_use]
    pub fn answers_schema(mut self, status: u16, schema: Value) -> Self {
        self.answers.insert(status, schema);
        self
    }

    /// Answers with a page of items of this shape, and takes `limit` and `cursor`.
    #[must_use]
    pub fn lists(mut self, line: &str) -> Self {
        let items = json!({"type": "array", "items": shape(line)});
        let next = json!({"type": ["string", "null"]});
        let page =
            json!({"type": "object", "required": ["items", "next"], "properties": {"items": items, "next": next}});
        self.answers.insert(200, page);
        self.query("limit", "count").query("cursor", "text")
    }

    /// `get_users_user`.
    fn id(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let path = self.path.trim_start_matches("/api/v1").trim_matches('/');
        let path: String = path.chars().filter(|c| !"{}".contains(*c)).map(plain).collect();
        format!("{}_{path}", self.method.as_str().to_ascii_lowercase())
    }

    /// The names of the path's parameters.
    fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
    }

    fn describe(&self) -> Value {
        let in_path = self.parameters().map(|name| {
            let schema = json!({"type": "string", "minLength": 1});
            json!({"name": name, "in": "path", "required": true, "schema": schema})
        });
        let in_query =
            self.query.iter().map(|(name, kind)| json!({"name": name, "in": "query", "schema": schema_of(kind)}));
        let mut responses = Map::new();
        for (status, schema) in &self.answers {
            let mut content = Map::new();
            content.insert(self.answer_kind.to_owned(), json!({"schema": schema}));
            for (_, kind) in self.also.iter().filter(|(of, _)| of == status) {
                content.insert((*kind).to_owned(), json!({"schema": {"type": "string"}}));
            }
            responses.insert(status.to_string(), json!({"description": "Done", "content": content}));
        }
        for (status, _) in PROBLEMS.iter().filter(|(status, _)| !self.answers.contains_key(status)) {
            let reference = format!("#/components/responses/{status}");
            responses.insert(status.to_string(), json!({"$ref": reference}));
        }
        let mut told = json!({
            "operationId": self.id(),
            "summary": self.summary,
            "tags": [self.tag()],
            "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
            "responses": responses,
        });
        if let Some(members) = told.as_object_mut() {
            if !self.needs.is_empty() {
                members.insert("description".to_owned(), format!("Needs {}.", self.needs).into());
                members.insert("x-permission".to_owned(), self.needs.into());
            }
            if self.is_public {
                members.insert("security".to_owned(), json!([]));
            }
            if let Some(schema) = &self.body {
                let content = json!({self.body_kind: {"schema": schema}});
                let required = schema.get("required").and_then(Value::as_array).is_some_and(|names| !names.is_empty());
                members.insert("requestBody".to_owned(), json!({"required": required, "content": content}));
            }
        }
        told
    }

    /// The first word of the path that says what it is about.
    fn tag(&self) -> &'static str {
        let path = self.path.strip_prefix("/api/v1/").or(self.path.strip_prefix("/access/v1/")).unwrap_or(self.path);
        path.trim_start_matches('/').split('/').next().unwrap_or("")
    }
}

/// The document of these operations; `shapes` are the named ones, each a line or a whole schema.
pub fn document(title: &str, server: &str, operations: &[Operation], shapes: Vec<(&str, Value)>) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(operation.method.as_str().to_ascii_lowercase(), operation.describe());
        }
    }
    let mut schemas: Map<String, Value> = shapes.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect();
    schemas.insert(
        "Problem".to_owned(),
        shape("type:text title:text status:count detail:text field?:text errors?:[any] request_id?:text contact?:text"),
    );
    let responses: Map<String, Value> = PROBLEMS
        .iter()
        .map(|(status, description)| {
            let schema = json!({"$ref": "#/components/schemas/Problem"});
            let content = json!({"application/problem+json": {"schema": schema}});
            (status.to_string(), json!({"description": description, "content": content}))
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {"title": title, "version": env!("CARGO_PKG_VERSION")},
        "servers": [{"url": server}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-cleargate"},
            },
        },
    })
}

/// The schema of a shape: one line of members, or the name of another shape.
pub fn shape(line: &str) -> Value {
    if !line.contains(':') && line.starts_with(|c: char| c.is_ascii_uppercase()) {
        return schema_of(line);
    }
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for word in line.split_whitespace() {
        let Some((name, kind)) = word.split_once(':') else { continue };
        let plain = name.trim_end_matches('?');
        if plain == name {
            required.push(Value::from(name));
        }
        properties.insert(plain.to_owned(), schema_of(kind));
    }
    json!({"type": "object", "required": required, "properties": properties})
}

/// The schema of one type.
fn schema_of(kind: &str) -> Value {
    if let Some(kind) = kind.strip_suffix('?') {
        let schema = schema_of(kind);
        return json!({"anyOf": [schema, {"type": "null"}]});
    }
    if let Some(kind) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
        return json!({"type": "array", "items": schema_of(kind)});
    }
    match kind {
        "any" => json!({}),
        "count" => json!({"type": "integer", "minimum": 0}),
        "decimal" => json!({"type": "number"}),
        "flag" => json!({"type": "boolean"}),
        "id" => json!({"type": "string", "format": "uuid"}),
        "object" => json!({"type": "object"}),
        "time" => json!({"type": "string", "format": "date-time"}),
        name if name.starts_with(|c: char| c.is_ascii_uppercase()) => {
            json!({"$ref": format!("#/components/schemas/{name}")})
        }
        _ => json!({"type": "string"}),
    }
}

#[cfg(test)]
mod tests;
