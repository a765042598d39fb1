//! What can be done with invoices besides the operations that every resource has.

use poem_openapi::{Object, OpenApi, param::Path, types::ToJSON};
use serde_json::{Map, Value as Json};

use super::{
    Invoice, InvoiceKind, InvoiceState,
    correct::{self, CreditNote, Why},
    issue::issue,
    print,
    settle::{self, AllocateCredit},
    share,
};
use crate::{
    actor::Actor,
    auth::gate::Caller,
    db::{Reader, Value, Writer},
    engine::{
        CREATE, LIST, Options, READ, Reach, UPDATE,
        body::Input,
        descriptor,
        reply::{PdfFile, Reply},
        store, verbs,
    },
    error::{Error, Result},
    kit::{Currency, Date, Money, Ref, exponent},
    outbox::{self, Channel, Language, Message},
    resources::finance::{
        Account,
        payment::{Method, OnExcess, Payment, Unallocate},
    },
};

/// How an invoice is paid.
#[derive(Object)]
pub struct Pay {
    /// How much; all that is open when left out.
    pub amount: Option<crate::kit::Json>,
    /// Where the money is; the cash box of the business when left out.
    pub account: Option<Ref<Account>>,
    /// How it was paid.
    pub method: Option<Method>,
    /// On which day; today when left out.
    pub date: Option<Date>,
    /// What a bank or wallet kept of it.
    pub charge: Option<crate::kit::Json>,
    /// What is done with more than is open.
    pub on_excess: Option<OnExcess>,
    /// Whatever the payment can be found by.
    #[oai(validator(max_length = 100))]
    pub reference: Option<String>,
    /// What is to be remembered about it.
    #[oai(validator(max_length = 2000))]
    pub notes: Option<String>,
}

/// What was paid.
#[derive(Object)]
pub struct Paid {
    /// The id of the payment.
    pub id: i64,
    /// The id of the invoice.
    pub invoice: i64,
    /// How much was paid.
    pub amount: Money,
}

/// How the invoices of one currency and direction stand.
#[derive(Object)]
pub struct InvoiceSummary {
    /// The currency.
    pub currency: Currency,
    /// Does the business sell or buy?
    pub direction: super::Direction,
    /// How many are drafts.
    pub drafts: i64,
    /// How many are issued.
    pub count: i64,
    /// What those come to.
    pub total: Money,
    /// What of that is settled.
    pub paid: Money,
    /// What of that is open.
    pub due: Money,
    /// What of that is overdue.
    pub overdue: Money,
    /// How many are overdue.
    pub overdue_count: i64,
}

pub struct InvoiceVerbs {
    /// What links in messages start with.
    pub public_url: String,
}

#[OpenApi]
impl InvoiceVerbs {
    /// Issue an invoice
    ///
    /// Gives it its number, puts it into the books and tells the party; from then on it is not changed.
    #[oai(path = "/finance/invoices/:id/issue", method = "post")]
    async fn issue(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<Invoice>> {
        let work = move |tx: &mut Writer<'_>| {
            let id = found(tx, &id.0)?;
            issue(tx, id)?;
            Ok(id)
        };
        Ok(verbs::act_on::<Invoice>(&caller, work).await?)
    }

    /// Send an invoice
    ///
    /// By e-mail to its party, with a link by which whoever has it sees it; a link that was sent before is good for nothing any more.
    /// It has to be issued.
    #[oai(path = "/finance/invoices/:id/send", method = "post")]
    async fn send(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<Invoice>> {
        let public_url = self.public_url.clone();
        let work = move |tx: &mut Writer<'_>| {
            let id = found(tx, &id.0)?;
            send(tx, id, &public_url)?;
            Ok(id)
        };
        Ok(verbs::act_on::<Invoice>(&caller, work).await?)
    }

    /// Settle an invoice with a credit note
    ///
    /// With what is left of the credit note: all that there is and is open, or an amount. Answers the credit note.
    #[oai(path = "/finance/invoices/:id/allocate", method = "post")]
    async fn allocate(&self, caller: Caller, id: Path<String>, body: Input<AllocateCredit>) -> poem::Result<Reply<Invoice>> {
        let work = move |tx: &mut Writer<'_>| {
            let id = found(tx, &id.0)?;
            settle::allocate(tx, id, body.get()?)
        };
        Ok(verbs::act_on::<Invoice>(&caller, work).await?)
    }

    /// Take back what a credit note settles of an invoice
    #[oai(path = "/finance/invoices/:id/unallocate", method = "post")]
    async fn unallocate(&self, caller: Caller, id: Path<String>, body: Input<Unallocate>) -> poem::Result<Reply<Invoice>> {
        let work = move |tx: &mut Writer<'_>| {
            let id = found(tx, &id.0)?;
            settle::unallocate(tx, id, body.get()?.invoice.0)
        };
        Ok(verbs::act_on::<Invoice>(&caller, work).await?)
    }

    /// Take an invoice back
    ///
    /// As long as nothing was paid or credited towards it. Its number stays used.
    #[oai(path = "/finance/invoices/:id/void", method = "post")]
    async fn void(&self, caller: Caller, id: Path<String>, body: Input<Why>) -> poem::Result<Reply<Invoice>> {
        let work = move |tx: &mut Writer<'_>| {
            let id = found(tx, &id.0)?;
            correct::void(tx, id, body.get()?.reason.as_deref().unwrap_or_default())?;
            Ok(id)
        };
        Ok(verbs::act_on::<Invoice>(&caller, work).await?)
    }

    /// Issue a credit note for an invoice
    ///
    /// For all of it or for some items; what is open of the invoice is settled with it. Answers the credit note.
    #[oai(path = "/finance/invoices/:id/credit-note", method = "post")]
    async fn credit_note(&self, caller: Caller, id: Path<String>, body: Input<CreditNote>) -> poem::Result<Reply<Invoice, 201>> {
        let work = move |tx: &mut Writer<'_>| {
            let id = found(tx, &id.0)?;
            correct::credit(tx, id, body.get()?)
        };
        Ok(verbs::act_making::<Invoice>(&caller, work).await?)
    }

    /// Write off what is open of an invoice
    ///
    /// With a credit note on bad debts; for managers and administrators. Answers the credit note.
    #[oai(path = "/finance/invoices/:id/write-off", method = "post")]
    async fn write_off(&self, caller: Caller, id: Path<String>, body: Input<Why>) -> poem::Result<Reply<Invoice, 201>> {
        let work = move |tx: &mut Writer<'_>| {
            let id = found(tx, &id.0)?;
            if !tx.actor().is_manager() {
                return Err(Error::forbidden());
            }
            correct::write_off(tx, id, body.get()?.reason.as_deref().unwrap_or_default())
        };
        Ok(verbs::act_making::<Invoice>(&caller, work).await?)
    }

    /// Pay an invoice
    ///
    /// All that is open, or an amount. A draft is issued first.
    #[oai(path = "/finance/invoices/:id/pay", method = "post")]
    async fn pay(&self, caller: Caller, id: Path<String>, body: Input<Pay>) -> poem::Result<Reply<Paid, 201>> {
        let pay = move |tx: &mut Writer<'_>| pay(tx, &id.0, &body);
        Ok(verbs::act(&caller, pay, |_, _, paid: Paid| Ok(Reply::json(&paid.to_json().unwrap_or_default()))).await?)
    }

    /// Copy an invoice
    ///
    /// Answers a new draft of the same.
    #[oai(path = "/finance/invoices/:id/duplicate", method = "post")]
    async fn duplicate(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<Invoice, 201>> {
        verbs::allowed::<Invoice>(&caller.actor, CREATE)?;
        let work = move |tx: &mut Writer<'_>| {
            let id = found(tx, &id.0)?;
            correct::duplicate(tx, id)
        };
        Ok(verbs::act_making::<Invoice>(&caller, work).await?)
    }

    /// Read an invoice on paper
    ///
    /// As a PDF document: as it was issued, and what is open of it now. A draft and what was taken back say so.
    #[oai(path = "/finance/invoices/:id/pdf", method = "get")]
    async fn pdf(&self, caller: Caller, id: Path<String>) -> poem::Result<PdfFile> {
        verbs::allowed::<Invoice>(&caller.actor, READ)?;
        let actor = caller.actor.clone();
        let work = move |reader: &Reader<'_>| print::file(reader, verbs::find::<Invoice>(reader, &actor, &id.0, READ)?);
        let (bytes, title) = caller.scan(work).await?;
        Ok(PdfFile { bytes, title })
    }

    /// How the invoices stand
    ///
    /// For each currency and direction: how many there are, what they come to, what is open and what is overdue.
    #[oai(path = "/finance/invoices/summary", method = "get")]
    async fn summary(&self, caller: Caller) -> poem::Result<Reply<Vec<InvoiceSummary>>> {
        let actor = caller.actor.clone();
        let rows = caller.scan(move |reader| summary(reader, &actor)).await?;
        Ok(Reply::json(&rows.to_json().unwrap_or_default()))
    }
}

fn found(tx: &Writer<'_>, key: &str) -> Result<i64> {
    verbs::find::<Invoice>(tx, tx.actor(), key, UPDATE)
}

/// Sends an invoice to its party, with a new link to it.
///
/// # Errors
/// 409 for what is not issued, and for a party without an address.
pub fn send(tx: &mut Writer<'_>, id: i64, public_url: &str) -> Result<()> {
    let invoice = verbs::load::<Invoice>(tx, id)?;
    if invoice.state != InvoiceState::Issued {
        return Err(Error::conflict("invalid_transition", "Only an issued invoice is sent."));
    }
    let sql = "SELECT p.email, b.name FROM parties AS p JOIN businesses AS b ON b.id = p.business_id WHERE p.id = ?1";
    let found = tx.row(sql, &[invoice.party.0.into()], |row| Ok((row.get::<Option<String>>(0)?, row.get::<String>(1)?)))?;
    let Some((Some(recipient), seller)) = found else {
        return Err(Error::conflict("no_address", "The party has no e-mail address."));
    };
    let (number, total) = (invoice.number.as_deref().unwrap_or_default(), invoice.total.as_ref().map(Money::to_string).unwrap_or_default());
    let open = Money { minor: invoice.open(), exponent: exponent(invoice.currency_code()) };
    let (currency, due) = (invoice.currency_code(), invoice.due_date.map(|date| date.to_string()).unwrap_or_default());
    let (total, open) = (format!("{currency} {total}"), open.to_string());
    let values = [("number", number), ("seller", &seller), ("total", &total), ("open", &open), ("due", &due)];
    let language = Language::of_recipient(tx, Channel::Email, &recipient, tx.actor().business_id())?;
    let mut text = language.say("Invoice {number} of {seller}: {total}, of which {open} is open; due on {due}.", &values) + "\n";
    for item in &invoice.items.0 {
        let amount = item.amount.as_ref().map(Money::to_string).unwrap_or_default();
        text += &format!("\n{} x {}: {amount}", item.quantity, item.name);
    }
    let subject = match invoice.kind {
        InvoiceKind::CreditNote => "{seller}: credit note {number}",
        InvoiceKind::Invoice => "{seller}: invoice {number}",
    };
    tx.act("send");
    let token = share::renew(tx, id)?;
    text += &format!("\n\n{public_url}/p/{token}/");
    let payload = outbox::letter(language, language.say(subject, &values), text);
    let template = "message".to_owned();
    outbox::send(tx, Message { channel: Channel::Email, recipient, template, payload, key: None, due_at: None })?;
    tx.update("invoices", id, vec![("sent_at", tx.now().to_string().into())]).map(drop)
}

fn pay(tx: &mut Writer<'_>, key: &str, body: &Input<Pay>) -> Result<Paid> {
    let id = found(tx, key)?;
    let invoice = verbs::load::<Invoice>(tx, id)?;
    let body = body.get()?;
    let exponent = exponent(invoice.currency_code());
    let mut payment = match body.to_json() {
        Some(Json::Object(payment)) => payment,
        _ => Map::new(),
    };
    payment.retain(|_, value| !value.is_null());
    if !payment.contains_key("amount") {
        if invoice.open() <= 0 || invoice.state == InvoiceState::Void {
            return Err(Error::conflict("nothing_open", "Nothing of the invoice is open."));
        }
        payment.insert("amount".to_owned(), Money { minor: invoice.open(), exponent }.to_string().into());
    }
    payment.insert("invoice".to_owned(), id.into());
    let payment = verbs::insert::<Payment>(tx, payment, Options::default())?;
    let amount: i64 = tx.one("SELECT amount FROM payments WHERE id = ?1", &[payment.into()])?.unwrap_or_default();
    Ok(Paid { id: payment, invoice: id, amount: Money { minor: amount, exponent } })
}

fn summary(reader: &Reader<'_>, actor: &Actor) -> Result<Vec<InvoiceSummary>> {
    let reach = descriptor::of::<Invoice>().reach(actor, LIST);
    if reach == Reach::Nothing || actor.business.is_none() {
        return Err(Error::forbidden());
    }
    let scope = store::scope(descriptor::of::<Invoice>(), actor, reach, store::Deleted::Without);
    // A credit note counts against what was invoiced, as far as it was not used yet.
    let sql = format!(
        "SELECT t.currency, t.direction, sum(t.state = 'draft'), sum(t.state = 'issued' AND t.kind = 'invoice'), \
                coalesce(sum(CASE WHEN t.state = 'issued' AND t.kind = 'invoice' THEN t.total END), 0), \
                coalesce(sum(CASE WHEN t.state = 'issued' AND t.kind = 'invoice' THEN t.amount_allocated END), 0), \
                coalesce(sum(CASE WHEN t.state = 'issued' AND t.kind = 'invoice' AND t.due_date < ?3 THEN t.total - t.amount_allocated END), 0), \
                coalesce(sum(t.state = 'issued' AND t.kind = 'invoice' AND t.due_date < ?3 AND t.total > t.amount_allocated), 0) \
         FROM invoices AS t WHERE {scope} GROUP BY t.currency, t.direction ORDER BY t.currency, t.direction DESC"
    );
    reader.rows(&sql, &store::args(actor, &[] as &[Value]), |row| {
        let currency: String = row.get(0)?;
        let exponent = exponent(&currency);
        let money = |index: usize| row.get::<i64>(index).map(|minor| Money { minor, exponent });
        let (total, paid) = (money(4)?, money(5)?);
        Ok(InvoiceSummary {
            currency: Currency(currency),
            direction: if row.get::<String>(1)? == "outgoing" { super::Direction::Outgoing } else { super::Direction::Incoming },
            drafts: row.get(2)?,
            count: row.get(3)?,
            total,
            paid,
            due: Money { minor: total.minor - paid.minor, exponent },
            overdue: money(6)?,
            overdue_count: row.get(7)?,
        })
    })
}
