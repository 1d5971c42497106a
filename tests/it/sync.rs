//! Pulling a directory: the sandbox's for speed and misbehaviour, OpenLDAP for the truth.

mod bench;
mod bind;
mod held;
mod hostile;
mod openldap;
mod sandbox;
mod source;
