//! The login flow: a state machine with one end, `finish`.
