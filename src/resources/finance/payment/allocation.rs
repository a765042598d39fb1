//! Allocations: which payment or credit note settles which invoice, or is given back by which refund.
//!
//! They are matched beside the books and post nothing. The triggers of the table keep both sides' sums and refuse what does not belong
//! together; what is asked here before is for better words.

use serde_json::{Value as Json, json};

use crate::{
    actor::Actor,
    db::{Reader, Row, Value, Writer},
    error::{Error, Result},
    kit::{Date, Money, exponent},
    resources::finance::{
        invoice::{Direction, Invoice},
        named::id_of,
    },
};

/// What settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Payment(i64),
    CreditNote(i64),
}

/// What is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Invoice(i64),
    Refund(i64),
}

impl Source {
    fn column(self) -> (&'static str, &'static str, i64) {
        match self {
            Self::Payment(id) => ("payment_id", "payments", id),
            Self::CreditNote(id) => ("credit_note_id", "invoices", id),
        }
    }
}

impl Target {
    fn column(self) -> (&'static str, &'static str, i64) {
        match self {
            Self::Invoice(id) => ("invoice_id", "invoices", id),
            Self::Refund(id) => ("refund_id", "payments", id),
        }
    }
}

/// Settles so much of a target.
pub fn add(tx: &mut Writer<'_>, source: Source, target: Target, amount: i64, date: Date) -> Result<()> {
    let ((from, source_table, source_id), (to, target_table, target_id)) = (source.column(), target.column());
    // There is one of each pair: what was settled before becomes part of it.
    let pair = format!("{from} = ?1 AND {to} = ?2 AND business_id = ?3");
    let before = made(tx, &pair, &[source_id.into(), target_id.into(), tx.actor().business_id().into()])?;
    let amount = before.iter().map(|one| one.amount).sum::<i64>() + amount;
    take_back(tx, before)?;
    let values: Vec<(&str, Value)> = vec![
        (from, source_id.into()),
        (to, target_id.into()),
        ("amount", amount.into()),
        ("date", date.to_string().into()),
        ("allocated_by", tx.actor().user_id.into()),
    ];
    tx.step(|tx| {
        tx.act("create");
        tx.insert("allocations", values)
    })?;
    for (table, id) in [(source_table, source_id), (target_table, target_id)] {
        count_up(tx, table, id)?;
    }
    Ok(())
}

/// Both sides are other than they were read: for `If-Match`. What this very request made begins with its first version.
fn count_up(tx: &mut Writer<'_>, table: &'static str, id: i64) -> Result<()> {
    let sql = format!("SELECT 1 FROM \"{table}\" WHERE id = ?1 AND (created_at < ?2 OR version > 1)");
    match tx.exists(&sql, &[id.into(), tx.now().to_string().into()])? {
        true => tx.touch_version(table, id),
        false => {
            tx.touched(table);
            Ok(())
        }
    }
}

/// An allocation, as far as taking it back needs it.
struct Made {
    id: i64,
    invoice: Option<i64>,
    credit_note: Option<i64>,
    payment: Option<i64>,
    refund: Option<i64>,
    amount: i64,
}

fn made(reader: &Reader<'_>, condition: &str, args: &[Value]) -> Result<Vec<Made>> {
    let sql = format!("SELECT id, invoice_id, credit_note_id, payment_id, refund_id, amount FROM allocations WHERE {condition}");
    reader.rows(&sql, args, |row| {
        Ok(Made {
            id: row.get(0)?,
            invoice: row.get(1)?,
            credit_note: row.get(2)?,
            payment: row.get(3)?,
            refund: row.get(4)?,
            amount: row.get(5)?,
        })
    })
}

fn take_back(tx: &mut Writer<'_>, all: Vec<Made>) -> Result<()> {
    for one in all {
        tx.remove("allocations", one.id)?;
        let before = json!({"invoice_id": one.invoice, "payment_id": one.payment, "credit_note_id": one.credit_note, "amount": one.amount});
        tx.step(|tx| {
            tx.act("delete");
            tx.note("allocations", one.id, "delete", Some(before), None)
        })?;
        let sides = [("invoices", one.invoice), ("invoices", one.credit_note), ("payments", one.payment), ("payments", one.refund)];
        for (table, id) in sides {
            id.map_or(Ok(()), |id| count_up(tx, table, id))?;
        }
    }
    Ok(())
}

/// Takes back all that something settles.
pub fn remove_all(tx: &mut Writer<'_>, source: Source) -> Result<()> {
    let (column, _, id) = source.column();
    let all = made(tx, &format!("{column} = ?1 AND business_id = ?2"), &[id.into(), tx.actor().business_id().into()])?;
    take_back(tx, all)
}

/// Takes back what a refund gives back.
pub fn release(tx: &mut Writer<'_>, refund: i64) -> Result<()> {
    let all = made(tx, "refund_id = ?1 AND business_id = ?2", &[refund.into(), tx.actor().business_id().into()])?;
    take_back(tx, all)
}

/// Takes back what a payment or a credit note settles of an invoice.
///
/// # Errors
/// 409 when it settles nothing of it.
pub fn remove(tx: &mut Writer<'_>, source: Source, invoice: i64) -> Result<()> {
    let (column, _, id) = source.column();
    let args = [id.into(), invoice.into(), tx.actor().business_id().into()];
    let all = made(tx, &format!("{column} = ?1 AND invoice_id = ?2 AND business_id = ?3"), &args)?;
    if all.is_empty() {
        return Err(Error::conflict("not_allocated", "Nothing of this invoice is settled by it."));
    }
    take_back(tx, all)
}

/// An invoice that something may be allocated to.
pub struct Open {
    pub id: i64,
    pub number: String,
    pub party: i64,
    pub direction: Direction,
    pub currency: String,
    pub state: String,
    pub is_invoice: bool,
    pub amount: i64,
}

const OPEN: &str = "SELECT id, coalesce(number, 'draft'), party_id, direction, currency, state, kind = 'invoice', total - amount_allocated \
                    FROM invoices WHERE business_id = ?1 AND deleted_at IS NULL";

fn open(row: &Row<'_>) -> Result<Open> {
    Ok(Open {
        id: row.get(0)?,
        number: row.get(1)?,
        party: row.get(2)?,
        direction: if row.get::<String>(3)? == "outgoing" { Direction::Outgoing } else { Direction::Incoming },
        currency: row.get(4)?,
        state: row.get(5)?,
        is_invoice: row.get(6)?,
        amount: row.get(7)?,
    })
}

/// An invoice of the business.
pub fn invoice(reader: &Reader<'_>, business: i64, id: i64) -> Result<Option<Open>> {
    reader.row(&format!("{OPEN} AND id = ?2"), &[business.into(), id.into()], open)
}

/// The open invoices that a payment may settle, the oldest due first.
pub fn all_open(reader: &Reader<'_>, business: i64, party: i64, currency: &str, payment: Direction) -> Result<Vec<Open>> {
    let sql = format!(
        "{OPEN} AND state = 'issued' AND kind = 'invoice' AND amount_allocated < total AND party_id = ?2 AND currency = ?3 \
         AND direction = ?4 ORDER BY due_date, id"
    );
    let args = [business.into(), party.into(), currency.into(), payment.opposite().name().into()];
    reader.rows(&sql, &args, open)
}

/// What of an amount goes to which invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub invoice: i64,
    pub amount: i64,
}

/// What a request wants to be settled.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    Nothing,
    /// One invoice, as far as the money goes.
    Invoice(i64),
    /// So much of each.
    Shares(Vec<Share>),
    /// Whatever is open, the oldest first.
    Auto,
}

/// Shares as they are sent: a list of objects with `invoice` and `amount`.
pub fn shares(reader: &Reader<'_>, actor: &Actor, sent: &Json, currency: &str) -> Result<Vec<Share>> {
    let wrong = |text: &str| Error::field("allocations", text);
    let Json::Array(rows) = sent else { return Err(wrong("Expected a list of items.")) };
    if rows.len() > 500 {
        return Err(wrong("Ensure this list has no more than 500 items."));
    }
    let mut all: Vec<Share> = vec![];
    for row in rows {
        let key = row.get("invoice").cloned().unwrap_or_default();
        let missing =
            || wrong(&format!("Invalid pk \"{}\" - object does not exist.", key.as_str().map_or_else(|| key.to_string(), str::to_owned)));
        let invoice = id_of::<Invoice>(reader, actor, &key)?.ok_or_else(missing)?;
        let amount = amount("allocations", row.get("amount").unwrap_or(&Json::Null), exponent(currency))?;
        if all.iter().any(|share| share.invoice == invoice) {
            return Err(wrong("Each invoice is there once."));
        }
        all.push(Share { invoice, amount: amount.minor });
    }
    Ok(all)
}

/// An amount as it is sent beside what it is taken from; `field` is where refusals say so.
pub fn amount(field: &str, sent: &Json, exponent: u8) -> Result<Money> {
    let text = sent.as_str().map_or_else(|| sent.to_string(), |text| text.trim().to_owned());
    let amount = Money::parse(&text, exponent).map_err(|_| Error::field(field, "A valid number is required."))?;
    if amount.minor > 0 { Ok(amount) } else { Err(Error::field(field, "Ensure this value is greater than 0.")) }
}

/// What of `amount` goes where.
///
/// # Errors
/// 400 for more than is open, unless the excess is to be kept as credit.
pub fn plan(reader: &Reader<'_>, business: i64, wanted: &Wanted, source: &Money, from: &Plan<'_>) -> Result<Vec<Share>> {
    let shares = match wanted {
        Wanted::Nothing => return Ok(vec![]),
        Wanted::Invoice(id) => {
            let invoice = settled(reader, business, *id, from, "invoice")?;
            vec![Share { invoice: *id, amount: source.minor.min(invoice.amount) }]
        }
        Wanted::Shares(shares) => {
            for share in shares {
                let invoice = settled(reader, business, share.invoice, from, "allocations")?;
                if share.amount > invoice.amount {
                    return Err(excess(
                        "allocations",
                        Money { minor: share.amount, ..*source },
                        Money { minor: invoice.amount, ..*source },
                    ));
                }
            }
            shares.clone()
        }
        Wanted::Auto => {
            let mut left = source.minor;
            let open = all_open(reader, business, from.party, from.currency, from.direction)?;
            let share = |invoice: Open| {
                let amount = left.min(invoice.amount);
                left -= amount;
                Share { invoice: invoice.id, amount }
            };
            open.into_iter().map(share).collect()
        }
    };
    let sum: i128 = shares.iter().map(|share| i128::from(share.amount)).sum();
    if sum > source.minor.into() {
        return Err(Error::field("allocations", format!("exceeds_open_amount: these come to more than the {source} that there is.")));
    }
    if sum < source.minor.into() && !from.keeps_excess {
        let open = Money { minor: i64::try_from(sum).unwrap_or_default(), ..*source };
        let field = if matches!(wanted, Wanted::Shares(_)) { "allocations" } else { "amount" };
        return Err(excess(field, *source, open));
    }
    Ok(shares.into_iter().filter(|share| share.amount > 0).collect())
}

/// Where the money of a plan comes from.
pub struct Plan<'a> {
    pub party: i64,
    pub currency: &'a str,
    pub direction: Direction,
    pub keeps_excess: bool,
}

fn excess(field: &str, amount: Money, open: Money) -> Error {
    let text = format!(
        "exceeds_open_amount: {amount} is more than the {open} that is open; send \"on_excess\": \"credit\" to keep the rest as credit."
    );
    Error::field(field, text)
}

/// An invoice that the money can settle.
fn settled(reader: &Reader<'_>, business: i64, id: i64, from: &Plan<'_>, field: &str) -> Result<Open> {
    let missing = || Error::field(field, format!("Invalid pk \"{id}\" - object does not exist."));
    let invoice = invoice(reader, business, id)?.ok_or_else(missing)?;
    let wrong = match () {
        () if !invoice.is_invoice => "A credit note is not paid.".to_owned(),
        () if invoice.party != from.party => "The invoice is for another party.".to_owned(),
        () if invoice.currency != from.currency => format!("The invoice is in {}, the money in {}.", invoice.currency, from.currency),
        () if invoice.direction == from.direction => {
            "What is sold is paid for by incoming payments, what is bought by outgoing ones.".to_owned()
        }
        () if invoice.state == "void" => return Err(Error::conflict("not_open", format!("Invoice {} is void.", invoice.number))),
        () if invoice.state == "draft" => return Err(Error::conflict("not_open", "A draft has nothing to pay yet.")),
        () => return Ok(invoice),
    };
    Err(Error::field(field, wrong))
}
