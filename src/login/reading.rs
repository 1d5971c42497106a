//! What a provider's answer says, read to its end: also where whoever sent it does not wait.
//!
//! Reading may take a while: a key is looked for in metadata, an assertion is opened on another thread. Whoever forges an
//! answer and hangs up in between would leave no trace, and a ticket that is good for the next try.

use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::attempts::Seen;
use super::finish::Visit;
use super::routes::{Left, Refused};
use super::{Error, Login, ticket};
use crate::model::SourceId;
use crate::upstream::{self, Answer, AssertedIdentity, RedirectConnector};

/// An answer that is to be read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) connector: &'a SourceId,
    pub(super) redirect: &'a Arc<dyn RedirectConnector>,
    pub(super) answer: &'a Arc<Answer>,
    pub(super) visit: &'a Visit,
    pub(super) began: Instant,
}

/// Why an answer did not lead to its end.
pub(super) enum Failed {
    /// What follows of that is still to be done.
    Now(Error),
    /// What follows of that was done.
    Recorded(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Now(error)
    }
}

impl From<ticket::Error> for Failed {
    fn from(error: ticket::Error) -> Self {
        Self::Now(error.into())
    }
}

impl Login {
    /// Reads an answer to what was kept of the request as `pending`; to none, where the provider began the sign-in. `seen` and
    /// `left` are for whoever follows a refusal up.
    ///
    /// What takes no waiting, which is usual, is done here; else it goes on by itself, and a refusal is followed up there.
    /// What it accepts is given to who waits, and to nobody else.
    pub(super) async fn read_answer(
        &self,
        reading: Reading<'_>,
        pending: Option<Vec<u8>>,
        seen: &Seen,
        left: &Left,
    ) -> Result<AssertedIdentity, Failed> {
        let Reading { connector, redirect, answer, visit, began } = reading;
        let (redirect, answer) = (Arc::clone(redirect), Arc::clone(answer));
        let mut work: BoxFuture<'static, Result<AssertedIdentity, upstream::Error>> = Box::pin(async move {
            match &pending {
                Some(pending) => redirect.finish(pending, &answer).await,
                None => redirect.finish_unsolicited(&answer).await,
            }
        });
        if let Some(outcome) = (&mut work).now_or_never() {
            return outcome.map_err(|error| Failed::Now(Error::of_answer(error)));
        }
        let Ok(place) = Arc::clone(&self.readings).try_acquire_owned() else {
            // Very many go on by themselves already: this one waits with who sent it.
            return work.await.map_err(|error| Failed::Now(Error::of_answer(error)));
        };
        let (login, (tell, told)) = (self.clone(), oneshot::channel());
        let (connector, seen, left, visit) = (connector.clone(), seen.clone(), left.clone(), visit.clone());
        self.services.tasks.spawn("reading an answer", async move {
            let _place = place;
            let outcome = match work.await {
                Ok(identity) => Ok(identity),
                Err(error) => {
                    let (error, took) = (Error::of_answer(error), began.elapsed());
                    Err(login.record_whole(Refused { connector, error, seen, left, visit, took }).await)
                }
            };
            // Nobody may be there to be told.
            drop(tell.send(outcome));
        });
        match told.await {
            Ok(outcome) => outcome.map_err(Failed::Recorded),
            Err(_) => Err(Failed::Recorded(Error::Unavailable("the gateway ends".to_owned()))),
        }
    }
}
