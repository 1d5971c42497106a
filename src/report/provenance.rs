//! Where everything about one user comes from: each attribute, membership and grant, with source, rule or person, and time.

use serde_json::{Value, json};

use super::names::{Names, user_of};
use super::sheet::{shown, time};
use super::{Error, Reports, word};
use crate::audit::{Entry, Filter};
use crate::directory::Member;
use crate::model::User;

/// Entries of the ledger that are kept of one user: the newest that changed the record.
const MAX_ENTRIES: usize = 500;

/// What an answer about an attribute rests on.
const BY_LEDGER: &str = "the ledger";
const BY_OWNER: &str = "the owner of the record only: the ledger's last entries do not tell";

impl Reports {
    /// `record`, `attributes`, `memberships` and `grants` of a user, each with what brought it. `known_by` of an attribute
    /// says whether the ledger tells who set it and when, or nothing is known but who owns the record.
    ///
    /// # Errors
    /// When something cannot be read.
    pub async fn provenance(&self, user: &User) -> Result<Value, Error> {
        let target = Some(format!("user:{}", user.id));
        let filter = Filter { action: Some("user.*".to_owned()), target, ..Filter::default() };
        let page = self.ledger.list(&filter, None, MAX_ENTRIES).await?;
        let mut names = Names::default();
        names.learn_people(&self.directory, page.entries.iter().filter_map(|e| user_of(&e.event.actor))).await?;
        let owned = ["userName", "active"].into_iter().map(str::to_owned);
        let attributes = owned.chain(user.attributes.0.keys().cloned());
        let attributes: Vec<Value> = attributes.map(|name| attribute(&name, user, &page.entries, &names)).collect();
        let links =
            user.links.iter().map(|link| json!({"source": link.source.to_string(), "external_id": link.external_id}));
        let kept_by = match &user.owner {
            Some(source) => format!("source {source}"),
            None if user.is_by_hand() => "administrators".to_owned(),
            None => "sign-ins".to_owned(),
        };
        Ok(json!({
            "user": {"id": user.id.to_string(), "userName": user.user_name.as_str(), "displayName": user.display_name()},
            "record": {
                "owner": shown(user.owner.as_ref()),
                "kept_by": kept_by,
                "status": word(user.status),
                "disabled_by_hand": user.disabled_by_hand == Some(true),
                "created": user.created.to_string(),
                "changed": user.changed.to_string(),
                "revision": user.revision,
                "links": links.collect::<Vec<_>>(),
            },
            "attributes": attributes,
            "memberships": self.memberships_of(user, &mut names).await?,
            "grants": self.access_of_one(user).await?.to_json().get("items"),
        }))
    }

    async fn memberships_of(&self, user: &User, names: &mut Names) -> Result<Vec<Value>, Error> {
        let mut direct = self.directory.groups_of(Member::User(user.id)).await?;
        let mut paths = self.directory.group_paths(user.id).await?;
        let all = direct.iter().map(|(group, _)| *group).chain(paths.iter().flatten().copied());
        let seen = self.seen_groups(all).await?;
        direct.retain(|(group, _)| seen.contains(group));
        paths.retain(|path| path.iter().all(|group| seen.contains(group)));
        names.learn_groups(&self.directory, paths.iter().flatten().copied()).await?;
        let mut shown: Vec<Value> = Vec::with_capacity(paths.len());
        for (group, membership) in &direct {
            names.learn_groups(&self.directory, std::iter::once(*group)).await?;
            shown.push(json!({
                "group": names.group(*group),
                "id": group.to_string(),
                "source": membership.source.as_ref().map(ToString::to_string),
                "by": membership.source.as_ref().map_or_else(|| "by hand".to_owned(), |source| format!("source {source}")),
                "since": time(Some(membership.since)),
                "through": [],
            }));
        }
        for path in paths.iter().filter(|path| path.len() > 1) {
            let Some((group, through)) = path.split_last() else { continue };
            let first = through.first().and_then(|first| direct.iter().find(|(id, _)| id == first));
            shown.push(json!({
                "group": names.group(*group),
                "id": group.to_string(),
                "source": first.and_then(|(_, membership)| membership.source.as_ref()).map(ToString::to_string),
                "by": "nested groups",
                "since": time(first.map(|(_, membership)| membership.since)),
                "through": through.iter().map(|group| names.group(*group)).collect::<Vec<_>>(),
            }));
        }
        Ok(shown)
    }
}

/// Who set an attribute last and when, by the newest entry that names it.
fn attribute(name: &str, user: &User, entries: &[Entry], names: &Names) -> Value {
    let names_it = |entry: &&Entry| {
        let fields = entry.event.details.iter().find(|(known, _)| known == "fields").map(|(_, fields)| fields.as_str());
        match (entry.event.kind.name(), fields) {
            ("user.create", _) => true,
            ("user.activate" | "user.deactivate", _) if name == "active" => true,
            (_, Some(fields)) => fields.split(',').any(|field| field == name),
            _ => false,
        }
    };
    match entries.iter().find(names_it) {
        Some(entry) => json!({
            "name": name,
            "by": names.actor(&entry.event.actor),
            "actor": entry.event.actor,
            "at": entry.event.at.to_string(),
            "event": entry.event.kind.name(),
            "known_by": BY_LEDGER,
        }),
        None => json!({
            "name": name,
            "by": shown(user.owner.as_ref()),
            "actor": null,
            "at": null,
            "event": null,
            "known_by": BY_OWNER,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::model::{Attributes, OrganisationId, Status, UserId};

    #[test]
    fn what_the_ledger_does_not_tell_is_said_to_be_known_by_the_owner_only() {
        let user = User {
            id: UserId::from_bytes([1; 16]),
            organisation: OrganisationId::DEFAULT,
            user_name: "ada".parse().unwrap(),
            status: Status::Active,
            owner: Some("okta".parse().unwrap()),
            links: Vec::new(),
            attributes: Attributes::default(),
            created: Timestamp::from_seconds(0),
            changed: Timestamp::from_seconds(0),
            revision: 1,
            by_hand: None,
            disabled_by_hand: None,
            companies: None,
            realm: None,
        };
        let told = attribute("title", &user, &[], &Names::default());
        assert_eq!((&told["by"], &told["at"]), (&json!("okta"), &Value::Null));
        assert_eq!(told["known_by"], BY_OWNER);
    }
}
