use roxmltree::Document;

use super::*;

/// Canonicalizes the element with attribute `apex`, without the element with attribute `cut`.
fn check(source: &str, prefix_list: &str, expected: &str) {
    let document = Document::parse(source).expect("XML");
    let marked = |mark: &str| document.descendants().find(|node| node.has_attribute(mark));
    let apex = marked("apex").unwrap_or_else(|| document.root_element());
    assert_eq!(render(apex, marked("cut"), &Options::with_prefix_list(prefix_list)), expected, "{source}");
}

#[test]
fn namespaces_are_written_where_they_are_first_used() {
    check(
        "<a:r xmlns:a='urn:a' xmlns:b='urn:b' xmlns:c='urn:c'><b:x c:y='1'/><b:z/></a:r>",
        "",
        "<a:r xmlns:a=\"urn:a\"><b:x xmlns:b=\"urn:b\" xmlns:c=\"urn:c\" c:y=\"1\"></b:x><b:z xmlns:b=\"urn:b\"></b:z></a:r>",
    );
    check(
        "<r xmlns='urn:a' xmlns:b='urn:b'><b:e apex='1'><x/><b:f xmlns:b='urn:c'><b:g/></b:f></b:e></r>",
        "",
        "<b:e xmlns:b=\"urn:b\" apex=\"1\"><x xmlns=\"urn:a\"></x><b:f xmlns:b=\"urn:c\"><b:g></b:g></b:f></b:e>",
    );
}

#[test]
fn listed_prefixes_are_written_at_the_top() {
    let source = "<r xmlns='urn:d' xmlns:x='urn:x' xmlns:y='urn:y'><y:e xmlns:y='urn:y' apex='1'><y:f/></y:e></r>";
    check(source, "", "<y:e xmlns:y=\"urn:y\" apex=\"1\"><y:f></y:f></y:e>");
    check(source, "x", "<y:e xmlns:x=\"urn:x\" xmlns:y=\"urn:y\" apex=\"1\"><y:f></y:f></y:e>");
    check(
        source,
        " x\t#default unknown ",
        "<y:e xmlns=\"urn:d\" xmlns:x=\"urn:x\" xmlns:y=\"urn:y\" apex=\"1\"><y:f></y:f></y:e>",
    );
}

#[test]
fn an_undeclared_default_namespace_is_undeclared_again() {
    check("<a xmlns='urn:a'><b xmlns=''><c/></b></a>", "", "<a xmlns=\"urn:a\"><b xmlns=\"\"><c></c></b></a>");
}

#[test]
fn attributes_are_ordered_by_namespace_and_name() {
    check(
        "<a xmlns:p='urn:z' xmlns:q='urn:b' p:a='1' q:z='2' q:a='3' b='4' a='5' xml:lang='en'/>",
        "",
        "<a xmlns:p=\"urn:z\" xmlns:q=\"urn:b\" a=\"5\" b=\"4\" xml:lang=\"en\" q:a=\"3\" q:z=\"2\" p:a=\"1\"></a>",
    );
}

#[test]
fn text_and_values_are_escaped_as_canonical_xml_says() {
    check("<a>x &amp; y &lt; z > &#13; \r\n \" '</a>", "", "<a>x &amp; y &lt; z &gt; &#xD; \n \" '</a>");
    check(
        "<a b='&quot; &#39; &lt; &gt; &amp; &#9;&#10;&#13; \r\n\t'/>",
        "",
        "<a b=\"&quot; ' &lt; > &amp; &#x9;&#xA;&#xD;   \"></a>",
    );
    check("<a>é 李 \u{1f980}</a>", "", "<a>é 李 \u{1f980}</a>");
}

#[test]
fn what_is_cut_leaves_the_white_space_around_it() {
    check("<a> <b cut='1'><c/></b> <d/></a>", "", "<a>  <d></d></a>");
}

#[test]
fn canonical_text_is_its_own_canonical_form() {
    let source = "<a:r xmlns:a='urn:a' xmlns='urn:d'>&#13;<b x='&#10;'/><a:c xmlns:a='urn:b' a:x='1'/></a:r>";
    let once = render(Document::parse(source).expect("XML").root_element(), None, &Options::default());
    let twice = render(Document::parse(&once).expect("XML").root_element(), None, &Options::default());
    assert_eq!(once, twice);
}
