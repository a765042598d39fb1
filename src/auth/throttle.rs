//! Guessing is bounded: every attempt is counted before it is looked at, in the database, and given back when it was right.
//!
//! What is counted stands in `auth_throttle`, by the hash of whose it is, so an account that does not exist is counted like any other.
//! Budgets belong to accounts, to addresses, and to devices that a person signed in on before: with such a device an attempt counts
//! against its own budget alone, so whoever guesses at an account does not keep its owner out.
//!
//! An attempt that finds its budgets used up while others are being looked at waits for those: they may be right, and give back what
//! they took. So many people behind one address can sign in at once, and still no more than the budget is ever wrong.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::FutureExt;
use jiff::Timestamp;
use poem::Request;
use sha2::{Digest, Sha256};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::{
    account,
    alarm::Alarm,
    budget::{After, Counted, Rule, Verdict},
    device,
    gate::{Gate, info},
    limits::network,
};
use crate::{
    actor::Actor,
    config::{self, Rate},
    db::{Reader, Writer},
    error::{Budget, Error, Result},
    kit::hex::hex,
};

/// How long an attempt waits for others to give back, and how many wait at once.
const PATIENCE: Duration = Duration::from_secs(10);
const MOST_WAITING: usize = 256;

/// What is attempted. `identifier` is what the person is named by; for who is signed in, the account's id.
#[derive(Clone, Copy)]
pub enum Kind<'a> {
    /// To sign in with this password.
    Password(&'a str),
    /// To confirm this password of the account that one is signed in to.
    Confirm(&'a str),
    /// To sign in with a passkey, of this person if it is somebody's; `identifier` is what the passkey is known by.
    Passkey(Option<i64>),
    /// To make an account.
    Register,
    /// To take other names for the account that one is signed in to. What is nobody's is given back.
    Names,
}

/// Counts attempts.
#[derive(Clone)]
pub struct Throttle(Arc<Inner>);

struct Inner {
    gate: Arc<Gate>,
    config: config::Throttle,
    /// How many attempts are being looked at, by the keys they count against.
    under_way: Mutex<HashMap<String, usize>>,
    ended: Notify,
    waiting: AtomicUsize,
    alarm: Alarm,
}

impl Inner {
    fn under_way(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody was refused, or was wrong.
    fn note_failure(&self) {
        if self.alarm.count(self.gate.db.clock().now().as_second()) {
            tracing::error!(target: "security", event = "guessing", "many sign-ins fail each second: addresses have half of their budgets");
        }
    }
}

/// An attempt that is counted, and may be looked at. Dropped, it was wrong.
pub struct Taken {
    counted: Arc<Vec<Counted>>,
    /// Of which of them it was the first of its kind.
    fresh: Vec<bool>,
    /// If it is wrong, the account is locked for a while.
    locks: bool,
    place: Arc<Place>,
}

/// What is left to do for an attempt that was right.
#[derive(Clone)]
pub struct Success(Arc<Vec<Counted>>, Vec<bool>);

impl Success {
    /// Gives back what the attempt took, in the transaction of what it opens.
    pub fn record(&self, tx: &mut Writer<'_>) -> Result<()> {
        self.0.iter().zip(&self.1).try_for_each(|(counted, fresh)| counted.give_back(tx, *fresh, true))
    }
}

impl Taken {
    /// It was right: `record` this.
    pub fn success(&self) -> Success {
        self.place.settled.store(true, Relaxed);
        Success(self.counted.clone(), self.fresh.clone())
    }

    /// It was right, and nothing else is stored for it.
    pub async fn succeeded(self) -> Result<()> {
        let (success, throttle) = (self.success(), self.place.throttle.clone());
        let db = &throttle.gate.db;
        db.write(Arc::new(Actor::system(db.clock().now())), move |tx| success.record(tx)).await
    }

    /// It was wrong, and the account is that of somebody: their history says when it is locked. Nobody waits for that, as it must not
    /// take longer than for a name that is nobody's.
    pub fn failed(self, user: i64, actor: Actor) {
        if !self.locks {
            return;
        }
        tracing::warn!(target: "security", event = "locked", user, ip = actor.ip);
        let db = self.place.throttle.gate.db.clone();
        tokio::spawn(async move {
            if let Err(error) = db.write(Arc::new(actor), move |tx| tx.note("users", user, "lock", None, None)).await {
                tracing::error!(%error, user, "that an account was locked is not in its history");
            }
        });
    }

    /// It could not be looked at, so it says nothing.
    pub async fn unused(self) -> Result<()> {
        self.place.settled.store(true, Relaxed);
        let throttle = self.place.throttle.clone();
        let db = &throttle.gate.db;
        let (counted, fresh) = (self.counted.clone(), self.fresh.clone());
        let back = move |tx: &mut Writer<'_>| counted.iter().zip(&fresh).try_for_each(|(one, fresh)| one.give_back(tx, *fresh, false));
        db.write(Arc::new(Actor::system(db.clock().now())), back).await
    }
}

/// An attempt among those under way, once it is counted.
struct Place {
    throttle: Arc<Inner>,
    counted: Arc<Vec<Counted>>,
    held: AtomicBool,
    /// It was right, or not looked at.
    settled: AtomicBool,
}

impl Place {
    /// Also called again: the writer may run a closure twice.
    fn hold(&self) {
        if !self.held.swap(true, Relaxed) {
            let mut under_way = self.throttle.under_way();
            self.counted.iter().for_each(|one| *under_way.entry(one.key.clone()).or_default() += 1);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.held.load(Relaxed) {
            return;
        }
        let mut under_way = self.throttle.under_way();
        for one in self.counted.iter() {
            match under_way.get_mut(&one.key) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(under_way.remove(&one.key)),
            }
        }
        drop(under_way);
        self.throttle.ended.notify_waiters();
        let guess = self.counted.iter().any(|one| one.after != After::Keep);
        if guess && !self.settled.load(Relaxed) {
            self.throttle.note_failure();
        }
    }
}

/// Why an attempt is not looked at.
struct Refusal {
    key: String,
    budget: Budget,
}

impl Throttle {
    pub fn new(gate: Arc<Gate>, config: config::Throttle) -> Self {
        let (under_way, ended, waiting, alarm) = (Mutex::default(), Notify::new(), AtomicUsize::new(0), Alarm::new(config.alarm));
        Self(Arc::new(Inner { gate, config, under_way, ended, waiting, alarm }))
    }

    /// Counts an attempt, before it is looked at.
    ///
    /// # Errors
    /// 429 when it must not be looked at; the same for accounts that do not exist.
    pub async fn take(&self, kind: Kind<'_>, identifier: &str, request: &Request) -> Result<Taken> {
        let counted = Arc::new(self.counted(kind, identifier, request)?);
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Before looking: whoever ends from now on is noticed.
            let mut ended = pin!(self.0.ended.notified());
            ended.as_mut().enable();
            let refusal = match self.attempt(&counted).await? {
                Ok(taken) => return Ok(taken),
                Err(refusal) => refusal,
            };
            let nobody = !self.0.under_way().contains_key(&refusal.key);
            if Instant::now() < deadline {
                if ended.as_mut().now_or_never().is_some() {
                    continue;
                }
                if !nobody && self.wait(deadline, ended).await {
                    continue;
                }
            }
            self.0.note_failure();
            tracing::warn!(target: "security", event = "throttled", budget = refusal.budget.name, retry = refusal.budget.retry);
            return Err(Error::Throttled(refusal.budget));
        }
    }

    /// Waits until some attempt has ended; `false`: too long, or too many wait already.
    async fn wait(&self, deadline: Instant, ended: impl Future<Output = ()>) -> bool {
        let ahead = self.0.waiting.fetch_add(1, Relaxed);
        // Also when whoever waits goes away.
        let _leave = Leave(&self.0.waiting);
        ahead < MOST_WAITING && timeout_at(deadline, ended).await.is_ok()
    }

    async fn attempt(&self, counted: &Arc<Vec<Counted>>) -> Result<Result<Taken, Refusal>> {
        let db = &self.0.gate.db;
        let now = db.clock().now();
        // Refusing costs no write: a flood of what is refused anyway holds nobody up.
        if let Some(refusal) = db.read(|reader| refusal(reader, counted, now))? {
            return Ok(Err(refusal));
        }
        let place = Arc::new(Place {
            throttle: self.0.clone(),
            counted: counted.clone(),
            held: AtomicBool::new(false),
            settled: AtomicBool::new(false),
        });
        let (held, rules) = (place.clone(), counted.clone());
        let count = move |tx: &mut Writer<'_>| {
            let mut refused = refusal(tx, &rules, now)?;
            if refused.is_none() {
                // Too many different ones: closed from now on.
                for one in rules.iter() {
                    if let Some(budget) = one.strike(tx, now)? {
                        refused = Some(Refusal { key: one.key.clone(), budget });
                    }
                }
            }
            match refused {
                Some(refusal) => Ok(Err(refusal)),
                None => {
                    // Whoever sees what is now counted sees also that it is being looked at.
                    held.hold();
                    let fresh = rules.iter().map(|one| one.count(tx, now)).collect::<Result<Vec<bool>>>()?;
                    let locks = rules.iter().map(|one| one.locks(tx, now)).collect::<Result<Vec<bool>>>()?;
                    Ok(Ok((fresh, locks.contains(&true))))
                }
            }
        };
        let outcome = db.write(Arc::new(Actor::system(now)), count).await?;
        Ok(outcome.map(|(fresh, locks)| Taken { counted: counted.clone(), fresh, locks, place }))
    }

    /// What an attempt counts against.
    fn counted(&self, kind: Kind<'_>, identifier: &str, request: &Request) -> Result<Vec<Counted>> {
        let config = &self.0.config;
        let address = info(request).ip.filter(|ip| config.loopback || !ip.to_canonical().is_loopback()).map(|ip| network(ip).to_string());
        let mut all = vec![];
        let mut add =
            |budget: &'static str, who: &str, rule: Rule, after: After| all.push(Counted { key: key(budget, who), budget, rule, after });
        let rate = |rate: config::MaybeRate| rate.0.map(Rule::Rate);
        match kind {
            Kind::Password(_) | Kind::Confirm(_) | Kind::Passkey(_) => {
                let (steps, most, who) = match kind {
                    Kind::Password(_) | Kind::Passkey(_) => {
                        let (who, user) = match kind {
                            Kind::Passkey(user) => {
                                (user.map_or_else(|| format!("passkey {identifier}"), |user| format!("user {user}")), user)
                            }
                            _ => self.who(identifier)?,
                        };
                        if let (Some(device), Some(rule)) = (self.own_device(user, request), rate(config.device)) {
                            add("device", &device.id, rule, After::Clear);
                            return Ok(all);
                        }
                        ("login", "login-rate", who)
                    }
                    _ => ("confirm", "confirm-rate", format!("user {identifier}")),
                };
                // What a passkey signs is another text each time, and nothing that is tried on many.
                let secret = if let Kind::Password(secret) | Kind::Confirm(secret) = kind { Some(secret) } else { None };
                if !config.account.is_empty() {
                    add(steps, &who, Rule::Steps(config.account.clone()), After::Clear);
                }
                if let Some(rule) = rate(config.account_rate) {
                    add(most, &who, rule, After::Clear);
                }
                let Some(address) = &address else { return Ok(all) };
                let alarmed = self.0.alarm.is_up(self.0.gate.db.clock().now().as_second());
                for (place, rate) in config.address.iter().enumerate() {
                    let rate = &Rate { count: if alarmed { rate.count.div_ceil(2) } else { rate.count }, ..*rate };
                    add("address", &format!("{place} {address}"), Rule::Rate(*rate), After::GiveBack);
                }
                if let Some(secret) = secret.filter(|_| config.spray > 0) {
                    // Some bits of a keyed hash: they tell two pairs apart, and nothing of either.
                    let pair = self.0.gate.tokens.sign_text("pair", &format!("{who}\0{secret}"));
                    let pair = key("pair", &format!("{address} {}", &pair[..8]));
                    add("spray", address, Rule::Spray { pairs: config.spray, seconds: config.spray_seconds, pair }, After::GiveBack);
                }
            }
            Kind::Register => {
                if let (Some(rule), Some(address)) = (rate(config.register), &address) {
                    add("register", address, rule, After::Keep);
                }
            }
            Kind::Names => {
                if let Some(rule) = rate(config.names) {
                    add("names", identifier, rule, After::Keep);
                }
            }
        }
        Ok(all)
    }

    /// Whose attempts these are: the account's, whichever of its names was given, or those of a name that is nobody's.
    fn who(&self, identifier: &str) -> Result<(String, Option<i64>)> {
        let found = self.0.gate.db.read(|reader| account::find(reader, identifier))?;
        Ok(match found {
            Some(found) => (format!("user {}", found.id), Some(found.id)),
            None => (format!("name {}", identifier.trim().to_lowercase()), None),
        })
    }

    /// The device of the request, if this person signed in on it before.
    fn own_device(&self, user: Option<i64>, request: &Request) -> Option<device::Device> {
        let mark = device::sent(request)?;
        device::known(&self.0.gate.tokens, &mark, info(request).now).filter(|device| Some(device.user) == user)
    }
}

/// One that waits goes.
struct Leave<'a>(&'a AtomicUsize);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// The refusal that lasts longest, if there is any.
fn refusal(reader: &Reader<'_>, counted: &[Counted], now: Timestamp) -> Result<Option<Refusal>> {
    let mut longest: Option<Refusal> = None;
    for one in counted {
        if let Verdict::Refused(budget) = one.look(reader, now)?
            && longest.as_ref().is_none_or(|known| known.budget.retry < budget.retry)
        {
            longest = Some(Refusal { key: one.key.clone(), budget });
        }
    }
    Ok(longest)
}

fn key(budget: &str, who: &str) -> String {
    hex(&Sha256::new().chain_update(budget).chain_update([0]).chain_update(who).finalize())
}

/// Counts an invitation in the transaction that stores it: against what a business sends, and what somebody is sent.
///
/// # Errors
/// 429 when it would be one too many; then nothing is counted.
pub fn count_invitation(tx: &mut Writer<'_>, config: &config::Throttle, business: i64, recipient: &str) -> Result<()> {
    let now = tx.now().0;
    for (budget, who, rate) in
        [("invite", business.to_string(), config.invite), ("invite-recipient", recipient.to_lowercase(), config.invite_recipient)]
    {
        let Some(rate) = rate.0 else { continue };
        let one = Counted { key: key(budget, &who), budget, rule: Rule::Rate(rate), after: After::Keep };
        if let Verdict::Refused(budget) = one.look(tx, now)? {
            return Err(Error::Throttled(budget));
        }
        one.count(tx, now)?;
    }
    Ok(())
}

/// Lets a person try again, as if nothing had been wrong.
pub fn unlock(tx: &mut Writer<'_>, user: i64) -> Result<bool> {
    let who = format!("user {user}");
    let mut any = false;
    for budget in ["login", "login-rate", "confirm", "confirm-rate"] {
        any |= tx.clear("auth_throttle", "key = ?1", &[key(budget, &who).into()])? > 0;
    }
    Ok(any)
}

/// Until when attempts at a person's account are not looked at, if they are not.
pub fn locked_until(reader: &Reader<'_>, user: i64, now: Timestamp) -> Result<Option<String>> {
    let sql = "SELECT until FROM auth_throttle WHERE key = ?1 AND until > ?2";
    let now = crate::kit::DateTime(now).to_string();
    reader.one(sql, &[key("login", &format!("user {user}")).into(), now.into()])
}
