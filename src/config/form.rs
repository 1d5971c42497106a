//! The forms that values take in the file, and the types they become: durations, sizes, shares, rates, networks.

mod duration;
mod host;
mod quota;
mod route;
mod share;
mod size;

pub use duration::parse_duration;
pub(super) use duration::render_duration;
pub use host::{Domain, HostPort};
pub use quota::Quota;
pub use route::MailRoute;
pub use share::Percent;
pub(super) use size::{parse_size, render_size};
