//! `[lockout]`: what wrong passwords lead to.

use std::time::Duration;

/// A named set of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockoutPreset {
    /// `balanced`, the default: ten attempts, ten minutes, trying again does not prolong.
    Balanced,
    /// `clearvantage`: three attempts, thirty minutes, every attempt starts the time again.
    Clearvantage,
}

/// `[lockout]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// Where the numbers come from that are not given.
    pub preset: LockoutPreset,
    /// How many wrong passwords in a row lock the account, 1 to 100.
    pub attempts: u32,
    /// `for`: how long a lock lasts, 1 s to 30 d.
    pub lasts: Duration,
    /// Whether an attempt while locked starts the time again.
    pub extend_on_attempt: bool,
}
