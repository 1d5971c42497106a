//! Where secrets come from: files and systemd credentials, never the configuration itself.

use std::fmt;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use zeroize::Zeroizing;

/// Where `{ credential = "name" }` leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// The folder that systemd prepared, `$CREDENTIALS_DIRECTORY`.
    Folder(PathBuf),
    /// The process was started without credentials: naming one is a problem.
    None,
    /// A check outside the service, where credentials are not readable: names are accepted, values are empty.
    Unchecked,
}

/// The key of the store: where it is, or the key itself.
#[derive(Clone)]
pub enum MasterKey {
    /// Not configured: the file beside the store, `cleargate.key`, made at the first start.
    Beside(PathBuf),
    /// Configured by `store.key`.
    Given(Zeroizing<[u8; 32]>),
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beside(path) => f.debug_tuple("Beside").field(path).finish(),
            Self::Given(_) => f.write_str("Given(…)"),
        }
    }
}

/// The text is no master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 random bytes in base64 or hexadecimal, such as `openssl rand -base64 32` prints")]
pub struct NotAKey;

/// Reads 32 bytes written as 64 hexadecimal digits or as base64, with or without padding; white space around is
/// ignored.
///
/// # Errors
/// `NotAKey` for anything else.
pub fn parse_master_key(text: &str) -> Result<Zeroizing<[u8; 32]>, NotAKey> {
    let text = text.trim();
    let bytes = Zeroizing::new(match text.len() {
        64 => parse_hex(text).ok_or(NotAKey)?,
        _ => BASE64_STANDARD.decode(text).or_else(|_| BASE64_STANDARD_NO_PAD.decode(text)).map_err(|_| NotAKey)?,
    });
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() != key.len() || bytes.iter().all(|byte| *byte == 0) {
        return Err(NotAKey);
    }
    key.copy_from_slice(&bytes);
    Ok(key)
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|c| c.to_digit(16)).collect::<Option<Vec<_>>>()?;
    let byte = |pair: &[u32]| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    };
    digits.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_is_32_bytes_in_either_writing() {
        let hex = "00ff".repeat(16);
        let base64 = BASE64_STANDARD.encode([0x00, 0xff].repeat(16));
        let key = parse_master_key(&hex).unwrap();
        assert_eq!(*key, *parse_master_key(&base64).unwrap());
        assert_eq!(*key, *parse_master_key(&format!("  {}\n", base64.trim_end_matches('='))).unwrap());
        for text in
            ["", "secret", &"0".repeat(64), &"00".repeat(31), &"zz".repeat(32), &BASE64_STANDARD.encode([1; 31])]
        {
            assert_eq!(parse_master_key(text).unwrap_err(), NotAKey, "{text}");
        }
        assert!(!format!("{:?}", MasterKey::Given(key)).contains("255"));
    }
}
