//! What a sign-in would do, for a test of it: the same steps in a change that is dropped.

use super::{Account, check_status};
use crate::login::finish::Visit;
use crate::login::{Error, Login};
use crate::model::User;
use crate::session::Method;
use crate::upstream::TriedIdentity;

/// The account that a sign-in would lead to.
pub(in crate::login) enum Standing {
    /// One that is linked to the person already.
    Linked(Box<User>),
    /// One of the name, which the sign-in would link.
    WouldLink(Box<User>),
    /// None yet: the sign-in would make it.
    WouldMake,
}

impl Standing {
    /// The word in the ledger.
    pub(in crate::login) const fn name(&self) -> &'static str {
        match self {
            Self::Linked(_) => "linked",
            Self::WouldLink(_) => "would link",
            Self::WouldMake => "would make",
        }
    }

    /// The account, where there is one.
    pub(in crate::login) fn user(&self) -> Option<&User> {
        match self {
            Self::Linked(user) | Self::WouldLink(user) => Some(user),
            Self::WouldMake => None,
        }
    }
}

/// What a sign-in would do.
pub(in crate::login) struct Preview {
    /// The account, where none was refused.
    pub(in crate::login) standing: Option<Standing>,
    /// The roles that mapping rules would give for it.
    pub(in crate::login) roles: Vec<String>,
    /// The groups into which they would put the person.
    pub(in crate::login) groups: Vec<String>,
    /// The rule that would refuse it, and why.
    pub(in crate::login) refusal: Option<(&'static str, String)>,
}

impl Login {
    /// What a sign-in by this would do. Nothing is committed.
    ///
    /// # Errors
    /// When that cannot be told.
    pub(in crate::login) async fn preview(
        &self,
        tried: &TriedIdentity,
        method: Method,
        visit: &Visit,
    ) -> Result<Preview, Error> {
        let said = tried.said();
        let role = |grant: &crate::access::RuleGrant| match &grant.scope {
            Some(scope) => format!("{} ({scope})", grant.role),
            None => grant.role.to_string(),
        };
        let mut preview = Preview { standing: None, roles: Vec::new(), groups: Vec::new(), refusal: None };
        let outcome = self.look_ahead(tried, method, visit, &mut preview.standing).await;
        let is_first = !matches!(preview.standing, Some(Standing::Linked(_)));
        let (rules, facts) = (self.services.directory.rules(), tried.facts());
        preview.roles = rules.wanted_at(said.connector(), &facts, is_first).iter().map(role).collect();
        let joining = rules.joining(said.connector(), &facts, is_first);
        preview.groups = joining.iter().map(|rule| rule.group.to_string()).collect();
        match outcome {
            Ok(()) => Ok(preview),
            Err(Error::Refused { rule, reason }) => {
                preview.refusal = Some((rule, reason));
                Ok(preview)
            }
            Err(error) => Err(error),
        }
    }

    async fn look_ahead(
        &self,
        tried: &TriedIdentity,
        method: Method,
        visit: &Visit,
        standing: &mut Option<Standing>,
    ) -> Result<(), Error> {
        let said = tried.said();
        // It is dropped at the end: whatever is staged in it is for finding out whether it could be.
        let mut change = self.services.ledger.change();
        let permit = self.services.access.sign_in_permit(said.connector().clone(), visit.circumstance.clone());
        self.check_logged_out(&mut change, said.connector(), said.upstream_session(), said.at_upstream()).await?;
        self.check_signalled(&mut change, said).await?;
        let account = self.account_of(&mut change, said).await?;
        let user = match &account {
            Account::Linked(user) => {
                *standing = Some(Standing::Linked(Box::new(user.clone())));
                Some(user.clone())
            }
            Account::Named(user) => {
                *standing = Some(Standing::WouldLink(Box::new(user.clone())));
                Some(user.clone())
            }
            Account::New => None,
        };
        if let Some(user) = &user {
            check_status(user)?;
        }
        if !(matches!(account, Account::Linked(_)) && method == Method::LdapBind) {
            self.provision(&mut change, &permit, said, &account).await?;
        }
        let Some(user) = user else {
            *standing = Some(Standing::WouldMake);
            return Ok(());
        };
        self.check_admitted(user.id, visit).await
    }
}
