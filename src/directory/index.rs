//! The rows that lead to a user: by name, stable id, external id, e-mail address and supervisor. They are written in the
//! change that writes the user.

use super::reconcile::Authority;
use super::tables::{REPORTS, USER_EMAILS, USER_LINKS, USER_NAMES, USER_SUBJECTS};
use super::users::suffix_id;
use super::{Directory, Error, MAX_PAGE};
use crate::audit::Change;
use crate::model::{FoldedName, User, UserId, Value, fold};
use crate::store::Range;

/// The extension with a person's supervisor (RFC 7643 section 4.3).
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

impl Directory {
    /// The people whose supervisor a user is, in the order of their creation, after `after`, at most `limit` and
    /// [`MAX_PAGE`]. A supervisor who is told otherwise than by id is not found.
    ///
    /// # Errors
    /// `Store`.
    pub async fn supervised_by(
        &self,
        supervisor: UserId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, Error> {
        let mut range = Range::prefix(REPORTS.prefix(self.organisation, &supervisor), limit.min(MAX_PAGE));
        if let Some(after) = after {
            range = range.after(&REPORTS.key(self.organisation, &(supervisor, after)));
        }
        let rows = self.store().range(range).await?;
        rows.iter().map(|(key, _)| suffix_id(REPORTS.name(), key)).collect()
    }

    /// Writes the rows that lead to a user, and takes away those that led to it.
    pub(super) async fn index(
        &self,
        change: &mut Change,
        after: &User,
        before: Option<&User>,
        authority: &Authority,
    ) -> Result<(), Error> {
        let name = after.user_name.folded();
        if before.is_none_or(|b| b.user_name.folded() != name) {
            if change.find(&USER_NAMES, self.organisation, &name).await?.is_some_and(|id| id != after.id) {
                return Err(Error::Conflict { field: "userName".into(), value: after.user_name.to_string() });
            }
            change.put(&USER_NAMES, self.organisation, &name, &after.id)?;
            if let Some(before) = before {
                change.delete(&USER_NAMES, self.organisation, &before.user_name.folded());
            }
        }
        let old_links = before.map(|b| b.links.as_slice()).unwrap_or_default();
        for gone in old_links.iter().filter(|link| !after.links.contains(link)) {
            let subject = (gone.source.clone(), gone.external_id.clone());
            change.delete(&USER_LINKS, self.organisation, &(subject.0.clone(), subject.1.clone(), after.id));
            change.delete(&USER_SUBJECTS, self.organisation, &subject);
        }
        for link in after.links.iter().filter(|link| !old_links.contains(link)) {
            let subject = (link.source.clone(), link.external_id.clone());
            if authority.is_exclusive() {
                if change.find(&USER_SUBJECTS, self.organisation, &subject).await?.is_some_and(|id| id != after.id) {
                    return Err(Error::Conflict { field: "externalId".into(), value: link.external_id.clone() });
                }
                change.put(&USER_SUBJECTS, self.organisation, &subject, &after.id)?;
            }
            change.put(&USER_LINKS, self.organisation, &(subject.0, subject.1, after.id), &())?;
        }
        let (old, new) = (before.map(emails).unwrap_or_default(), emails(after));
        for gone in old.iter().filter(|email| !new.contains(email)) {
            change.delete(&USER_EMAILS, self.organisation, &(gone.clone(), after.id));
        }
        for email in new.into_iter().filter(|email| !old.contains(email)) {
            change.put(&USER_EMAILS, self.organisation, &(email, after.id), &())?;
        }
        let (old, new) = (before.and_then(supervisor), supervisor(after));
        if let Some(gone) = old.filter(|_| old != new) {
            change.delete(&REPORTS, self.organisation, &(gone, after.id));
        }
        if let Some(new) = new.filter(|_| old != new) {
            change.put(&REPORTS, self.organisation, &(new, after.id), &())?;
        }
        self.stage_facets(change, before, Some(after))?;
        let old = before.map(|before| &before.attributes);
        self.stage_unique(change, "User", after.id, old, Some(&after.attributes)).await
    }

    /// Takes away every row that leads to a user.
    pub(super) fn unindex(&self, change: &mut Change, user: &User) -> Result<(), Error> {
        change.delete(&USER_NAMES, self.organisation, &user.user_name.folded());
        for link in &user.links {
            let subject = (link.source.clone(), link.external_id.clone());
            change.delete(&USER_SUBJECTS, self.organisation, &subject);
            change.delete(&USER_LINKS, self.organisation, &(subject.0, subject.1, user.id));
        }
        for email in emails(user) {
            change.delete(&USER_EMAILS, self.organisation, &(email, user.id));
        }
        if let Some(supervisor) = supervisor(user) {
            change.delete(&REPORTS, self.organisation, &(supervisor, user.id));
        }
        self.stage_facets(change, Some(user), None)
    }
}

/// The addresses of a user in the form of their index, sorted, each once.
pub(super) fn emails(user: &User) -> Vec<FoldedName> {
    let list = user.attributes.0.get("emails").and_then(|emails| emails.as_array());
    let values = list.into_iter().flatten().filter_map(|email| email.get("value")?.as_str());
    let mut folded: Vec<FoldedName> = values.filter(|value| !value.is_empty()).map(fold).collect();
    folded.sort();
    folded.dedup();
    folded
}

/// The address of a list by which its user is sorted: the primary one, else the first. `None` when it has none.
pub(super) fn sorting_email(emails: &Value) -> Option<&str> {
    let emails = emails.as_array()?;
    let primary = emails.iter().find(|email| email.get("primary") == Some(&Value::Bool(true)));
    primary.or_else(|| emails.first())?.get("value")?.as_str().filter(|email| !email.is_empty())
}

/// The id in `manager.value`.
fn supervisor(user: &User) -> Option<UserId> {
    user.attributes.0.get(ENTERPRISE)?.get("manager")?.get("value")?.as_str()?.parse().ok()
}
