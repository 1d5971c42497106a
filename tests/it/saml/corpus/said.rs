//! What the provider really signed, and is meant for somebody or something else, or says too little.

use super::*;

const OTHERS: &str = "<saml:AudienceRestriction><saml:Audience>urn:other</saml:Audience></saml:AudienceRestriction>";
const UNSPECIFIED: &str = "<saml:Issuer Format=\"urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified\">";
const SUCCEEDED: &str = "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/>";
const FAILED: &str = "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Requester\"><samlp:StatusCode \
                      Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:StatusCode>";
const GROUPS_LINK: &str = "Name=\"http://schemas.microsoft.com/claims/groups.link\"";
const TRANSIENT: &str = "2.0:nameid-format:transient";

/// What is put in the place of what: a name, the cause, and both.
type Swap = (&'static str, &'static str, String, String);

impl Cast<'_> {
    pub(super) fn misdirected(&self) -> Cases {
        [self.elsewhere(), self.lacking()].concat()
    }

    fn swapped(&self, draft: &str, swaps: impl IntoIterator<Item = Swap>) -> Cases {
        let made = |(name, rule, from, to): Swap| case(name, rule, self.sign(&swap(draft, &from, &to)));
        swaps.into_iter().map(made).collect()
    }

    /// Meant for somebody else, by somebody else, for another request or time.
    fn elsewhere(&self) -> Cases {
        let draft = self.draft(Signs::Assertion);
        let (request, consumer) = (&self.request.id, &self.request.consumer);
        let restriction = part(&draft, "<saml:AudienceRestriction>", "</saml:AudienceRestriction>").to_owned();
        let end = part(&draft, "NotOnOrAfter=\"", "Z\"").to_owned();
        let instant = part(&draft, "IssueInstant=\"", "Z\"").to_owned();
        let past = "NotOnOrAfter=\"2001-01-01T00:00:00Z\"".to_owned();
        let swaps = [
            (
                "audience",
                "audience",
                format!("<saml:Audience>{}", self.request.issuer),
                "<saml:Audience>urn:other".to_owned(),
            ),
            ("no audience", "audience", restriction.clone(), String::new()),
            ("an empty restriction", "audience", restriction.clone(), "<saml:AudienceRestriction/>".to_owned()),
            ("a second restriction", "audience", restriction.clone(), format!("{restriction}{OTHERS}")),
            ("recipient", "recipient", format!("Recipient=\"{consumer}\""), format!("Recipient=\"{consumer}x\"")),
            ("no recipient", "recipient", format!(" Recipient=\"{consumer}\""), String::new()),
            (
                "destination",
                "destination",
                format!("Destination=\"{consumer}\""),
                "Destination=\"https://other.example/acs\"".to_owned(),
            ),
            ("request", "in-response-to", format!("InResponseTo=\"{request}\""), "InResponseTo=\"_other\"".to_owned()),
            ("no request", "in-response-to", format!(" InResponseTo=\"{request}\""), String::new()),
            (
                "no request in the confirmation",
                "in-response-to",
                format!("InResponseTo=\"{request}\" NotOnOrAfter"),
                "NotOnOrAfter".to_owned(),
            ),
            ("ended", "time", end.clone(), past),
            ("no end", "confirmation", format!("{end} Recipient"), "Recipient".to_owned()),
            ("not begun", "time", "NotBefore=\"20".to_owned(), "NotBefore=\"21".to_owned()),
            ("issued in the future", "time", instant.clone(), "IssueInstant=\"2199-01-01T00:00:00Z\"".to_owned()),
            ("issued long ago", "time", instant.clone(), "IssueInstant=\"2001-01-01T00:00:00Z\"".to_owned()),
            ("a time without a zone", "time", instant.clone(), instant.replace('Z', "")),
            ("no time", "shape", format!(" {instant}"), String::new()),
            ("issuer", "issuer", "/metadata</saml:Issuer>".to_owned(), "/metadatas</saml:Issuer>".to_owned()),
            ("version", "version", "Version=\"2.0\"".to_owned(), "Version=\"1.1\"".to_owned()),
        ];
        self.swapped(&draft, swaps)
    }

    /// Without what must be said, or with more than may be.
    fn lacking(&self) -> Cases {
        let draft = self.draft(Signs::Assertion);
        let conditions = part(&draft, "<saml:Conditions", "</saml:Conditions>").to_owned();
        let statement = part(&draft, "<saml:AuthnStatement", "</saml:AuthnStatement>").to_owned();
        let subject = part(&draft, "<saml:Subject>", "</saml:Subject>").to_owned();
        let confirmation = part(&draft, "<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>").to_owned();
        let name = part(&draft, "<saml:NameID", "</saml:NameID>").to_owned();
        let swaps = [
            ("no conditions", "shape", conditions, String::new()),
            ("no authentication", "authentication", statement.clone(), String::new()),
            ("two authentications", "shape", statement.clone(), statement.repeat(2)),
            (
                "a session that ended",
                "time",
                "SessionIndex=".to_owned(),
                "SessionNotOnOrAfter=\"2001-01-01T00:00:00Z\" SessionIndex=".to_owned(),
            ),
            ("no subject", "shape", subject, String::new()),
            ("no name", "shape", name.clone(), String::new()),
            ("two names", "shape", name.clone(), name.repeat(2)),
            (
                "an empty name",
                "characters",
                format!("{}</saml:NameID>", self.person.email),
                "</saml:NameID>".to_owned(),
            ),
            ("no confirmation", "confirmation", confirmation.clone(), String::new()),
            ("two confirmations", "confirmation", confirmation.clone(), confirmation.repeat(2)),
            ("holder of key", "confirmation", "cm:bearer".to_owned(), "cm:holder-of-key".to_owned()),
            ("sender vouches", "confirmation", "cm:bearer".to_owned(), "cm:sender-vouches".to_owned()),
            (
                "a proxy restriction",
                "shape",
                "</saml:AudienceRestriction>".to_owned(),
                "</saml:AudienceRestriction><saml:ProxyRestriction Count=\"0\"/>".to_owned(),
            ),
            (
                "an unknown condition",
                "shape",
                "</saml:AudienceRestriction>".to_owned(),
                "</saml:AudienceRestriction><saml:Condition/>".to_owned(),
            ),
            (
                "an unknown statement",
                "shape",
                "</saml:AttributeStatement>".to_owned(),
                "</saml:AttributeStatement><saml:AuthzDecisionStatement/>".to_owned(),
            ),
            ("a status that is none", "declined", "status:Success".to_owned(), "status:Responder".to_owned()),
            ("no status", "shape", part(&draft, "<samlp:Status>", "</samlp:Status>").to_owned(), String::new()),
            ("a longer audience", "audience", "</saml:Audience>".to_owned(), "/</saml:Audience>".to_owned()),
            ("the issuer's format", "issuer", "<saml:Issuer>".to_owned(), UNSPECIFIED.to_owned()),
            ("success within failure", "declined", SUCCEEDED.to_owned(), FAILED.to_owned()),
            ("an encrypted name", "shape", name, "<saml:EncryptedID/>".to_owned()),
            ("a session without a name", "size", "SessionIndex=\"_".to_owned(), "SessionIndex=\"\" x=\"_".to_owned()),
            ("a link to groups", "groups", "Name=\"groups\"".to_owned(), GROUPS_LINK.to_owned()),
            ("a transient name", "subject", "1.1:nameid-format:emailAddress".to_owned(), TRANSIENT.to_owned()),
        ];
        self.swapped(&draft, swaps)
    }
}
