//! The text of a token: prefix, 43 characters of base64url (256 bits), 6 characters of checksum.
//!
//! The prefix and the checksum let scanners find a token that was left in a repository without asking us, and let us
//! refuse a token that was cut or mistyped without asking the store.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::model::TokenKind;
use crate::secret::{Secret, sha256};

const MANAGEMENT: &str = "cgp_";
const SCIM: &str = "cgs_";
const SECRET_CHARACTERS: usize = 43;
const CHECKSUM_CHARACTERS: usize = 6;

/// The prefix of tokens of a kind.
pub(super) fn prefix(kind: &TokenKind) -> &'static str {
    match kind {
        TokenKind::Management(..) => MANAGEMENT,
        TokenKind::Scim(_) => SCIM,
    }
}

/// The whole text around a secret.
pub(super) fn render(prefix: &str, secret: &Secret) -> Secret {
    let text = format!("{prefix}{}", secret.expose());
    let sum = checksum(&text);
    Secret::new(text + &sum)
}

/// The prefix of a well-formed token.
pub(super) fn parse(text: &str) -> Option<&'static str> {
    let prefix = [MANAGEMENT, SCIM].into_iter().find(|prefix| text.starts_with(prefix))?;
    if text.len() != prefix.len() + SECRET_CHARACTERS + CHECKSUM_CHARACTERS {
        return None;
    }
    let (body, sum) = text.split_at_checked(text.len() - CHECKSUM_CHARACTERS)?;
    verify_slices_are_equal(checksum(body).as_bytes(), sum.as_bytes()).ok()?;
    Some(prefix)
}

fn checksum(body: &str) -> String {
    let mut sum = BASE64_URL_SAFE_NO_PAD.encode(sha256(body.as_bytes()));
    sum.truncate(CHECKSUM_CHARACTERS);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::IdSource;

    #[test]
    fn a_rendered_token_parses_and_no_altered_one_does() {
        let ids = IdSource::seeded(3);
        for prefix in [MANAGEMENT, SCIM] {
            let token = render(prefix, &ids.token());
            let text = token.expose();
            assert_eq!((text.len(), parse(text)), (53, Some(prefix)));
            for position in 0..text.len() {
                let mut altered = text.as_bytes().to_vec();
                altered[position] = if altered[position] == b'A' { b'B' } else { b'A' };
                assert_eq!(parse(std::str::from_utf8(&altered).unwrap()), None, "altered at {position}");
                assert_eq!(parse(&text[..position]), None, "cut at {position}");
            }
            for wrong in [format!("{text}="), format!(" {text}"), text.to_uppercase(), text.replace(prefix, "cgx_")] {
                assert_eq!(parse(&wrong), None, "{wrong}");
            }
        }
        // 53 bytes with a character across the place where the checksum begins.
        assert_eq!(parse(&format!("cgs_{}éaaaaa", "a".repeat(42))), None);
    }
}
