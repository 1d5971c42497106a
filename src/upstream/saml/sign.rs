//! Signatures that we make: over the query of the Redirect binding, and enveloped in a message for the POST binding.

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_STANDARD};

use super::canonical::{self, Options};
use super::own::OwnKey;
use super::tree::{self, DSIG, EXCLUSIVE};
use crate::upstream::Error;

/// A message of ours with a signature behind its issuer (saml-core-2.0-os section 5.4). `id` is that of its root.
///
/// # Errors
/// `Unavailable` when our key does not sign.
pub(super) fn enveloped(message: &str, id: &str, key: &OwnKey) -> Result<String, Error> {
    const ISSUER_END: &str = "</saml:Issuer>";
    let unsignable = || Error::Unavailable { reason: "the message has no place for a signature".to_owned() };
    let parsed = tree::parse(message)?;
    let content = canonical::render(parsed.root_element(), None, &Options::default());
    let value = BASE64_STANDARD.encode(digest::digest(&digest::SHA256, content.as_bytes()));
    // Written in its canonical form, so that it is what is hashed.
    let info = format!(
        "<ds:SignedInfo xmlns:ds=\"{DSIG}\"><ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\">\
         </ds:CanonicalizationMethod><ds:SignatureMethod Algorithm=\"{}\"></ds:SignatureMethod>\
         <ds:Reference URI=\"#{id}\"><ds:Transforms><ds:Transform Algorithm=\"{DSIG}enveloped-signature\">\
         </ds:Transform><ds:Transform Algorithm=\"{EXCLUSIVE}\"></ds:Transform></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod>\
         <ds:DigestValue>{value}</ds:DigestValue></ds:Reference></ds:SignedInfo>",
        key.method(),
    );
    let signature = BASE64_STANDARD.encode(key.sign(info.as_bytes())?);
    let certificate = BASE64_STANDARD.encode(key.certificate());
    let (before, after) = message.split_once(ISSUER_END).ok_or_else(unsignable)?;
    Ok(format!(
        "{before}{ISSUER_END}<ds:Signature xmlns:ds=\"{DSIG}\">{info}<ds:SignatureValue>{signature}\
         </ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate>\
         </ds:X509Data></ds:KeyInfo></ds:Signature>{after}"
    ))
}

/// The query of the Redirect binding with its signature (saml-bindings-2.0-os section 3.4.4.1): what is signed are the
/// encoded parameters as they are sent.
///
/// # Errors
/// As [`enveloped`].
pub(super) fn query(parameters: &[(&str, &str)], key: Option<&OwnKey>) -> Result<String, Error> {
    let encode = |pairs: &[(&str, &str)]| {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs.iter().copied()).finish()
    };
    let Some(key) = key else { return Ok(encode(parameters)) };
    let signed = encode(&[parameters, &[("SigAlg", key.method())]].concat());
    let signature = BASE64_STANDARD.encode(key.sign(signed.as_bytes())?);
    Ok(format!("{signed}&{}", encode(&[("Signature", &signature)])))
}
