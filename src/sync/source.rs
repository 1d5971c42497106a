//! A source as configured, and fetching all of it.

use crate::clock::Timestamp;
use crate::config;
use crate::ldap::schema::{ACTIVE_DIRECTORY, DS389, OPENLDAP};
use crate::ldap::{Connection, Dn, Filter, LdapSettings, Place, Scope, Tree};
use crate::model::SourceId;

use super::{Error, Limits, Snapshot};

/// A directory that is pulled.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its id.
    pub id: SourceId,
    /// Where it is and what is where in it.
    pub tree: Tree,
    /// How much one run may take away.
    pub limits: Limits,
}

impl Source {
    /// The source of a section `[[ldap]]`; reads the file of authorities.
    ///
    /// # Errors
    /// `Invalid` for a name or filter that is none, without a service account, or when the file cannot be read; `Ldap`
    /// for addresses that are none.
    pub async fn open(section: &config::Ldap) -> Result<Self, Error> {
        let invalid = |reason: String| Error::Invalid { reason };
        let dn = |text: &str| text.parse::<Dn>().map_err(|error| invalid(format!("`{text}`: {error}")));
        let Some(account) = &section.bind else {
            return Err(invalid("`bind` is missing: directories are read with a service account".to_owned()));
        };
        let servers: Result<Vec<_>, _> = section.servers.iter().map(|url| url.as_str().parse()).collect();
        let mut settings = LdapSettings::new(servers?, account.dn.clone(), account.password.clone());
        // Without StartTLS the configuration lets `ldap://` through to loopback only.
        settings.start_tls = section.start_tls;
        settings.allow_plain = !section.start_tls;
        if let Some(path) = &section.ca {
            let pem = tokio::fs::read_to_string(path).await;
            settings.ca_pem = Some(pem.map_err(|error| invalid(format!("`ca` {}: {error}", path.display())))?);
        }
        let schema = match section.preset {
            config::LdapPreset::ActiveDirectory => &ACTIVE_DIRECTORY,
            config::LdapPreset::Ds389 => &DS389,
            config::LdapPreset::OpenLdap => &OPENLDAP,
        };
        let mut tree = Tree::new(settings, schema, dn(&section.base)?);
        for (place, query) in [(&mut tree.people, &section.people), (&mut tree.groups, &section.groups)] {
            if let Some(base) = &query.base {
                place.base = dn(base)?;
            }
            if let Some(filter) = &query.filter {
                place.filter = Filter::written(filter)?;
            }
        }
        let limits = Limits { removals: section.guard.removals, at_least: u64::from(section.guard.at_least) };
        Ok(Self { id: section.id.clone(), tree, limits })
    }

    /// Reads everybody and everything over one connection.
    ///
    /// # Errors
    /// `Ldap` when the server cannot be read to the end; `Untrusted` when what it shows is not whole.
    pub(super) async fn fetch(&self, now: Timestamp) -> Result<Snapshot, Error> {
        let mut connection = Connection::open(&self.tree.settings).await?;
        let fetched = self.fetch_over(&mut connection, now).await;
        connection.close().await;
        fetched
    }

    async fn fetch_over(&self, connection: &mut Connection, now: Timestamp) -> Result<Snapshot, Error> {
        // A server that hides the base from the account would show an empty directory as a success.
        for base in [&self.tree.base, &self.tree.people.base, &self.tree.groups.base] {
            if connection.find(base.as_str(), &["objectClass"]).await?.is_none() {
                let reason = format!("`{base}` is not there, or the service account does not see it");
                return Err(Error::Untrusted { reason });
            }
        }
        let schema = self.tree.schema;
        let people = find(connection, &self.tree.people, &schema.person_attributes()).await?;
        let groups = find(connection, &self.tree.groups, &schema.group_attributes()).await?;
        Snapshot::build(schema, &people, &groups, now)
    }
}

async fn find(
    connection: &mut Connection,
    place: &Place,
    attributes: &[&str],
) -> Result<Vec<crate::ldap::Entry>, crate::ldap::Error> {
    connection.search_all(place.base.as_str(), Scope::Subtree, &place.filter, attributes).await
}
