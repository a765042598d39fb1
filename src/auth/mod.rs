//! Sign-in: who is calling, and how they prove it.
//!
//! `password`, `keys` and `token` are the means; `session` mints, rotates and revokes; `gate` lets a request in, `ticket` one
//! that cannot show a token; `idempotency` knows those that were let in before. `otp` has the codes that go to telephones, `link`
//! the links that go by e-mail, and `allowance` counts both. A second factor and throttling get rooms of their own beside these.

pub mod account;
pub mod allowance;
pub mod gate;
pub mod idempotency;
pub mod keys;
pub mod link;
pub mod otp;
pub mod password;
pub mod session;
pub mod ticket;
pub mod token;
