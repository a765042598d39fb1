//! Challenges: between a password that was right and the second factor. Kept in memory: whoever loses theirs signs in again.

use std::{collections::HashMap, sync::Mutex};

use jiff::{SignedDuration, Timestamp};

use super::{session::Opening, token::random_id};
use crate::error::{Error, Result};

/// A challenge is good for so many seconds.
pub const LIFE: i64 = 300;
/// And for so many tries.
const TRIES: u8 = 5;
/// Those of all that are good at once, and of one person.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 20;

/// The challenges that are good.
#[derive(Default)]
pub struct Challenges(Mutex<HashMap<String, Challenge>>);

/// A sign-in that waits for its second factor.
pub struct Challenge {
    pub user: i64,
    /// The session that it will open.
    pub how: Opening,
    /// The operation that began it, whose answer it will get: `auth/login`.
    pub operation: String,
    until: Timestamp,
    tries: u8,
}

impl Challenges {
    /// A new challenge. Of too many of one person the oldest goes.
    ///
    /// # Errors
    /// 503 when there are too many of all.
    pub fn issue(&self, user: i64, how: Opening, operation: String, now: Timestamp) -> Result<String> {
        let mut challenges = self.0.lock().map_err(Error::internal)?;
        challenges.retain(|_, challenge| challenge.until > now);
        let theirs = || challenges.iter().filter(|(_, challenge)| challenge.user == user);
        if theirs().count() >= MOST_OF_ONE
            && let Some(oldest) = theirs().min_by_key(|(_, challenge)| challenge.until).map(|(id, _)| id.clone())
        {
            challenges.remove(&oldest);
        }
        if challenges.len() >= MOST {
            return Err(Error::Unavailable(LIFE.unsigned_abs()));
        }
        // 256 bits.
        let id = random_id() + &random_id();
        challenges.insert(id.clone(), Challenge { user, how, operation, until: now + SignedDuration::from_secs(LIFE), tries: TRIES });
        Ok(id)
    }

    /// The challenge of this name, which nobody else can answer meanwhile.
    ///
    /// # Errors
    /// 401 when there is none that is good.
    pub fn take(&self, id: &str, now: Timestamp) -> Result<Challenge> {
        let challenge = self.0.lock().map_err(Error::internal)?.remove(id).filter(|challenge| challenge.until > now);
        challenge.ok_or_else(over)
    }

    /// Whose sign-in waits with this challenge.
    ///
    /// # Errors
    /// 401 when there is none that is good.
    pub fn user_of(&self, id: &str, now: Timestamp) -> Result<i64> {
        let challenges = self.0.lock().map_err(Error::internal)?;
        challenges.get(id).filter(|challenge| challenge.until > now).map(|challenge| challenge.user).ok_or_else(over)
    }

    /// It was answered wrongly: it may be answered again, but not for ever.
    pub fn give_back(&self, id: String, mut challenge: Challenge, counts: bool) -> Result<()> {
        challenge.tries -= u8::from(counts && challenge.tries > 0);
        if challenge.tries > 0 {
            self.0.lock().map_err(Error::internal)?.insert(id, challenge);
        }
        Ok(())
    }
}

fn over() -> Error {
    Error::unauthenticated("challenge_not_valid", "Sign in again: this attempt is too old, or over.")
}
