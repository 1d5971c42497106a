//! `DELETE /users/{user}`: for accounts that should never have been; who leaves is made inactive.

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::access::Overlay;
use crate::api::admit::Caller;
use crate::api::fields::Params;
use crate::api::{Api, Error, render};
use crate::login::Invitation;
use crate::model::{TokenKind, User, UserId, fold};

/// Most people under a supervisor that are counted before an answer.
const MAX_COUNTED: usize = 1_000;
/// Tokens and invitations read at a time.
const CHUNK: usize = 1_000;

/// Most grants and invitations that are looked through for those that somebody made.
const MAX_LOOKED_AT: usize = 50_000;

/// What speaks of a user beside its own rows, and would name nobody without it.
#[derive(Debug, Default)]
struct References {
    /// People whose supervisor it is, at most [`MAX_COUNTED`].
    supervised: usize,
    /// Tokens that it made or that act for it.
    tokens: usize,
    /// Grants that it made.
    given: usize,
    /// Roles that it made.
    roles: usize,
    /// Invitations of its own that wait to be accepted, which could not be any more.
    invitations: usize,
    /// Whether all grants and invitations were looked at.
    is_all: bool,
}

impl References {
    /// What there is, in words; nothing where there is nothing.
    fn told(&self) -> Option<String> {
        let more = if self.is_all { "" } else { " or more" };
        let told: Vec<String> = [
            (self.supervised, format!("supervisor of {}", self.supervised)),
            (self.tokens, format!("maker or holder of {} tokens", self.tokens)),
            (self.given, format!("giver of {}{more} grants", self.given)),
            (self.roles, format!("maker of {} roles", self.roles)),
            (self.invitations, format!("sender of {}{more} invitations that wait", self.invitations)),
        ]
        .into_iter()
        .filter_map(|(count, text)| (count > 0).then_some(text))
        .collect();
        (!told.is_empty()).then(|| told.join(", "))
    }

    fn render(&self) -> Value {
        json!({
            "supervised": self.supervised,
            "tokens": self.tokens,
            "grants_given": self.given,
            "roles_made": self.roles,
            "invitations_sent": self.invitations,
            "all_counted": self.is_all && self.supervised < MAX_COUNTED,
        })
    }
}

/// `DELETE /users/{id or name}?confirm=<userName>&force=`: the id stays taken, the ledger goes on naming the account.
/// Refused while something refers to it, unless `force=true`; the answer tells under `references` what did.
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
    Ok(render::answer(StatusCode::OK, &deleted(&user, &references)))
}

fn deleted(user: &User, references: &References) -> Value {
    let mut body = render::brief(user);
    if let Some(members) = body.as_object_mut() {
        members.insert("status".to_owned(), json!("tombstone"));
        members.insert("references".to_owned(), references.render());
    }
    body
}

impl Api {
    /// What speaks of a user beside its own rows.
    async fn references(&self, user: UserId) -> Result<References, Error> {
        let (services, maker) = (&self.services, format!("user:{user}"));
        let supervised = services.directory.supervised_by(user, None, MAX_COUNTED).await?.len();
        let (given, are_all_grants) = services.access.grants().count_made_by(&maker, MAX_LOOKED_AT).await?;
        let roles = services.access.stored_roles().values().filter(|role| role.maker == maker).count();
        let (invitations, are_all_invitations) = self.invitations_by(&maker).await?;
        Ok(References {
            supervised,
            tokens: self.tokens_of(user).await?.len(),
            given,
            roles,
            invitations,
            is_all: are_all_grants && are_all_invitations,
        })
    }

    /// How many invitations of somebody wait to be accepted, and whether all were looked at.
    async fn invitations_by(&self, maker: &str) -> Result<(usize, bool), Error> {
        let (now, mut waiting, mut after, mut read) = (self.services.clock.now(), 0, None, 0_usize);
        loop {
            let page = self.services.login.invitations(after, CHUNK).await?;
            let is_theirs = |invitation: &Invitation| invitation.invited_by == maker && invitation.is_open(now);
            waiting += page.iter().filter(|(_, invitation)| is_theirs(invitation)).count();
            read = read.saturating_add(page.len());
            after = page.last().map(|(id, _)| *id);
            match page.len() < CHUNK {
                true => return Ok((waiting, true)),
                false if read >= MAX_LOOKED_AT => return Ok((waiting, false)),
                false => {}
            }
        }
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
