//! `[seats]` and `plan`: what was bought.

use super::section::Section;
use crate::model::RoleId;

/// What the plan has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plan {
    /// Everything, the default.
    #[default]
    Enterprise,
    /// No roles of one's own, no SAML and no OpenID Connect.
    Professional,
}

impl Plan {
    /// Each by its word in the configuration.
    pub(super) const ALL: [(&'static str, Self); 2] =
        [("enterprise", Self::Enterprise), ("professional", Self::Professional)];

    /// Its word in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enterprise => "enterprise",
            Self::Professional => "professional",
        }
    }
}

/// `[seats]`: how many people may have a licensed role. Without the section nobody is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seats {
    /// Most seats in all; absent for no limit.
    pub limit: Option<u32>,
    /// `[[seats.type]]`: most seats of one role.
    pub types: Vec<(RoleId, u32)>,
}

impl Seats {
    pub(super) fn resolve(section: &Section<'_>) -> Option<Self> {
        let limit = section.optional("limit");
        let read = |section: &Section<'_>| {
            let (role, limit) = (section.required::<String>("role"), section.required::<u32>("limit"));
            let role = role?;
            match role.parse::<RoleId>() {
                Ok(role) => Some((role, limit?)),
                Err(error) => {
                    section.error("role", &error.to_string(), None);
                    None
                }
            }
        };
        let types = section.tables("type").iter().filter_map(read).collect();
        section.is_present().then_some(Self { limit, types })
    }
}
