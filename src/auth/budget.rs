//! One budget for guessing: what is left of it, and how it is used and given back. `throttle` says what an attempt counts against.

use jiff::{SignedDuration, Timestamp, civil::Time, tz::TimeZone};

use crate::{
    config::{Rate, Step},
    db::{Reader, Row, Value, Writer},
    error::{Budget, Result},
    kit::DateTime,
};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Different pairs are counted for so long.
const SPRAY: SignedDuration = SignedDuration::from_hours(3);

/// How a budget is used up.
#[derive(Debug, Clone)]
pub enum Rule {
    /// Waiting that grows with the failures of the day.
    Steps(Vec<Step>),
    /// So many in a period, which the first of them begins.
    Rate(Rate),
    /// So many different ones; `pair` is the key of this one.
    Spray { pairs: u32, seconds: u32, pair: String },
}

/// What becomes of the budget when an attempt was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It begins anew.
    Clear,
    /// The attempt does not count. Others do: one's own account is no way to guess at others.
    GiveBack,
    /// Right ones count as well.
    Keep,
}

/// A budget that an attempt counts against.
#[derive(Debug, Clone)]
pub struct Counted {
    pub key: String,
    pub budget: &'static str,
    pub rule: Rule,
    pub after: After,
}

/// May an attempt be looked at?
#[derive(Debug, PartialEq)]
pub enum Verdict {
    Free,
    Refused(Budget),
    /// No, and from now on none for a while.
    Strike,
}

/// A row of `auth_throttle` that still says something.
#[derive(Debug, Default, Clone, Copy)]
struct Stored {
    id: Option<i64>,
    count: u32,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    strikes: u32,
}

fn stored(reader: &Reader<'_>, key: &str, now: Timestamp) -> Result<Stored> {
    let time = |text: Option<String>| text.and_then(|text| text.parse::<Timestamp>().ok());
    let read = |row: &Row<'_>| {
        let id = Some(row.get(0)?);
        if time(row.get(5)?).is_none_or(|end| end <= now) {
            return Ok(Stored { id, ..Stored::default() });
        }
        let number = |at: usize| row.get::<i64>(at).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        Ok(Stored { id, count: number(1)?, since: time(row.get(2)?), until: time(row.get(3)?), strikes: number(4)? })
    };
    let sql = "SELECT id, count, since, until, strikes, expires_at FROM auth_throttle WHERE key = ?1";
    Ok(reader.row(sql, &[key.into()], read)?.unwrap_or_default())
}

fn midnight_after(at: Timestamp) -> Timestamp {
    let today = at.to_zoned(TimeZone::UTC).date().to_datetime(Time::midnight());
    TimeZone::UTC.to_timestamp(today).unwrap_or(at) + DAY
}

fn whole_seconds(duration: SignedDuration) -> u64 {
    u64::try_from(duration.as_millis().div_euclid(1000) + i128::from(duration.as_millis().rem_euclid(1000) > 0)).unwrap_or(1).max(1)
}

impl Counted {
    /// When what was counted since then is forgotten.
    fn over(&self, since: Timestamp) -> Timestamp {
        match &self.rule {
            Rule::Steps(_) => midnight_after(since),
            Rule::Rate(rate) => since + SignedDuration::from_secs(i64::from(rate.seconds)),
            Rule::Spray { .. } => since + SPRAY,
        }
    }

    /// The row, with what is forgotten forgotten.
    fn current(&self, reader: &Reader<'_>, now: Timestamp) -> Result<Stored> {
        let stored = stored(reader, &self.key, now)?;
        let over = stored.since.is_none_or(|since| self.over(since) <= now);
        Ok(if over { Stored { count: 0, since: None, ..stored } } else { stored })
    }

    fn refused(&self, until: Timestamp, now: Timestamp, count: u32, seconds: u32) -> Budget {
        Budget { name: self.budget, count, seconds, retry: whole_seconds(until.duration_since(now)) }
    }

    /// May another attempt be looked at now?
    pub fn look(&self, reader: &Reader<'_>, now: Timestamp) -> Result<Verdict> {
        let row = self.current(reader, now)?;
        let until = row.until.filter(|until| *until > now);
        Ok(match (&self.rule, until, row.since) {
            (Rule::Steps(steps), Some(until), _) => {
                let last = steps.last().map_or(0, |step| step.failures);
                let waits = steps.iter().find(|step| row.count < step.failures);
                let (count, seconds) = waits.map_or((last, 86_400), |step| (1, step.seconds));
                Verdict::Refused(self.refused(until, now, count, seconds))
            }
            (Rule::Rate(rate), _, Some(since)) if row.count >= rate.count => {
                Verdict::Refused(self.refused(self.over(since), now, rate.count, rate.seconds))
            }
            (Rule::Spray { pairs, .. }, Some(until), _) => {
                Verdict::Refused(self.refused(until, now, *pairs, u32::try_from(SPRAY.as_secs()).unwrap_or(u32::MAX)))
            }
            (Rule::Spray { pairs, .. }, None, _) if row.count >= *pairs => Verdict::Strike,
            _ => Verdict::Free,
        })
    }

    /// Closes the budget for a while, if it is time.
    pub fn strike(&self, tx: &mut Writer<'_>, now: Timestamp) -> Result<Option<Budget>> {
        let (Rule::Spray { pairs, seconds, .. }, Verdict::Strike) = (&self.rule, self.look(tx, now)?) else { return Ok(None) };
        let row = self.current(tx, now)?;
        let closed = i64::from(*seconds).saturating_mul(1 << row.strikes.min(20)).min(86_400);
        let until = now + SignedDuration::from_secs(closed);
        let next = Stored { count: 0, since: Some(now), until: Some(until), strikes: row.strikes + 1, ..row };
        self.store(tx, next, now, until + DAY)?;
        Ok(Some(self.refused(until, now, *pairs, u32::try_from(SPRAY.as_secs()).unwrap_or(u32::MAX))))
    }

    /// Counts an attempt; `false`: it was counted before.
    pub fn count(&self, tx: &mut Writer<'_>, now: Timestamp) -> Result<bool> {
        let row = self.current(tx, now)?;
        if let Rule::Spray { pair, .. } = &self.rule {
            let seen = stored(tx, pair, now)?;
            if seen.since.is_some() {
                return Ok(false);
            }
            let one = Self { key: pair.clone(), ..self.clone() };
            one.store(tx, Stored { count: 1, since: Some(now), ..seen }, now, now + SPRAY)?;
        }
        let (since, count) = (row.since.unwrap_or(now), row.count.saturating_add(1));
        let (until, expires) = match &self.rule {
            Rule::Steps(steps) => {
                let wait =
                    steps.iter().find(|step| count < step.failures).map(|step| now + SignedDuration::from_secs(i64::from(step.seconds)));
                (wait.or(Some(midnight_after(now))).filter(|until| *until > now), midnight_after(since) + DAY)
            }
            Rule::Rate(_) => (None, self.over(since)),
            // Strikes are remembered for a day after the address was open again.
            Rule::Spray { .. } => (row.until, (now + SPRAY).max(row.until.map_or(now, |until| until + DAY))),
        };
        self.store(tx, Stored { count, since: Some(since), until, ..row }, now, expires)?;
        Ok(true)
    }

    /// Was the attempt that was counted last one with which waiting began, or none is looked at any more today?
    pub fn locks(&self, reader: &Reader<'_>, now: Timestamp) -> Result<bool> {
        let Rule::Steps(steps) = &self.rule else { return Ok(false) };
        let count = self.current(reader, now)?.count;
        Ok([steps.first(), steps.last()].into_iter().flatten().any(|step| step.failures == count))
    }

    /// An attempt was right, or was not looked at.
    pub fn give_back(&self, tx: &mut Writer<'_>, fresh: bool, right: bool) -> Result<()> {
        match self.after {
            After::Keep if right => Ok(()),
            After::Clear if right => tx.clear("auth_throttle", "key = ?1", &[self.key.as_str().into()]).map(drop),
            _ if !fresh => Ok(()),
            _ => {
                if let Rule::Spray { pair, .. } = &self.rule {
                    tx.clear("auth_throttle", "key = ?1", &[pair.as_str().into()])?;
                }
                let sql = "SELECT id, count FROM auth_throttle WHERE key = ?1 AND count > 0";
                let row = tx.row(sql, &[self.key.as_str().into()], |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)))?;
                match row {
                    Some((id, count)) => tx.update("auth_throttle", id, vec![("count", (count - 1).into())]).map(drop),
                    None => Ok(()),
                }
            }
        }
    }

    fn store(&self, tx: &mut Writer<'_>, row: Stored, now: Timestamp, expires: Timestamp) -> Result<()> {
        let text = |at: Timestamp| DateTime(at).to_string();
        let values: Vec<(&str, Value)> = vec![
            ("count", i64::from(row.count).into()),
            ("since", text(row.since.unwrap_or(now)).into()),
            ("until", row.until.map(text).into()),
            ("strikes", i64::from(row.strikes).into()),
            ("expires_at", text(expires).into()),
        ];
        match row.id {
            Some(id) => tx.update("auth_throttle", id, values).map(drop),
            None => {
                let key: (&str, Value) = ("key", self.key.as_str().into());
                tx.insert("auth_throttle", std::iter::once(key).chain(values).collect()).map(drop)
            }
        }
    }
}
