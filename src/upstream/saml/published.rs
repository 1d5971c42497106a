//! Our own metadata document, one for each connector.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::own::{OwnKey, OwnKeys};
use super::request::{POST_BINDING, REDIRECT_BINDING, quoted};
use super::tree::{DSIG, METADATA, PROTOCOL};

/// What it says.
pub(super) struct Published<'a> {
    pub(super) entity_id: &'a str,
    /// Our assertion consumer service.
    pub(super) consumer: &'a str,
    /// Our single logout service, where there is one.
    pub(super) logout: Option<&'a str>,
    pub(super) keys: &'a OwnKeys,
    /// Whether AES-CBC is taken too.
    pub(super) allow_cbc: bool,
}

/// Best first.
const CIPHERS: [&str; 2] = ["http://www.w3.org/2009/xmlenc11#aes256-gcm", "http://www.w3.org/2009/xmlenc11#aes128-gcm"];
const CBC_CIPHERS: [&str; 2] =
    ["http://www.w3.org/2001/04/xmlenc#aes256-cbc", "http://www.w3.org/2001/04/xmlenc#aes128-cbc"];
const TRANSPORTS: [&str; 1] = ["http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"];

impl Published<'_> {
    /// The document: one assertion consumer service by HTTP-POST, assertions wanted signed.
    pub(super) fn render(&self) -> String {
        let signing = self.keys.signing.iter().map(|key| descriptor("signing", key, &[]));
        let ciphers: Vec<&str> =
            CIPHERS.into_iter().chain(CBC_CIPHERS.into_iter().filter(|_| self.allow_cbc)).chain(TRANSPORTS).collect();
        let encryption = self.keys.decryption.first().map(|key| descriptor("encryption", key, &ciphers));
        let keys: String = signing.chain(encryption).collect();
        let logout = |address: &str| {
            let service = |binding: &str| {
                format!("<md:SingleLogoutService Binding=\"{binding}\" Location=\"{}\"/>", quoted(address))
            };
            [service(REDIRECT_BINDING), service(POST_BINDING)].concat()
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<md:EntityDescriptor xmlns:md=\"{METADATA}\" \
             entityID=\"{}\"><md:SPSSODescriptor AuthnRequestsSigned=\"{}\" WantAssertionsSigned=\"true\" \
             protocolSupportEnumeration=\"{PROTOCOL}\">{keys}{}<md:AssertionConsumerService \
             Binding=\"{POST_BINDING}\" Location=\"{}\" index=\"0\" isDefault=\"true\"/></md:SPSSODescriptor>\
             </md:EntityDescriptor>\n",
            quoted(self.entity_id),
            !self.keys.signing.is_empty(),
            self.logout.map(logout).unwrap_or_default(),
            quoted(self.consumer),
        )
    }
}

fn descriptor(purpose: &str, key: &OwnKey, methods: &[&str]) -> String {
    let method = |uri: &&str| format!("<md:EncryptionMethod Algorithm=\"{uri}\"/>");
    format!(
        "<md:KeyDescriptor use=\"{purpose}\"><ds:KeyInfo xmlns:ds=\"{DSIG}\"><ds:X509Data><ds:X509Certificate>{}\
         </ds:X509Certificate></ds:X509Data></ds:KeyInfo>{}</md:KeyDescriptor>",
        BASE64_STANDARD.encode(key.certificate()),
        methods.iter().map(method).collect::<String>(),
    )
}
