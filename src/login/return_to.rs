//! Where a sign-in leads to: a path of our own and nothing else.

use std::fmt;

/// Longest path, in bytes.
const MAX_BYTES: usize = 2048;

/// A path of our own, with query, that is safe as a redirect's target: it starts with one slash and holds no
/// backslash, no control character and no second authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// The start page.
    pub fn home() -> Self {
        Self("/".to_owned())
    }

    /// The path if it is one of ours, else the start page: a link from elsewhere loses its target, not its sign-in.
    pub fn parse(text: Option<&str>) -> Self {
        match text {
            Some(text) if is_own_path(text) && !is_sign_in(text) => Self(text.to_owned()),
            _ => Self::home(),
        }
    }

    /// A page of ours to be shown again, pages of signing in included; else the start page.
    ///
    /// A page whose address has a secret in it is none: the secret would be in a second address.
    pub fn page(text: Option<&str>) -> Self {
        let is_page = |text: &&str| is_own_path(text) && !has_secret(text);
        text.filter(is_page).map_or_else(Self::home, |text| Self(text.to_owned()))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether an address is one of those that come in a mail or from the machine, with what lets people in.
pub(super) fn has_secret(text: &str) -> bool {
    let path = text.split('?').next().unwrap_or(text);
    ["/login/invitation", "/login/link", "/login/reset"].contains(&path)
}

fn is_own_path(text: &str) -> bool {
    let mut characters = text.chars();
    text.len() <= MAX_BYTES
        && characters.next() == Some('/')
        && characters.next() != Some('/')
        && text.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && byte != b'\\')
}

/// A sign-in that leads to a sign-in or to a sign-out would go in circles.
fn is_sign_in(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or(text);
    ["/login", "/logout", "/saml", "/oidc"]
        .iter()
        .any(|own| path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_whose_address_lets_people_in_is_not_named_again() {
        for secret in ["/login/reset?token=x", "/login/link?token=x", "/login/invitation?token=a.b"] {
            assert_eq!(ReturnTo::page(Some(secret)), ReturnTo::home(), "{secret}");
        }
        for page in ["/login?return_to=%2F", "/login/forgot", "/account/sessions?x"] {
            assert_eq!(ReturnTo::page(Some(page)).as_str(), page);
        }
    }

    #[test]
    fn only_paths_of_our_own_are_followed() {
        for own in ["/", "/console", "/api/v1/me?x=1", "/a/b#c"] {
            assert_eq!(ReturnTo::parse(Some(own)).as_str(), own);
        }
        for other in [
            "",
            "console",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil",
            "https://evil.example",
            "/\t/evil",
            "/a\nb",
            "/login",
            "/login/entra",
            "/logout?x",
            "/%0d\r",
            "/ü",
        ] {
            assert_eq!(ReturnTo::parse(Some(other)), ReturnTo::home(), "{other:?}");
        }
        assert_eq!(ReturnTo::parse(Some(&format!("/{}", "a".repeat(MAX_BYTES)))), ReturnTo::home());
        assert_eq!(ReturnTo::parse(None), ReturnTo::home());
    }
}
