//! Failed attempts: policy (pure) and durable counters.
