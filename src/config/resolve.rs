//! From the file as written to the configuration as used, with every problem on the way.

use std::path::PathBuf;

use url::{Host, Url};

use super::document::{File, Source, Span};
use super::problem::{Problem, Severity};
use super::seats::{Plan, Seats};
use super::secrets::Credentials;
use super::section::{Reader, Section, check_url, list, nearest};
use super::source::BY_HAND;
use super::{
    Audit, Config, Factors, Invitations, Ldap, Limits, Listen, Lockout, Log, Mail, Mapping, Notify, Oidc, Outbound,
    Password, Policy, PolicyTest, Saml, Scim, Session, SignIn, Store, Tokens,
};

/// Ids that mean something already, and what.
const RESERVED: [(&str, &str); 14] = [
    ("change-password", "the page that asks for a new password"),
    ("enrol", "the page that sets up a second factor"),
    ("factor", "the page that asks for a second factor"),
    ("forgot", "the page for who forgot a password"),
    ("invitation", "the page on which an invitation is accepted"),
    ("language", "the choice of a language"),
    ("link", "sign-in by a one-time link"),
    ("passkey", "sign-in by passkey"),
    ("passkey.js", "the script that asks browsers for passkeys"),
    ("password", "sign-in by password"),
    ("reset", "the page on which a link to choose a password is followed"),
    ("step-up", "the page that asks for a second factor again"),
    ("trial", "test sign-ins"),
    (BY_HAND, "what administrators keep by hand"),
];

/// Longest `contact`, in characters.
const MAX_CONTACT_CHARS: usize = 200;

/// Gives the values of `file` their meaning and reads the secrets that they refer to.
///
/// # Errors
/// Every problem, in the order of the files, warnings among them; at least one is an error.
pub fn resolve(file: &File, credentials: &Credentials) -> Result<Config, Vec<Problem>> {
    let reader = Reader::new(file, credentials);
    let config = read(&reader);
    let (problems, _) = reader.into_parts();
    match config {
        Some(config) if problems.iter().all(|problem| problem.severity == Severity::Warning) => {
            Ok(Config { warnings: problems, ..config })
        }
        _ => Err(problems),
    }
}

/// Every key that the configuration knows, with its default.
pub fn schema() -> Vec<super::Known> {
    let text = "[[scim]]\n[[ldap]]\n[[saml]]\n[[saml.signing]]\n[[saml.decryption]]\n[[oidc]]\n\
                [[mapping]]\n[[test]]\n[[notify]]\n[[schema]]\n[[schema.attribute]]\n[[schema.attribute.sub_attribute]]\n\
                [[resource_type]]\n[[resource_type.extensions]]\n[[seats.type]]\n"
        .to_owned();
    let file = File::parse(PathBuf::new(), vec![Source { name: "schema".to_owned(), text }]);
    let reader = Reader::new(&file, &Credentials::None);
    let incomplete = read(&reader);
    drop(incomplete);
    reader.into_parts().1
}

/// The configuration; `None` when a part without default is missing, which is reported then.
fn read(reader: &Reader<'_>) -> Option<Config> {
    let root = reader.root();
    let public_url = public_url(&root);
    let contact = contact(&root);
    let policy = Policy::resolve(&root.table("policy"));
    let plan = root.choice("plan", Plan::Enterprise, &Plan::ALL);
    let seats = Seats::resolve(&root.table("seats"));
    let listen = Listen::resolve(&root.table("listen"));
    let store = Store::resolve(&root.table("store"));
    let mut ids = Ids::default();
    let connections = root.tables("scim");
    let named = || connections.iter().filter_map(|section| section.peek("id"));
    connections.iter().for_each(|section| named_in(section, &mut ids));
    let ldap = collect(&root, "ldap", &mut ids, Ldap::resolve);
    let saml = collect(&root, "saml", &mut ids, Saml::resolve);
    let oidc = collect(&root, "oidc", &mut ids, Oidc::resolve);
    let mappings = root.tables("mapping").iter().filter_map(|section| mapping(section, &ids)).collect();
    let tests = PolicyTest::resolve_all(&root.tables("test"));
    let schemas = super::schema::resolve(&root);
    let (passwords, locks) = policy.pack.presets();
    let lockout = Lockout::resolve(&root.table("lockout"), locks);
    let password = Password::resolve(&root.table("password"), passwords);
    let factors = Factors::resolve(&root.table("factors"));
    let has_sso = !saml.is_empty() || !oidc.is_empty();
    let sign_in = SignIn::resolve(&root.table("sign_in"), has_sso);
    let session = Session::resolve(&root.table("session"));
    let invitations = Invitations::resolve(&root.table("invitations"));
    let tokens = Tokens::resolve(&root.table("tokens"));
    let limits = Limits::resolve(&root.table("limits"));
    let owners: Vec<&str> = named().chain(ldap.iter().map(|ldap| ldap.id.as_str())).collect();
    let scim = connections.iter().filter_map(|section| Scim::resolve(section, &owners, limits.scim)).collect();
    let audit = Audit::resolve(&root.table("audit"));
    let mail = Mail::resolve(&root.table("mail"));
    let notify = collect(&root, "notify", &mut Ids::default(), Notify::resolve);
    let outbound = Outbound::resolve(&root.table("outbound"));
    let log = Log::resolve(&root.table("log"));
    Some(Config {
        public_url: public_url?,
        contact,
        policy,
        plan,
        seats,
        listen,
        store,
        scim,
        schemas,
        ldap,
        saml,
        oidc,
        mappings,
        tests,
        lockout,
        password,
        factors,
        sign_in,
        session,
        invitations,
        tokens,
        limits,
        audit,
        mail,
        notify,
        outbound,
        log,
        warnings: Vec::new(),
    })
}

fn public_url(root: &Section<'_>) -> Option<Url> {
    let text: String = root.required("public_url")?;
    let url = match check_url(&text, "https", "http") {
        Ok(url) => url,
        Err(reason) => {
            root.error("public_url", &reason, None);
            return None;
        }
    };
    if url.path() != "/" || url.query().is_some() {
        root.error("public_url", "must be an origin: nothing after host and port", None);
    }
    if !matches!(url.host(), Some(Host::Domain(_))) {
        root.warn("public_url", "is an IP address, for which browsers make no passkeys: nobody can sign in with one");
    }
    Some(url)
}

/// Whom people ask: shown as it is, so that it has one line.
fn contact(root: &Section<'_>) -> Option<String> {
    let text: String = root.optional("contact")?;
    if text.chars().count() > MAX_CONTACT_CHARS || text.chars().any(char::is_control) {
        root.error("contact", &format!("must be one line of at most {MAX_CONTACT_CHARS} characters"), None);
    }
    Some(text)
}

/// The ids that are taken, where, and the key that says so.
#[derive(Default)]
struct Ids(Vec<(String, Span, String)>);

impl Ids {
    /// Takes the id of a section; one that is taken or reserved is reported.
    fn take(&mut self, section: &Section<'_>, id: &str) {
        if let Some((_, meaning)) = RESERVED.iter().find(|(reserved, _)| *reserved == id) {
            section.error("id", &format!("`{id}` is reserved for {meaning}"), None);
        }
        let (at, key) = (section.spot("id"), section.key("id"));
        match self.0.iter_mut().find(|(taken, ..)| taken == id) {
            None => self.0.push((id.to_owned(), at, key)),
            Some(first) => {
                // Lists are read by kind; the one further down is the one to change.
                let mut later = (id.to_owned(), at, key);
                if later.1 < first.1 {
                    std::mem::swap(&mut later, first);
                }
                let place = section.reader.file.place(first.1);
                let message = format!("`{}` is `{id}`, which is taken at {place}", later.2);
                section.reader.error(later.1, &later.2, message, None);
            }
        }
    }
}

fn collect<T>(
    root: &Section<'_>,
    name: &'static str,
    ids: &mut Ids,
    resolve: impl Fn(&Section<'_>) -> Option<T>,
) -> Vec<T> {
    let mut values = Vec::new();
    for section in root.tables(name) {
        // Taken before the rest is read, so that a mapping from a source with another problem is not one more.
        named_in(&section, ids);
        values.extend(resolve(&section));
    }
    values
}

fn named_in(section: &Section<'_>, ids: &mut Ids) {
    if let Some(id) = section.peek("id") {
        ids.take(section, id);
    }
}

fn mapping(section: &Section<'_>, ids: &Ids) -> Option<Mapping> {
    let known = || ids.0.iter().map(|(id, ..)| id.as_str());
    match section.peek("from") {
        Some(from) if known().next().is_none() => {
            section.error("from", &format!("names `{from}`, but no source is configured"), None);
        }
        Some(from) if known().all(|id| id != from) => {
            let help = nearest(from, known()).map(|near| format!("did you mean `{near}`?"));
            section.error("from", &format!("names no source; there is {}", list(known())), help);
        }
        _ => {}
    }
    let mapping = Mapping::resolve(section);
    let is_connector = |from: &str| ids.0.iter().any(|(id, _, key)| id == from && is_of_connector(key));
    if let Some(mapping) = &mapping
        && known().any(|id| id == mapping.from.as_str())
        && !is_connector(mapping.from.as_str())
    {
        if mapping.keeping != crate::model::Keeping::Full {
            section.error(
                "mode",
                "is for rules about sign-ins by `[[saml]]` and `[[oidc]]`; others are always `full`",
                None,
            );
        }
        if mapping.grant().is_none() {
            section.error("join", "is for rules about sign-ins by `[[saml]]` and `[[oidc]]`", None);
        }
    }
    mapping
}

/// Whether the key of an id is in a section of a provider to sign in by.
fn is_of_connector(key: &str) -> bool {
    ["saml", "oidc"].iter().any(|kind| key.strip_prefix(kind).is_some_and(|rest| rest.starts_with('[')))
}
