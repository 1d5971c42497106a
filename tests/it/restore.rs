//! Backups and what becomes of them: what ended after a copy was made is over after it was put back, by the command or by
//! hand, and what was good once is good no more.

mod commands;
mod voided;
