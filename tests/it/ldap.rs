//! The LDAP client against a real server and against broken ones.

mod directory;
mod hostile;
mod openldap;
