//! The configuration of the demonstration, written as an administrator would write it.

use std::path::Path;

use crate::sandbox::play::Step;

/// The provisioning connection.
pub const OKTA: &str = "okta";
/// The directory.
pub const CORP: &str = "corp";
/// The SAML provider.
pub const WORKFORCE: &str = "workforce";
/// The OpenID provider.
pub const PARTNERS: &str = "partners";
/// The gateway's id at the OpenID provider.
pub const CLIENT_ID: &str = "cleargate-demo";

/// Addresses that the configuration names.
pub(super) struct Places<'a> {
    pub(super) folder: &'a Path,
    pub(super) port: u16,
    pub(super) directory_port: u16,
    pub(super) saml: &'a str,
    pub(super) openid: &'a str,
}

/// `cleargate.toml`. Two of the ways to break a step are mistakes of the administrator and are made here.
pub(super) fn text(places: &Places<'_>, broken: Option<Step>) -> String {
    let Places { port, directory_port, saml, openid, .. } = places;
    let path = |name: &str| serde_json::Value::from(places.folder.join(name).to_string_lossy()).to_string();
    let [certificate, key, admin, store, ca, bind, client] =
        ["tls.pem", "tls.key", "admin.sock", "cleargate.redb", "ca.pem", "corp.password", "partners.secret"].map(path);
    let role = if broken == Some(Step::Start) { "nobody-made-this-role" } else { "operations_manager" };
    let attempts = if broken == Some(Step::Refuse) { "attempts = 9\n" } else { "" };
    let (finance, audit, base, reader) =
        (super::cast::FINANCE, super::cast::AUDIT, super::cast::BASE, super::cast::READER);
    format!(
        r#"# Written by `cleargate demo`. Gone when it ends.
public_url = "https://127.0.0.1:{port}"
policy.pack = "clearpoint-systems"

[listen]
address = "127.0.0.1:{port}"
operations = "127.0.0.1:0"
admin = {admin}
tls = {{ certificate = {certificate}, key = {{ file = {key} }} }}

[store]
path = {store}

[[scim]]
id = "{OKTA}"
name = "Provisioning"

[[ldap]]
id = "{CORP}"
name = "Corporate directory"
servers = ["ldaps://127.0.0.1:{directory_port}"]
ca = {ca}
bind = {{ dn = "{reader}", password = {{ file = {bind} }} }}
base = "{base}"
login = true

[[saml]]
id = "{WORKFORCE}"
name = "Sandbox workforce (SAML)"
metadata.url = "{saml}/metadata"
domains = ["clearpoint.example"]

[[oidc]]
id = "{PARTNERS}"
name = "Sandbox partners (OpenID Connect)"
issuer = "{openid}"
client_id = "{CLIENT_ID}"
client_secret = {{ file = {client} }}

[[mapping]]
from = "{OKTA}"
when = 'groups eq "Operations"'
grant = {{ role = "{role}" }}

[[mapping]]
from = "{CORP}"
when = 'groups eq "{finance}"'
grant = {{ role = "data_analyst", scope = "department:finance" }}

[[mapping]]
from = "{CORP}"
when = 'groups eq "{audit}"'
grant = {{ role = "compliance_officer" }}

[[mapping]]
from = "{WORKFORCE}"
when = 'groups eq "Compliance"'
grant = {{ role = "compliance_officer" }}

[[mapping]]
from = "{PARTNERS}"
when = 'groups eq "Readers"'
grant = {{ role = "viewer" }}

[lockout]
preset = "clearvantage"
{attempts}"#
    )
}
