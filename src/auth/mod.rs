//! Sign-in: who is calling, and how they prove it.
//!
//! `password`, `keys` and `token` are the means; `session` mints, rotates and revokes; `gate` lets a request in, `ticket` one
//! that cannot show a token; `idempotency` knows those that were let in before. One-time
//! codes, e-mail flows, a second factor and throttling get rooms of their own beside these.

pub mod account;
pub mod gate;
pub mod idempotency;
pub mod keys;
pub mod password;
pub mod session;
pub mod ticket;
pub mod token;
