//! `[sign_in]`: by what people may sign in.

use super::section::Section;
use crate::model::{FoldedName, UserName};

/// `[sign_in]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignIn {
    /// Whether everybody must sign in by single sign-on; default no.
    pub require_sso: bool,
    /// Login names of accounts that may sign in by a password all the same, wherever single sign-on is required.
    pub break_glass: Vec<FoldedName>,
}

impl SignIn {
    /// `has_sso` says whether any provider is configured.
    pub(super) fn resolve(section: &Section<'_>, has_sso: bool) -> Self {
        let require_sso = section.or("require_sso", false);
        let names: Vec<String> = section.list("break_glass", Vec::new());
        let mut break_glass = Vec::with_capacity(names.len());
        for name in &names {
            match name.parse::<UserName>() {
                Ok(name) => break_glass.push(name.folded()),
                Err(error) => section.error("break_glass", &format!("names `{name}`: {error}"), None),
            }
        }
        if require_sso && !has_sso {
            let reason =
                "lets nobody in but accounts of `sign_in.break_glass`: there is no `[[saml]]` and no `[[oidc]]`";
            section.warn("require_sso", reason);
        } else if require_sso && break_glass.is_empty() {
            let reason = "lets nobody in while the provider is away: name an account in `sign_in.break_glass`";
            section.warn("require_sso", reason);
        }
        Self { require_sso, break_glass }
    }
}
