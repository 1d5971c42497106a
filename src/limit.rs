//! Request-rate classes.
