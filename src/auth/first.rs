//! The link of the first start: it makes the first administrator, and is good for nothing once there is one. Kept in memory: a restart
//! makes another.

use std::sync::{Mutex, PoisonError};

use super::token::random_id;
use crate::{
    db::{Db, Reader},
    error::Result,
};

/// What the link of the first start is known by.
#[derive(Default)]
pub struct FirstStart(Mutex<Option<String>>);

impl FirstStart {
    /// Opens the door if there is no administrator yet.
    pub fn new(db: &Db) -> Result<Self> {
        let is_first = !db.read(has_administrator)?;
        // 256 bits.
        Ok(Self(Mutex::new(is_first.then(|| random_id() + &random_id()))))
    }

    /// The token of the link, as long as it is good.
    pub fn token(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Is this the token, and is there still no administrator?
    pub fn opens(&self, db: &Db, token: &str) -> Result<bool> {
        Ok(self.token().is_some_and(|known| is_same(&known, token)) && !db.read(has_administrator)?)
    }

    /// The link is used up.
    pub fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Is there somebody who may do everything?
pub fn has_administrator(reader: &Reader<'_>) -> Result<bool> {
    reader.exists("SELECT 1 FROM users WHERE is_superuser = 1 AND deleted_at IS NULL", &[])
}

/// Compares in a time that says nothing of where the two differ.
fn is_same(known: &str, given: &str) -> bool {
    known.len() == given.len() && known.bytes().zip(given.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}
