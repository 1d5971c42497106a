//! Access: grants are kept, decisions are enforced and told, refusals are recorded.

mod explain;
mod grants;
mod holders;
mod permit;
mod scopes;
mod warm;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use cleargate::access::{Access, GroupPath, Member, Memberships, NewGrant, NewScope, Pack, Permit};
use cleargate::model::{
    Actor, Circumstance, Grant, GroupId, Id, OrganisationId, Permission, Presence, RoleId, Scope, Status, Subject,
    UserId,
};
use cleargate::store;
use futures_util::future::BoxFuture;

use crate::support::ledger::Ground;

/// The people of a small organisation.
#[derive(Default)]
pub struct People(Mutex<HashMap<UserId, Member>>);

impl Memberships for People {
    fn standing(&self, user: UserId) -> BoxFuture<'_, Result<Option<Member>, store::Error>> {
        let member = self.0.lock().unwrap().get(&user).cloned();
        Box::pin(async move { Ok(member) })
    }
}

/// Access by one pack, over an empty store.
pub struct Bench {
    pub ground: Ground,
    pub people: Arc<People>,
    pub pack: Pack,
    pub access: Access,
}

impl Bench {
    pub fn new(pack: &str) -> Self {
        let (ground, people) = (Ground::new(), Arc::new(People::default()));
        let pack = Pack::open(pack, &BTreeMap::new()).unwrap();
        let access = Access::new(
            ground.ledger.clone(),
            ground.clock.clock(),
            ground.ids.clone(),
            OrganisationId::DEFAULT,
            pack.roles().clone(),
            people.clone(),
        );
        Self { ground, people, pack, access }
    }

    /// A user who is in these groups, each a path from the direct one.
    pub fn user(&self, number: u8, groups: &[&[u8]]) -> UserId {
        let user = Id::from_bytes([number; 16]);
        let path = |path: &&[u8]| GroupPath(path.iter().map(|number| group(*number)).collect());
        let member = Member { status: Status::Active, groups: groups.iter().map(path).collect() };
        self.people.0.lock().unwrap().insert(user, member);
        user
    }

    pub fn set_status(&self, user: UserId, status: Status) {
        self.people.0.lock().unwrap().get_mut(&user).unwrap().status = status;
    }

    pub fn task(&self) -> Permit {
        self.access.task_permit("test", None)
    }

    /// Makes a scope, unless it is there.
    pub async fn place(&self, scope: &Scope) {
        let new = NewScope { scope: scope.clone(), name: scope.to_string(), description: String::new(), parent: None };
        if self.access.scopes().tree().find(scope).is_none() {
            self.access.scopes().create(&self.task(), new).await.unwrap();
        }
    }

    /// Gives a role; the scope is made when it is not there.
    pub async fn give(&self, new: NewGrant) -> Grant {
        if let Some(scope) = &new.scope {
            self.place(scope).await;
        }
        self.access.grants().create(&self.task(), self.pack.roles(), new).await.unwrap()
    }

    /// Gives a role by hand, organisation-wide or overriding within a scope.
    pub async fn give_user(&self, user: UserId, role: &str, scope: Option<&str>) -> Grant {
        let new = NewGrant::new(Subject::User(user), self::role(role));
        self.give(match scope {
            Some(text) => new.within(self::scope(text)),
            None => new,
        })
        .await
    }

    pub async fn may(&self, actor: &Actor, permission: &str, scope: Option<&str>) -> bool {
        let (permission, scope) = (self::permission(permission), scope.map(self::scope));
        let permit = self.access.permit(actor, &permission, scope.as_ref(), Circumstance::default()).await;
        permit.is_ok()
    }
}

pub fn signed_in(user: UserId) -> Actor {
    Actor::User { id: user, session: Id::from_bytes([99; 16]), presence: Presence::default() }
}

pub fn group(number: u8) -> GroupId {
    Id::from_bytes([number; 16])
}

pub fn permission(text: &str) -> Permission {
    text.parse().unwrap()
}

pub fn role(text: &str) -> RoleId {
    text.parse().unwrap()
}

pub fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}
