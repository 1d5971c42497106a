//! The LDAP client against a real server and against broken ones.

pub mod directory;
mod hostile;
mod openldap;
