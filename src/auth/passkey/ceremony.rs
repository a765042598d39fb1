//! Ceremonies that were begun: a browser was given a challenge to have signed, which is good once, for five minutes, and for what it was
//! given for. Kept in memory: whoever loses theirs begins again.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};

use super::site::Site;
use crate::{
    auth::limits::network,
    error::{Error, Result},
};

/// A challenge is good for so many seconds.
pub const LIFE: i64 = 300;
/// Those of all that are good at once, and of one person, or of one address that nobody has signed in from. Another takes the place of the
/// oldest, so that nobody can use them all up.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 20;
const MOST_OF_ADDRESS: usize = 500;

/// What a challenge was given for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// For a person to add a passkey, in a session of theirs.
    Add { user: i64, session: String },
    /// To sign in by a passkey alone, for whoever comes.
    SignIn,
    /// As the second factor to the sign-in that waits for it.
    Second { waiting: String },
    /// To prove oneself again, in a session.
    Confirm { user: i64, session: String },
}

/// Whose it is: there is only so much for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    User(i64),
    Address(Option<IpAddr>),
}

/// A ceremony that was begun.
#[derive(Debug, Clone)]
pub struct Ceremony {
    /// In base64url, as the browser says it.
    pub challenge: String,
    /// The site that it was begun on.
    pub site: Site,
    purpose: Purpose,
    owner: Owner,
    until: Timestamp,
}

/// The ceremonies that were begun.
#[derive(Default)]
pub struct Ceremonies(Mutex<HashMap<String, Ceremony>>);

impl Ceremonies {
    /// Begins one; answers its challenge.
    pub fn begin(&self, purpose: Purpose, owner: Owner, site: Site, now: Timestamp) -> Result<String> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| Error::internal(format!("No random bytes for a challenge: {error}.")))?;
        let challenge = URL_SAFE_NO_PAD.encode(bytes);
        let (owner, most) = match owner {
            Owner::User(user) => (Owner::User(user), MOST_OF_ONE),
            Owner::Address(address) => (Owner::Address(address.map(network)), MOST_OF_ADDRESS),
        };
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        begun.retain(|_, one| one.until > now);
        let full = begun.len() >= MOST;
        let theirs = || begun.values().filter(|one| full || one.owner == owner);
        if full || theirs().count() >= most {
            let oldest = theirs().min_by_key(|one| one.until).map(|one| one.challenge.clone());
            oldest.and_then(|oldest| begun.remove(&oldest));
        }
        let until = now + SignedDuration::from_secs(LIFE);
        begun.insert(challenge.clone(), Ceremony { challenge: challenge.clone(), site, purpose, owner, until });
        Ok(challenge)
    }

    /// The ceremony of a challenge, which is used up with it, for whatever it was given. `None`: there is none that is good for this.
    pub fn take(&self, challenge: &str, purpose: &Purpose, now: Timestamp) -> Option<Ceremony> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(challenge);
        found.filter(|one| one.until > now && one.purpose == *purpose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_uses_up_the_challenges_of_others() {
        let (ceremonies, start) = (Ceremonies::default(), Timestamp::from_second(1_800_000_000).expect("a time"));
        let site = Site { rp_id: "localhost".into(), origins: vec![] };
        let begin = |purpose: Purpose, owner, at| ceremonies.begin(purpose, owner, site.clone(), at).expect("a challenge");
        let (one, other) = (Owner::Address("192.0.2.1".parse().ok()), Owner::Address("192.0.2.2".parse().ok()));
        let early = begin(Purpose::SignIn, other, start);
        let first = begin(Purpose::SignIn, one, start);
        for _ in 0..MOST_OF_ADDRESS {
            begin(Purpose::SignIn, one, start + SignedDuration::from_secs(1));
        }
        let now = start + SignedDuration::from_secs(2);
        assert!(ceremonies.take(&first, &Purpose::SignIn, now).is_none(), "the oldest of the address made room");
        assert!(ceremonies.take(&early, &Purpose::SignIn, now).is_some());
        assert!(ceremonies.take(&early, &Purpose::SignIn, now).is_none(), "once");
        let (add, confirm) = (Purpose::Add { user: 7, session: "s".into() }, Purpose::Confirm { user: 7, session: "s".into() });
        let challenge = begin(add.clone(), Owner::User(7), now);
        assert!(ceremonies.take(&challenge, &confirm, now).is_none());
        assert!(ceremonies.take(&challenge, &add, now).is_none(), "a wrong try uses it up");
        let late = begin(add.clone(), Owner::User(7), start);
        assert!(ceremonies.take(&late, &add, start + SignedDuration::from_secs(LIFE)).is_none());
    }
}
