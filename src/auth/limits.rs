//! How much is asked: limits per person and per address, in memory. A restart forgets them; what bounds guessing is in `throttle`.
//!
//! Each caller of a limit has one number: the time up to which the limit is used (the generic cell rate algorithm). A request moves it
//! by its share of the period, and is refused when that would be more than a period ahead: so all may come at once, and then evenly.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use poem::http::Method;

use crate::{
    config::{self, Rate},
    error::{Budget, Error, Result},
};

const SHARDS: usize = 16;
/// A shard with more callers than this looks for those whose limit is whole again.
const SWEEP: usize = 4096;

/// Whose limit it is: which one, and an address or a person.
type Who = (&'static str, u128);

pub struct Limits {
    config: config::Limits,
    hasher: RandomState,
    shards: [Mutex<HashMap<Who, i64>>; SHARDS],
}

impl Limits {
    pub fn new(config: config::Limits) -> Self {
        Self { config, hasher: RandomState::new(), shards: Default::default() }
    }

    /// Is this address one whose requests count?
    fn counts(&self, ip: Option<IpAddr>) -> Option<u128> {
        let ip = ip.filter(|ip| self.config.loopback || !ip.to_canonical().is_loopback())?;
        Some(number(network(ip)))
    }

    /// A request from an address, before anybody is known; `anonymous`: it shows no token.
    ///
    /// # Errors
    /// 429 when the address has asked for too much.
    pub fn admit_address(&self, method: &Method, path: &str, anonymous: bool, ip: Option<IpAddr>, now: Timestamp) -> Result<()> {
        if !anonymous || !path.starts_with("/api/") {
            return Ok(());
        }
        let Some(address) = self.counts(ip) else { return Ok(()) };
        if *method == Method::POST {
            let what = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            let (name, rate) = match what {
                "login" | "staff-login" | "sign-in" | "token" => ("login", self.config.login),
                "send-otp" | "verify-otp" => ("otp", self.config.otp),
                _ => ("", config::MaybeRate(None)),
            };
            self.take(name, rate.0, address, now)?;
        }
        self.take("anonymous", self.config.anonymous.0, address, now)
    }

    /// A request of a person.
    ///
    /// # Errors
    /// 429 when they have asked for too much.
    pub fn admit_user(&self, user: i64, method: &Method, path: &str, ip: Option<IpAddr>, now: Timestamp) -> Result<()> {
        let config::Limits { user: own, export, assistants, .. } = &self.config;
        let path = path.trim_end_matches('/');
        let special = if path.ends_with("/export") {
            ("export", export.0)
        } else if *method == Method::POST && path.starts_with("/api/assistants/") {
            ("assistants", assistants.0)
        } else {
            ("", None)
        };
        // Nearly always there is nothing to count.
        if own.0.is_none() && special.1.is_none() || self.counts(ip).is_none() {
            return Ok(());
        }
        let who = u128::from(user.unsigned_abs());
        self.take(special.0, special.1, who, now)?;
        self.take("user", own.0, who, now)
    }

    fn take(&self, name: &'static str, rate: Option<Rate>, who: u128, now: Timestamp) -> Result<()> {
        let Some(rate) = rate else { return Ok(()) };
        let (now, period) = (now.as_microsecond(), i64::from(rate.seconds) * 1_000_000);
        let share = period / i64::from(rate.count);
        let who = (name, who);
        let shard = self.hasher.hash_one(who) as usize % SHARDS;
        let mut used = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() > SWEEP {
            used.retain(|_, until| *until > now);
        }
        let until = used.entry(who).or_insert(now);
        let next = (*until).max(now) + share;
        if next - now > period {
            let retry = u64::try_from(next - now - period).unwrap_or(0).div_ceil(1_000_000);
            return Err(Error::Throttled(Budget { name, count: rate.count, seconds: rate.seconds, retry }));
        }
        *until = next;
        Ok(())
    }
}

/// An IPv6 customer has a /64, so that is what counts as one address.
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
        v4 => v4,
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::config::MaybeRate;

    fn limits(user: &str) -> Limits {
        let rate = |text: &str| MaybeRate::try_from(text.to_owned()).unwrap();
        let off = rate("");
        Limits::new(config::Limits {
            anonymous: rate("3/minute"),
            user: rate(user),
            login: off,
            otp: off,
            export: rate("2/hour"),
            assistants: off,
            loopback: false,
        })
    }

    #[test]
    fn a_limit_comes_back_evenly() {
        let limits = limits("");
        let (ip, other) = ("192.0.2.7".parse().ok(), "192.0.2.8".parse().ok());
        let ask = |ip, second| limits.admit_address(&Method::GET, "/api/x/", true, ip, Timestamp::from_second(second).unwrap());
        assert!((0..3).all(|_| ask(ip, 1000).is_ok()));
        let refused = Error::Throttled(Budget { name: "anonymous", count: 3, seconds: 60, retry: 20 });
        assert_eq!(ask(ip, 1000), Err(refused));
        assert!(ask(other, 1000).is_ok(), "another address");
        assert!(ask(ip, 1019).is_err() && ask(ip, 1020).is_ok() && ask(ip, 1020).is_err(), "a third of a minute for one");
        assert!((0..3).all(|_| ask(ip, 2000).is_ok()) && ask(ip, 2000).is_err());
        assert!((0..9).all(|_| ask("127.0.0.1".parse().ok(), 1000).is_ok()), "this machine itself");
        // A network of IPv6 is one address.
        assert!((0..3).all(|n| ask(format!("2001:db8::{n}").parse().ok(), 1000).is_ok()));
        assert!(ask("2001:db8::ffff".parse().ok(), 1000).is_err());
        assert!((0..9).all(|_| limits.admit_address(&Method::GET, "/api/x/", false, ip, Timestamp::UNIX_EPOCH).is_ok()), "with a token");
    }

    #[test]
    fn people_have_limits_of_their_own() {
        let limits = limits("5/second");
        let (ip, now) = ("192.0.2.7".parse().ok(), Timestamp::from_second(1000).unwrap());
        let ask = |user, path| limits.admit_user(user, &Method::GET, path, ip, now);
        assert!((0..2).all(|_| ask(1, "/api/field/leads/export/").is_ok()));
        assert!(ask(1, "/api/field/leads/export/").is_err() && ask(1, "/api/field/leads/export").is_err());
        assert!((0..3).all(|_| ask(1, "/api/field/leads/").is_ok()) && ask(1, "/api/field/leads/").is_err());
        assert!(ask(2, "/api/field/leads/export/").is_ok());
    }

    /// Not a benchmark: a bound that only a mistake of kind would pass.
    #[test]
    fn asking_costs_little() {
        let limits = limits("1000000/second");
        let (ip, now) = ("192.0.2.7".parse().ok(), Timestamp::from_second(1000).unwrap());
        let start = Instant::now();
        for user in 0..100_000 {
            limits.admit_user(user % 100, &Method::GET, "/api/field/leads/", ip, now).unwrap();
        }
        let each = start.elapsed() / 100_000;
        println!("a request that is counted costs {each:?} in this build");
        assert!(each.as_micros() < 50, "{each:?}");
    }
}
