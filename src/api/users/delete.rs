//! `DELETE /users/{user}`: for accounts that should never have been; who leaves is made inactive.

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::access::Overlay;
use crate::api::admit::Caller;
use crate::api::fields::Params;
use crate::api::{Api, Error, render};
use crate::model::{TokenKind, User, UserId, fold};

/// Most people under a supervisor that are counted before an answer.
const MAX_COUNTED: usize = 1_000;
/// Tokens read at a time.
const CHUNK: usize = 1_000;

/// What speaks of a user.
#[derive(Debug, Default)]
pub(in crate::api) struct References {
    /// People whose supervisor it is.
    pub(in crate::api) supervised: usize,
    /// Tokens that it made or that act for it.
    pub(in crate::api) tokens: usize,
}

impl References {
    /// What there is, in words; nothing where there is nothing.
    fn told(&self) -> Option<String> {
        let people = (self.supervised > 0).then(|| format!("supervisor of {}", self.supervised));
        let tokens = (self.tokens > 0).then(|| format!("maker or holder of {} tokens", self.tokens));
        let told: Vec<String> = people.into_iter().chain(tokens).collect();
        (!told.is_empty()).then(|| told.join(" and "))
    }
}

/// `DELETE /users/{id or name}?confirm=<userName>&force=`: the id stays taken, the ledger goes on naming the account.
/// Refused while something refers to it, unless `force=true`.
pub(in crate::api) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Path(user): Path<String>,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, Error> {
    let revision = render::if_match(&headers)?;
    let confirm = params.take("confirm")?;
    let is_forced = params.parsed::<bool>("force")?.unwrap_or(false);
    let run = params.run()?;
    let permit = api.permit(&caller, "users:delete", None).await?;
    let user = api.user(&caller, &user).await?;
    if confirm.is_none_or(|name| fold(&name) != user.user_name.folded()) {
        let reason = format!(
            "must be the userName, `{}`, to delete the account for ever; to end its access and keep what it owns, \
             make it inactive",
            user.user_name
        );
        return Err(Error::invalid("confirm", reason));
    }
    api.check_rank(&caller, user.id).await?;
    api.check_own_end(&caller, &user, "delete")?;
    let references = api.references(user.id).await?;
    if let Some(told) = references.told().filter(|_| !is_forced) {
        let detail = format!("`{}` is {told}; make the account inactive, or delete it with force=true", user.user_name);
        return Err(Error::Conflict { field: None, detail });
    }
    let overlay = Overlay { status: vec![(user.id, None)], ..Overlay::default() };
    let permit = api.weigh(permit, &overlay, is_forced).await?;
    api.services.directory.delete_user_or_try(&permit, user.id, revision, run).await?;
    Ok(render::answer(StatusCode::OK, &deleted(&user)))
}

fn deleted(user: &User) -> serde_json::Value {
    let mut body = render::brief(user);
    if let Some(members) = body.as_object_mut() {
        members.insert("status".to_owned(), json!("tombstone"));
    }
    body
}

impl Api {
    /// What speaks of a user beside its own rows.
    pub(in crate::api) async fn references(&self, user: UserId) -> Result<References, Error> {
        let supervised = self.services.directory.supervised_by(user, None, MAX_COUNTED).await?.len();
        Ok(References { supervised, tokens: self.tokens_of(user).await?.len() })
    }

    /// The tokens that a user made, those of connections too, or that act for it.
    pub(in crate::api) async fn tokens_of(&self, user: UserId) -> Result<Vec<crate::tokens::Token>, Error> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.services.tokens.list(after, CHUNK).await?;
            after = page.last().map(|token| token.id);
            let is_last = page.len() < CHUNK;
            found.extend(page.into_iter().filter(|token| match &token.kind {
                TokenKind::Management(_, holder, maker) => [*holder, *maker, token.told_to()].contains(&Some(user)),
                TokenKind::Client(_) | TokenKind::Scim(_) => token.told_to() == Some(user),
            }));
            if is_last {
                return Ok(found);
            }
        }
    }
}
