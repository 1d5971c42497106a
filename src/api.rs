//! The management surface, `/api/v1`.
