//! People, groups and membership; reconcile (pure) and apply.
