//! The outbox: messages are stored in the transaction of what they tell of, and sent after its commit (`jobs` has the runner).
//!
//! What is stored is sent at least once: a message whose sender was cut off is sent again, under the same `message_id`. Attempts that
//! fail are made again after 1, 5 and 30 minutes and 6 hours; then an operator decides. A provider that fails again and again rests
//! (`breaker`), and what is for it waits.

pub mod breaker;
pub mod http;
pub mod language;
mod line;
pub mod own;
pub mod providers;
pub mod sms;
pub mod smtp;
pub mod template;
pub mod transport;
pub mod trust;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json};

pub use self::{
    breaker::Breakers,
    language::Language,
    providers::Providers,
    transport::{Console, Delivery, Outgoing, Transport, Undelivered, masked},
    trust::Trust,
};
use crate::{
    db::{Reader, Row, Value, Writer},
    error::{Error, Result},
    kit::DateTime,
};

/// How long after each failed attempt the next is made.
pub const BACK_OFF: [SignedDuration; 4] =
    [SignedDuration::from_mins(1), SignedDuration::from_mins(5), SignedDuration::from_mins(30), SignedDuration::from_hours(6)];
/// Whoever sends a message has so long to say what became of it.
pub const LOCK: SignedDuration = SignedDuration::from_mins(5);
const LONGEST_ERROR: usize = 500;

/// What a message travels by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    Email,
    Sms,
    Webhook,
}

impl Channel {
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Webhook => "webhook",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Email, Self::Sms, Self::Webhook].into_iter().find(|channel| channel.name() == name)
    }
}

/// Something to tell somebody.
#[derive(Debug, Clone)]
pub struct Message {
    pub channel: Channel,
    /// An e-mail address, a telephone number in E.164 or a URL.
    pub recipient: String,
    /// A text of `template`; for a webhook, the name of the event.
    pub template: String,
    pub payload: Map<String, Json>,
    /// A name of the sender's own, for as long as the message is kept: the same thing said twice is sent once.
    pub key: Option<String>,
    /// Not before this; at once when there is none.
    pub due_at: Option<Timestamp>,
}

/// The payload of a `template::MESSAGE`: words that are all the sender's, and the language that they are in.
pub fn letter(language: Language, subject: String, text: String) -> Map<String, Json> {
    let mut payload = Map::from_iter([("subject".to_owned(), subject.into()), ("text".to_owned(), text.into())]);
    if language != Language::default() {
        payload.insert(template::LANGUAGE.to_owned(), language.code().into());
    }
    payload
}

/// Stores a message to be sent once the transaction is committed, and answers its id: that of the one there is, if its key is known.
///
/// # Errors
/// A template that does not exist, or that needs more than the payload has: a mistake of the program.
pub fn send(tx: &mut Writer<'_>, message: Message) -> Result<i64> {
    send_until(tx, message, None)
}

/// `send` of what is true for a while only, such as a code: later than `ends` it is not sent any more.
pub fn send_until(tx: &mut Writer<'_>, message: Message, ends: Option<Timestamp>) -> Result<i64> {
    store(tx, message, ends, "pending")
}

/// Does the work of `send` for a message that is sent to nobody, so that it takes as long.
pub fn send_to_nobody(tx: &mut Writer<'_>, message: Message) -> Result<()> {
    store(tx, message, None, "cancelled").map(drop)
}

fn store(tx: &mut Writer<'_>, mut message: Message, ends: Option<Timestamp>, status: &'static str) -> Result<i64> {
    if message.channel != Channel::Webhook {
        // Whoever has written it all themselves has done so in a language of their choice.
        if message.template != template::MESSAGE {
            let language = Language::of_recipient(tx, message.channel, &message.recipient, tx.actor().business_id())?;
            if language != Language::default() {
                message.payload.insert(template::LANGUAGE.to_owned(), language.code().into());
            }
        }
        template::render(&message.template, &message.payload)?;
    }
    if let Some(key) = &message.key
        && let Some(id) = by_key(tx, key)?
    {
        return Ok(id);
    }
    let due_at = DateTime(message.due_at.unwrap_or(tx.now().0));
    let values = vec![
        ("message_id", tx.uuid().into()),
        ("key", message.key.into()),
        ("channel", message.channel.name().into()),
        ("recipient", message.recipient.into()),
        ("template", message.template.into()),
        ("payload", Json::Object(message.payload).to_string().into()),
        ("due_at", due_at.to_string().into()),
        ("expires_at", ends.map(|ends| DateTime(ends).to_string()).into()),
        ("status", status.into()),
    ];
    tx.insert("outbox", values)
}

fn by_key(tx: &Writer<'_>, key: &str) -> Result<Option<i64>> {
    let sql = "SELECT id FROM outbox WHERE coalesce(business_id, 0) = ?1 AND key = ?2 AND key IS NOT NULL";
    tx.one(sql, &[tx.actor().business_id().unwrap_or(0).into(), key.into()])
}

/// Takes a message back that nobody has begun to send. Answers whether there was one.
pub fn cancel(tx: &mut Writer<'_>, key: &str) -> Result<bool> {
    let Some(id) = by_key(tx, key)? else { return Ok(false) };
    let pending = tx.exists("SELECT 1 FROM outbox WHERE id = ?1 AND status = 'pending'", &[id.into()])?;
    if pending {
        tx.update("outbox", id, vec![("status", "cancelled".into())])?;
    }
    Ok(pending)
}

/// Has failed messages sent again, as if for the first time: one, or all; those of a business, or of everybody. Answers how many.
pub fn retry(tx: &mut Writer<'_>, id: Option<i64>, business: Option<i64>) -> Result<usize> {
    let sql = "SELECT id FROM outbox WHERE status = 'failed' AND (?1 IS NULL OR id = ?1) AND (?2 IS NULL OR business_id = ?2)
               ORDER BY id LIMIT 10000";
    let failed: Vec<i64> = tx.rows(sql, &[id.into(), business.into()], |row| row.get(0))?;
    for id in &failed {
        let due_at = tx.now().to_string();
        tx.update("outbox", *id, vec![("status", "pending".into()), ("attempts", 0.into()), ("due_at", due_at.into())])?;
    }
    Ok(failed.len())
}

/// Messages that go the same way: to the same provider, whichever it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    pub channel: Channel,
    pub business: Option<i64>,
    pub template: String,
    /// When the first of them is due, to be sent or to be taken over.
    pub due_at: String,
}

/// All that is to be sent, the first due first.
pub fn lanes(reader: &Reader<'_>) -> Result<Vec<Lane>> {
    let sql = "SELECT channel, business_id, template, min(at) AS due FROM (
                   SELECT channel, business_id, template, due_at AS at FROM outbox WHERE status = 'pending'
                   UNION ALL SELECT channel, business_id, template, locked_until FROM outbox WHERE status = 'sending')
               GROUP BY channel, business_id, template ORDER BY due";
    reader.rows(sql, &[], |row| {
        Ok(Lane { channel: channel(&row.get::<String>(0)?)?, business: row.get(1)?, template: row.get(2)?, due_at: row.get(3)? })
    })
}

/// Takes messages of these lanes that are due, at most so many, for the caller alone to send.
pub fn claim(tx: &mut Writer<'_>, lanes: &[Lane], most: usize) -> Result<Vec<Outgoing>> {
    let now = tx.now().to_string();
    let of = "SELECT id, message_id, key, channel, recipient, template, payload, attempts, business_id, expires_at FROM outbox
              WHERE channel = ?3 AND business_id IS ?4 AND template = ?5";
    // Whoever was sending these has gone.
    let left = format!("{of} AND status = 'sending' AND locked_until <= ?1 ORDER BY locked_until, id LIMIT ?2");
    let due = format!("{of} AND status = 'pending' AND due_at <= ?1 ORDER BY due_at, id LIMIT ?2");
    let mut found = vec![];
    for (lane, sql) in lanes.iter().flat_map(|lane| [(lane, &left), (lane, &due)]) {
        let room = i64::try_from(most - found.len()).unwrap_or(i64::MAX);
        let (channel, template) = (lane.channel.name(), lane.template.as_str());
        let values = [now.as_str().into(), room.into(), channel.into(), lane.business.into(), template.into()];
        found.extend(tx.rows(sql, &values, |row| Ok((outgoing(row)?, row.get::<Option<String>>(9)?)))?);
    }
    let locked_until = DateTime(tx.now().0 + LOCK).to_string();
    let mut claimed = vec![];
    for (mut message, ends) in found {
        if ends.is_some_and(|ends| ends <= now) {
            give_up(tx, message.id, "it was too late for it")?;
            // Nobody needs it any more, and it may be a secret.
            tx.update("outbox", message.id, vec![("payload", "{}".into())])?;
            continue;
        }
        if usize::try_from(message.attempt).is_ok_and(|made| made > BACK_OFF.len()) {
            give_up(tx, message.id, "the server stopped while it was being sent")?;
            continue;
        }
        message.attempt += 1;
        let values =
            vec![("status", "sending".into()), ("attempts", message.attempt.into()), ("locked_until", locked_until.as_str().into())];
        tx.update("outbox", message.id, values)?;
        claimed.push(message);
    }
    Ok(claimed)
}

fn channel(name: &str) -> Result<Channel> {
    Channel::parse(name).ok_or_else(|| Error::internal("a channel that there is not"))
}

fn outgoing(row: &Row<'_>) -> Result<Outgoing> {
    let channel = channel(&row.get::<String>(3)?)?;
    Ok(Outgoing {
        id: row.get(0)?,
        message_id: row.get(1)?,
        key: row.get(2)?,
        channel,
        recipient: row.get(4)?,
        template: row.get(5)?,
        payload: serde_json::from_str(&row.get::<String>(6)?).map_err(Error::internal)?,
        attempt: row.get(7)?,
        business: row.get(8)?,
    })
}

/// Stores what became of an attempt. One that took so long that somebody else makes another has nothing to say any more.
pub fn settle(tx: &mut Writer<'_>, message: &Outgoing, outcome: &Result<(), Undelivered>) -> Result<()> {
    let mine = "SELECT 1 FROM outbox WHERE id = ?1 AND status = 'sending' AND attempts = ?2";
    if !tx.exists(mine, &[message.id.into(), message.attempt.into()])? {
        return Ok(());
    }
    let now = tx.now();
    let made = usize::try_from(message.attempt).unwrap_or(usize::MAX);
    match (outcome, BACK_OFF.get(made.saturating_sub(1))) {
        (Ok(()), _) => {
            let values: Vec<(&str, Value)> = vec![
                ("status", "sent".into()),
                ("sent_at", now.to_string().into()),
                ("locked_until", Value::Null),
                ("last_error", Value::Null),
                // It has served: codes and links are not kept for longer than they have to be.
                ("payload", "{}".into()),
            ];
            tx.update("outbox", message.id, values)?;
        }
        (Err(Undelivered::Later(why)), Some(wait)) => {
            let values: Vec<(&str, Value)> = vec![
                ("status", "pending".into()),
                ("due_at", DateTime(now.0 + *wait).to_string().into()),
                ("locked_until", Value::Null),
                ("last_error", short(why).into()),
            ];
            tx.update("outbox", message.id, values)?;
        }
        (Err(Undelivered::Later(why) | Undelivered::Never(why)), _) => give_up(tx, message.id, why)?,
    }
    Ok(())
}

fn give_up(tx: &mut Writer<'_>, id: i64, why: &str) -> Result<()> {
    let values: Vec<(&str, Value)> = vec![("status", "failed".into()), ("locked_until", Value::Null), ("last_error", short(why).into())];
    tx.update("outbox", id, values).map(drop)
}

/// One line, short enough to store.
pub fn short(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LONGEST_ERROR).collect()
}

/// How many messages have failed for good.
pub fn failed(reader: &Reader<'_>) -> Result<i64> {
    Ok(reader.one("SELECT count(*) FROM outbox WHERE status = 'failed'", &[])?.unwrap_or(0))
}
