//! What the ledger records.

use std::net::IpAddr;

use minicbor::{Decode, Encode};

use crate::clock::Timestamp;
use crate::model::{Actor, Circumstance, OrganisationId, UserId};

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Outcome {
    /// It was refused.
    #[n(0)]
    Denied,
    /// It was tried and did not work.
    #[n(1)]
    Failed,
    /// It was done.
    #[n(2)]
    Succeeded,
}

impl Outcome {
    /// The word in queries and exports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Failed => "failure",
            Self::Succeeded => "success",
        }
    }
}

/// What happened; `noun.verb`, also the name that audit search and notification use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
#[expect(missing_docs, reason = "the names tell; `name` gives the text")]
pub enum EventKind {
    #[n(0)]
    AssertionRefused,
    #[n(1)]
    ConfigurationReloaded,
    #[n(2)]
    GatewayStarted,
    #[n(3)]
    GatewayStopped,
    #[n(4)]
    GrantCreated,
    #[n(5)]
    GrantDeleted,
    #[n(6)]
    GroupChanged,
    #[n(7)]
    GroupCreated,
    #[n(8)]
    GroupDeleted,
    #[n(9)]
    LockCleared,
    #[n(10)]
    LockSet,
    #[n(11)]
    MembershipChanged,
    #[n(12)]
    PasswordSet,
    #[n(13)]
    PermissionRefused,
    #[n(14)]
    SessionCreated,
    #[n(15)]
    SessionEnded,
    #[n(16)]
    SignInFailed,
    #[n(17)]
    SyncApplied,
    #[n(18)]
    SyncRefused,
    #[n(19)]
    TokenCreated,
    #[n(20)]
    TokenRefused,
    #[n(21)]
    TokenRevoked,
    #[n(22)]
    UserActivated,
    #[n(23)]
    UserChanged,
    #[n(24)]
    UserCreated,
    #[n(25)]
    UserDeactivated,
    #[n(26)]
    UserDeleted,
    #[n(27)]
    ConnectionPaused,
    #[n(28)]
    ConnectionReleased,
    #[n(29)]
    RoleCreated,
    #[n(30)]
    RoleChanged,
    #[n(31)]
    RoleDeleted,
    #[n(32)]
    ScopeCreated,
    #[n(33)]
    ScopeChanged,
    #[n(34)]
    ScopeDeleted,
    #[n(35)]
    PersonCreated,
    #[n(36)]
    PersonChanged,
    #[n(37)]
    PersonDeleted,
    #[n(38)]
    ImportApplied,
    #[n(39)]
    PolicyRefused,
    #[n(40)]
    ResourceChanged,
    #[n(41)]
    ResourceCreated,
    #[n(42)]
    ResourceDeleted,
    #[n(43)]
    FactorEnrolled,
    #[n(44)]
    FactorRemoved,
    #[n(45)]
    FactorUsed,
    #[n(46)]
    FactorFailed,
    #[n(47)]
    RecoveryCodesCreated,
    #[n(48)]
    PasswordChanged,
    #[n(49)]
    ResetAsked,
    #[n(51)]
    InvitationCreated,
    #[n(52)]
    InvitationAccepted,
    #[n(53)]
    InvitationRevoked,
    #[n(61)]
    MailSent,
    #[n(62)]
    MailFailed,
    #[n(65)]
    InvitationRefused,
    #[n(54)]
    NetworkRulesChanged,
    #[n(55)]
    NetworkRefused,
    #[n(56)]
    TokenRotated,
    #[n(59)]
    PasskeyRenamed,
    #[n(57)]
    SprayBlocked,
    #[n(58)]
    DeviceKnown,
    #[n(66)]
    SprayReleased,
    #[n(67)]
    DevicesForgotten,
    #[n(60)]
    DemandChanged,
    #[n(63)]
    SessionsEnded,
    #[n(64)]
    TokenHandedOver,
    #[n(68)]
    PasskeyCopied,
    #[n(50)]
    SeatsCorrected,
    #[n(70)]
    MetadataChanged,
    #[n(71)]
    MetadataRefused,
    #[n(72)]
    CertificateEnding,
    #[n(73)]
    LogoutReceived,
    #[n(74)]
    LogoutRefused,
    #[n(77)]
    SignalReceived,
    #[n(78)]
    SignalRefused,
    #[n(79)]
    AccountBarred,
    #[n(80)]
    AccountReleased,
    #[n(81)]
    MailTested,
    #[n(82)]
    SeatsExceeded,
    #[n(85)]
    ProviderRefused,
    #[n(75)]
    TestBegun,
    #[n(76)]
    TestEnded,
    #[n(93)]
    TestFollowed,
    #[n(90)]
    StoreBackedUp,
    #[n(91)]
    StoreRestored,
    #[n(130)]
    AccessAsked,
    #[n(131)]
    AccessApproved,
    #[n(132)]
    AccessRefused,
    #[n(133)]
    AccessWithdrawn,
}

impl EventKind {
    /// `user.create`, `session.end`: the name in queries and exports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessApproved => "access-request.approve",
            Self::AccessAsked => "access-request.create",
            Self::AccessRefused => "access-request.refuse",
            Self::AccessWithdrawn => "access-request.withdraw",
            Self::AccountBarred => "account.bar",
            Self::AccountReleased => "account.release",
            Self::AssertionRefused => "assertion.refuse",
            Self::CertificateEnding => "certificate.end-soon",
            Self::ConnectionPaused => "connection.pause",
            Self::ConnectionReleased => "connection.release",
            Self::ConfigurationReloaded => "configuration.reload",
            Self::DemandChanged => "demand.update",
            Self::DeviceKnown => "device.know",
            Self::DevicesForgotten => "device.forget",
            Self::FactorEnrolled => "factor.enrol",
            Self::FactorFailed => "factor.fail",
            Self::FactorRemoved => "factor.remove",
            Self::FactorUsed => "factor.use",
            Self::GatewayStarted => "gateway.start",
            Self::GatewayStopped => "gateway.stop",
            Self::GrantCreated => "grant.create",
            Self::GrantDeleted => "grant.delete",
            Self::GroupChanged => "group.update",
            Self::GroupCreated => "group.create",
            Self::GroupDeleted => "group.delete",
            Self::ImportApplied => "import.apply",
            Self::InvitationAccepted => "invitation.accept",
            Self::InvitationCreated => "invitation.create",
            Self::InvitationRefused => "invitation.refuse",
            Self::InvitationRevoked => "invitation.revoke",
            Self::LockCleared => "lock.clear",
            Self::LockSet => "lock.set",
            Self::MailFailed => "mail.fail",
            Self::MailSent => "mail.send",
            Self::MailTested => "mail.test",
            Self::MetadataChanged => "metadata.update",
            Self::MetadataRefused => "metadata.refuse",
            Self::LogoutReceived => "logout.receive",
            Self::LogoutRefused => "logout.refuse",
            Self::MembershipChanged => "membership.update",
            Self::NetworkRefused => "network.refuse",
            Self::NetworkRulesChanged => "network.update",
            Self::PasskeyCopied => "passkey.copy",
            Self::PasskeyRenamed => "passkey.rename",
            Self::PasswordChanged => "password.change",
            Self::PasswordSet => "password.set",
            Self::PermissionRefused => "permission.refuse",
            Self::PersonChanged => "person.update",
            Self::PersonCreated => "person.create",
            Self::PersonDeleted => "person.delete",
            Self::RecoveryCodesCreated => "recovery-codes.create",
            Self::ResetAsked => "password.ask-reset",
            Self::ResourceChanged => "resource.update",
            Self::ResourceCreated => "resource.create",
            Self::ResourceDeleted => "resource.delete",
            Self::PolicyRefused => "policy.refuse",
            Self::ProviderRefused => "provider.refuse",
            Self::RoleChanged => "role.update",
            Self::RoleCreated => "role.create",
            Self::RoleDeleted => "role.delete",
            Self::ScopeChanged => "scope.update",
            Self::ScopeCreated => "scope.create",
            Self::ScopeDeleted => "scope.delete",
            Self::SeatsCorrected => "seats.correct",
            Self::SeatsExceeded => "seats.exceed",
            Self::SessionCreated => "session.create",
            Self::SessionEnded => "session.end",
            Self::SessionsEnded => "session.end-all",
            Self::SignInFailed => "sign-in.fail",
            Self::SignalReceived => "signal.receive",
            Self::SignalRefused => "signal.refuse",
            Self::SprayBlocked => "spray.block",
            Self::SprayReleased => "spray.release",
            Self::StoreBackedUp => "store.back-up",
            Self::StoreRestored => "store.restore",
            Self::SyncApplied => "sync.apply",
            Self::SyncRefused => "sync.refuse",
            Self::TestBegun => "connector.test",
            Self::TestEnded => "connector.test-end",
            Self::TestFollowed => "connector.test-follow",
            Self::TokenCreated => "token.create",
            Self::TokenRefused => "token.refuse",
            Self::TokenHandedOver => "token.hand-over",
            Self::TokenRevoked => "token.revoke",
            Self::TokenRotated => "token.rotate",
            Self::UserActivated => "user.activate",
            Self::UserChanged => "user.update",
            Self::UserCreated => "user.create",
            Self::UserDeactivated => "user.deactivate",
            Self::UserDeleted => "user.delete",
        }
    }
}

/// One entry of the ledger. Never carries a secret.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Event {
    /// When.
    #[n(0)]
    pub at: Timestamp,
    /// What.
    #[n(1)]
    pub kind: EventKind,
    /// How it ended.
    #[n(2)]
    pub outcome: Outcome,
    /// Who, as [`Actor`] prints.
    #[n(3)]
    pub actor: String,
    /// On what: `user:0192…`, `group:0192…`, `source:corp`; empty when on nothing.
    #[n(4)]
    pub target: String,
    /// The name of the target then, which renames do not change.
    #[n(5)]
    pub target_name: String,
    /// From which client address.
    #[n(6)]
    pub address: Option<String>,
    /// The request it belongs to.
    #[n(7)]
    pub request_id: Option<String>,
    /// Further facts by name, in order: reason, before, after, counts.
    #[n(8)]
    pub details: Vec<(String, String)>,
    /// In which organisation; `None` in entries of releases before, which knew one only.
    #[n(9)]
    pub organisation: Option<OrganisationId>,
}

impl Event {
    /// A successful event.
    pub fn new(at: Timestamp, kind: EventKind, actor: &Actor) -> Self {
        Self {
            at,
            kind,
            outcome: Outcome::Succeeded,
            actor: actor.to_string(),
            target: String::new(),
            target_name: String::new(),
            address: None,
            request_id: None,
            details: Vec::new(),
            organisation: Some(OrganisationId::DEFAULT),
        }
    }

    /// With another outcome.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// On `kind:id`, called `name`.
    #[must_use]
    pub fn on(mut self, kind: &str, id: impl std::fmt::Display, name: impl std::fmt::Display) -> Self {
        self.target = format!("{kind}:{id}");
        self.target_name = name.to_string();
        self
    }

    /// By somebody who has proved who they are and has no session yet.
    #[must_use]
    pub fn by(mut self, user: UserId) -> Self {
        self.actor = format!("user:{user}");
        self
    }

    /// From a client address.
    #[must_use]
    pub fn from_address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address.map(|a| a.to_string());
        self
    }

    /// In the course of a request: from its address, under its id.
    #[must_use]
    pub fn within(mut self, circumstance: &Circumstance) -> Self {
        self.request_id.clone_from(&circumstance.request_id);
        self.from_address(circumstance.address)
    }

    /// With one more fact.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.details.push((name.to_owned(), value.to_string()));
        self
    }
}
