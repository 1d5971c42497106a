//! What the access decision asks of the directory.
