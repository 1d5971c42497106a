//! LDAP client: connection, frame guard, names, filters, entries.
