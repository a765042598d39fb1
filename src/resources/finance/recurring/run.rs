//! Running: the invoices of the days that have come. One invoice is one transaction, so whoever is cut off leaves none undone or done
//! twice; the database has one for each day.

use std::sync::Arc;

use poem_openapi::types::ToJSON;
use serde_json::{Map, Value as Json};

use super::{RecurringInvoice, RecurringStatus};
use crate::{
    actor::{Actor, Business},
    db::{Db, Reader, Row, Value, Writer},
    engine::{Options, verbs},
    error::{Error, Result},
    kit::{Date, Lines},
    outbox::{self, Channel, Message, short},
    resources::finance::invoice::{Invoice, blank, issue, send},
};

/// So many missed days of one are caught up at once; the next time goes on.
const CATCH_UP: usize = 12;
const INTERNAL: Options = Options { strict: false, if_match: None, internal: true };

/// The businesses that have something to do, as the program acts in them.
pub fn businesses(reader: &Reader<'_>, db: &Db, condition: &str) -> Result<Vec<Arc<Actor>>> {
    let sql =
        format!("SELECT b.id, b.currency, b.timezone, b.country FROM businesses AS b WHERE b.is_active = 1 AND {condition} ORDER BY b.id");
    let system = Actor::system(db.clock().now());
    reader.rows(&sql, &[], |row: &Row<'_>| {
        let business = Business::new(row.get(0)?, row.get(1)?, &row.get::<String>(2)?, row.get(3)?);
        Ok(Arc::new(system.in_business(business)))
    })
}

/// Makes all invoices whose day has come where they are made. What fails is written down where it is seen, and holds up no other.
/// Blocks. Answers what was done.
pub fn run_due(db: &Db, public_url: &str) -> Result<String> {
    let condition =
        "EXISTS (SELECT 1 FROM recurring_invoices AS r WHERE r.business_id = b.id AND r.status = 'active' AND r.deleted_at IS NULL)";
    let actors = db.read(|reader| businesses(reader, db, condition))?;
    let (mut made, mut failed) = (0, 0);
    for actor in actors {
        let today = Date(actor.today());
        let sql = "SELECT id FROM recurring_invoices WHERE business_id = ?1 AND status = 'active' AND deleted_at IS NULL AND next_run_on <= ?2 \
                   ORDER BY next_run_on, id";
        let due: Vec<i64> =
            db.read(|reader| reader.rows(sql, &[actor.business_id().into(), today.to_string().into()], |row| row.get(0)))?;
        for id in due {
            for _ in 0..CATCH_UP {
                let url = public_url.to_owned();
                match db.write_blocking(actor.clone(), move |tx| run_if_due(tx, id, today, &url)) {
                    Ok(true) => made += 1,
                    Ok(false) => break,
                    // Not its fault, and nothing that it could do.
                    Err(error @ Error::Unavailable(_)) => return Err(error),
                    Err(error) => {
                        failed += 1;
                        tracing::warn!(id, %error, "a recurring invoice was not made");
                        let text = short(&error.detail());
                        db.write_blocking(actor.clone(), move |tx| note(tx, id, &text))?;
                        break;
                    }
                }
            }
        }
    }
    Ok(format!("{made} made, {failed} failed"))
}

/// Makes the next invoice if its day has come. Answers whether it had.
fn run_if_due(tx: &mut Writer<'_>, id: i64, today: Date, public_url: &str) -> Result<bool> {
    let live = "SELECT 1 FROM recurring_invoices WHERE id = ?1 AND status = 'active' AND deleted_at IS NULL AND next_run_on <= ?2";
    if !tx.exists(live, &[id.into(), today.to_string().into()])? {
        return Ok(false);
    }
    run(tx, id, public_url)?;
    Ok(true)
}

/// Makes the next invoice, whether its day has come or not, and answers its id.
///
/// # Errors
/// 409 when it has ended, and whatever refuses the invoice.
pub fn run(tx: &mut Writer<'_>, id: i64, public_url: &str) -> Result<i64> {
    let recurring = verbs::load::<RecurringInvoice>(tx, id)?;
    if recurring.status == RecurringStatus::Ended {
        return Err(Error::conflict("invalid_transition", "It has ended."));
    }
    let day = recurring.next_run_on;
    // One that is made before its day is of the day on which it is made.
    let date = day.min(Date(tx.actor().today()));
    let invoice = tx.step(|tx| {
        tx.act("create");
        verbs::insert::<Invoice>(tx, draft(&recurring, id, day, date), INTERNAL)
    })?;
    let mut trouble = String::new();
    if recurring.auto_issue {
        tx.step(|tx| issue(tx, invoice))?;
    }
    if recurring.auto_send {
        // An invoice that cannot be sent is an invoice all the same.
        match tx.attempt(|tx| send(tx, invoice, public_url)) {
            // What was sent says all that the notice would.
            Ok(()) => drop(outbox::cancel(tx, &format!("invoice.issued:{invoice}"))?),
            Err(error @ (Error::Internal(_) | Error::Unavailable(_))) => return Err(error),
            Err(error) => trouble = short(&format!("The invoice of {day} was not sent: {}", error.detail())),
        }
    }
    let next = recurring.next_after(tx, id, day)?;
    let failed_at = if trouble.is_empty() { Value::Null } else { tx.now().to_string().into() };
    let values: Vec<(&str, Value)> = vec![
        ("next_run_on", next.to_string().into()),
        ("last_run_on", day.to_string().into()),
        ("runs", (recurring.runs + 1).into()),
        ("last_error", trouble.as_str().into()),
        ("failed_at", failed_at),
        ("status", status_after(&recurring, next, recurring.runs + 1).into()),
    ];
    tx.act("run");
    tx.update("recurring_invoices", id, values)?;
    if !trouble.is_empty() {
        tell(tx, id, &trouble)?;
    }
    Ok(invoice)
}

/// Passes over the next day.
///
/// # Errors
/// 409 when it has ended.
pub fn skip(tx: &mut Writer<'_>, id: i64) -> Result<()> {
    let recurring = verbs::load::<RecurringInvoice>(tx, id)?;
    if recurring.status == RecurringStatus::Ended {
        return Err(Error::conflict("invalid_transition", "It has ended."));
    }
    let next = recurring.next_after(tx, id, recurring.next_run_on)?;
    let status = status_after(&recurring, next, recurring.runs);
    let values: Vec<(&str, Value)> =
        vec![("next_run_on", next.to_string().into()), ("status", status.into()), ("last_error", "".into()), ("failed_at", Value::Null)];
    tx.act("skip");
    tx.update("recurring_invoices", id, values).map(drop)
}

fn status_after(recurring: &RecurringInvoice, next: Date, runs: i64) -> &'static str {
    let is_over = recurring.end_on.is_some_and(|end| next > end) || recurring.max_runs.is_some_and(|most| runs >= most);
    match recurring.status {
        _ if is_over => "ended",
        RecurringStatus::Paused => "paused",
        _ => "active",
    }
}

/// Writes down why there is no invoice. Said once, however often it is tried.
fn note(tx: &mut Writer<'_>, id: i64, text: &str) -> Result<()> {
    let known = "SELECT 1 FROM recurring_invoices WHERE id = ?1 AND last_error = ?2";
    if tx.exists(known, &[id.into(), text.into()])? {
        return Ok(());
    }
    tx.act("fail");
    tx.update("recurring_invoices", id, vec![("last_error", text.into()), ("failed_at", tx.now().to_string().into())])?;
    tell(tx, id, text)
}

/// Tells whoever set it up what went wrong, as long as they work here; otherwise those who run the business.
fn tell(tx: &mut Writer<'_>, id: i64, text: &str) -> Result<()> {
    let told = |who: &str| {
        let sql = format!(
            "SELECT u.email, r.name FROM recurring_invoices AS r JOIN memberships AS m ON m.business_id = r.business_id AND m.status = 'active' \
             JOIN users AS u ON u.id = m.user_id AND u.is_active = 1 AND u.deleted_at IS NULL \
             WHERE r.id = ?1 AND u.email IS NOT NULL AND {who} ORDER BY u.id"
        );
        tx.rows(&sql, &[id.into()], |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<String>(1)?)))
    };
    let mut people = told("u.id = r.created_by AND (m.role = 'admin' OR m.role = 'manager' OR m.role = 'staff')")?;
    if people.is_empty() {
        people = told("m.role = 'admin'")?;
    }
    for (recipient, name) in people {
        let payload = [("subject".to_owned(), Json::from(format!("Recurring invoice {name}"))), ("text".to_owned(), text.into())];
        let (payload, template) = (Map::from_iter(payload), "message".to_owned());
        outbox::send(tx, Message { channel: Channel::Email, recipient, template, payload, key: None, due_at: None })?;
    }
    Ok(())
}

/// The invoice of a day, as the fields of a draft.
fn draft(recurring: &RecurringInvoice, id: i64, day: Date, date: Date) -> Map<String, Json> {
    let items = Lines(recurring.items.0.iter().map(blank).collect::<Vec<_>>());
    Map::from_iter([
        ("party".to_owned(), recurring.party.0.into()),
        ("direction".to_owned(), recurring.direction.name().into()),
        ("currency".to_owned(), recurring.currency.to_json().unwrap_or_default()),
        ("prices_include_tax".to_owned(), recurring.prices_include_tax.into()),
        ("discount_type".to_owned(), recurring.discount_type.to_json().unwrap_or_default()),
        ("discount_value".to_owned(), recurring.discount_value.to_json().unwrap_or_default()),
        ("reference".to_owned(), recurring.reference.as_str().into()),
        ("notes".to_owned(), recurring.notes.as_str().into()),
        ("terms".to_owned(), recurring.terms.as_str().into()),
        ("issue_date".to_owned(), date.to_string().into()),
        ("items".to_owned(), items.to_json().unwrap_or_default()),
        ("recurring_id".to_owned(), id.into()),
        ("run_on".to_owned(), day.to_string().into()),
    ])
}
