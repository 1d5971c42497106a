//! What an authenticator says of itself and of who stands before it (Web Authentication Level 3 sections 6.1 and 6.5.1),
//! and the attestation object around it, of which nothing is trusted.

use minicbor::Decoder;
use minicbor::data::Type;

use super::key::Key;
use super::{Error, refused};

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;

/// How long a credential id may be, in bytes.
const ID_BYTES: std::ops::RangeInclusive<usize> = 16..=1023;
/// Bytes of an authenticator's model number, which is not looked at.
const MODEL_BYTES: usize = 16;
/// Longest name of an attestation format, in bytes.
const MAX_FORMAT_BYTES: usize = 32;

/// Authenticator data.
#[derive(Debug)]
pub(super) struct AuthenticatorData {
    pub(super) party_hash: [u8; 32],
    flags: u8,
    pub(super) sign_count: u32,
    pub(super) attested: Option<Attested>,
}

/// A new credential.
#[derive(Debug)]
pub(super) struct Attested {
    pub(super) id: Vec<u8>,
    /// The key as it came.
    pub(super) key: Vec<u8>,
}

impl AuthenticatorData {
    /// Reads all of `bytes`: nothing may follow.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Error> {
        let short = || refused("form", "the authenticator data is too short");
        let (party_hash, rest) = bytes.split_first_chunk::<32>().ok_or_else(short)?;
        let (flags, rest) = rest.split_first().ok_or_else(short)?;
        let (count, mut rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let mut attested = None;
        if flags & ATTESTED != 0 {
            let (_, after) = rest.split_at_checked(MODEL_BYTES).ok_or_else(short)?;
            let (length, after) = after.split_first_chunk::<2>().ok_or_else(short)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (id, after) = after.split_at_checked(length).ok_or_else(short)?;
            if !ID_BYTES.contains(&length) {
                return Err(refused("credential", "the credential id is not 16 to 1023 bytes long"));
            }
            let mut decoder = Decoder::new(after);
            Key::read(&mut decoder)?;
            let (key, after) = after.split_at_checked(decoder.position()).ok_or_else(short)?;
            attested = Some(Attested { id: id.to_vec(), key: key.to_vec() });
            rest = after;
        }
        if flags & EXTENSIONS != 0 {
            rest = after_map(rest).ok_or_else(|| refused("form", "the extensions are no map"))?;
        }
        if !rest.is_empty() {
            return Err(refused("form", "something follows the authenticator data"));
        }
        Ok(Self { party_hash: *party_hash, flags: *flags, sign_count: u32::from_be_bytes(*count), attested })
    }

    /// Somebody touched it.
    pub(super) const fn is_present(&self) -> bool {
        self.flags & PRESENT != 0
    }

    /// Somebody showed it a PIN, a finger or a face.
    pub(super) const fn is_verified(&self) -> bool {
        self.flags & VERIFIED != 0
    }

    /// The key may be copied to other devices.
    pub(super) const fn is_backup_eligible(&self) -> bool {
        self.flags & BACKUP_ELIGIBLE != 0
    }

    /// The key has been copied.
    pub(super) const fn is_backed_up(&self) -> bool {
        self.flags & BACKED_UP != 0
    }
}

/// What follows the CBOR map that bytes begin with.
fn after_map(bytes: &[u8]) -> Option<&[u8]> {
    let mut decoder = Decoder::new(bytes);
    if !matches!(decoder.datatype().ok()?, Type::Map | Type::MapIndef) {
        return None;
    }
    decoder.skip().ok()?;
    bytes.get(decoder.position()..)
}

/// The authenticator data of an attestation object. A statement is neither verified nor kept: whatever it says, the
/// credential counts as unattested.
pub(super) fn of_attestation_object(bytes: &[u8]) -> Result<&[u8], Error> {
    let object = read_object(bytes).map_err(|_| refused("form", "the attestation object is broken"))?;
    object.ok_or_else(|| refused("form", "the attestation object is none"))
}

/// `None` where members are missing, stand twice, or do not belong to it.
fn read_object(bytes: &[u8]) -> Result<Option<&[u8]>, minicbor::decode::Error> {
    let mut decoder = Decoder::new(bytes);
    let (mut format, mut statement, mut data) = (None, None, None);
    if decoder.map()? != Some(3) {
        return Ok(None);
    }
    for _ in 0..3 {
        match decoder.str()? {
            "fmt" => format = Some(decoder.str()?),
            "attStmt" => {
                let is_empty = match decoder.datatype()? {
                    Type::Map => decoder.probe().map()? == Some(0),
                    Type::MapIndef => false,
                    _ => return Ok(None),
                };
                decoder.skip()?;
                statement = Some(is_empty);
            }
            "authData" => data = Some(decoder.bytes()?),
            _ => return Ok(None),
        }
    }
    let (Some(format), Some(is_empty)) = (format, statement) else { return Ok(None) };
    let is_fitting = format.len() <= MAX_FORMAT_BYTES && (format != "none" || is_empty);
    Ok(data.filter(|_| is_fitting && decoder.position() == bytes.len()))
}
