//! Conditions of mapping rules that name groups by their DN, which has many spellings.

use crate::filter::{Filter, Operator};
use crate::ldap::Dn;
use crate::model::Value;

/// The condition with every group that it names by DN also named in the one spelling in which this module keeps DNs, so
/// that case, blanks and escapes do not decide. Names that are no DNs stay as they are.
#[must_use]
pub fn fold_names(when: Filter) -> Filter {
    match when {
        Filter::And(parts) => Filter::And(parts.into_iter().map(fold_names).collect()),
        Filter::Or(parts) => Filter::Or(parts.into_iter().map(fold_names).collect()),
        Filter::Not(part) => Filter::Not(Box::new(fold_names(*part))),
        Filter::Compare { path, operator: Operator::Equal, value } if path.is("groups") => {
            let folded = value.as_str().and_then(folded);
            let also = folded.map(|name| Filter::Compare {
                path: path.clone(),
                operator: Operator::Equal,
                value: Value::String(name),
            });
            let given = Filter::Compare { path, operator: Operator::Equal, value };
            match also {
                Some(also) if also != given => Filter::Or(vec![given, also]),
                _ => given,
            }
        }
        other => other,
    }
}

fn folded(text: &str) -> Option<String> {
    let dn: Dn = text.parse().ok().filter(|dn: &Dn| !dn.is_root())?;
    Some(dn.folded())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(when: &str, expected: &str) {
        let folded = fold_names(when.parse().unwrap());
        assert_eq!(folded, expected.parse().unwrap(), "{when}");
    }

    #[test]
    fn only_names_of_groups_that_are_dns_gain_a_spelling() {
        check("groups eq \"Finance\"", "groups eq \"Finance\"");
        check("title eq \"CN=Finance, DC=x\"", "title eq \"CN=Finance, DC=x\"");
        check(
            "groups eq \"CN=Finance, DC=X\" and active eq true",
            "(groups eq \"CN=Finance, DC=X\" or groups eq \"cn=finance,dc=x\") and active eq true",
        );
        check(
            "not (groups eq \"CN=A\\\\2C B,DC=x\")",
            "not (groups eq \"CN=A\\\\2C B,DC=x\" or groups eq \"cn=a\\\\, b,dc=x\")",
        );
    }
}
