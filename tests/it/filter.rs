//! The expression language as other modules use it.

use cleargate::filter::{Error, Filter, NoSchema, Path};
use serde_json::json;

/// The examples of RFC 7644 section 3.4.2.2, figure 2, as printed there.
#[test]
fn rfc_7644_figure_2_parses() {
    for text in [
        r#"userName Eq "john""#,
        r#"Username eq "john""#,
        r#"userName eq "bjensen""#,
        r#"name.familyName co "O'Malley""#,
        r#"userName sw "J""#,
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J""#,
        "title pr",
        r#"meta.lastModified gt "2011-05-13T04:42:34Z""#,
        r#"meta.lastModified ge "2011-05-13T04:42:34Z""#,
        r#"meta.lastModified lt "2011-05-13T04:42:34Z""#,
        r#"meta.lastModified le "2011-05-13T04:42:34Z""#,
        r#"title pr and userType eq "Employee""#,
        r#"title pr or userType eq "Intern""#,
        r#"schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User""#,
        r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
        r#"userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")"#,
        r#"userType eq "Employee" and (emails.type eq "work")"#,
        r#"userType eq "Employee" and emails[type eq "work" and value co "@example.com"]"#,
        r#"emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]"#,
    ] {
        let filter: Filter = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(filter.to_string().parse::<Filter>(), Ok(filter), "{text}");
    }
}

/// The examples of RFC 7644 section 3.5.2, after figure 7.
#[test]
fn rfc_7644_figure_7_parses() {
    for text in [
        "members",
        "name.familyName",
        r#"addresses[type eq "work"]"#,
        r#"members[value eq "2819c223-7f76-453a-919d-413861904646"]"#,
        r#"members[value eq "2819c223-7f76-453a-919d-413861904646"].displayName"#,
    ] {
        assert_eq!(text.parse::<Path>().map(|path| path.to_string()), Ok(text.to_owned()));
    }
}

#[test]
fn a_mapping_rule_reads_a_directory_record() {
    let record = json!({"groups": ["CN=Finance Analysts,OU=Groups,DC=corp,DC=example"], "department": "Finance"});
    let holds = |rule: &str| rule.parse::<Filter>().unwrap().matches(record.as_object().unwrap(), &NoSchema);
    assert!(holds(r#"groups eq "cn=finance analysts,ou=groups,dc=corp,dc=example""#));
    assert!(holds(r#"department eq "finance" and groups co "analysts""#));
    assert!(!holds(r#"groups eq "CN=Finance""#));
}

#[test]
fn nested_parentheses_cost_an_error_and_no_stack() {
    for open in ["(", "not (", "not(", "((((a pr) and "] {
        let text = open.repeat(2048 / open.len());
        assert!(matches!(text.parse::<Filter>(), Err(Error::TooDeep { .. })), "{open}");
    }
    assert_eq!("(".repeat(1 << 20).parse::<Filter>(), Err(Error::TooLong));
}
