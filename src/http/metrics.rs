//! What is counted, for the operations listener. Labels are words of ours and names out of the configuration; never a
//! user's name, address or id, and never a path as it was asked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::{Method, StatusCode};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::clock::Timestamp;

/// All metrics of the program. Cloning shares them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabel, Histogram, fn() -> Histogram>,
    connections_refused: Family<ReasonLabel, Counter>,
    load_shed: Counter,
    attempts: Family<Attempt, Counter>,
    ratelimited: Family<LimiterLabel, Counter>,
    spray_blocks: Counter,
    lockouts: Family<KindLabel, Counter>,
    sessions_opened: Family<PathLabel, Counter>,
    sessions_active: Gauge,
    seats_used: Family<TypeLabel, Gauge>,
    seats_limit: Family<TypeLabel, Gauge>,
    password_waits: Histogram,
    scim_requests: Family<ScimLabels, Counter>,
    scim_paused: Family<ClientLabel, Gauge>,
    ldap_success: Family<SourceLabel, Gauge>,
    ldap_changes: Family<ChangeLabels, Counter>,
    mails: Family<ResultLabel, Counter>,
    signals: Family<SignalLabels, Counter>,
    signals_polled: Family<SourceLabel, Gauge>,
    mails_waiting: Gauge,
    certificates: Family<UseLabel, Gauge>,
    reload_success: Gauge,
    reload_time: Gauge,
    store_size: Gauge,
}

/// How a try to sign in went, in words of ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Attempt {
    /// The way in: `password`, `saml`, `oidc`, `bind`.
    pub path: &'static str,
    /// `success` or `failure`.
    pub result: &'static str,
    /// Why it failed, `none` when it did not: `bad_credentials`, `locked`, `inactive`, `replayed`.
    pub reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimiterLabel {
    limiter: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TypeLabel {
    r#type: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PathLabel {
    path: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ScimLabels {
    client: String,
    resource: &'static str,
    op: &'static str,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClientLabel {
    client: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabel {
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChangeLabels {
    source: String,
    op: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignalLabels {
    source: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UseLabel {
    r#use: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// 100 µs to 26 s.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 4.0, 10))
}

impl Metrics {
    /// Metrics at zero.
    pub fn new() -> Self {
        let mut inner = Inner {
            registry: Registry::with_prefix("cleargate"),
            requests: Family::default(),
            durations: Family::new_with_constructor(durations),
            connections_refused: Family::default(),
            load_shed: Counter::default(),
            attempts: Family::default(),
            ratelimited: Family::default(),
            spray_blocks: Counter::default(),
            lockouts: Family::default(),
            sessions_opened: Family::default(),
            sessions_active: Gauge::default(),
            seats_used: Family::default(),
            seats_limit: Family::default(),
            password_waits: durations(),
            scim_requests: Family::default(),
            scim_paused: Family::default(),
            ldap_success: Family::default(),
            ldap_changes: Family::default(),
            mails: Family::default(),
            signals: Family::default(),
            signals_polled: Family::default(),
            mails_waiting: Gauge::default(),
            certificates: Family::default(),
            reload_success: Gauge::default(),
            reload_time: Gauge::default(),
            store_size: Gauge::default(),
        };
        inner.register_requests();
        inner.register_rest();
        Self(Arc::new(inner))
    }

    /// A request was answered after `took`. `route` is the pattern of the table, never the path.
    pub fn request(&self, route: &'static str, method: &Method, status: StatusCode, took: Duration) {
        let labels = RequestLabels { route, method: word(method), code: status.as_u16() };
        self.0.requests.get_or_create(&labels).inc();
        self.0.durations.get_or_create(&RouteLabel { route }).observe(took.as_secs_f64());
    }

    /// A connection was closed unserved because the `listener` or its `prefix` had too many.
    pub fn connection_refused(&self, reason: &'static str) {
        self.0.connections_refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// A request was answered 503 because too many were in flight.
    pub fn load_shed(&self) {
        self.0.load_shed.inc();
    }

    /// Somebody tried to sign in.
    pub fn attempt(&self, attempt: &Attempt) {
        self.0.attempts.get_or_create(attempt).inc();
    }

    /// A request was answered 429 by the limiter of this name.
    pub fn ratelimited(&self, limiter: &'static str) {
        self.0.ratelimited.get_or_create(&LimiterLabel { limiter }).inc();
    }

    /// Something was locked for wrong tries: `password`, `device` (a password, tried from a known browser), `factor`, `nobody` (a
    /// name of nobody).
    pub fn locked(&self, kind: &'static str) {
        self.0.lockouts.get_or_create(&KindLabel { kind }).inc();
    }

    /// A session was opened; `path` is the way in.
    pub fn session_opened(&self, path: &'static str) {
        self.0.sessions_opened.get_or_create(&PathLabel { path }).inc();
    }

    /// A password has waited for a thread that hashes it.
    pub fn password_waited(&self, waited: Duration) {
        self.0.password_waits.observe(waited.as_secs_f64());
    }

    /// A network was shut out of sign-in by password because it sprayed.
    pub fn spray_blocked(&self) {
        self.0.spray_blocks.inc();
    }

    /// A provisioning request was answered. `client` is the connection's id out of the configuration.
    pub fn scim_request(&self, client: &str, resource: &'static str, op: &'static str, status: StatusCode) {
        let labels = ScimLabels { client: client.to_owned(), resource, op, code: status.as_u16() };
        self.0.scim_requests.get_or_create(&labels).inc();
    }

    /// Whether a connection is paused because it removed too much.
    pub fn scim_paused(&self, client: &str, is_paused: bool) {
        self.0.scim_paused.get_or_create(&ClientLabel { client: client.to_owned() }).set(i64::from(is_paused));
    }

    /// The sync of the source out of the configuration ended well at `at`.
    pub fn ldap_sync_succeeded(&self, source: &str, at: Timestamp) {
        self.0.ldap_success.get_or_create(&SourceLabel { source: source.to_owned() }).set(at.as_seconds());
    }

    /// A sync changed `count` users or groups; `op` is `create`, `update` or `delete`.
    pub fn ldap_sync_changed(&self, source: &str, op: &'static str, count: u64) {
        self.0.ldap_changes.get_or_create(&ChangeLabels { source: source.to_owned(), op }).inc_by(count);
    }

    /// A mail was `sent`, `put off` to be tried again, `given up`, or not posted because the outbox was `full`.
    pub fn mail(&self, result: &'static str) {
        self.0.mails.get_or_create(&ResultLabel { result }).inc();
    }

    /// A signal of a provider about its people came; `result` is `done`, `again` (it was done before), `refused`, or `put off`
    /// where it could not be looked at.
    pub fn signal(&self, source: &str, result: &'static str) {
        self.0.signals.get_or_create(&SignalLabels { source: source.to_owned(), result }).inc();
    }

    /// A provider was asked for its signals at `at`, and answered.
    pub fn signals_polled(&self, source: &str, at: Timestamp) {
        self.0.signals_polled.get_or_create(&SourceLabel { source: source.to_owned() }).set(at.as_seconds());
    }

    /// How many mails wait.
    pub fn mails_waiting(&self, count: i64) {
        self.0.mails_waiting.set(count);
    }

    /// When a certificate ends to be valid; `usage` is `tls`, `saml_signing`.
    pub fn certificate_expires(&self, usage: &'static str, at: Timestamp) {
        self.0.certificates.get_or_create(&UseLabel { r#use: usage }).set(at.as_seconds());
    }

    /// The configuration was read at `at`, and taken or not.
    pub fn config_reloaded(&self, taken: bool, at: Timestamp) {
        self.0.reload_success.set(i64::from(taken));
        self.0.reload_time.set(at.as_seconds());
    }

    /// How many sessions there were when they were counted last; those that ended by idleness count until their rows go.
    pub fn sessions_active(&self, count: u64) {
        self.0.sessions_active.set(signed(count));
    }

    /// How many seats of a type are taken, `*` for all together, and how many there may be.
    pub fn seats(&self, role: &str, used: u64, limit: Option<u64>) {
        let label = TypeLabel { r#type: role.to_owned() };
        self.0.seats_used.get_or_create(&label).set(signed(used));
        if let Some(limit) = limit {
            self.0.seats_limit.get_or_create(&label).set(signed(limit));
        }
    }

    /// How large the store's file is.
    pub fn store_size(&self, bytes: u64) {
        self.0.store_size.set(signed(bytes));
    }

    /// All metrics as OpenMetrics text.
    pub fn render(&self) -> String {
        let mut out = String::new();
        match text::encode(&mut out, &self.0.registry) {
            Ok(()) => out,
            // Writing to a string does not fail.
            Err(fmt::Error) => String::new(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Inner {
    fn register_requests(&mut self) {
        let registry = &mut self.registry;
        registry.register("build", "The program", Info::new(BuildLabels { version: env!("CARGO_PKG_VERSION") }));
        registry.register("http_requests", "Requests answered", self.requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "From the end of the request's header to the start of the answer",
            self.durations.clone(),
        );
        let refused = self.connections_refused.clone();
        registry.register("connections_refused", "Connections closed unserved at a limit", refused);
        registry.register("load_shed", "Requests answered 503 because too many were in flight", self.load_shed.clone());
        registry.register("ratelimited", "Requests answered 429", self.ratelimited.clone());
        registry.register("lockouts", "Locks set for wrong tries", self.lockouts.clone());
        registry.register("sessions_opened", "Sessions opened", self.sessions_opened.clone());
        registry.register(
            "password_hash_queue_seconds",
            "How long passwords waited for a thread that hashes them",
            self.password_waits.clone(),
        );
        let blocks = self.spray_blocks.clone();
        registry.register("spray_blocks", "Networks shut out of sign-in by password for spraying", blocks);
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When a certificate ends to be valid",
            self.certificates.clone(),
        );
        registry.register(
            "config_reload_success",
            "Whether the last configuration was taken",
            self.reload_success.clone(),
        );
        registry.register(
            "config_reload_timestamp_seconds",
            "When the configuration was last read",
            self.reload_time.clone(),
        );
    }

    fn register_rest(&mut self) {
        let registry = &mut self.registry;
        registry.register("auth_attempts", "Tries to sign in", self.attempts.clone());
        registry.register("scim_requests", "Provisioning requests answered", self.scim_requests.clone());
        registry.register(
            "scim_paused",
            "Whether a connection is paused because it removed too much",
            self.scim_paused.clone(),
        );
        registry.register(
            "ldap_sync_last_success_timestamp_seconds",
            "When a directory was last synced",
            self.ldap_success.clone(),
        );
        registry.register("ldap_sync_changes", "Users and groups that a sync changed", self.ldap_changes.clone());
        registry.register("mails", "Mails by what became of them", self.mails.clone());
        registry.register("signals", "Signals of providers by what became of them", self.signals.clone());
        registry.register(
            "signals_last_poll_timestamp_seconds",
            "When a provider last answered a question for its signals",
            self.signals_polled.clone(),
        );
        registry.register("mails_waiting", "Mails that wait to be sent", self.mails_waiting.clone());
        registry.register("db_size_bytes", "The store's file", self.store_size.clone());
        registry.register("sessions_active", "Sessions when they were counted last", self.sessions_active.clone());
        registry.register("seats_used", "Seats that are taken, by type", self.seats_used.clone());
        registry.register("seats_limit", "Seats that there may be, by type", self.seats_limit.clone());
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The method, or one word for all that are none of RFC 9110 and RFC 5789: peers must not make labels.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::DELETE => "DELETE",
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::POST => "POST",
        Method::PUT => "PUT",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_render_with_the_names_that_alerts_use() {
        let metrics = Metrics::new();
        metrics.request("/scim/v2/Users/{id}", &Method::GET, StatusCode::OK, Duration::from_millis(2));
        metrics.request("unknown", &Method::from_bytes(b"BREW").unwrap(), StatusCode::NOT_FOUND, Duration::ZERO);
        metrics.attempt(&Attempt { path: "password", result: "failure", reason: "locked" });
        metrics.ratelimited("sign_in");
        metrics.load_shed();
        metrics.scim_request("okta", "User", "create", StatusCode::CREATED);
        metrics.scim_paused("okta", true);
        metrics.ldap_sync_succeeded("corp", Timestamp::from_seconds(1_800_000_000));
        metrics.ldap_sync_changed("corp", "create", 3);
        metrics.certificate_expires("tls", Timestamp::from_seconds(1_900_000_000));
        metrics.config_reloaded(true, Timestamp::from_seconds(1_800_000_000));
        metrics.store_size(4096);
        metrics.mail("sent");
        metrics.mails_waiting(2);
        metrics.signal("okta", "done");
        metrics.signals_polled("okta", Timestamp::from_seconds(1_800_000_000));
        metrics.sessions_active(7);
        metrics.seats("*", 4, Some(3));
        metrics.seats("editor", 4, None);
        let text = metrics.render();
        for line in [
            "cleargate_build_info{version=\"0.1.0\"} 1",
            "cleargate_http_requests_total{route=\"/scim/v2/Users/{id}\",method=\"GET\",code=\"200\"} 1",
            "cleargate_http_requests_total{route=\"unknown\",method=\"other\",code=\"404\"} 1",
            "cleargate_http_request_duration_seconds_count{route=\"/scim/v2/Users/{id}\"} 1",
            "cleargate_auth_attempts_total{path=\"password\",result=\"failure\",reason=\"locked\"} 1",
            "cleargate_ratelimited_total{limiter=\"sign_in\"} 1",
            "cleargate_load_shed_total 1",
            "cleargate_scim_requests_total{client=\"okta\",resource=\"User\",op=\"create\",code=\"201\"} 1",
            "cleargate_scim_paused{client=\"okta\"} 1",
            "cleargate_ldap_sync_last_success_timestamp_seconds{source=\"corp\"} 1800000000",
            "cleargate_ldap_sync_changes_total{source=\"corp\",op=\"create\"} 3",
            "cleargate_certificate_expiry_timestamp_seconds{use=\"tls\"} 1900000000",
            "cleargate_config_reload_success 1",
            "cleargate_db_size_bytes 4096",
            "cleargate_mails_total{result=\"sent\"} 1",
            "cleargate_mails_waiting 2",
            "cleargate_signals_total{source=\"okta\",result=\"done\"} 1",
            "cleargate_signals_last_poll_timestamp_seconds{source=\"okta\"} 1800000000",
            "cleargate_sessions_active 7",
            "cleargate_seats_used{type=\"*\"} 4",
            "cleargate_seats_used{type=\"editor\"} 4",
            "cleargate_seats_limit{type=\"*\"} 3",
        ] {
            assert!(text.lines().any(|got| got == line), "{line} is missing in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
