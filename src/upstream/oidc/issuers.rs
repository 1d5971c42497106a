//! Whose tokens are taken: those of one issuer, or of the allowed tenants where the provider's description has a template in
//! the issuer's place, as Entra ID has for the applications of many organisations.
//!
//! It refuses a template without tenants that are allowed by name: everybody can open a tenant.

use openidconnect::IssuerUrl;
use serde_json::{Map, Value};

use super::verify::text;
use super::{clean, refused};
use crate::upstream::Error;

/// What stands in a template for the tenant.
const PLACE: &str = "{tenantid}";

/// Whose tokens are taken at a provider.
#[derive(Clone, Debug)]
pub(super) enum Issuers {
    One(IssuerUrl),
    Tenants { template: String, allowed: Vec<String> },
}

/// Who is to have issued a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Issuer {
    pub(super) url: IssuerUrl,
    tenant: Option<String>,
}

impl Issuer {
    /// The name under which we know somebody: `sub` is unique at its issuer only (Core section 2).
    pub(super) fn subject(&self, sub: String) -> String {
        match &self.tenant {
            Some(tenant) => format!("{tenant}/{sub}"),
            None => sub,
        }
    }
}

/// What a template has in the place of the tenant to give this issuer.
fn tenant<'a>(template: &str, issuer: &'a str) -> Option<&'a str> {
    let (before, after) = template.split_once(PLACE)?;
    let tenant = issuer.strip_prefix(before)?.strip_suffix(after)?;
    let is_one = !tenant.is_empty() && !after.contains(PLACE) && !tenant.contains(['/', '{', '}', '?', '#']);
    is_one.then_some(tenant)
}

/// Whether an issuer is the named one, or a case of it where that is a template.
pub(super) fn fits(named: &str, issuer: &str) -> bool {
    named == issuer || tenant(named, issuer).is_some()
}

impl Issuers {
    /// Whose tokens are taken, by the issuer that the description names and the one that is configured.
    ///
    /// # Errors
    /// `Refused` by `issuer` when they do not belong together.
    pub(super) fn new(named: &str, configured: &IssuerUrl, tenants: &[String]) -> Result<Self, Error> {
        let is_template = named.contains(PLACE);
        match (is_template, tenants.is_empty()) {
            (false, true) if named == configured.as_str() => Ok(Self::One(configured.clone())),
            (true, false) if tenant(named, configured.as_str()).is_some() => {
                Ok(Self::Tenants { template: named.to_owned(), allowed: tenants.to_vec() })
            }
            (true, true) => {
                let reason =
                    "the issuer is a template for many tenants: configure the tenant's own issuer, or `tenants`";
                Err(refused("issuer", reason))
            }
            (false, false) if named == configured.as_str() => {
                Err(refused("issuer", "the issuer is of one tenant: configure no `tenants`"))
            }
            _ => {
                let (named, configured) = (clean(named), configured.as_str());
                Err(refused("issuer", format!("the discovery document is of `{named}`, not of `{configured}`")))
            }
        }
    }

    /// Whether this is an issuer whose tokens are taken.
    pub(super) fn accepts(&self, issuer: &str) -> bool {
        match self {
            Self::One(one) => one.as_str() == issuer,
            Self::Tenants { template, allowed } => {
                tenant(template, issuer).is_some_and(|tenant| allowed.iter().any(|one| one == tenant))
            }
        }
    }

    /// Who is to have issued a token with these claims, which nobody has verified yet.
    ///
    /// # Errors
    /// `Refused` by `issuer` or `tenant` when no tenant of ours can have.
    pub(super) fn of(&self, claims: &Map<String, Value>) -> Result<Issuer, Error> {
        let (template, allowed) = match self {
            Self::One(url) => return Ok(Issuer { url: url.clone(), tenant: None }),
            Self::Tenants { template, allowed } => (template, allowed),
        };
        let named = text(claims, "iss").unwrap_or_default();
        let wrong = || refused("issuer", format!("the token is of `{}`, which is no tenant", clean(named)));
        let tenant = tenant(template, named).ok_or_else(wrong)?;
        if !allowed.iter().any(|one| one == tenant) {
            return Err(refused("tenant", format!("the tenant `{}` is not allowed", clean(tenant))));
        }
        // Logout tokens need not say it twice.
        let is_silent_logout = claims.contains_key("events") && !claims.contains_key("tid");
        if !is_silent_logout && text(claims, "tid") != Some(tenant) {
            return Err(refused("tenant", "`tid` is of another tenant than `iss`"));
        }
        let url = IssuerUrl::new(named.to_owned()).map_err(|_| wrong())?;
        Ok(Issuer { url, tenant: Some(tenant.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_fits_one_segment_in_its_place_and_nothing_else() {
        let template = "https://idp.example/{tenantid}/v2.0";
        for (issuer, expected) in [
            ("https://idp.example/a/v2.0", Some("a")),
            ("https://idp.example//v2.0", None),
            ("https://idp.example/a/b/v2.0", None),
            ("https://idp.example/a/v2.0/", None),
            ("https://idp.example/{tenantid}/v2.0", None),
            ("https://idp.example.evil/a/v2.0", None),
            ("https://idp.example/v2.0", None),
        ] {
            assert_eq!(tenant(template, issuer), expected, "{issuer}");
        }
        assert_eq!(tenant("https://{tenantid}/{tenantid}", "https://a/{tenantid}"), None);
        assert!(fits("https://idp.example", "https://idp.example"));
        assert!(!fits("https://idp.example", "https://idp.example/"));
    }
}
