//! Passwords: Argon2id on threads of its own.
