//! What can be done with the journal: entries by hand, reversals, and the lock of the books.

use poem_openapi::{Object, OpenApi, param::Path, types::ToJSON};

use super::{
    JournalEntry,
    manual::{self, ManualEntry},
};
use crate::{
    actor::Role,
    auth::gate::Caller,
    db::{Row, Writer},
    engine::{
        CREATE, READ,
        body::{Body, Input},
        reply::Reply,
        verbs,
    },
    error::{Error, Result},
    kit::Date,
    resources::finance::ledger,
};

/// When and why something is taken back.
#[derive(Object)]
pub struct Reverse {
    /// On which day, not before that of what is taken back; today when left out, or that day when it is later.
    pub date: Option<Date>,
    /// Why.
    #[oai(default, validator(max_length = 255))]
    pub reason: String,
}

/// Up to when the books are closed.
#[derive(Object)]
#[oai(rename = "BooksLock")]
pub struct Lock {
    /// Nothing is posted with this date or an earlier one; null opens the books again.
    pub until: Option<Date>,
    /// Why; needed to take the lock back to an earlier day.
    #[oai(default, validator(max_length = 255))]
    pub reason: String,
}

/// Up to when the books are closed now.
#[derive(Object)]
pub struct Locked {
    /// The last day that nothing is posted with; null when the books are open.
    pub until: Option<Date>,
}

pub struct JournalVerbs;

#[OpenApi]
impl JournalVerbs {
    /// Post an entry by hand
    ///
    /// For what no document stands for. Its lines add up to zero in each currency.
    #[oai(path = "/finance/journal", method = "post", operation_id = "finance_journal_create")]
    async fn create(&self, caller: Caller, body: Body<ManualEntry>) -> poem::Result<Reply<JournalEntry, 201>> {
        verbs::allowed::<JournalEntry>(&caller.actor, CREATE)?;
        let body = body.0?;
        let work = move |tx: &mut Writer<'_>| {
            let posting = manual::posting(tx, body.clone())?;
            ledger::post(tx, posting)
        };
        Ok(verbs::act_making::<JournalEntry>(&caller, work).await?)
    }

    /// Reverse an entry
    ///
    /// Posts its exact negation, once; the entry itself stays. What was posted for a document is taken back there.
    #[oai(path = "/finance/journal/:id/reverse", method = "post")]
    async fn reverse(&self, caller: Caller, id: Path<String>, body: Input<Reverse>) -> poem::Result<Reply<JournalEntry, 201>> {
        verbs::allowed::<JournalEntry>(&caller.actor, CREATE)?;
        Ok(verbs::act_making::<JournalEntry>(&caller, move |tx| reverse(tx, &id.0, &body)).await?)
    }

    /// Lock the books
    ///
    /// Nothing is posted with a date up to this one any more. Administrators and managers move the lock forward; only administrators move
    /// it back, with a reason.
    #[oai(path = "/finance/lock", method = "post")]
    async fn lock(&self, caller: Caller, body: Input<Lock>) -> poem::Result<Reply<Locked>> {
        if !caller.actor.is_manager() || caller.actor.business.is_none() {
            return Err(Error::forbidden().into());
        }
        let answer = |until: Option<Date>| Reply::json(&Locked { until }.to_json().unwrap_or_default());
        Ok(verbs::act(&caller, move |tx| lock(tx, body.get()?), move |_, _, until| Ok(answer(until))).await?)
    }
}

fn reverse(tx: &mut Writer<'_>, key: &str, body: &Input<Reverse>) -> Result<i64> {
    let actor = tx.actor().clone();
    let id = verbs::find::<JournalEntry>(tx, &actor, key, READ)?;
    let wanted = body.get()?;
    let sql = "SELECT source_type, number, created_by IS ?2, date FROM journal_entries WHERE id = ?1";
    let read = |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<i64>(1)?, row.get::<bool>(2)?, row.get::<String>(3)?));
    let (source, number, is_own, date) = tx.row(sql, &[id.into(), actor.user_id.into()], read)?.ok_or_else(Error::not_found)?;
    check_reversal(tx, is_own, &date)?;
    if source != "manual" && source != "opening" {
        return Err(Error::conflict("in_use", format!("This entry belongs to a {source}; take it back there.")));
    }
    let memo = if wanted.reason.is_empty() { format!("Reversal of {number}") } else { format!("Reversal of {number}: {}", wanted.reason) };
    ledger::reverse(tx, id, wanted.date, &memo)
}

/// Those who run the business take anything back; others what they entered themselves, on the same day.
pub fn check_reversal(tx: &Writer<'_>, is_own: bool, date: &str) -> Result<()> {
    let actor = tx.actor();
    if actor.is_manager() || is_own && date == actor.today().to_string() { Ok(()) } else { Err(Error::forbidden()) }
}

fn lock(tx: &mut Writer<'_>, wanted: &Lock) -> Result<Option<Date>> {
    let actor = tx.actor().clone();
    let business = actor.business_id().ok_or_else(Error::forbidden)?;
    let until = wanted.until.map(|date| date.to_string());
    let now: Option<String> = tx.one("SELECT books_locked_until FROM businesses WHERE id = ?1", &[business.into()])?.flatten();
    if until < now {
        if actor.role != Role::Admin {
            return Err(Error::forbidden());
        }
        if wanted.reason.is_empty() {
            return Err(Error::field("reason", "This field is required to take the lock back."));
        }
    }
    if wanted.until.is_some_and(|until| until.0 > actor.today()) {
        return Err(Error::field("until", "Ensure this date is not in the future."));
    }
    tx.act("lock");
    if tx.update("businesses", business, vec![("books_locked_until", until.clone().into())])? && !wanted.reason.is_empty() {
        tx.note("businesses", business, "lock", None, Some(serde_json::json!({"reason": wanted.reason, "books_locked_until": until})))?;
    }
    Ok(wanted.until)
}
