//! Logout at an upstream and from there, whatever the protocol: what travels between a connector and the login flow.

use super::{Answer, OneTime};
use crate::clock::Timestamp;

/// How a message about logout came.
#[derive(Clone, Copy, Debug)]
pub enum Delivery<'a> {
    /// From the upstream itself, past every browser: a logout token.
    BackChannel(&'a str),
    /// In a form of a browser.
    Form(&'a Answer),
    /// In the query of an address, as it was sent: a signature covers its letters.
    Query(&'a str),
}

/// What an upstream says about logout. Whoever makes one has verified that it was the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutMessage {
    /// It answers a request of ours.
    Answer(LogoutAnswer),
    /// It asks us to sign somebody out.
    Request(LogoutRequest),
}

/// An answer to a request of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutAnswer {
    /// The id of the request.
    pub request: String,
    /// The handle that went with it.
    pub handle: String,
    /// Whether the person is signed out there and at everybody else's.
    pub is_complete: bool,
}

/// A request to sign somebody out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutRequest {
    /// Whom, as the upstream called them at the sign-in; `None`: whoever has one of the sessions, of which there are some.
    pub subject: Option<String>,
    /// Which sessions there; none: all of the person's.
    pub sessions: Vec<String>,
    /// When it was made.
    pub issued: Timestamp,
    /// Its id, which is accepted once.
    pub claim: OneTime,
    /// What goes back with the answer.
    pub relay_state: Option<String>,
}
