//! `[[saml]]` and `[[oidc]]`: who proves an identity.

use std::path::PathBuf;

use url::Url;

use super::form::Domain;
use crate::model::SourceId;
use crate::secret::Secret;

/// Where a SAML identity provider's metadata is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SamlMetadata {
    /// A file.
    File(PathBuf),
    /// An address over TLS, or plain HTTP to loopback; fetched again from time to time.
    Url(Url),
}

/// Which SAML attributes carry what; `None` means that the usual names are recognised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SamlAttributes {
    /// The login name; the `NameID` when the attribute is absent.
    pub user_name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The name to show.
    pub display_name: Option<String>,
    /// Group names, one value each.
    pub groups: Option<String>,
}

/// `[[saml]]`: a SAML identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saml {
    /// The id, unique among all sources and connectors; part of our addresses.
    pub id: SourceId,
    /// The name on the sign-in page; the id by default.
    pub name: String,
    /// Its metadata.
    pub metadata: SamlMetadata,
    /// PEM file with the authorities to trust when metadata is fetched; the system's by default.
    pub ca: Option<PathBuf>,
    /// The e-mail domains whose people it vouches for. The sign-in page sends them there.
    pub domains: Vec<Domain>,
    /// Whether a sign-in whose verified e-mail address is in one of `domains` may be linked to an account that exists;
    /// default yes. Never for other domains.
    pub link_existing: bool,
    /// Attribute names.
    pub attributes: SamlAttributes,
}

/// Which claims carry what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcClaims {
    /// The login name, default `preferred_username`.
    pub user_name: String,
    /// The e-mail address, default `email`; with `email_verified` beside it.
    pub email: String,
    /// The name to show, default `name`.
    pub display_name: String,
    /// Group names, default `groups`.
    pub groups: String,
}

/// `[[oidc]]`: an OpenID provider.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// The id, unique among all sources and connectors; part of our addresses.
    pub id: SourceId,
    /// The name on the sign-in page; the id by default.
    pub name: String,
    /// The issuer exactly as written, because it is compared by character; a URL over TLS, or plain HTTP to loopback,
    /// without query and fragment.
    pub issuer: String,
    /// Our id there.
    pub client_id: String,
    /// Our secret there; a public client, which PKCE protects, has none.
    pub client_secret: Option<Secret>,
    /// Scopes to ask for, `openid` always among them; default `openid profile email`.
    pub scopes: Vec<String>,
    /// Claim names.
    pub claims: OidcClaims,
    /// PEM file with the authorities to trust; the system's by default.
    pub ca: Option<PathBuf>,
    /// The e-mail domains whose people it vouches for. The sign-in page sends them there.
    pub domains: Vec<Domain>,
    /// Whether a sign-in whose verified e-mail address is in one of `domains` may be linked to an account that exists;
    /// default yes. Never for other domains.
    pub link_existing: bool,
}
