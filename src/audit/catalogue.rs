//! What the ledger records and what it does not: every kind of event with its class, so that nobody looks for an event
//! that is never written.

use super::EventKind;

/// Whether events of a kind are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// Each of them.
    Always,
    /// None.
    Off,
    /// Some of them.
    Sampled,
}

impl Recording {
    /// The word in the catalogue.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Off => "off",
            Self::Sampled => "sampled",
        }
    }
}

/// One line of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// `user.create`; of what is off, what it would be called.
    pub name: &'static str,
    /// `accounts`, `sign-in`.
    pub class: &'static str,
    /// Whether it is written.
    pub recording: Recording,
    /// When it is not, or what stands for it.
    pub note: Option<&'static str>,
}

/// What happens and is in no event.
const OFF: [Kind; 8] = [
    off(
        "access-token.create",
        "tokens",
        "access tokens of provisioning clients live an hour and give nothing that the client lacks",
    ),
    off(
        "decision.answer",
        "rights",
        "what may be done is asked on every request; refusals of this gateway are permission.refuse",
    ),
    off("right.use", "rights", "only the last day of each person's use is kept, for the report of practice"),
    off("expiry.remove", "the daemon", "what has expired counts as gone before it is removed"),
    off("object.read", "rights", "reading changes nothing; the log has every request"),
    off("password.rehash", "sign-in", "the password stays the same, only its hash is made anew"),
    off("session.use", "sign-in", "only the moment of last use is kept, once a minute"),
    off("token.use", "tokens", "only the moment of last use is kept"),
];

const fn off(name: &'static str, class: &'static str, note: &'static str) -> Kind {
    Kind { name, class, recording: Recording::Off, note: Some(note) }
}

impl EventKind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::AssertionRefused,
        Self::ConfigurationReloaded,
        Self::GatewayStarted,
        Self::GatewayStopped,
        Self::GrantCreated,
        Self::GrantDeleted,
        Self::GroupChanged,
        Self::GroupCreated,
        Self::GroupDeleted,
        Self::LockCleared,
        Self::LockSet,
        Self::MembershipChanged,
        Self::PasswordSet,
        Self::PermissionRefused,
        Self::SessionCreated,
        Self::SessionEnded,
        Self::SignInFailed,
        Self::SyncApplied,
        Self::SyncRefused,
        Self::TokenCreated,
        Self::TokenHandedOver,
        Self::TokenRefused,
        Self::TokenRevoked,
        Self::UserActivated,
        Self::UserChanged,
        Self::UserCreated,
        Self::UserDeactivated,
        Self::UserDeleted,
        Self::ConnectionPaused,
        Self::ConnectionReleased,
        Self::RoleCreated,
        Self::RoleChanged,
        Self::RoleDeleted,
        Self::ScopeCreated,
        Self::ScopeChanged,
        Self::ScopeDeleted,
        Self::PersonCreated,
        Self::PersonChanged,
        Self::PersonDeleted,
        Self::ImportApplied,
        Self::PolicyRefused,
        Self::ResourceChanged,
        Self::ResourceCreated,
        Self::ResourceDeleted,
        Self::FactorEnrolled,
        Self::FactorRemoved,
        Self::FactorUsed,
        Self::FactorFailed,
        Self::RecoveryCodesCreated,
        Self::PasskeyCopied,
        Self::PasskeyRenamed,
        Self::PasswordChanged,
        Self::NetworkRulesChanged,
        Self::NetworkRefused,
        Self::TokenRotated,
        Self::DemandChanged,
        Self::DeviceKnown,
        Self::DevicesForgotten,
        Self::SprayBlocked,
        Self::SprayReleased,
        Self::SessionsEnded,
        Self::SeatsCorrected,
        Self::ResetAsked,
        Self::InvitationCreated,
        Self::InvitationAccepted,
        Self::InvitationRevoked,
        Self::InvitationRefused,
        Self::MailSent,
        Self::MailFailed,
        Self::MailTested,
        Self::SeatsExceeded,
        Self::MetadataChanged,
        Self::MetadataRefused,
        Self::CertificateEnding,
        Self::LogoutReceived,
        Self::LogoutRefused,
        Self::SignalReceived,
        Self::SignalRefused,
        Self::AccountBarred,
        Self::AccountReleased,
        Self::ProviderRefused,
        Self::TestBegun,
        Self::TestEnded,
        Self::TestFollowed,
        Self::StoreBackedUp,
        Self::StoreRestored,
        Self::AccessAsked,
        Self::AccessApproved,
        Self::AccessRefused,
        Self::AccessWithdrawn,
    ];

    /// What it is about, as the manual groups events.
    pub const fn class(self) -> &'static str {
        match self {
            Self::UserActivated | Self::UserChanged | Self::UserCreated | Self::UserDeactivated | Self::UserDeleted => {
                "accounts"
            }
            Self::AccessApproved | Self::AccessAsked | Self::AccessRefused | Self::AccessWithdrawn => "access requests",
            Self::InvitationAccepted | Self::InvitationCreated | Self::InvitationRefused | Self::InvitationRevoked => {
                "invitations"
            }
            Self::MailFailed | Self::MailSent | Self::MailTested => "mail",
            Self::PersonChanged | Self::PersonCreated | Self::PersonDeleted => "people",
            Self::GroupChanged | Self::GroupCreated | Self::GroupDeleted | Self::MembershipChanged => "groups",
            Self::ResourceChanged | Self::ResourceCreated | Self::ResourceDeleted => "resources",
            Self::RoleChanged | Self::RoleCreated | Self::RoleDeleted => "roles",
            Self::ImportApplied => "imports",
            Self::PolicyRefused => "policy",
            Self::SeatsCorrected | Self::SeatsExceeded => "seats",
            Self::ScopeChanged | Self::ScopeCreated | Self::ScopeDeleted => "scopes",
            Self::GrantCreated | Self::GrantDeleted | Self::PermissionRefused => "rights",
            Self::AccountBarred
            | Self::AccountReleased
            | Self::AssertionRefused
            | Self::CertificateEnding
            | Self::DemandChanged
            | Self::DeviceKnown
            | Self::DevicesForgotten
            | Self::FactorEnrolled
            | Self::FactorFailed
            | Self::FactorRemoved
            | Self::FactorUsed
            | Self::LockCleared
            | Self::LockSet
            | Self::LogoutReceived
            | Self::LogoutRefused
            | Self::MetadataChanged
            | Self::MetadataRefused
            | Self::NetworkRefused
            | Self::NetworkRulesChanged
            | Self::PasskeyCopied
            | Self::PasskeyRenamed
            | Self::PasswordChanged
            | Self::PasswordSet
            | Self::ProviderRefused
            | Self::RecoveryCodesCreated
            | Self::ResetAsked
            | Self::SessionCreated
            | Self::SessionEnded
            | Self::SessionsEnded
            | Self::SignInFailed
            | Self::SignalReceived
            | Self::SignalRefused
            | Self::SprayBlocked
            | Self::SprayReleased
            | Self::TestBegun
            | Self::TestEnded
            | Self::TestFollowed => "sign-in",
            Self::TokenCreated
            | Self::TokenHandedOver
            | Self::TokenRefused
            | Self::TokenRevoked
            | Self::TokenRotated => "tokens",
            Self::SyncApplied | Self::SyncRefused => "directories",
            Self::ConnectionPaused | Self::ConnectionReleased => "connections",
            Self::ConfigurationReloaded
            | Self::GatewayStarted
            | Self::GatewayStopped
            | Self::StoreBackedUp
            | Self::StoreRestored => "the daemon",
        }
    }

    const fn line(self) -> Kind {
        let (recording, note) = match self {
            Self::NetworkRefused => (Recording::Sampled, Some("at most one a second, so that guessing fills nothing")),
            Self::ProviderRefused => (Recording::Sampled, Some("at most one a second, so that asking fills nothing")),
            Self::TokenRefused => (
                Recording::Sampled,
                Some("of provisioning tokens at most one a second, so that guessing fills nothing"),
            ),
            Self::CertificateEnding => (
                Recording::Sampled,
                Some("once a week for each certificate that ends within 30 days, and after a start"),
            ),
            Self::SyncApplied => (Recording::Always, Some("a run that finds no difference writes none")),
            Self::GatewayStarted | Self::GatewayStopped => {
                (Recording::Always, Some("none while the store takes no writes; the log tells then"))
            }
            _ => (Recording::Always, None),
        };
        Kind { name: self.name(), class: self.class(), recording, note }
    }
}

/// Every kind of event, and what is in none, by class and name.
pub fn catalogue() -> Vec<Kind> {
    let mut lines: Vec<Kind> = EventKind::ALL.iter().copied().map(EventKind::line).chain(OFF).collect();
    lines.sort_by_key(|line| (line.class, line.name));
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_catalogue_has_every_kind_of_event_once() {
        let known = (0..=1_000_u32).filter(|number| {
            let bytes = minicbor::to_vec(number).unwrap();
            minicbor::decode::<EventKind>(&bytes).is_ok()
        });
        assert_eq!(known.count(), EventKind::ALL.len(), "a kind is missing from ALL");
        let names: BTreeSet<&str> = catalogue().iter().map(|line| line.name).collect();
        assert_eq!(names.len(), EventKind::ALL.len() + OFF.len(), "no name twice");
    }
}
