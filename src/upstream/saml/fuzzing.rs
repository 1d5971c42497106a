//! Ways in for fuzzing, with the feature `fuzzing` only. Each panics where something does not hold that must hold for every
//! input.

use roxmltree::{Document, Node};

use super::canonical::{self, Options};
use super::{IdpMetadata, gate, logout, signature, tree};

/// A message of a browser, as a response and as one about logout. Without a key nothing is verified. What passes the gate
/// and the table is read the same from its canonical form, which is its own canonical form.
#[expect(clippy::panic, reason = "a fuzz target tells what it found by a panic")]
pub fn message(bytes: &[u8]) {
    let Ok(text) = gate::check(bytes, gate::MESSAGE) else { return };
    let Ok(document) = tree::parse(text) else { return };
    let is_response = tree::check_response(&document).is_ok();
    let is_logout = logout::has_place(&document);
    if !is_response && !is_logout {
        return;
    }
    assert!(signature::verify(&document, &[]).is_err(), "nobody's key signs");
    assert!(signature::verify_message(&document, &[]).is_err(), "nobody's key signs");
    let canonical = canonical::render(document.root_element(), None, &Options::default());
    let again = Document::parse(&canonical).unwrap_or_else(|error| panic!("{error}: {canonical}"));
    assert_eq!(canonical::render(again.root_element(), None, &Options::default()), canonical, "not a fixed point");
    same(document.root_element(), again.root_element());
    assert!(gate::check(canonical.as_bytes(), gate::MESSAGE.allowing(canonical.len())).is_ok(), "{canonical}");
    assert_eq!(tree::check_response(&again).is_ok(), is_response, "{canonical}");
}

/// Names, attributes and text are the same, whatever declares the namespaces and wherever text is split.
fn same(one: Node<'_, '_>, other: Node<'_, '_>) {
    assert_eq!(one.tag_name(), other.tag_name());
    let attributes = |node: Node<'_, '_>| {
        let mut all: Vec<_> = node
            .attributes()
            .map(|a| (a.namespace().map(str::to_owned), a.name().to_owned(), a.value().to_owned()))
            .collect();
        all.sort();
        all
    };
    assert_eq!(attributes(one), attributes(other));
    let text =
        |node: Node<'_, '_>| node.children().filter_map(|c| c.text().filter(|_| c.is_text())).collect::<String>();
    assert_eq!(text(one), text(other));
    let elements = |node: Node<'_, '_>| node.children().filter(Node::is_element).count();
    assert_eq!(elements(one), elements(other));
    for (one, other) in one.children().filter(Node::is_element).zip(other.children().filter(Node::is_element)) {
        same(one, other);
    }
}

/// A metadata document. What is read can be read again from what is kept of it, with the same keys.
#[expect(clippy::panic, reason = "a fuzz target tells what it found by a panic")]
pub fn metadata(bytes: &[u8]) {
    let Ok(idp) = IdpMetadata::parse(bytes) else { return };
    let again = IdpMetadata::parse(idp.document().as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((again.entity_id(), again.certificates()), (idp.entity_id(), idp.certificates()));
}
