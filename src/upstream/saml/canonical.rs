//! Exclusive XML Canonicalization 1.0 without comments (W3C, 18 July 2002) of one element, for enveloped signatures.
//!
//! The gate has refused document types, processing instructions and comments before, so that only elements,
//! attributes, namespaces and text remain. The output is what is hashed, and also the only thing that identity is
//! read from.

use roxmltree::{Attribute, Node};

/// What a `Transform` or `CanonicalizationMethod` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options<'a> {
    /// The prefixes of `InclusiveNamespaces`, treated as Canonical XML treats them; the default namespace is empty.
    pub(crate) inclusive_prefixes: Vec<&'a str>,
}

impl<'a> Options<'a> {
    /// Reads a `PrefixList`: prefixes separated by white space, `#default` for the default namespace.
    pub(crate) fn with_prefix_list(list: &'a str) -> Self {
        let prefix = |word: &'a str| if word == "#default" { "" } else { word };
        Self { inclusive_prefixes: list.split_ascii_whitespace().map(prefix).collect() }
    }
}

/// The canonical form of `apex` and what is in it, without the child `except`.
pub(crate) fn render(apex: Node<'_, '_>, except: Option<Node<'_, '_>>, options: &Options<'_>) -> String {
    let mut writer = Writer {
        out: String::with_capacity(apex.range().len() + 512),
        rendered: Vec::new(),
        except: except.map(|node| node.id()),
        inclusive: &options.inclusive_prefixes,
    };
    writer.element(apex);
    writer.out
}

struct Writer<'d, 'o> {
    out: String,
    /// Namespace declarations that are written on the elements around, innermost last.
    rendered: Vec<(&'d str, &'d str)>,
    except: Option<roxmltree::NodeId>,
    inclusive: &'o [&'o str],
}

impl<'d> Writer<'d, '_> {
    /// Depth is bounded by the gate, so recursion is too.
    fn element(&mut self, node: Node<'d, '_>) {
        let name = qualified_name(node);
        let outer = self.rendered.len();
        self.out.push('<');
        self.out.push_str(name);
        self.namespaces(node, name);
        self.attributes(node);
        self.out.push('>');
        for child in node.children() {
            if child.is_element() {
                if self.except != Some(child.id()) {
                    self.element(child);
                }
            } else if child.is_text() {
                escape_text(child.text().unwrap_or_default(), &mut self.out);
            }
        }
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
        self.rendered.truncate(outer);
    }

    /// Writes the namespaces that are visibly used here or listed, unless an element around wrote the same.
    fn namespaces(&mut self, node: Node<'d, '_>, name: &'d str) {
        let own = name.split_once(':').map_or("", |(prefix, _)| prefix);
        // Most elements use the prefix of their own name and no other.
        if self.inclusive.is_empty() && node.attributes().all(|attribute| attribute.namespace().is_none()) {
            return self.namespace(node, own);
        }
        let mut wanted: Vec<&'d str> = vec![own];
        wanted.extend(node.attributes().filter_map(|attribute| prefix(node, &attribute)));
        for namespace in node.namespaces().filter(|_| !self.inclusive.is_empty()) {
            let prefix = namespace.name().unwrap_or_default();
            if self.inclusive.contains(&prefix) {
                wanted.push(prefix);
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        for prefix in wanted {
            self.namespace(node, prefix);
        }
    }

    /// Writes the namespace of this prefix, unless an element around wrote the same.
    fn namespace(&mut self, node: Node<'d, '_>, prefix: &'d str) {
        if prefix == "xml" {
            return;
        }
        let lookup = if prefix.is_empty() { None } else { Some(prefix) };
        let uri = namespace_uri(node, lookup);
        let written = self.rendered.iter().rev().find(|(p, _)| *p == prefix).map_or("", |(_, uri)| uri);
        if written == uri {
            return;
        }
        self.out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
        self.out.push_str(prefix);
        self.out.push_str("=\"");
        escape_attribute(uri, &mut self.out);
        self.out.push('"');
        self.rendered.push((prefix, uri));
    }

    /// Writes the attributes by namespace and local name, those without namespace first.
    fn attributes(&mut self, node: Node<'d, '_>) {
        // Each is looked up once, and not for each comparison. No namespace is `None` and not an empty text: comparing empty texts reads
        // from an address that is none, masked out, which takes a processor fifty times as long as comparing two letters.
        let key = |attribute: Attribute<'d, 'd>| (attribute.namespace(), attribute.name(), attribute);
        let mut attributes: Vec<_> = node.attributes().map(key).collect();
        attributes.sort_unstable_by_key(|(namespace, name, _)| (*namespace, *name));
        for (_, _, attribute) in attributes {
            self.out.push(' ');
            if let Some(prefix) = prefix(node, &attribute) {
                self.out.push_str(prefix);
                self.out.push(':');
            }
            self.out.push_str(attribute.name());
            self.out.push_str("=\"");
            escape_attribute(attribute.value(), &mut self.out);
            self.out.push('"');
        }
    }
}

/// The name of an element as written, with its prefix; the tree keeps the expanded name only.
pub(crate) fn qualified_name<'d>(node: Node<'d, '_>) -> &'d str {
    let document = node.document();
    let source = document.input_text().get(node.range().start + 1..node.range().end).unwrap_or_default();
    let ends = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'/' | b'>');
    let end = source.as_bytes().iter().position(ends).unwrap_or(source.len());
    source.get(..end).unwrap_or_default()
}

/// The prefix of an attribute as written.
fn prefix<'d>(node: Node<'d, '_>, attribute: &Attribute<'d, '_>) -> Option<&'d str> {
    attribute.namespace()?;
    let source = node.document().input_text().get(attribute.range()).unwrap_or_default();
    source.split_once(':').map(|(prefix, _)| prefix)
}

fn namespace_uri<'d>(node: Node<'d, '_>, prefix: Option<&str>) -> &'d str {
    node.lookup_namespace_uri(prefix).unwrap_or_default()
}

/// Writes text as Canonical XML 1.0 section 2.3 does.
pub(crate) fn escape_text(text: &str, out: &mut String) {
    escape(text, out, |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\r' => Some("&#xD;"),
        _ => None,
    });
}

/// Writes an attribute value as Canonical XML 1.0 section 2.3 does.
pub(crate) fn escape_attribute(value: &str, out: &mut String) {
    escape(value, out, |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'"' => Some("&quot;"),
        b'\t' => Some("&#x9;"),
        b'\n' => Some("&#xA;"),
        b'\r' => Some("&#xD;"),
        _ => None,
    });
}

/// All that is replaced is ASCII, which is no part of another character in UTF-8.
fn escape(text: &str, out: &mut String, replace: impl Fn(u8) -> Option<&'static str>) {
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if let Some(with) = replace(byte) {
            out.push_str(text.get(from..at).unwrap_or_default());
            out.push_str(with);
            from = at + 1;
        }
    }
    out.push_str(text.get(from..).unwrap_or_default());
}

#[cfg(test)]
mod tests;
