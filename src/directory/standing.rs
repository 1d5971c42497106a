//! What the access decision asks of the directory.

use futures_util::future::BoxFuture;

use super::{Directory, Error};
use crate::access::{self, GroupPath, Memberships};
use crate::model::UserId;
use crate::store;

impl Memberships for Directory {
    fn standing(&self, user: UserId) -> BoxFuture<'_, Result<Option<access::Member>, store::Error>> {
        Box::pin(async move {
            let read = async {
                let Some(found) = self.find_user(user).await? else { return Ok(None) };
                let groups = self.group_paths(user).await?.into_iter().map(GroupPath).collect();
                Ok(Some(access::Member { status: found.status, groups }))
            };
            read.await.map_err(|error: Error| match error {
                Error::Store(error) => error,
                other => store::Error::Unavailable { reason: other.to_string() },
            })
        })
    }
}
