//! Taking back what was issued: voiding, credit notes, writing off.

use poem_openapi::{Object, types::ToJSON};
use serde_json::{Map, Value as Json};

use super::{Direction, DiscountType, Invoice, InvoiceItem, InvoiceKind, InvoiceState, issue, item::fixed};
use crate::{
    db::{Value, Writer},
    engine::{Options, verbs},
    error::{Error, Result},
    kit::{
        DateTime, Decimal, Lines, Quantity, Ref, exponent,
        money::{compute::gross, round},
    },
    resources::finance::{
        ledger::{self, AccountClass},
        payment::allocation::{self, Source, Target},
    },
};

/// Why something is taken back.
#[derive(Object)]
pub struct Why {
    /// The reason, in words.
    #[oai(validator(max_length = 500))]
    pub reason: Option<String>,
}

/// What a credit note takes back.
#[derive(Object)]
pub struct CreditNote {
    /// All of the invoice.
    pub full: Option<bool>,
    /// Some of its items: a list of objects with the `item`'s id and the `quantity`, all of it when left out.
    pub lines: Option<crate::kit::Json>,
    /// Why, in words; printed as its notes.
    #[oai(validator(max_length = 5000))]
    pub reason: Option<String>,
}

const INTERNAL: Options = Options { strict: false, if_match: None, internal: true };

/// Takes an issued invoice back, which keeps its number.
///
/// # Errors
/// 403 for a member of staff on another day than that of its issue, 409 for a draft and while something is allocated to it.
pub fn void(tx: &mut Writer<'_>, id: i64, reason: &str) -> Result<()> {
    let invoice = verbs::load::<Invoice>(tx, id)?;
    expect_issued(&invoice)?;
    let today = tx.actor().today();
    let issued_today = |at: DateTime| tx.actor().zone().to_datetime(at.0).date() == today;
    if !tx.actor().is_manager() && !invoice.issued_at.is_some_and(issued_today) {
        return Err(Error::forbidden());
    }
    if invoice.kind == InvoiceKind::CreditNote {
        allocation::remove_all(tx, Source::CreditNote(id))?;
    } else if Invoice::minor(invoice.amount_allocated) > 0 {
        return Err(Error::conflict(
            "has_allocations",
            "Something was paid or credited towards it: take that back first, or issue a credit note.",
        ));
    }
    let entry = match invoice.journal_entry_id {
        Some(entry) => {
            let memo = format!("Void {}", invoice.number.as_deref().unwrap_or_default());
            Some(ledger::reverse(tx, entry, None, &memo)?)
        }
        None => None,
    };
    let values: Vec<(&str, Value)> = vec![
        ("state", "void".into()),
        ("voided_at", tx.now().to_string().into()),
        ("voided_by", tx.actor().user_id.into()),
        ("void_reason", reason.into()),
        ("void_entry_id", entry.into()),
    ];
    tx.act("void");
    tx.update("invoices", id, values).map(drop)
}

fn expect_issued(invoice: &Invoice) -> Result<()> {
    match invoice.state {
        InvoiceState::Issued => Ok(()),
        InvoiceState::Draft => Err(Error::conflict("invalid_transition", "The invoice is a draft.")),
        InvoiceState::Void => Err(Error::conflict("invalid_transition", "The invoice is void.")),
    }
}

/// Issues a credit note for an invoice, settles with it what is open, and answers its id.
///
/// # Errors
/// 409 for what is no issued invoice, and for more than the invoice comes to.
pub fn credit(tx: &mut Writer<'_>, id: i64, wanted: &CreditNote) -> Result<i64> {
    let invoice = verbs::load::<Invoice>(tx, id)?;
    expect_invoice(&invoice)?;
    let items = match (&wanted.lines, wanted.full) {
        (None, Some(true)) => invoice.items.0.iter().map(blank).collect(),
        (Some(lines), None | Some(false)) => chosen(&invoice, &lines.0)?,
        _ => return Err(Error::whole("Send either full or lines.")),
    };
    let mut note = draft(&invoice, items);
    if wanted.full == Some(true) {
        note.insert("discount_type".to_owned(), invoice.discount_type.to_json().unwrap_or_default());
        note.insert("discount_value".to_owned(), invoice.discount_value.to_json().unwrap_or_default());
    }
    note.insert("notes".to_owned(), wanted.reason.clone().unwrap_or_default().into());
    store(tx, id, &invoice, note)
}

/// Gives up what is open of an invoice: a credit note on bad debts.
pub fn write_off(tx: &mut Writer<'_>, id: i64, reason: &str) -> Result<i64> {
    let invoice = verbs::load::<Invoice>(tx, id)?;
    expect_invoice(&invoice)?;
    if invoice.direction != Direction::Outgoing {
        return Err(Error::conflict("invalid_transition", "Only what others owe is written off."));
    }
    if invoice.open() <= 0 {
        return Err(Error::conflict("nothing_open", "Nothing of the invoice is open."));
    }
    let currency = invoice.currency_code().to_owned();
    let account = ledger::account(tx, ledger::BAD_DEBT, AccountClass::Expense, &currency)?;
    let unit = 10_i64.pow(6 - u32::from(exponent(&currency).min(6)));
    let price = invoice.open().checked_mul(unit).ok_or_else(|| Error::whole("The amount is too large."))?;
    let item = InvoiceItem { account: Some(Ref::new(account)), ..InvoiceItem::new("Written off", Decimal(price)) };
    let mut note = draft(&invoice, vec![item]);
    note.insert("notes".to_owned(), reason.into());
    store(tx, id, &invoice, note)
}

fn expect_invoice(invoice: &Invoice) -> Result<()> {
    expect_issued(invoice)?;
    match invoice.kind {
        InvoiceKind::Invoice => Ok(()),
        InvoiceKind::CreditNote => Err(Error::conflict("invalid_transition", "A credit note is not credited; void it instead.")),
    }
}

/// An item as it was entered, without what it came to.
pub fn blank(item: &InvoiceItem) -> InvoiceItem {
    InvoiceItem {
        id: None,
        gross: None,
        discount_amount: None,
        amount: None,
        doc_discount_share: None,
        net_amount: None,
        tax_amount: None,
        ..item.clone()
    }
}

/// The items that `lines` name, each with its part of all discounts.
fn chosen(invoice: &Invoice, lines: &Json) -> Result<Vec<InvoiceItem>> {
    let Json::Array(lines) = lines else { return Err(Error::field("lines", "Expected a list of items.")) };
    let decimals = exponent(invoice.currency_code());
    let mut seen = vec![];
    let line = |line: &Json| {
        let id = line.get("item").and_then(|id| id.as_i64().or_else(|| id.as_str()?.parse().ok()));
        let id = id.ok_or_else(|| Error::field("lines", "Each line has the id of an item."))?;
        let item = invoice.items.0.iter().find(|item| item.id == Some(id) && !seen.contains(&id));
        let item = item.ok_or_else(|| Error::field("lines", format!("Invalid pk \"{id}\" - object does not exist.")))?;
        seen.push(id);
        let quantity: Quantity = match line.get("quantity").filter(|quantity| !quantity.is_null()) {
            None => item.quantity,
            Some(quantity) => {
                let text = quantity.as_str().map_or_else(|| quantity.to_string(), str::to_owned);
                Decimal::parse(&text).map_err(|_| Error::field("lines", "A valid number is required."))?
            }
        };
        if quantity.0 <= 0 || quantity > item.quantity {
            return Err(Error::field("lines", format!("Choose a quantity of at most {}.", item.quantity)));
        }
        let off = i128::from(Invoice::minor(item.discount_amount) + Invoice::minor(item.doc_discount_share));
        let off = round(off * i128::from(quantity.0), item.quantity.0.into());
        // Rounded by itself, a part may come to less than what is taken off it.
        let own = gross(quantity, item.unit_cost, decimals);
        let off = fixed(i64::try_from(off.min(own)).map_err(Error::internal)?, decimals);
        Ok(InvoiceItem { quantity, discount_type: DiscountType::Fixed, discount_value: off, ..blank(item) })
    };
    let items: Vec<InvoiceItem> = lines.iter().map(line).collect::<Result<_>>()?;
    if items.is_empty() { Err(Error::field("lines", "This list may not be empty.")) } else { Ok(items) }
}

/// A credit note for an invoice, as the fields of a draft.
fn draft(invoice: &Invoice, items: Vec<InvoiceItem>) -> Map<String, Json> {
    Map::from_iter([
        ("party".to_owned(), invoice.party.0.into()),
        ("direction".to_owned(), invoice.direction.name().into()),
        ("kind".to_owned(), "credit_note".into()),
        ("currency".to_owned(), invoice.currency_code().into()),
        ("prices_include_tax".to_owned(), invoice.prices_include_tax.into()),
        ("items".to_owned(), Lines(items).to_json().unwrap_or_default()),
    ])
}

fn store(tx: &mut Writer<'_>, id: i64, invoice: &Invoice, mut note: Map<String, Json>) -> Result<i64> {
    note.insert("corrects".to_owned(), id.into());
    let note = tx.step(|tx| verbs::insert::<Invoice>(tx, note, INTERNAL))?;
    let total = Invoice::minor(verbs::load::<Invoice>(tx, note)?.total);
    let sql = "SELECT coalesce(sum(total), 0) FROM invoices WHERE business_id = ?1 AND corrects_id = ?2 AND state = 'issued'";
    let credited: i64 = tx.one(sql, &[tx.actor().business_id().into(), id.into()])?.unwrap_or(0);
    if credited + total > Invoice::minor(invoice.total) {
        return Err(Error::conflict("exceeds_open_amount", "That is more than the invoice comes to, less what was credited already."));
    }
    issue(tx, note)?;
    let amount = total.min(invoice.open());
    if amount > 0 {
        let date = crate::kit::Date(tx.actor().today());
        allocation::add(tx, Source::CreditNote(note), Target::Invoice(id), amount, date)?;
    }
    Ok(note)
}

/// A new draft of the same.
pub fn duplicate(tx: &mut Writer<'_>, id: i64) -> Result<i64> {
    let invoice = verbs::load::<Invoice>(tx, id)?;
    if invoice.kind == InvoiceKind::CreditNote {
        return Err(Error::conflict("invalid_transition", "A credit note belongs to its invoice."));
    }
    let mut copy = draft(&invoice, invoice.items.0.iter().map(blank).collect());
    copy.shift_remove("kind");
    let texts = [("notes", &invoice.notes), ("terms", &invoice.terms), ("reference", &invoice.reference)];
    copy.extend(texts.map(|(name, text)| (name.to_owned(), text.as_str().into())));
    copy.insert("discount_type".to_owned(), invoice.discount_type.to_json().unwrap_or_default());
    copy.insert("discount_value".to_owned(), invoice.discount_value.to_json().unwrap_or_default());
    tx.act("duplicate");
    verbs::insert::<Invoice>(tx, copy, Options::default())
}
