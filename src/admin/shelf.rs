//! What a person has half done, kept for a while in memory: a form to come back to, a file that was looked at. Whoever put it there gets
//! it back, in the business in which they did.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use moka::sync::Cache;

use super::{call::Refusal, session::Visit};
use crate::error::Error;

/// Things of a kind, each under a name that nobody guesses.
pub(super) struct Shelf<T>(Cache<String, Arc<Thing<T>>>);

struct Thing<T> {
    owner: (Option<i64>, Option<i64>),
    what: Arc<T>,
    bytes: usize,
}

fn owner(visit: &Visit<'_>) -> Result<(Option<i64>, Option<i64>), Refusal> {
    let actor = visit.actor()?;
    Ok((actor.user_id, actor.business_id()))
}

/// A text that nobody guesses.
pub(super) fn secret() -> Result<String, Refusal> {
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(format!("No random bytes for a name: {error}.")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl<T: Send + Sync + 'static> Shelf<T> {
    /// A shelf that holds so many bytes, each thing for so long.
    pub fn new(most_bytes: u64, life: Duration) -> Self {
        let weight = |_: &String, thing: &Arc<Thing<T>>| u32::try_from(thing.bytes).unwrap_or(u32::MAX);
        Self(Cache::builder().weigher(weight).max_capacity(most_bytes).time_to_live(life).build())
    }

    /// Keeps something, and answers its name.
    pub fn put(&self, visit: &Visit<'_>, what: T, bytes: usize) -> Result<String, Refusal> {
        let name = secret()?;
        self.0.insert(name.clone(), Arc::new(Thing { owner: owner(visit)?, what: Arc::new(what), bytes: bytes + name.len() }));
        Ok(name)
    }

    /// What the visitor has put there under a name, if it is still there.
    pub fn get(&self, visit: &Visit<'_>, name: &str) -> Result<Option<Arc<T>>, Refusal> {
        let owner = owner(visit)?;
        Ok(self.0.get(name).filter(|thing| thing.owner == owner).map(|thing| thing.what.clone()))
    }
}
