//! `/me`: who the caller is, and what they may do.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::Caller;
use super::{Api, Error, render};
use crate::access::{self, Level};
use crate::model::{Actor, Status, User, UserId};

/// `GET /me`: `user`, `roles` and `permissions` that hold in the whole organisation, `scopes` with those that hold
/// somewhere, the `badge` of the level of access, `groups` of the directory and those that the provider named at sign-in, `session`. Of a caller that is
/// nobody's, `user` is null. Of a token, what its limit lets through. Whoever may not sign in is nobody.
pub(super) async fn me(State(api): State<Api>, caller: Caller) -> Result<Response, Error> {
    let user = match (&caller.signed_in, &caller.actor) {
        (Some(signed_in), _) => Some(Arc::clone(&signed_in.user)),
        (None, Actor::Token { user: Some(user), .. }) => Some(Arc::new(api.user_of_token(*user).await?)),
        _ => None,
    };
    // Every other route asks for a permission; this one shows what there is.
    if let Some(user) = &user
        && !api.services.access.may_sign_in(user.id).await?
    {
        return Err(Error::Unauthorized);
    }
    let mut body = match &user {
        Some(user) => api.tell(&caller.actor, user).await?,
        None => json!({"user": null}),
    };
    if let Some(members) = body.as_object_mut() {
        if let (Some(signed_in), Some(Value::Array(groups))) = (&caller.signed_in, members.get_mut("groups")) {
            let named = signed_in.session.groups.iter().map(|group| Value::from(group.as_str()));
            let new: Vec<Value> = named.filter(|group| !groups.contains(group)).collect();
            groups.extend(new);
        }
        members.insert("contact".to_owned(), api.services.contact.clone().into());
        members.insert("actor".to_owned(), caller.actor.to_string().into());
        let session = caller.signed_in.as_ref().map_or(Value::Null, |signed_in| render::session(&signed_in.session));
        members.insert("session".to_owned(), session);
    }
    Ok(render::answer(StatusCode::OK, &body))
}

impl Api {
    /// The user for whom a token acts: an active one, as for a session.
    async fn user_of_token(&self, user: UserId) -> Result<User, Error> {
        let user = self.services.directory.find_user(user).await?;
        user.filter(|user| user.status == Status::Active).ok_or(Error::Unauthorized)
    }

    /// What the roles that hold in the whole organisation say of applications' pages, by key; where several say something
    /// under one key, the parts of all, with commas between them.
    fn ui_profile(&self, levels: &[Level]) -> BTreeMap<String, String> {
        let book = self.services.access.roles();
        let held = levels.iter().filter(|level| level.scope.is_none()).flat_map(|level| &level.roles);
        let mut profile: BTreeMap<String, String> = BTreeMap::new();
        for (key, value) in held.filter_map(|held| book.find(&held.role)).flat_map(|entry| &entry.ui_profile) {
            let Some(words) = profile.get_mut(key) else {
                profile.insert(key.clone(), value.clone());
                continue;
            };
            for word in value.split(',').map(str::trim) {
                if words.split(',').all(|there| there.trim() != word) {
                    words.push(',');
                    words.push_str(word);
                }
            }
        }
        profile
    }

    async fn tell(&self, actor: &Actor, user: &User) -> Result<Value, Error> {
        let levels = self.services.access.effective_of(actor).await.map_err(|error| match error {
            // Deleted since, or the maker of a token is: nobody.
            access::Error::NotFound { .. } => Error::Unauthorized,
            other => other.into(),
        })?;
        let groups = self.groups_of(user.id).await?;
        let mut roles: Vec<String> =
            levels.iter().flat_map(|level| &level.roles).map(|held| held.role.to_string()).collect();
        roles.sort();
        roles.dedup();
        let mut permissions = Value::Array(Vec::new());
        let mut scopes = serde_json::Map::new();
        for level in &levels {
            let names: Value = level.permissions.iter().map(|right| right.permission.to_string()).collect();
            match &level.scope {
                None => permissions = names,
                Some(scope) => {
                    let held: Vec<String> = level.roles.iter().map(|held| held.role.to_string()).collect();
                    scopes.insert(scope.to_string(), json!({"roles": held, "permissions": names}));
                }
            }
        }
        Ok(json!({
            "user": render::user(user),
            "badge": self.services.access.badge(&levels),
            "ui_profile": self.ui_profile(&levels),
            "roles": roles,
            "groups": groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(),
            "permissions": permissions,
            "scopes": scopes,
        }))
    }
}
