//! What the business sends: the messages of its outbox, what became of them, and sending them again. What they say is not told: it may be
//! a code, or a link.

use poem::{Request, Result};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
};
use serde_json::{Value as Json, json};

use super::crud::slashed;
use crate::{
    actor::{Actor, Role},
    auth::{gate::Caller, proof::Person},
    db::{Reader, Row, Value, Writer},
    engine::{
        query::{Pages, Parameters},
        reply::Reply,
        verbs,
    },
    error::{self, Error, Problems},
    kit::DateTime,
    outbox::{self, masked},
};

const STATUSES: [&str; 5] = ["pending", "sending", "sent", "failed", "cancelled"];
const CHANNELS: [&str; 3] = ["email", "sms", "webhook"];

/// A message.
#[derive(Object)]
pub struct OutboxMessage {
    /// Its id.
    pub id: i64,
    /// What it travels by: `email`, `sms` or `webhook`.
    pub channel: String,
    /// Who gets it: enough of the address to recognise, too little to use.
    pub recipient: String,
    /// The text that it is made of; what stands in it is not told.
    pub template: String,
    /// `pending`, `sending`, `sent`, `failed` or `cancelled`.
    pub status: String,
    /// How often it was tried.
    pub attempts: i64,
    /// What kept it from being sent the last time.
    pub last_error: Option<String>,
    /// When it was stored.
    pub created_at: DateTime,
    /// When it is tried next.
    pub due_at: DateTime,
    /// When it was sent.
    pub sent_at: Option<DateTime>,
}

/// A page of messages.
#[derive(Object)]
#[oai(rename = "PaginatedOutboxMessageList")]
pub struct OutboxPage {
    /// How many there are.
    pub count: u32,
    /// The next page.
    pub next: Option<String>,
    /// The page before.
    pub previous: Option<String>,
    /// The messages of this page, the newest first.
    pub results: Vec<OutboxMessage>,
}

/// How many are sent again.
#[derive(Object)]
pub struct Retried {
    /// How many.
    pub retried: u32,
}

/// The outbox of a business.
pub struct Messages(pub Pages);

#[OpenApi]
impl Messages {
    /// List what is sent
    ///
    /// For administrators: the messages of this business. Those that were sent are kept for 30 days, without what they said.
    #[oai(path = "/outbox", method = "get", operation_id = "outbox_list")]
    async fn list(
        &self,
        caller: Caller,
        request: &Request,
        /// `pending`, `sending`, `sent`, `failed` or `cancelled`.
        status: Query<Option<String>>,
        /// `email`, `sms` or `webhook`.
        channel: Query<Option<String>>,
        /// A page number within the paginated result set.
        page: Query<Option<String>>,
        /// Number of results to return per page.
        page_size: Query<Option<String>>,
    ) -> Result<Reply<OutboxPage>> {
        let business = administered(&caller.actor)?;
        let mut problems = Problems::default();
        for (name, value, known) in [("status", &status.0, &STATUSES[..]), ("channel", &channel.0, &CHANNELS[..])] {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty() && !known.contains(value)) {
                problems.add(name, format!("Select a valid choice. {value} is not one of the available choices."));
            }
        }
        problems.or_ok()?;
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (status, channel) = (some(status.0), some(channel.0));
        let named = [("status", &status), ("channel", &channel), ("page", &page.0), ("page_size", &page_size.0)];
        let parameters: Parameters = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect();
        let counted: [Value; 3] = [business.into(), status.into(), channel.into()];
        let listed = counted.clone();
        const OF: &str = "FROM outbox WHERE business_id = ?1 AND (?2 IS NULL OR status = ?2) AND (?3 IS NULL OR channel = ?3)";
        let count = move |reader: &Reader<'_>| Ok(reader.one(&format!("SELECT count(*) {OF}"), &counted)?.unwrap_or(0));
        let rows = move |reader: &Reader<'_>, size: u64, offset: u64| {
            reader.rows(&format!("{SELECT} {OF} ORDER BY id DESC LIMIT {size} OFFSET {offset}"), &listed, shown)
        };
        Ok(verbs::paged(&caller, slashed(request), parameters, self.0, count, rows).await?)
    }

    /// Send a message again
    ///
    /// For administrators: one that has failed, as if for the first time.
    #[oai(path = "/outbox/:id/retry", method = "post")]
    async fn retry(&self, caller: Person, id: Path<String>) -> Result<Reply<OutboxMessage>> {
        caller.expect_admin()?;
        let retry = move |tx: &mut Writer<'_>| {
            let business = administered(tx.actor())?;
            let id: i64 = id.0.parse().map_err(|_| Error::not_found())?;
            let found = tx.one::<String>("SELECT status FROM outbox WHERE id = ?1 AND business_id = ?2", &[id.into(), business.into()])?;
            let status = found.ok_or_else(Error::not_found)?;
            if outbox::retry(tx, Some(id), Some(business))? == 0 {
                return Err(Error::conflict("invalid_transition", format!("Only what has failed is sent again; this is {status}.")));
            }
            Ok(id)
        };
        let answer = |reader: &Reader<'_>, _: &Actor, id: i64| {
            let found = reader.row(&format!("{SELECT} FROM outbox WHERE id = ?1"), &[id.into()], shown)?;
            Ok(Reply::json(&found.ok_or_else(Error::not_found)?))
        };
        Ok(verbs::act(&caller, retry, answer).await?)
    }

    /// Send all that has failed again
    ///
    /// For administrators: the messages of this business.
    #[oai(path = "/outbox/retry-failed", method = "post")]
    async fn retry_all(&self, caller: Person) -> Result<Reply<Retried>> {
        caller.expect_admin()?;
        let retry = |tx: &mut Writer<'_>| {
            let business = administered(tx.actor())?;
            outbox::retry(tx, None, Some(business))
        };
        let answer = |_: &Reader<'_>, _: &Actor, count: usize| Ok(Reply::json(&json!({"retried": count})));
        Ok(verbs::act(&caller, retry, answer).await?)
    }
}

/// The business whose messages an administrator looks after.
fn administered(actor: &Actor) -> error::Result<i64> {
    actor.business_id().filter(|_| actor.role == Role::Admin).ok_or_else(Error::forbidden)
}

const SELECT: &str = "SELECT id, channel, recipient, template, status, attempts, last_error, created_at, due_at, sent_at";

fn shown(row: &Row<'_>) -> error::Result<Json> {
    let text = |index| row.get::<Option<String>>(index);
    let recipient: String = row.get(2)?;
    Ok(json!({
        "id": row.get::<i64>(0)?, "channel": text(1)?, "recipient": masked(&recipient), "template": text(3)?, "status": text(4)?,
        "attempts": row.get::<i64>(5)?, "last_error": text(6)?, "created_at": text(7)?, "due_at": text(8)?, "sent_at": text(9)?,
    }))
}
