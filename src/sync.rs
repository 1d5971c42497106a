//! Fills the directory by pull: LDAP source, snapshot, plan, guard.
