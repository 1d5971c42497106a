//! Public keys of passkeys as COSE keys (RFC 9052 section 7, RFC 9053 sections 2 and 7): ES256, Ed25519 and RS256.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use minicbor::Decoder;
use minicbor::data::Type;

use super::{Error, refused};

/// The algorithms that are taken, the preferred one first, by their COSE numbers.
pub(super) const ALGORITHMS: [i64; 3] = [-7, -8, -257];
/// Most members of a key: those of ES256.
const MAX_MEMBERS: u64 = 5;
/// Bits of an RSA modulus.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// The one public exponent that is taken: 65537.
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];
/// What an uncompressed point begins with (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// A public key of a kind that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// ECDSA on P-256 with SHA-256: an uncompressed point of the curve.
    Es256(Vec<u8>),
    Ed25519(Vec<u8>),
    /// RSASSA-PKCS1-v1_5 with SHA-256: the modulus; the exponent is always the same.
    Rs256(Vec<u8>),
}

#[derive(Default)]
struct Members<'b> {
    kind: Option<i64>,
    algorithm: Option<i64>,
    curve: Option<i64>,
    modulus: Option<&'b [u8]>,
    second: Option<&'b [u8]>,
    third: Option<&'b [u8]>,
}

impl Key {
    /// Reads a key where a decoder stands.
    pub(super) fn read(decoder: &mut Decoder<'_>) -> Result<Self, Error> {
        let members = Members::read(decoder).map_err(|_| refused("key", "the key is no COSE key"))?;
        let members = members.ok_or_else(|| refused("key", "the key has members that do not belong to one"))?;
        let key = match members {
            Members { kind: Some(2), algorithm: Some(-7), curve: Some(1), modulus: None, second, third } => {
                point(second, third).map(Self::Es256)
            }
            Members { kind: Some(1), algorithm: Some(-8), curve: Some(6), modulus: None, second, third: None } => {
                second.filter(|key| key.len() == 32).map(|key| Self::Ed25519(key.to_vec()))
            }
            Members { kind: Some(3), algorithm: Some(-257), curve: None, modulus, second, third: None } => {
                modulus.filter(|n| is_modulus(n) && second == Some(&RSA_EXPONENT)).map(|n| Self::Rs256(n.to_vec()))
            }
            _ => return Err(refused("algorithm", "the key is of another kind than ES256, Ed25519 and RS256")),
        };
        key.filter(Self::is_sound).ok_or_else(|| refused("key", "the numbers of the key make no safe key"))
    }

    /// Whether the library takes the key: a point is one of its curve.
    fn is_sound(&self) -> bool {
        match self {
            Self::Es256(point) => ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).is_ok(),
            Self::Ed25519(key) => ParsedPublicKey::new(&ED25519, key).is_ok(),
            Self::Rs256(n) => {
                let parts = RsaPublicKeyComponents { n: n.as_slice(), e: &RSA_EXPONENT[..] };
                parts.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).is_ok()
            }
        }
    }

    /// Whether a signature of a message is this key's.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::Es256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature),
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            Self::Rs256(n) => RsaPublicKeyComponents { n: n.as_slice(), e: &RSA_EXPONENT[..] }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
        };
        verified.is_ok()
    }
}

impl<'b> Members<'b> {
    /// `None` where a member stands twice or is none of a key.
    fn read(decoder: &mut Decoder<'b>) -> Result<Option<Self>, minicbor::decode::Error> {
        let mut members = Self::default();
        let Some(count) = decoder.map()?.filter(|count| *count <= MAX_MEMBERS) else { return Ok(None) };
        for _ in 0..count {
            let is_first = match decoder.i64()? {
                1 => members.kind.replace(decoder.i64()?).is_none(),
                3 => members.algorithm.replace(decoder.i64()?).is_none(),
                -1 if decoder.datatype()? == Type::Bytes => members.modulus.replace(decoder.bytes()?).is_none(),
                -1 => members.curve.replace(decoder.i64()?).is_none(),
                -2 => members.second.replace(decoder.bytes()?).is_none(),
                -3 => members.third.replace(decoder.bytes()?).is_none(),
                _ => false,
            };
            if !is_first {
                return Ok(None);
            }
        }
        Ok(Some(members))
    }
}

fn point(x: Option<&[u8]>, y: Option<&[u8]>) -> Option<Vec<u8>> {
    let (x, y) = (x.filter(|x| x.len() == 32)?, y.filter(|y| y.len() == 32)?);
    Some([&[UNCOMPRESSED][..], x, y].concat())
}

fn is_modulus(n: &[u8]) -> bool {
    let (Some(first), Some(last)) = (n.first(), n.last()) else { return false };
    let unused = usize::try_from(first.leading_zeros()).unwrap_or(8);
    *first != 0 && last & 1 == 1 && RSA_BITS.contains(&n.len().saturating_mul(8).saturating_sub(unused))
}
