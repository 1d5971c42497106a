//! Cursors of lists that can be filtered and sorted: where the list goes on, for this caller and this question only.

use crate::api::Error;
use crate::http::{Binding, open_cursor, seal_cursor};
use crate::secret::MacKey;

/// Makes and reads the cursors of the surface.
#[derive(Clone, Debug)]
pub struct Cursors(MacKey);

impl Cursors {
    /// The cursors of an installation; `master` is its key.
    pub fn new(master: &MacKey) -> Self {
        Self(master.derive("api cursor 1"))
    }

    /// The text for a position.
    pub(super) fn issue(&self, binding: &Binding, position: &[u8]) -> String {
        seal_cursor(&self.0, binding, position)
    }

    /// The position that a text stands for.
    pub(super) fn read(&self, binding: &Binding, text: &str) -> Result<Vec<u8>, Error> {
        let foreign = || Error::invalid("cursor", "is none that you got for this list: begin without it");
        open_cursor(&self.0, binding, text).ok_or_else(foreign)
    }
}
