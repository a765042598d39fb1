//! Providers that do not answer: after some failures in a row one rests, its messages wait, and then one of them tries it. How many are on
//! their way to one at once is bounded too, so that one that hangs holds up nobody else's.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use super::{Channel, Undelivered, short};

/// So many failures in a row are enough,
pub const FAILURES: u32 = 5;
/// for so long a rest.
pub const REST: SignedDuration = SignedDuration::from_secs(30);
/// So many messages are on their way to a provider at once.
pub const AT_ONCE: usize = 8;

/// Whom messages of a kind are handed to: the server's provider, or that of a business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Provider {
    pub channel: Channel,
    /// Whose it is, if not the server's.
    pub business: Option<i64>,
}

/// What is known of a provider.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// How many messages are on their way to it.
    pub under_way: usize,
    /// How many failed since one was taken.
    pub failures: u32,
    /// It is not called before this, and then by one message at first.
    pub rests_until: Option<Timestamp>,
    /// Why the last one failed.
    pub last_error: Option<String>,
}

impl Standing {
    /// How many messages may be handed to it now.
    fn room(&self, now: Timestamp) -> usize {
        match self.rests_until {
            Some(until) if now < until => 0,
            Some(_) => usize::from(self.under_way == 0),
            None => AT_ONCE.saturating_sub(self.under_way),
        }
    }
}

/// The providers that messages were handed to since the start. Cheap to clone.
#[derive(Clone, Default)]
pub struct Breakers(Arc<Mutex<BTreeMap<Provider, Standing>>>);

impl Breakers {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Provider, Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Places on the way to a provider: as many as it may have now.
    pub fn places(&self, provider: Provider, now: Timestamp) -> Vec<Place> {
        let mut all = self.all();
        let standing = all.entry(provider).or_default();
        let room = standing.room(now);
        standing.under_way += room;
        (0..room).map(|_| Place { breakers: self.clone(), provider }).collect()
    }

    /// When a provider may be handed something; `None`: once something that is on its way has come to an end.
    pub fn opens_at(&self, provider: Provider, now: Timestamp) -> Option<Timestamp> {
        let all = self.all();
        let Some(standing) = all.get(&provider) else { return Some(now) };
        match standing.rests_until {
            Some(until) if now < until => Some(until),
            _ => (standing.room(now) > 0).then_some(now),
        }
    }

    /// All providers, as they are.
    pub fn standing(&self) -> Vec<(Provider, Standing)> {
        self.all().iter().map(|(provider, standing)| (*provider, standing.clone())).collect()
    }
}

/// A place on the way to a provider; free again when it is dropped.
pub struct Place {
    breakers: Breakers,
    provider: Provider,
}

impl Place {
    /// What came of the message that had it. One that can never go says nothing against its provider.
    pub fn settle(self, outcome: &Result<(), Undelivered>, now: Timestamp) {
        let (provider, mut all) = (self.provider, self.breakers.all());
        let standing = all.entry(provider).or_default();
        let channel = provider.channel.name();
        let Err(Undelivered::Later(why)) = outcome else {
            if standing.rests_until.take().is_some() {
                tracing::info!(channel, business = provider.business, "a provider answers again");
            }
            (standing.failures, standing.last_error) = (0, None);
            return;
        };
        standing.failures = standing.failures.saturating_add(1);
        standing.last_error = Some(short(why));
        if standing.failures >= FAILURES && standing.rests_until.is_none_or(|until| until <= now) {
            standing.rests_until = Some(now + REST);
            tracing::warn!(channel, business = provider.business, failures = standing.failures, why, "a provider rests");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(standing) = self.breakers.all().get_mut(&self.provider) {
            standing.under_way = standing.under_way.saturating_sub(1);
        }
    }
}
