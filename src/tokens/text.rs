//! The text of a token: prefix, 43 characters of base64url (256 bits), 6 characters of checksum.
//!
//! The prefix and the checksum let scanners find a token that was left in a repository without asking us, and let us
//! refuse a token that was cut or mistyped without asking the store.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::model::TokenKind;
use crate::secret::{Secret, sha256};

const CLIENT: &str = "cgc_";
const MANAGEMENT: &str = "cgp_";
const SCIM: &str = "cgs_";
/// The prefix of access tokens, which are good for what a token of a connection is good for.
pub(super) const ACCESS: &str = SCIM;
const SECRET_CHARACTERS: usize = 43;
const CHECKSUM_CHARACTERS: usize = 6;

/// The prefix of tokens of a kind.
pub(super) fn prefix(kind: &TokenKind) -> &'static str {
    match kind {
        TokenKind::Management(..) => MANAGEMENT,
        TokenKind::Client(_) => CLIENT,
        TokenKind::Scim(_) => SCIM,
    }
}

/// The whole text around a secret.
pub(super) fn render(prefix: &str, secret: &Secret) -> Secret {
    let text = format!("{prefix}{}", secret.expose());
    let sum = checksum(&text);
    Secret::new(text + &sum)
}

/// Whether a text has the form of a token and a checksum that fits it.
pub(super) fn is_well_formed(text: &str) -> bool {
    let Some(rest) = [CLIENT, MANAGEMENT, SCIM].iter().find_map(|prefix| text.strip_prefix(prefix)) else {
        return false;
    };
    if rest.len() != SECRET_CHARACTERS + CHECKSUM_CHARACTERS {
        return false;
    }
    text.split_at_checked(text.len() - CHECKSUM_CHARACTERS)
        .is_some_and(|(body, sum)| verify_slices_are_equal(checksum(body).as_bytes(), sum.as_bytes()).is_ok())
}

/// Whether a text has the prefix of a client's secret.
pub(super) fn is_client(text: &str) -> bool {
    text.starts_with(CLIENT)
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
    fn a_rendered_token_is_well_formed_and_no_altered_one_is() {
        let ids = IdSource::seeded(3);
        for prefix in [CLIENT, MANAGEMENT, SCIM] {
            let token = render(prefix, &ids.token());
            let text = token.expose();
            assert_eq!((text.len(), is_well_formed(text)), (53, true));
            for position in 0..text.len() {
                let mut altered = text.as_bytes().to_vec();
                altered[position] = if altered[position] == b'A' { b'B' } else { b'A' };
                assert!(!is_well_formed(std::str::from_utf8(&altered).unwrap()), "altered at {position}");
                assert!(!is_well_formed(&text[..position]), "cut at {position}");
            }
            for wrong in [format!("{text}="), format!(" {text}"), text.to_uppercase(), text.replace(prefix, "cgx_")] {
                assert!(!is_well_formed(&wrong), "{wrong}");
            }
        }
        // 53 bytes with a character across the place where the checksum begins.
        assert!(!is_well_formed(&format!("cgs_{}éaaaaa", "a".repeat(42))));
    }
}
