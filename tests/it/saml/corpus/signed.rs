//! Responses signed by others, by keys that the message brings, by other methods, or over something else.

use aws_lc_rs::hmac;

use super::*;

impl Cast<'_> {
    pub(super) fn by_others(&self) -> Cases {
        let mut cases = Vec::new();
        for signs in SIGNED {
            let theirs = self.attacker.clone().signing(signs);
            let draft = theirs.draft(self.request, self.person);
            let plain = sign::fill(&draft, theirs.key()).expect("signed");
            cases.push(case(format!("{signs:?}, another key"), "signature", plain));
            for (whose, key) in [("their", theirs.key()), ("the real", self.idp.key())] {
                let certificate = BASE64_STANDARD.encode(key.certificate());
                let info = format!("<ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data>");
                let text = sign::fill(&with_key_info(&draft, &info), theirs.key()).expect("signed");
                cases.push(case(format!("{signs:?}, another key with {whose} certificate"), "signature", text));
            }
        }
        cases
    }

    /// Keys that the message itself brings or points to; the right key signed it.
    pub(super) fn keys(&self) -> Cases {
        let certificate = BASE64_STANDARD.encode(self.attacker.key().certificate());
        let infos = [
            "<ds:KeyValue/>".to_owned(),
            "<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus></ds:RSAKeyValue></ds:KeyValue>".to_owned(),
            "<ds:KeyName>idp</ds:KeyName>".to_owned(),
            "<ds:RetrievalMethod URI=\"http://evil.example/key\"/>".to_owned(),
            "<ds:RetrievalMethod URI=\"#xpointer(/)\"/>".to_owned(),
            "<ds:PGPData/>".to_owned(),
            "<ds:SPKIData/>".to_owned(),
            "<ds:MgmtData>x</ds:MgmtData>".to_owned(),
            "<k:DEREncodedKeyValue xmlns:k=\"http://www.w3.org/2009/xmldsig11#\">AAAA</k:DEREncodedKeyValue>"
                .to_owned(),
            "<x:EncryptedKey xmlns:x=\"http://www.w3.org/2001/04/xmlenc#\"/>".to_owned(),
            "<ds:X509Data><ds:X509CRL>AAAA</ds:X509CRL></ds:X509Data>".to_owned(),
            format!("<ds:X509Certificate>{certificate}</ds:X509Certificate>"),
            "<ds:KeyInfo/>".to_owned(),
        ];
        let made = |(number, info): (usize, String)| {
            let text = self.after(|draft| with_key_info(draft, &info));
            case(format!("{number}: {}", info.chars().take(60).collect::<String>()), "shape", text)
        };
        infos.into_iter().enumerate().map(made).collect()
    }

    /// The right key over a template that says something else.
    pub(super) fn methods(&self) -> Cases {
        let draft = self.draft(Signs::Assertion);
        let method = part(&draft, "<ds:SignatureMethod", "/>").to_owned();
        let digest = part(&draft, "<ds:DigestMethod", "/>").to_owned();
        let reference = part(&draft, "<ds:Reference URI=\"#", "\">").to_owned();
        let exclusive = format!("<ds:Transform Algorithm=\"{EXCLUSIVE}\"/>");
        let canonical = format!("<ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"/>");
        let enveloped =
            "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>".to_owned();
        let mut swaps: Vec<(String, &str, String, String)> = Vec::new();
        for other in [
            "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
            "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
            "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
            "none",
            "",
        ] {
            swaps.push((
                format!("method {other}"),
                "algorithm",
                method.clone(),
                format!("<ds:SignatureMethod Algorithm=\"{other}\"/>"),
            ));
        }
        swaps.push((
            "method with a length".to_owned(),
            "shape",
            method.clone(),
            method.replace("/>", "><ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>"),
        ));
        for other in
            ["http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2001/04/xmldsig-more#md5", "urn:none"]
        {
            swaps.push((
                format!("digest {other}"),
                "algorithm",
                digest.clone(),
                format!("<ds:DigestMethod Algorithm=\"{other}\"/>"),
            ));
        }
        for other in [
            "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
            "http://www.w3.org/2006/12/xml-c14n11",
            "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
            "http://www.w3.org/TR/1999/REC-xslt-19991116",
            "http://www.w3.org/TR/1999/REC-xpath-19991116",
            "http://www.w3.org/2002/06/xmldsig-filter2",
            "http://www.w3.org/2000/09/xmldsig#base64",
        ] {
            swaps.push((
                format!("transform {other}"),
                "transform",
                exclusive.clone(),
                format!("<ds:Transform Algorithm=\"{other}\"/>"),
            ));
            swaps.push((
                format!("canonicalization {other}"),
                "transform",
                canonical.clone(),
                format!("<ds:CanonicalizationMethod Algorithm=\"{other}\"/>"),
            ));
        }
        for (what, rule, to) in [
            ("twice", "shape", format!("{enveloped}{exclusive}{exclusive}")),
            ("none", "transform", String::new()),
            ("one", "transform", enveloped.clone()),
            ("the other", "transform", exclusive.clone()),
            ("before", "transform", format!("{exclusive}{enveloped}")),
        ] {
            swaps.push((format!("transforms {what}"), rule, format!("{enveloped}{exclusive}"), to));
        }
        for other in ["", "#_other", "http://evil.example/x", "file:///etc/passwd", "#xpointer(/)", "cid:x"] {
            swaps.push((
                format!("reference {other:?}"),
                "reference",
                reference.clone(),
                format!("<ds:Reference URI=\"{other}\">"),
            ));
        }
        swaps.push((
            "two references".to_owned(),
            "shape",
            "</ds:Reference>".to_owned(),
            "</ds:Reference><ds:Reference URI=\"\"/>".to_owned(),
        ));
        swaps.push((
            "an object".to_owned(),
            "shape",
            "<ds:SignatureValue/>".to_owned(),
            "<ds:SignatureValue/><ds:Object/>".to_owned(),
        ));
        let made = |(name, rule, from, to): (String, &'static str, String, String)| {
            case(name, rule, self.sign(&swap(&draft, &from, &to)))
        };
        swaps.into_iter().map(made).collect()
    }

    /// A signature that is none by the method that it names, or none at all.
    pub(super) fn confused(&self) -> Cases {
        let (draft, signed) = (self.draft(Signs::Assertion), self.signed(Signs::Assertion));
        let method = part(&draft, "<ds:SignatureMethod", "/>");
        let is_rsa = method.contains("rsa-sha256");
        let (kind, longer) = if is_rsa { ("ecdsa-sha256", "rsa-sha512") } else { ("rsa-sha256", "ecdsa-sha384") };
        let by =
            |name: &str| format!("<ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#{name}\"/>");
        let value = part(&signed, "<ds:SignatureValue>", "</ds:SignatureValue>");
        let bytes = BASE64_STANDARD.decode(&value[19..value.len() - 20]).expect("base64");
        let with = |bytes: &[u8]| {
            let other = format!("<ds:SignatureValue>{}</ds:SignatureValue>", BASE64_STANDARD.encode(bytes));
            swap(&signed, value, &other)
        };
        let mut cases: Cases = [
            ("the method of another kind of key", self.sign(&swap(&draft, method, &by(kind)))),
            ("a longer hash than was signed", swap(&signed, method, &by(longer))),
            ("zeros", with(&vec![0; bytes.len()])),
            ("ones", with(&vec![255; bytes.len()])),
            ("one", with(&[[0; 31].as_slice(), &[1], &[0; 31], &[1]].concat())),
            ("a byte short", with(&bytes[1..])),
            ("a byte long", with(&[&bytes[..], &[0]].concat())),
            ("backwards", with(&bytes.iter().rev().copied().collect::<Vec<u8>>())),
            ("doubled", with(&[&bytes[..], &bytes[..]].concat())),
            ("endless", with(&vec![7; 64 * 1024])),
            ("no base64", swap(&signed, "</ds:SignatureValue>", "!</ds:SignatureValue>")),
            (
                "the digest for it",
                swap(&signed, value, &value.replace(&value[19..value.len() - 20], digest_of(&signed))),
            ),
        ]
        .into_iter()
        .map(|(name, text)| case(name, "signature", text))
        .collect();
        // Everybody has the certificate: whoever takes it for a secret lets everybody sign.
        for (name, secret) in [
            ("the certificate", self.idp.key().certificate().to_vec()),
            ("the certificate as text", BASE64_STANDARD.encode(self.idp.key().certificate()).into_bytes()),
            ("nothing", Vec::new()),
        ] {
            let text = swap(&signed, method, &by("hmac-sha256"));
            let info = part(&text, "<ds:SignedInfo>", "</ds:SignedInfo>");
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), canonical(info).as_bytes());
            let other = format!("<ds:SignatureValue>{}</ds:SignatureValue>", BASE64_STANDARD.encode(tag));
            cases.push(case(format!("a secret: {name}"), "algorithm", swap(&text, value, &other)));
        }
        cases
    }
}

fn with_key_info(draft: &str, info: &str) -> String {
    swap(draft, "<ds:SignatureValue/>", &format!("<ds:SignatureValue/><ds:KeyInfo>{info}</ds:KeyInfo>"))
}

fn digest_of(signed: &str) -> &str {
    let value = part(signed, "<ds:DigestValue>", "</ds:DigestValue>");
    &value[16..value.len() - 17]
}

/// What is signed, in the exclusive canonical form of a template whose elements hold one attribute at most.
fn canonical(info: &str) -> String {
    let ended = info.split_inclusive("/>").map(|piece| match piece.strip_suffix("/>") {
        Some(open) => {
            let name = open.rsplit('<').next().expect("a tag").split(' ').next().expect("a name");
            format!("{open}></{name}>")
        }
        None => piece.to_owned(),
    });
    let text: String = ended.collect();
    swap(&text, "<ds:SignedInfo>", "<ds:SignedInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">")
}
