//! Tries a connector of a configuration without a daemon: the same connector as in one, over a store in memory that is
//! gone with it. Nothing is written, nobody is signed in.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use url::Url;

use super::{Error, Foundation, policies, rules, sources};
use crate::audit::{Ledger, Sealer};
use crate::config::{Config, Gives, MAX_METADATA_BYTES};
use crate::http::outbound::{Outbound, OutboundSettings};
use crate::login::Connector;
use crate::model::SourceId;
use crate::secret::MacKey;
use crate::store;
use crate::upstream::saml::{
    AttributeNames, DEFAULT_CLOCK_SKEW, FetchedSaml, FetchedSettings, IdpMetadata, MetadataPlace, Options, Reading,
    SamlConnector, Settings,
};
use crate::upstream::{Checks, RedirectConnector, TriedIdentity};

/// What came of trying a captured answer.
pub struct Tried {
    /// How each check stands.
    pub checks: Checks,
    /// Who it speaks of, where that could be read.
    pub identity: Option<TriedIdentity>,
    /// The roles that the mapping rules of the configuration give for it.
    pub roles: Vec<String>,
    /// The groups into which they put the person, at a first sign-in.
    pub groups: Vec<String>,
}

/// Looks at a connector of a configuration and at its provider; `None` when there is no such connector.
///
/// # Errors
/// `Configuration` when its files or settings cannot be used.
pub async fn examine(config: &Config, id: &SourceId) -> Result<Option<Checks>, Error> {
    let foundation = Foundation::system();
    let Some(connector) = sources::connector(config, id, &foundation, &ledger(&foundation))? else { return Ok(None) };
    let mut checks = connector.redirect.examine().await;
    check_domains(&mut checks, &connector);
    check_rules(&mut checks, config, id);
    Ok(Some(checks))
}

/// Looks at a SAML provider that is in no configuration yet, by its metadata. Our addresses are as they would be at
/// `public_url` for a connector called `id`.
///
/// # Errors
/// `Configuration` when the authorities cannot be used or the file cannot be read.
pub async fn examine_metadata(place: &str, ca: Option<&Path>, public_url: &str, id: SourceId) -> Result<Checks, Error> {
    let foundation = Foundation::system();
    let Foundation { clock, ids, .. } = foundation.clone();
    let public_url = public_url.trim_end_matches('/').to_owned();
    let (attributes, domains, options) = (AttributeNames::default(), Vec::new(), Options::default());
    let address = place.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "https" | "http"));
    let unread =
        |key: &'static str| move |error: std::io::Error| Error::configuration(key, format!("cannot be read: {error}"));
    let Some(address) = address else {
        let document = match place {
            "-" => read_to_end(std::io::stdin().lock()),
            place => std::fs::File::open(place).and_then(read_to_end),
        };
        let document = document.map_err(unread("--metadata"))?;
        return Ok(match IdpMetadata::parse(&document) {
            Ok(idp) => {
                let settings =
                    Settings { id, public_url, idp, clock_skew: DEFAULT_CLOCK_SKEW, attributes, domains, options };
                SamlConnector::new(settings, clock, ids).examine().await
            }
            Err(error) => {
                let mut checks = Checks::default();
                checks.fail("metadata", error.reason);
                checks
            }
        });
    };
    let ca_pem = ca.map(std::fs::read).transpose().map_err(unread("--provider-ca"))?;
    let outbound = Outbound::new(OutboundSettings { ca_pem, ..OutboundSettings::default() })
        .map_err(|error| Error::configuration("--provider-ca", error))?;
    let settings = FetchedSettings {
        id,
        public_url,
        place: MetadataPlace::Address(address, outbound),
        clock_skew: DEFAULT_CLOCK_SKEW,
        attributes,
        domains,
        options,
        reading: Reading::default(),
    };
    Ok(FetchedSaml::new(settings, ledger(&foundation), clock, ids).examine().await)
}

/// What is there, up to somewhat more than metadata may have.
fn read_to_end(from: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut document = Vec::new();
    from.take(MAX_METADATA_BYTES.saturating_add(1)).read_to_end(&mut document)?;
    Ok(document)
}

/// Reads a captured answer as a connector of a configuration would; `None` when there is no such connector, or its
/// protocol's answers say nothing by themselves.
///
/// # Errors
/// `Configuration` when its files or settings cannot be used.
pub async fn try_captured(config: &Config, id: &SourceId, document: &str) -> Result<Option<Tried>, Error> {
    let foundation = Foundation::system();
    let Some(connector) = sources::connector(config, id, &foundation, &ledger(&foundation))? else { return Ok(None) };
    let Some(trial) = connector.redirect.try_captured(document).await else { return Ok(None) };
    let (mut roles, mut groups) = (Vec::new(), Vec::new());
    if let Some(identity) = &trial.identity {
        let (rules, facts) = (rules(config), identity.facts());
        for grant in rules.wanted(id, &facts) {
            let place = grant.scope.map(|scope| format!(" in {scope}")).unwrap_or_default();
            roles.push(format!("{}{place}, by {}", grant.role, grant.position));
        }
        let joined = rules.joining(id, &facts, true);
        groups.extend(joined.iter().map(|rule| format!("{}, by {}", rule.group, rule.position)));
    }
    Ok(Some(Tried { checks: trial.checks, identity: trial.identity, roles, groups }))
}

/// A ledger that is gone with the process.
fn ledger(foundation: &Foundation) -> Ledger {
    let seal: Arc<dyn store::Seal> = Arc::new(Sealer::new(&MacKey::new(&foundation.ids.bytes())));
    let (store, writer) = store::open_memory(foundation.clock.clone(), seal);
    Ledger::new(store, writer)
}

fn check_domains(checks: &mut Checks, connector: &Connector) {
    match (connector.declares.is_empty(), connector.domains.is_empty()) {
        (true, _) => checks.doubt("domains", "none: nobody is linked to an account that exists already"),
        (false, true) => {
            checks.pass("domains", format!("{}; links to no account that exists", connector.declares.join(", ")))
        }
        (false, false) => checks.pass("domains", connector.declares.join(", ")),
    }
}

/// The mapping rules of the connector; what they look at was checked when the configuration was read.
fn check_rules(checks: &mut Checks, config: &Config, id: &SourceId) {
    let own: Vec<_> = config.mappings.iter().filter(|mapping| mapping.from == *id).collect();
    let pack = match policies::pack(&config.policy) {
        Ok(pack) => pack,
        Err(error) => return checks.fail("rules", format!("the policy pack cannot be used: {error}")),
    };
    let (mut given, mut is_known) = (Vec::new(), true);
    for mapping in &own {
        let role = match &mapping.gives {
            Gives::Role(grant) => &grant.role,
            Gives::Group(group) => {
                given.push(format!("a place in `{group}`"));
                continue;
            }
        };
        if pack.roles().find(role).is_none() {
            let text = "which the policy pack does not have; the daemon starts only when it is a role of your own";
            checks.doubt("rules", format!("{} gives `{role}`, {text}", mapping.position));
            is_known = false;
        }
        given.push(role.to_string());
    }
    given.dedup();
    match (own.is_empty(), is_known) {
        (true, _) => checks.pass("rules", "none: a sign-in gives no roles"),
        (false, true) => checks.pass("rules", format!("{} give {}", own.len(), given.join(", "))),
        (false, false) => {}
    }
    if let Err(error) = policies::check_plan(config) {
        checks.doubt("plan", error.to_string());
    }
}
