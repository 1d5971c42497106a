//! Against xmlsec1, an independent implementation: it verifies what our canonicalization signs, and ours verifies what
//! it signs. The program has to be installed (`xmlsec1` in Debian); without it these tests fail.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::*;

const RESPONSE: &str = "urn:oasis:names:tc:SAML:2.0:protocol:Response";
const REQUEST: &str = "urn:oasis:names:tc:SAML:2.0:protocol:AuthnRequest";
const LOGOUT: &str = "urn:oasis:names:tc:SAML:2.0:protocol:LogoutResponse";
const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion:Assertion";

pub(super) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub(super) fn new(key: &IdpKey) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let pem = |label: &str, der: &[u8]| {
            let lines: Vec<String> = BASE64_STANDARD
                .encode(der)
                .as_bytes()
                .chunks(64)
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect();
            format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
        };
        let bench = Self { folder };
        bench.write("key.pem", &pem("PRIVATE KEY", key.private_key()));
        bench.write("certificate.pem", &pem("CERTIFICATE", key.certificate()));
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        std::fs::write(self.path(name), content).expect("a file");
        self.path(name)
    }

    fn run(&self, arguments: &[&str], input: &Path) -> Output {
        let mut command = Command::new("xmlsec1");
        command
            .args(arguments)
            .args([
                "--id-attr:ID",
                RESPONSE,
                "--id-attr:ID",
                ASSERTION,
                "--id-attr:ID",
                REQUEST,
                "--id-attr:ID",
                LOGOUT,
            ])
            .arg(input);
        command.output().expect("xmlsec1 has to be installed (Debian package xmlsec1)")
    }

    /// Whether xmlsec1 accepts the signature that is found first.
    pub(super) fn verifies(&self, document: &str) -> bool {
        let input = self.write("signed.xml", document);
        let certificate = self.path("certificate.pem");
        let certificate = certificate.to_str().expect("a path");
        self.run(&["--verify", "--pubkey-cert-pem", certificate], &input).status.success()
    }

    /// What xmlsec1 makes of a document with one template.
    fn signs(&self, draft: &str, key: &[&str]) -> String {
        let input = self.write("draft.xml", draft);
        let output = self.run(&[&["--sign"], key].concat(), &input);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn signs_with_key(&self, draft: &str) -> String {
        let key = self.path("key.pem");
        self.signs(draft, &["--privkey-pem", key.to_str().expect("a path")])
    }
}

/// Drafts whose canonical form is not what is written.
fn awkward(stage: &Stage) -> Vec<String> {
    let draft = stage.draft();
    let exclusive = "xml-exc-c14n#\"/></ds:Transforms>";
    let list = |prefixes: &str| {
        let inner = format!(
            "<c:InclusiveNamespaces xmlns:c=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"{prefixes}\"/>"
        );
        swap(&draft, exclusive, &format!("xml-exc-c14n#\">{inner}</ds:Transform></ds:Transforms>"))
    };
    let value = |text: &str| swap(&draft, "Ada Lovelace", text);
    let subject = |attributes: &str| swap(&draft, "<saml:Subject>", &format!("<saml:Subject {attributes}>"));
    vec![
        draft.clone(),
        list("xs xsi"),
        list("saml samlp #default"),
        swap(&list("x #default"), "<samlp:Response ", "<samlp:Response xmlns:x=\"urn:x\" xmlns=\"urn:default\" "),
        value("a &amp; &lt;b&gt; \" ' ]]&gt; 李 \u{1f980}"),
        swap(&draft, "<saml:Subject>", "&#13;\r\n&#10;\t<saml:Subject>"),
        subject("b=\"2\" a=\"1\" xml:lang=\"en\" B='\"&lt;&#9;&#10;&#13;&amp;>'"),
        subject("xmlns:z=\"urn:a\" xmlns:y=\"urn:b\" y:a=\"1\" z:b=\"2\" y:b=\"3\" c=\"4\""),
        swap(&draft, "<saml:Conditions ", "<s:Conditions xmlns:s=\"urn:oasis:names:tc:SAML:2.0:assertion\" ")
            .replace("</saml:Conditions>", "</s:Conditions>"),
        swap(&draft, "<saml:Conditions ", "<Conditions xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\" ")
            .replace("</saml:Conditions>", "</Conditions>"),
        swap(&draft, "><saml:", ">\r\n\t <saml:").replace("ID=\"", "\n ID = \""),
    ]
}

#[test]
fn xmlsec1_verifies_what_we_sign_and_we_what_it_signs() {
    for kind in [KeyKind::Rsa2048, KeyKind::EcdsaP256, KeyKind::EcdsaP384] {
        let idp = if kind == KeyKind::Rsa2048 { RSA.clone() } else { idp(kind) };
        let bench = Bench::new(idp.key());
        for signs in [Signs::Assertion, Signs::Response] {
            let stage = Stage::new(idp.clone().signing(signs));
            for (number, draft) in awkward(&stage).iter().enumerate() {
                let (ours, theirs) = (stage.sign(draft), bench.signs_with_key(draft));
                assert!(bench.verifies(&ours), "{kind:?} {signs:?} {number}: {ours}");
                let result = stage.finish(&theirs).map(|identity| identity.subject().to_owned());
                assert_eq!(result.ok().as_deref(), Some("ada@example.org"), "{kind:?} {signs:?} {number}: {theirs}");
                assert!(stage.finish(&ours).is_ok(), "{kind:?} {signs:?} {number}: {ours}");
            }
        }
    }
}

/// The assertion of a response, encrypted by xmlsec1 to the certificate of this bench.
fn encrypted_by_xmlsec(bench: &Bench, response: &str, cipher: &str, session_key: &str) -> String {
    let template = format!(
        "<xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" \
         xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" Type=\"http://www.w3.org/2001/04/xmlenc#Element\">\
         <xenc:EncryptionMethod Algorithm=\"{cipher}\"/><ds:KeyInfo><xenc:EncryptedKey><xenc:EncryptionMethod \
         Algorithm=\"http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p\"/><xenc:CipherData><xenc:CipherValue/>\
         </xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue/></xenc:CipherData>\
         </xenc:EncryptedData>"
    );
    let (template, data) = (bench.write("template.xml", &template), bench.write("data.xml", response));
    let certificate = bench.path("certificate.pem");
    let path = |path: &Path| path.to_str().expect("a path").to_owned();
    let arguments = [
        "--encrypt",
        "--pubkey-cert-pem",
        &path(&certificate),
        "--session-key",
        session_key,
        "--xml-data",
        &path(&data),
        "--node-name",
        ASSERTION,
    ];
    let output = bench.run(&arguments, &template);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document = String::from_utf8(output.stdout).expect("UTF-8");
    let document = document.replace("<xenc:EncryptedData ", "<saml:EncryptedAssertion><xenc:EncryptedData ");
    let document = document.replace("</xenc:EncryptedData>", "</xenc:EncryptedData></saml:EncryptedAssertion>");
    assert!(!document.contains("ada@example.org"));
    document
}

#[test]
fn what_xmlsec1_encrypts_is_opened() {
    let own = IdpKey::generate(KeyKind::Rsa2048, "sso.example.org").expect("a key");
    let bench = Bench::new(&own);
    let key = || cleargate::upstream::saml::OwnKey::from_der(own.certificate(), own.private_key()).expect("a key");
    for (cipher, session_key) in [
        ("http://www.w3.org/2009/xmlenc11#aes128-gcm", "aes-128"),
        ("http://www.w3.org/2009/xmlenc11#aes256-gcm", "aes-256"),
        ("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "aes-128"),
        ("http://www.w3.org/2001/04/xmlenc#aes256-cbc", "aes-256"),
    ] {
        let keys = cleargate::upstream::saml::OwnKeys { decryption: vec![key()], ..Default::default() };
        let options = Options { keys: Arc::new(keys), allow_cbc: true, ..Options::default() };
        let stage = Stage::with(RSA.clone(), Settings { options, ..settings(&RSA.metadata()) });
        let document = encrypted_by_xmlsec(&bench, &stage.signed(), cipher, session_key);
        let identity = stage.finish(&document).unwrap_or_else(|error| panic!("{cipher}: {error}\n{document}"));
        assert_eq!(identity.subject(), "ada@example.org", "{cipher}");
    }
}

#[test]
fn xmlsec1_verifies_both_of_two_signatures() {
    let stage = Stage::new(RSA.clone().signing(Signs::Both));
    let bench = Bench::new(stage.idp.key());
    let signed = stage.signed();
    assert!(bench.verifies(&signed));
    assert!(!bench.verifies(&swap(&signed, ">staff<", ">admins<")));
}

#[test]
fn a_real_sha_1_signature_is_refused() {
    let stage = Stage::new(RSA.clone());
    let bench = Bench::new(stage.idp.key());
    let weak = swap(
        &stage.draft(),
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
    );
    let signed = bench.signs_with_key(&weak);
    assert!(bench.verifies(&signed), "the attack is well made");
    assert_eq!(stage.rule(&signed), "algorithm");
}

#[test]
fn a_mac_keyed_with_the_public_certificate_is_refused() {
    let stage = Stage::new(RSA.clone());
    let bench = Bench::new(stage.idp.key());
    let draft = swap(&stage.draft(), "xmldsig-more#rsa-sha256", "xmldsig-more#hmac-sha256");
    std::fs::write(bench.path("mac.key"), stage.idp.key().certificate()).expect("a file");
    let key = bench.path("mac.key");
    let signed = bench.signs(&draft, &["--hmackey", key.to_str().expect("a path")]);
    assert!(!part(&signed, "<ds:SignatureValue>", "</ds:SignatureValue>").contains("><"), "there is a value");
    assert_eq!(stage.rule(&signed), "algorithm");
}
