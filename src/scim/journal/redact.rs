//! Blacks out what must stay secret, and cuts what is long.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::schema::{Attribute, Catalogue};

/// What stands in the place of a secret.
pub(super) const HIDDEN: &str = "•••";
/// Most bytes of a body that are kept.
const MAX_BODY: usize = 2 << 10;
/// Query parameters whose values are shown.
const SHOWN: [&str; 9] = [
    "attributes",
    "count",
    "cursor",
    "excludedattributes",
    "filter",
    "sortby",
    "sortorder",
    "startindex",
    "aadoptscim062020",
];
/// Fewest characters behind a token's prefix that are taken for a token, whole or cut.
const MIN_TOKEN: usize = 6;

/// The names of attributes whose values are never shown. Cloning shares them.
#[derive(Clone, Debug)]
pub(super) struct Secrets(Arc<[String]>);

/// What names of secrets have in them that no schema knows.
const TELLING: [&str; 4] = ["passwd", "password", "pwd", "secret"];

impl Secrets {
    /// `password`, and whatever a schema says that no answer has or that clients may write but not read.
    pub(super) fn of(catalogue: &Catalogue) -> Self {
        let mut names = vec!["password".to_owned()];
        for schema in catalogue.schemas() {
            collect(schema.attributes(), &mut names);
        }
        Self(names.into())
    }

    /// Whether an attribute path, with URN, filter and sub-attribute or without, names a secret.
    fn is_named_in(&self, path: &str) -> bool {
        let parts = path.split(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '$'));
        parts.into_iter().any(|part| {
            let part = part.to_ascii_lowercase();
            TELLING.iter().any(|fragment| part.contains(fragment))
                || self.0.iter().any(|name| name.eq_ignore_ascii_case(&part))
        })
    }

    /// Whether a text has the name of a secret anywhere in it.
    fn is_mentioned_in(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.0.iter().any(|name| text.contains(&name.to_ascii_lowercase()))
    }

    pub(super) fn object(&self, object: &Map<String, Value>) -> String {
        let mut writer = Writer { secrets: self, out: String::new() };
        writer.object(object);
        writer.end()
    }

    pub(super) fn value(&self, value: &Value) -> String {
        let mut writer = Writer { secrets: self, out: String::new() };
        writer.value(value);
        writer.end()
    }

    /// Path and query as they may be shown, decoded.
    pub(super) fn address(&self, path: &str, query: Option<&str>) -> String {
        let segments: Vec<String> = path.split('/').map(segment).collect();
        let mut shown = segments.join("/");
        for (number, (name, value)) in form_urlencoded::parse(query.unwrap_or("").as_bytes()).enumerate() {
            let is_shown = SHOWN.iter().any(|known| known.eq_ignore_ascii_case(&name));
            let value = match is_shown {
                true => self.text(&value),
                false => HIDDEN.to_owned(),
            };
            shown.push(if number == 0 { '?' } else { '&' });
            shown.push_str(&without_tokens(&name));
            shown.push('=');
            shown.push_str(&value);
        }
        shown
    }

    /// A text that may quote what a client sent: a filter, the detail of an error.
    fn text(&self, text: &str) -> String {
        if self.is_mentioned_in(text) { HIDDEN.to_owned() } else { without_tokens(text) }
    }
}

fn collect(attributes: &[Attribute], names: &mut Vec<String>) {
    for attribute in attributes {
        if attribute.is_hidden() && !names.iter().any(|name| name.eq_ignore_ascii_case(&attribute.name)) {
            names.push(attribute.name.to_string());
        }
        collect(&attribute.subs, names);
    }
}

/// A segment of a path, decoded once; one that is still coded could hide a token.
fn segment(text: &str) -> String {
    let kept = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let decoded = form_urlencoded::parse(kept.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default();
    if decoded.contains('%') { HIDDEN.to_owned() } else { without_tokens(&decoded) }
}

/// The text with every token of ours in it blacked out: `cg`, a letter, `_`, and what follows in the alphabet of tokens.
fn without_tokens(text: &str) -> String {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let lower = text.to_ascii_lowercase();
    let (mut shown, mut done) = (String::with_capacity(text.len()), 0);
    for (start, _) in lower.match_indices("cg") {
        // Within a token that is hidden already.
        let Some(before) = text.get(done..start) else { continue };
        let from = text.get(start..).unwrap_or_default();
        let is_prefix = matches!(from.as_bytes(), [_, _, kind, b'_', ..] if kind.is_ascii_alphabetic());
        if !is_prefix {
            continue;
        }
        let length = from.bytes().take_while(|byte| is_token(*byte)).count();
        if length >= 4 + MIN_TOKEN {
            shown.push_str(before);
            shown.push_str(HIDDEN);
            done = start + length;
        }
    }
    shown.push_str(text.get(done..).unwrap_or_default());
    shown
}

/// Writes JSON until there is enough of it.
struct Writer<'s> {
    secrets: &'s Secrets,
    out: String,
}

impl Writer<'_> {
    fn is_full(&self) -> bool {
        self.out.len() >= MAX_BODY
    }

    fn end(mut self) -> String {
        if self.is_full() {
            let end = (0..=MAX_BODY).rev().find(|end| self.out.is_char_boundary(*end)).unwrap_or(0);
            self.out.truncate(end);
            self.out.push('…');
        }
        self.out.shrink_to_fit();
        self.out
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Array(values) => {
                self.out.push('[');
                for (number, value) in values.iter().enumerate() {
                    if self.is_full() {
                        return;
                    }
                    if number > 0 {
                        self.out.push(',');
                    }
                    self.value(value);
                }
                self.out.push(']');
            }
            Value::Object(object) => self.object(object),
            // JSON as a text, as a client sends that encodes twice.
            Value::String(text) if text.contains('"') && self.secrets.is_mentioned_in(text) => self.string(HIDDEN),
            Value::String(text) => self.string(&without_tokens(cut(text))),
            other => self.out.push_str(&other.to_string()),
        }
    }

    fn object(&mut self, object: &Map<String, Value>) {
        // An operation of PATCH names what its `value` is for.
        let path = object.iter().find(|(key, _)| key.eq_ignore_ascii_case("path")).and_then(|(_, path)| path.as_str());
        let is_for_secret = path.is_some_and(|path| self.secrets.is_named_in(path));
        self.out.push('{');
        for (number, (key, value)) in object.iter().enumerate() {
            if self.is_full() {
                return;
            }
            if number > 0 {
                self.out.push(',');
            }
            self.string(&without_tokens(cut(key)));
            self.out.push(':');
            let is = |name: &str| key.eq_ignore_ascii_case(name);
            if self.secrets.is_named_in(key) || (is_for_secret && is("value")) {
                self.string(HIDDEN);
            } else if let (true, Some(text)) = (["filter", "path", "detail"].into_iter().any(is), value.as_str()) {
                let text = self.told(&key.to_ascii_lowercase(), cut(text));
                self.string(&text);
            } else {
                self.value(value);
            }
        }
        self.out.push('}');
    }

    /// A text with something of a client's in it. The plain name of a secret is none itself.
    fn told(&self, key: &str, text: &str) -> String {
        let quotes_nothing = !text.contains(['"', '\'', ' ']);
        if key == "path" && quotes_nothing { without_tokens(text) } else { self.secrets.text(text) }
    }

    fn string(&mut self, text: &str) {
        self.out.push_str(&Value::from(text).to_string());
    }
}

/// As much of a text as could be shown.
fn cut(text: &str) -> &str {
    let end = (0..=MAX_BODY.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TOKEN: &str = "cgs_0123456789abcdefghijklmnopqrstuvwxyzABCDEF-_x";

    fn secrets() -> Secrets {
        Secrets::of(&Catalogue::standard())
    }

    #[test]
    fn no_way_to_write_a_password_shows_it() {
        for body in [
            json!({"userName": "ada", "password": "hunter2"}),
            json!({"PassWord": {"value": "hunter2"}}),
            json!({"urn:ietf:params:scim:schemas:core:2.0:User:password": "hunter2"}),
            json!({"Operations": [{"op": "replace", "path": "password", "value": "hunter2"}]}),
            json!({"Operations": [{"op": "Replace", "VALUE": ["hunter2"], "Path": "urn:ietf:params:scim:schemas:core:2.0:User:password"}]}),
            json!({"Operations": [{"op": "add", "value": {"password": "hunter2", "title": "x"}}]}),
            json!({"Operations": [{"method": "POST", "bulkId": "1", "path": "/Users", "data": {"password": "hunter2"}}]}),
            json!({"Operations": [{"op": "add", "path": "passwords[type eq \"x\"].password", "value": "hunter2"}]}),
            json!({"filter": "password eq \"hunter2\""}),
            json!({"Operations": [{"op": "remove", "path": "password[value eq \"hunter2\"]"}]}),
            json!({"detail": "`password` must not be \"hunter2\""}),
        ] {
            let shown = secrets().value(&body);
            assert!(!shown.contains("hunter2") && shown.contains(HIDDEN), "{body} became {shown}");
        }
        let kept =
            json!({"userName": "password", "Operations": [{"op": "remove", "path": "password"}], "n": [1, null, true]});
        assert_eq!(secrets().value(&kept), kept.to_string());
    }

    #[test]
    fn tokens_are_shown_nowhere_whole_or_cut() {
        for text in
            [TOKEN, &TOKEN[..12], &TOKEN.replace("cgs", "cgp"), &format!("a {TOKEN}, b"), &format!("cgcg{TOKEN}")]
        {
            let body = secrets().value(&json!({"displayName": text, text: 1}));
            assert!(!body.contains("0123456"), "{body}");
            let coded = text.replace('_', "%5f").replace(' ', "%20");
            let twice = coded.replace('%', "%25");
            for text in [&coded, &twice] {
                let address = secrets().address(&format!("/scim/v2/Users/{text}"), Some(&format!("filter={coded}")));
                assert!(!address.contains("0123456") && address.contains(HIDDEN), "{address}");
            }
        }
        assert_eq!(without_tokens("cg cgs_ cgs_ab McGregor"), "cg cgs_ cgs_ab McGregor");
    }

    #[test]
    fn an_address_keeps_what_helps_and_no_other_parameter() {
        let shown = |query: &str| secrets().address("/scim/v2/Users", Some(query));
        assert_eq!(
            shown("filter=userName%20eq%20%22ada%22&startIndex=1&access_token=hunter2"),
            "/scim/v2/Users?filter=userName eq \"ada\"&startIndex=1&access_token=•••"
        );
        assert_eq!(shown("filter=pAssword+eq+%22hunter2%22"), "/scim/v2/Users?filter=•••");
        assert_eq!(secrets().address("/scim/v2/Users/a%2Fb+c", None), "/scim/v2/Users/a/b+c");
    }

    #[test]
    fn a_long_body_is_cut_at_a_character() {
        let long = json!({"displayName": "é".repeat(5_000), "members": vec![json!({"value": "x"}); 5_000]});
        let shown = secrets().value(&long);
        assert!(shown.len() <= MAX_BODY + '…'.len_utf8() && shown.ends_with('…'), "{}", shown.len());
        let many = secrets().value(&Value::Array(vec![json!({"value": "x"}); 5_000]));
        assert!(many.len() <= MAX_BODY + 3 && many.ends_with('…'));
    }
}
