//! Reminders of invoices by e-mail: shortly before they are due, and when they are overdue. Each is sent once; which were sent stands in
//! the database, by due date and day.

use std::sync::Arc;

use super::recurring::businesses;
use crate::{
    actor::Actor,
    db::{Db, Reader, Row, Writer},
    error::Result,
    kit::{Date, Money, exponent},
    outbox::{self, Channel, Language, Message},
};

/// So many days before it is due, whoever is to pay hears of it.
const SOON: i64 = 3;
/// On these days after it was due they are reminded, and then every `AGAIN` days.
const DAYS: [i64; 3] = [1, 7, 14];
const AGAIN: i64 = 14;
/// Nobody is reminded before this hour of the business's day.
const FROM_HOUR: i8 = 8;

/// Open invoices of which somebody is to be reminded.
const OPEN: &str = "SELECT i.id, i.due_date FROM invoices AS i JOIN parties AS p ON p.id = i.party_id \
     WHERE i.business_id = ?1 AND i.state = 'issued' AND i.amount_allocated < i.total AND i.due_date <= ?2 AND i.kind = 'invoice' \
       AND i.direction = 'outgoing' AND i.reminders_off = 0 AND p.reminders_off = 0 AND p.deleted_at IS NULL AND (?3 IS NULL OR i.id = ?3) \
     ORDER BY i.due_date, i.id";

/// What a reminder tells of.
struct Told {
    number: String,
    currency: String,
    total: i64,
    open: i64,
    seller: String,
    party: String,
    party_email: Option<String>,
    owner_email: Option<String>,
}

/// The day, from the due date on, whose reminder is to be sent after so many days: the last one that has come.
fn day_of(days: i64) -> Option<i64> {
    match days {
        _ if days < -SOON => None,
        ..=0 => Some(-SOON),
        _ => {
            let last = DAYS[DAYS.len() - 1];
            let late = (days >= last).then(|| last + (days - last) / AGAIN * AGAIN);
            late.or_else(|| DAYS.into_iter().rev().find(|day| *day <= days))
        }
    }
}

/// Sends the reminders whose day has come. Blocks. Answers what was done.
pub fn remind_due(db: &Db) -> Result<String> {
    let condition =
        "EXISTS (SELECT 1 FROM invoices AS i WHERE i.business_id = b.id AND i.state = 'issued' AND i.amount_allocated < i.total)";
    let actors = db.read(|reader| businesses(reader, db, condition))?;
    let mut sent = 0;
    for actor in actors {
        if actor.zone().to_datetime(actor.now).hour() < FROM_HOUR || !actor.has("finance/invoices") {
            continue;
        }
        for (id, _) in db.read(|reader| open(reader, &actor, None))? {
            if !db.read(|reader| Ok(due(reader, &actor, id)?.is_some()))? {
                continue;
            }
            sent += i64::from(db.write_blocking(Arc::clone(&actor), move |tx| remind(tx, id))?);
        }
    }
    Ok(format!("{sent} sent"))
}

fn open(reader: &Reader<'_>, actor: &Actor, id: Option<i64>) -> Result<Vec<(i64, Date)>> {
    let until = actor.today().checked_add(jiff::Span::new().days(SOON)).unwrap_or(actor.today());
    let rows = reader.rows(OPEN, &[actor.business_id().into(), until.to_string().into(), id.into()], |row: &Row<'_>| {
        Ok((row.get::<i64>(0)?, Date::parse(&row.get::<String>(1)?)))
    })?;
    Ok(rows.into_iter().filter_map(|(id, due)| Some((id, due?))).collect())
}

/// The reminder of an invoice that is to be sent now: its due date and the day.
fn due(reader: &Reader<'_>, actor: &Actor, id: i64) -> Result<Option<(Date, i64)>> {
    let Some((_, due)) = open(reader, actor, Some(id))?.pop() else { return Ok(None) };
    let days = actor.today().since(due.0).map(|span| i64::from(span.get_days())).unwrap_or_default();
    let Some(day) = day_of(days) else { return Ok(None) };
    let sent = "SELECT 1 FROM invoice_reminders WHERE invoice_id = ?1 AND due_date = ?2 AND day = ?3";
    Ok((!reader.exists(sent, &[id.into(), due.to_string().into(), day.into()])?).then_some((due, day)))
}

/// Sends the reminder of an invoice that is due, if there is one. Answers whether there was.
fn remind(tx: &mut Writer<'_>, id: i64) -> Result<bool> {
    let actor = tx.actor().clone();
    let Some((due, day)) = due(tx, &actor, id)? else { return Ok(false) };
    let row = vec![
        ("business_id", actor.business_id().into()),
        ("invoice_id", id.into()),
        ("due_date", due.to_string().into()),
        ("day", day.into()),
        ("at", tx.now().to_string().into()),
    ];
    tx.insert("invoice_reminders", row)?;
    let Some(told) = told(tx, id)? else { return Ok(false) };
    let event = if day < 0 { "invoice.due_soon" } else { "invoice.overdue" };
    let money = |minor| Money { minor, exponent: exponent(&told.currency) };
    let (total, open, due_on) = (format!("{} {}", told.currency, money(told.total)), money(told.open).to_string(), due.to_string());
    let values = [
        ("number", told.number.as_str()),
        ("seller", &told.seller),
        ("party", &told.party),
        ("total", &total),
        ("open", &open),
        ("due", &due_on),
    ];
    let mut reached = false;
    // Whoever is to pay, and, once it is late, whoever issued it.
    let to_party = match day {
        ..0 => (
            "{seller}: invoice {number} is due soon",
            "Invoice {number} of {seller} over {total}, of which {open} is open, is due on {due}.",
        ),
        _ => (
            "{seller}: invoice {number} is overdue",
            "Invoice {number} of {seller} over {total}, of which {open} is open, was due on {due}. If you have paid meanwhile, there is \
             nothing to be done.",
        ),
    };
    let to_owner =
        ("Invoice {number} to {party} is overdue", "Invoice {number} to {party} over {total}, of which {open} is open, was due on {due}.");
    let messages = [(told.party_email.as_ref(), to_party, "party"), (told.owner_email.as_ref().filter(|_| day > 0), to_owner, "owner")];
    for (recipient, (subject, text), whom) in messages {
        let Some(recipient) = recipient.cloned() else { continue };
        let language = Language::of_recipient(tx, Channel::Email, &recipient, actor.business_id())?;
        let payload = outbox::letter(language, language.say(subject, &values), language.say(text, &values));
        let key = Some(format!("{event}:{id}:{due}:{day}:{whom}"));
        outbox::send(tx, Message { channel: Channel::Email, recipient, template: "message".to_owned(), payload, key, due_at: None })?;
        reached = true;
    }
    if reached {
        tx.act("remind");
        let count: i64 = tx.one("SELECT reminder_count FROM invoices WHERE id = ?1", &[id.into()])?.unwrap_or_default();
        let values = vec![("last_reminder_at", tx.now().to_string().into()), ("reminder_count", (count + 1).into())];
        tx.update("invoices", id, values)?;
    }
    Ok(reached)
}

fn told(reader: &Reader<'_>, id: i64) -> Result<Option<Told>> {
    // Who issued it, as long as they belong to the business; of one that was made by the program, whoever had it made.
    let sql = "SELECT i.number, i.currency, i.total, i.total - i.amount_allocated, b.name, p.name, p.email, \
                      (SELECT u.email FROM users AS u JOIN memberships AS m ON m.user_id = u.id AND m.business_id = i.business_id \
                       WHERE u.id = coalesce(i.issued_by, i.created_by, r.created_by) AND m.status = 'active' AND u.is_active = 1 \
                         AND u.deleted_at IS NULL) \
               FROM invoices AS i JOIN parties AS p ON p.id = i.party_id JOIN businesses AS b ON b.id = i.business_id \
               LEFT JOIN recurring_invoices AS r ON r.id = i.recurring_id WHERE i.id = ?1";
    reader.row(sql, &[id.into()], |row: &Row<'_>| {
        Ok(Told {
            number: row.get::<Option<String>>(0)?.unwrap_or_default(),
            currency: row.get(1)?,
            total: row.get(2)?,
            open: row.get(3)?,
            seller: row.get(4)?,
            party: row.get(5)?,
            party_email: row.get(6)?,
            owner_email: row.get(7)?,
        })
    })
}
