//! Sign-in: who is calling, and how they prove it.
//!
//! `password`, `keys` and `token` are the means; `session` mints, rotates and revokes,
//! `families` are what a person sees of it. `gate` lets a request in, `ticket` one that cannot show a token, `api_key` a program; `who`
//! looks them up; `idempotency` knows those that were let in before. `otp` has the codes that go to telephones, `link` the links that
//! go by e-mail, and `allowance` counts both; `factor` are second factors of whichever kind: `totp`, `passkey` (which signs in by itself as
//! well) and `recovery`; `challenge` is what waits for one, `proof` says how long ago it was given. `throttle` (with `budget`) bounds guessing, `limits` how much is asked at all; `device` tells browsers apart, and `notice`
//! tells people what happened to their account; `origin` which pages a cookie is taken from; `first` is the door of whoever comes first.
//! `pace` says when something is answered that must tell nothing of accounts.
//! `claim` says whose an address is that nobody has proven.

pub mod account;
mod alarm;
pub mod allowance;
pub mod api_key;
pub mod budget;
pub mod challenge;
pub mod claim;
pub mod device;
pub mod factor;
pub mod families;
pub mod first;
pub mod gate;
mod hs256;
pub mod idempotency;
pub mod keys;
pub mod limits;
pub mod link;
pub mod notice;
pub mod origin;
pub mod otp;
pub mod pace;
pub mod passkey;
pub mod password;
pub mod proof;
pub mod recovery;
pub mod session;
pub mod throttle;
pub mod ticket;
pub mod token;
pub mod totp;
pub mod who;
