//! Sign-in: who is calling, and how they prove it.
//!
//! `password`, `keys` and `token` are the means; `session` mints, rotates and revokes; `gate` lets a request in; `idempotency` knows
//! those that it let in before. One-time
//! codes, e-mail flows, a second factor and throttling get rooms of their own beside these.

pub mod account;
pub mod gate;
pub mod idempotency;
pub mod keys;
pub mod password;
pub mod session;
pub mod token;
