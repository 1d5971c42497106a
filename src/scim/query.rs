//! What a list or a search asks for (RFC 7644 sections 3.4.2 and 3.4.3).

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Error;
use super::projection::Projection;
use super::schema::{Shape, Target, Type};
use super::sort::Sort;
use crate::filter::Filter;

/// Resources of one answer unless the client asks for fewer or more.
pub const DEFAULT_COUNT: usize = 100;
/// Most resources of one answer.
pub const MAX_COUNT: usize = 1000;
/// The schema of a search request.
const SEARCH_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// A request for several resources.
#[derive(Clone, Debug)]
pub struct Query {
    /// Which.
    pub filter: Option<Filter>,
    /// In which order, else that of creation.
    pub sort: Option<Sort>,
    /// Where the page begins.
    pub page: Page,
    /// How many to show, at most [`MAX_COUNT`].
    pub count: usize,
    attributes: Option<Vec<String>>,
    excluded: Option<Vec<String>>,
}

/// Where a page begins, by one of two methods that exclude each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// After what a cursor says, `None` for the first page of a walk by cursors (RFC 9865).
    Cursor(Option<String>),
    /// With the result of this number, from 1; what is asked for where neither is (RFC 7644 section 3.4.2.4).
    Index(usize),
}

impl Query {
    /// Reads the query part of an address. Parameters that are not known are passed over, the first of a name counts.
    ///
    /// # Errors
    /// `InvalidCount`, `InvalidCursor`, `InvalidFilter`, `InvalidPath`, `InvalidValue`.
    pub fn of_url(query: Option<&str>) -> Result<Self, Error> {
        let pairs: Vec<(String, String)> =
            form_urlencoded::parse(with_plain_plus(query.unwrap_or_default()).as_bytes()).into_owned().collect();
        let find =
            |name: &str| pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
        let cursor = find("cursor");
        let number = |name: &'static str| match find(name).map(str::trim).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => text.parse::<i64>().map(Some).map_err(|_| not_a_number(name, cursor)),
        };
        let names = |name: &str| find(name).map(split_names);
        Self::new(Parts {
            filter: find("filter"),
            sort_by: find("sortBy"),
            sort_order: find("sortOrder"),
            cursor,
            start: number("startIndex")?,
            count: number("count")?,
            attributes: names("attributes"),
            excluded: names("excludedAttributes"),
        })
    }

    /// Reads the body of a search.
    ///
    /// # Errors
    /// `InvalidSyntax`, and as [`Query::of_url`].
    pub fn of_body(body: &Map<String, Value>) -> Result<Self, Error> {
        let find = |name: &str| body.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let find = |name: &str| find(name).filter(|value| !value.is_null());
        let schemas = find("schemas").and_then(Value::as_array);
        let names_search = |urn: &Value| urn.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(SEARCH_SCHEMA));
        if !schemas.is_some_and(|schemas| schemas.iter().any(names_search)) {
            return Err(Error::InvalidSyntax(format!("`schemas` must list {SEARCH_SCHEMA}")));
        }
        let text = |name: &str| match find(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(Error::InvalidValue(format!("`{name}` must be a string"))),
        };
        let cursor = text("cursor")?;
        let number = |name: &'static str| match find(name) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| not_a_number(name, cursor)),
        };
        let names = |name: &str| match find(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(split_names(text))),
            Some(Value::Array(names)) => {
                let names = names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
                names.map(Some).ok_or_else(|| Error::InvalidValue(format!("`{name}` must list strings")))
            }
            Some(_) => Err(Error::InvalidValue(format!("`{name}` must list strings"))),
        };
        Self::new(Parts {
            filter: text("filter")?,
            sort_by: text("sortBy")?,
            sort_order: text("sortOrder")?,
            cursor,
            start: number("startIndex")?,
            count: number("count")?,
            attributes: names("attributes")?,
            excluded: names("excludedAttributes")?,
        })
    }

    fn new(parts: Parts<'_>) -> Result<Self, Error> {
        let filter = parts.filter.map(Filter::lenient).transpose()?;
        let descending = match parts.sort_order.unwrap_or("ascending") {
            order if order.eq_ignore_ascii_case("ascending") => false,
            order if order.eq_ignore_ascii_case("descending") => true,
            _ => return Err(Error::InvalidValue("`sortOrder` must be ascending or descending".to_owned())),
        };
        let sort = match parts.sort_by.filter(|text| !text.trim().is_empty()) {
            None => None,
            Some(text) => {
                let by = text.parse().map_err(|error| Error::InvalidPath(format!("`sortBy`: {error}")))?;
                Some(Sort { by, descending })
            }
        };
        let clamp = |number: i64, low: usize, high: usize| usize::try_from(number).unwrap_or(low).clamp(low, high);
        let (page, count) = match (parts.cursor, parts.start) {
            (Some(_), Some(_)) => {
                return Err(Error::InvalidCursor("`cursor` and `startIndex` exclude each other; send one".to_owned()));
            }
            (Some(cursor), None) => {
                let count = parts.count.map_or(Some(DEFAULT_COUNT), |count| usize::try_from(count).ok());
                let count = count.filter(|count| (1..=MAX_COUNT).contains(count)).ok_or(Error::InvalidCount)?;
                (Page::Cursor(Some(cursor.to_owned()).filter(|text| !text.is_empty())), count)
            }
            (None, start) => {
                let count = parts.count.map_or(DEFAULT_COUNT, |count| clamp(count, 0, MAX_COUNT));
                (Page::Index(start.map_or(1, |start| clamp(start, 1, usize::MAX))), count)
            }
        };
        Ok(Self { filter, sort, page, count, attributes: parts.attributes, excluded: parts.excluded })
    }

    /// What each resource shows.
    pub fn projection<'a>(&self, shape: &Shape<'a>) -> Projection<'a> {
        Projection::new(shape, self.attributes.as_deref(), self.excluded.as_deref())
    }
}

/// The query with `%2B` for each `+` that is meant as one. In a form `+` stands for a blank, but clients that write blanks
/// as `%20` leave it in the values of their filters: `userName%20eq%20%22ada+test@example.org%22`. Outside of quotes a
/// filter has none.
fn with_plain_plus(query: &str) -> Cow<'_, str> {
    if !query.contains('+') || !query.contains("%20") {
        return query.into();
    }
    let is_filter = |part: &str| {
        part.split_once('=').is_some_and(|(name, value)| {
            let text = value.replace('+', "%2B");
            let text = form_urlencoded::parse(text.as_bytes()).next().map(|(text, _)| text.into_owned());
            let outside = text.map(|text| text.replace("\\\"", "").split('"').step_by(2).collect::<String>());
            name.eq_ignore_ascii_case("filter") && outside.is_some_and(|text| !text.contains('+') && text.contains(' '))
        })
    };
    let parts = query.split('&').map(|part| if is_filter(part) { part.replace('+', "%2B") } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("&").into()
}

/// The projection of a request for one resource, whose other parameters say nothing.
pub fn projection_of_url<'a>(shape: &Shape<'a>, query: Option<&str>) -> Projection<'a> {
    let find = |name: &str| {
        form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| split_names(&value))
    };
    if query.is_none() {
        return Projection::default();
    }
    Projection::new(shape, find("attributes").as_deref(), find("excludedAttributes").as_deref())
}

struct Parts<'a> {
    filter: Option<&'a str>,
    sort_by: Option<&'a str>,
    sort_order: Option<&'a str>,
    cursor: Option<&'a str>,
    start: Option<i64>,
    count: Option<i64>,
    attributes: Option<Vec<String>>,
    excluded: Option<Vec<String>>,
}

fn split_names(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn not_a_number(name: &str, cursor: Option<&str>) -> Error {
    match cursor {
        Some(_) if name == "count" => Error::InvalidCount,
        _ => Error::InvalidValue(format!("`{name}` must be a whole number")),
    }
}

/// Checks that at least one of the shapes can evaluate each comparison: what cannot be evaluated is refused, not
/// answered with nothing.
///
/// # Errors
/// `InvalidFilter`.
pub fn check_filter(shapes: &[Shape<'_>], filter: &Filter) -> Result<(), Error> {
    filter.visit(&mut |path, comparison| {
        let target = shapes.iter().find_map(|shape| shape.resolve(path));
        let Some(Target::Attribute { attribute, sub, .. }) = target else {
            return Err(Error::InvalidFilter(format!("`{path}` is no attribute that can be searched")));
        };
        let leaf = sub.unwrap_or(attribute);
        if leaf.returned == super::schema::Returned::Never || shapes.iter().any(|shape| shape.hides(path)) {
            return Err(Error::InvalidFilter(format!("`{path}` cannot be searched")));
        }
        let Some((operator, value)) = comparison else { return Ok(()) };
        let compared = if leaf.kind == Type::Complex { leaf.sub("value") } else { Some(leaf) };
        let Some(compared) = compared else {
            return Err(Error::InvalidFilter(format!("`{path}` has no value of its own; name a sub-attribute")));
        };
        let is_ordered = !matches!(compared.kind, Type::Boolean | Type::Binary);
        if operator.is_ordering() && !is_ordered {
            return Err(Error::InvalidFilter(format!("`{path}` has no order")));
        }
        let is_comparable = match compared.kind {
            _ if value.is_null() => !operator.is_ordering(),
            Type::Boolean => match value {
                Value::Bool(_) => true,
                Value::String(text) => text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"),
                _ => false,
            },
            // Text is searched in times too; an order needs a time.
            Type::DateTime => value.as_str().is_some_and(|text| {
                use crate::filter::Operator::{Contains, EndsWith, StartsWith};
                matches!(operator, Contains | EndsWith | StartsWith) || text.parse::<crate::clock::Timestamp>().is_ok()
            }),
            Type::Decimal | Type::Integer => {
                value.is_number() || value.as_str().is_some_and(|text| text.parse::<f64>().is_ok())
            }
            Type::Binary | Type::Complex | Type::Reference | Type::String => value.is_string(),
        };
        if is_comparable {
            return Ok(());
        }
        Err(Error::InvalidFilter(format!("`{path}` is a {} and cannot be compared with {value}", compared.kind.name())))
    })
}

#[cfg(test)]
mod tests;
