//! One-time codes: sent to a telephone, kept in memory as HMACs for as long as they are good, guessed at a few times only.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use moka::sync::Cache;
use serde_json::json;
use sha2::Sha256;

use super::{
    account,
    allowance::{self, Limits},
};
use crate::{
    config::Otp,
    db::{Reader, Writer},
    error::{Error, Result},
    kit,
    outbox::{self, Channel, Message},
};

/// What a code is for: one for something else is another code.
const PURPOSE: &str = "sign-in";
/// In development this is everybody's code.
const DEV_CODE: &str = "1111";

/// The codes that are out, and the rules they are made by.
pub struct Codes {
    settings: Otp,
    dev: bool,
    store: Store,
}

impl Codes {
    pub fn new(settings: Otp, dev: bool) -> Result<Self> {
        let store = Store::new(Duration::from_secs(settings.valid_seconds), settings.tries)?;
        Ok(Self { settings, dev, store })
    }

    /// Seconds that a code is good for.
    pub fn life(&self) -> u64 {
        self.settings.valid_seconds
    }

    /// A telephone number that codes are sent to, in E.164.
    ///
    /// # Errors
    /// 400 for what is none, and for one of a country that is not served.
    pub fn number(&self, reader: &Reader<'_>, text: &str) -> Result<String> {
        let refuse = |words: &str| Error::field("phone_number", words);
        let number = account::phone(reader, text)?.ok_or_else(|| refuse("Enter a valid phone number."))?;
        let countries = &self.settings.countries;
        let served = countries.is_empty() || kit::phone_country(&number).is_some_and(|country| countries.contains(&country));
        if served { Ok(number) } else { Err(refuse("Codes are not sent to numbers of this country.")) }
    }

    /// Sends a new code; the one before it is good no more. The same for numbers with and without an account.
    ///
    /// # Errors
    /// 429 when too many were asked for.
    pub fn send(self: &Arc<Self>, tx: &mut Writer<'_>, number: &str) -> Result<()> {
        allowance::take(tx, Channel::Sms, number, &self.limits())?;
        let code = random_code(self.settings.digits)?;
        let ends = tx.now().0 + SignedDuration::from_secs(i64::try_from(self.settings.valid_seconds).unwrap_or(i64::MAX));
        let payload = json!({"code": code, "minutes": self.settings.valid_seconds.div_ceil(60)});
        let message = Message {
            channel: Channel::Sms,
            recipient: number.to_owned(),
            template: "one_time_code".to_owned(),
            payload: payload.as_object().cloned().unwrap_or_default(),
            key: None,
            due_at: None,
        };
        outbox::send_until(tx, message, Some(ends))?;
        let (codes, number) = (self.clone(), number.to_owned());
        tx.after_commit(move || codes.store.put(&number, &code, ends));
        Ok(())
    }

    /// Is this the number's code? A guess counts before it is looked at.
    pub fn guess(&self, number: &str, code: &str, now: Timestamp) -> Guess {
        if self.dev && code == DEV_CODE {
            return Guess::Right(None);
        }
        self.store.guess(number, code, now)
    }

    /// What was used was of no use after all: whoever has the code may try again.
    pub fn give_back(&self, used: Option<Arc<Code>>) {
        used.into_iter().for_each(|code| code.used.store(false, SeqCst));
    }

    fn limits(&self) -> Limits {
        let seconds = |seconds: u64| SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        let (day, hour) = (SignedDuration::from_hours(24), SignedDuration::from_hours(1));
        Limits {
            pause: seconds(self.settings.resend_seconds),
            per_recipient: (self.settings.per_number_a_day, day),
            recipients_per_network: (self.settings.numbers_per_address_an_hour, hour),
            altogether: Some((self.settings.per_day, day)),
            burned: Some((self.settings.burned_codes, seconds(self.settings.lock_seconds))),
        }
    }
}

/// What came of a guess.
pub enum Guess {
    /// Right, and nobody else's guess at this code is right any more. There is no code behind that of development.
    Right(Option<Arc<Code>>),
    Wrong,
    /// Wrong, and the last guess at this code.
    Burned,
}

/// A code that is out. The code itself is not in it.
pub struct Code {
    mac: Vec<u8>,
    ends: Timestamp,
    tries: AtomicU32,
    used: AtomicBool,
}

/// Codes by number. There is no limit to how many: one that is fresh must not go because others come, and what is sent is limited.
struct Store {
    /// Made at each start: codes do not outlive it either.
    key: [u8; 64],
    codes: Cache<String, Arc<Code>>,
    most: u32,
}

impl Store {
    fn new(life: Duration, most: u32) -> Result<Self> {
        let mut key = [0; 64];
        getrandom::fill(&mut key).map_err(|error| Error::internal(format!("No random bytes for a key: {error}.")))?;
        Ok(Self { key, codes: Cache::builder().time_to_live(life).build(), most })
    }

    fn put(&self, number: &str, code: &str, ends: Timestamp) {
        let mac = self.mac(number, code).finalize().into_bytes().to_vec();
        self.codes.insert(number.to_owned(), Arc::new(Code { mac, ends, tries: AtomicU32::new(0), used: AtomicBool::new(false) }));
    }

    fn guess(&self, number: &str, code: &str, now: Timestamp) -> Guess {
        let Some(known) = self.codes.get(number).filter(|known| known.ends > now) else { return Guess::Wrong };
        let try_number = known.tries.fetch_add(1, SeqCst).saturating_add(1);
        if try_number > self.most {
            // Not counted on to where it would begin anew.
            known.tries.store(self.most, SeqCst);
            return Guess::Wrong;
        }
        let fits = self.mac(number, code).verify_slice(&known.mac).is_ok();
        match fits {
            true if !known.used.swap(true, SeqCst) => Guess::Right(Some(known)),
            false if try_number == self.most && !known.used.load(SeqCst) => Guess::Burned,
            _ => Guess::Wrong,
        }
    }

    fn mac(&self, number: &str, code: &str) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&self.key.into());
        for part in [number, PURPOSE, code] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }
}

/// So many digits, each code as likely as every other.
fn random_code(digits: u32) -> Result<String> {
    let count = 10_u32.pow(digits);
    // The numbers above the last whole multiple would make small codes likelier.
    let end = u32::MAX - (u32::MAX % count + 1) % count;
    loop {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).map_err(|error| Error::internal(format!("No random bytes for a code: {error}.")))?;
        let number = u32::from_be_bytes(bytes);
        if number <= end {
            return Ok(format!("{:0width$}", number % count, width = digits as usize));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, thread};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn store() -> Store {
        Store::new(Duration::from_secs(300), 5).unwrap()
    }

    fn is_right(guess: &Guess) -> bool {
        matches!(guess, Guess::Right(_))
    }

    #[test]
    fn fresh_codes_survive_any_number_of_others() {
        let store = store();
        let number = |n: u32| format!("+25670{n:07}");
        (0..1000).for_each(|n| store.put(&number(n), &format!("{n:04}"), at(300)));
        (1000..101_000).for_each(|n| store.put(&number(n), "0000", at(300)));
        store.codes.run_pending_tasks();
        for n in 0..1000 {
            assert!(is_right(&store.guess(&number(n), &format!("{n:04}"), at(299))), "code {n} is gone");
        }
    }

    #[test]
    fn guesses_are_counted_however_many_come_at_once() {
        for round in 0..20 {
            let store = store();
            store.put("+1", "4711", at(300));
            let wrong = || store.guess("+1", "0000", at(0));
            let results: Vec<Guess> = thread::scope(|scope| {
                let threads: Vec<_> = (0..20).map(|_| scope.spawn(|| (0..5).map(|_| wrong()).collect::<Vec<_>>())).collect();
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
            });
            let burned = results.iter().filter(|guess| matches!(guess, Guess::Burned)).count();
            assert_eq!((results.len(), burned), (100, 1), "round {round}");
            assert!(!is_right(&store.guess("+1", "4711", at(0))), "the sixth guess was looked at");
        }
    }

    #[test]
    fn one_of_several_right_guesses_wins_and_may_give_it_back() {
        let store = store();
        store.put("+1", "4711", at(300));
        let results: Vec<Guess> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| store.guess("+1", "4711", at(0)))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut right = results.into_iter().filter(is_right);
        let Some(Guess::Right(Some(code))) = right.next() else { panic!("nobody won") };
        assert!(right.next().is_none());
        code.used.store(false, SeqCst);
        assert!(is_right(&store.guess("+1", "4711", at(0))));
    }

    #[test]
    fn codes_end_are_replaced_and_belong_to_their_number() {
        let store = store();
        store.put("+1", "4711", at(300));
        for (number, code, now) in [("+1", "4711", 300), ("+2", "4711", 0), ("+1", "", 0), ("+14", "711", 0), ("+1", "4711 ", 0)] {
            assert!(!is_right(&store.guess(number, code, at(now))), "{number} {code} {now}");
        }
        store.put("+1", "8150", at(300));
        assert!(!is_right(&store.guess("+1", "4711", at(0))) && is_right(&store.guess("+1", "8150", at(0))));
    }

    #[test]
    fn every_digit_is_as_likely_at_every_place() {
        for digits in [4, 6, 8] {
            let mut seen = BTreeMap::new();
            for _ in 0..2000 {
                let code = random_code(digits).unwrap();
                assert_eq!(code.len(), digits as usize);
                code.chars().enumerate().for_each(|place| *seen.entry(place).or_insert(0) += 1);
            }
            assert_eq!(seen.len(), 10 * digits as usize);
            // 200 are expected, with a deviation of 13.4.
            assert!(seen.values().all(|count| (110..290).contains(count)), "{seen:?}");
        }
    }
}
