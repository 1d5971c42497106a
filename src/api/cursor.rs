//! Cursors: where a list goes on, for this caller and this question only. The place is a row of an index, with a name in it
//! perhaps, or the id of something, that the caller does not see, and so it is sealed.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::admit::Caller;
use super::fields::{PageOf, Params};
use super::{Api, Error};
use crate::http::Binding;
use crate::secret::{IdSource, MacKey, SealKey};

/// Longest text that is looked at.
const MAX_BYTES: usize = 2048;

/// Makes and reads the cursors of the surface.
#[derive(Clone, Debug)]
pub struct Cursors {
    master: MacKey,
    ids: IdSource,
}

impl Cursors {
    /// The cursors of an installation; `master` is its key.
    pub fn new(master: &MacKey, ids: IdSource) -> Self {
        Self { master: master.derive("api cursor 2"), ids }
    }

    /// The text for a position.
    pub(super) fn issue(&self, binding: &Binding, position: &[u8]) -> Result<String, Error> {
        let sealed = self.key(binding).seal(&self.ids, binding.bytes(), position);
        let sealed = sealed.ok_or(Error::Internal("a position in a list that is too long to seal"))?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The position that a text stands for.
    pub(super) fn read(&self, binding: &Binding, text: &str) -> Result<Vec<u8>, Error> {
        let foreign = || Error::invalid("cursor", "is none that you got for this list: begin without it");
        if text.len() > MAX_BYTES {
            return Err(foreign());
        }
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| foreign())?;
        let position = self.key(binding).open(binding.bytes(), &sealed).ok_or_else(foreign)?;
        Ok(position.to_vec())
    }

    /// A key for each question, so that no key seals so much that nonces meet.
    fn key(&self, binding: &Binding) -> SealKey {
        self.master.seal_key(&BASE64_URL_SAFE_NO_PAD.encode(binding.bytes()))
    }
}

impl Api {
    /// `limit` and `cursor` of a list that is not all seen by everybody. `list` names the question, with the group, scope or
    /// connection that is asked about.
    pub(super) fn page<T: FromStr>(
        &self,
        caller: &Caller,
        list: &str,
        params: &mut Params,
    ) -> Result<PageOf<T>, Error> {
        params.page_behind(|text| {
            let place = self.services.cursors.read(&binding(caller, list), text)?;
            String::from_utf8(place).map_err(|_| Error::invalid("cursor", "is none of ours"))
        })
    }

    /// The cursor of the next page of such a list.
    pub(super) fn next(
        &self,
        caller: &Caller,
        list: &str,
        place: Option<impl Display>,
    ) -> Result<Option<String>, Error> {
        match place {
            Some(place) => {
                let place = place.to_string();
                self.services.cursors.issue(&binding(caller, list), place.as_bytes()).map(Some)
            }
            None => Ok(None),
        }
    }
}

fn binding(caller: &Caller, list: &str) -> Binding {
    Binding::of(&["list", list, &caller.actor.to_string()])
}
