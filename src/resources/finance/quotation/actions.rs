//! What can be done with quotations besides the operations that every resource has.

use poem_openapi::{Object, OpenApi, param::Path, types::ToJSON};
use serde_json::{Map, Value as Json};

use super::{Quotation, QuotationItem, QuotationState, QuotationStatus, item, print};
use crate::{
    auth::gate::Caller,
    db::{Reader, Row, Writer},
    engine::{
        CREATE, Options, READ, UPDATE,
        reply::{NoContent, PdfFile, Reply},
        verbs,
    },
    error::{Error, Result},
    kit::{Date, Lines, Money, exponent},
    outbox::{self, Channel, Language, Message},
    resources::finance::invoice::{Invoice, InvoiceItem, blank, price_of},
};

/// That a quotation was accepted.
#[derive(Object)]
pub struct QuotationAccepted {
    /// What it is now.
    pub status: QuotationStatus,
    /// Its id.
    pub quotation_id: i64,
}

/// What was made of a quotation.
#[derive(Object)]
pub struct QuotationInvoiced {
    /// The id of the invoice.
    pub invoice_id: i64,
    /// What it comes to.
    pub invoice_total: Money,
}

pub struct QuotationVerbs;

#[OpenApi]
impl QuotationVerbs {
    /// Accept a quotation
    ///
    /// Once, and as long as it has not expired.
    #[oai(path = "/finance/quotations/:id/accept", method = "post")]
    async fn accept(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<QuotationAccepted>> {
        let work = move |tx: &mut Writer<'_>| accept(tx, &id.0);
        Ok(verbs::act(&caller, work, |_, _, done: QuotationAccepted| Ok(Reply::json(&done.to_json().unwrap_or_default()))).await?)
    }

    /// Send a quotation
    ///
    /// By e-mail to its party; a draft is offered from then on. One that was answered or has expired is not sent.
    #[oai(path = "/finance/quotations/:id/send", method = "post")]
    async fn send(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<Quotation>> {
        verbs::allowed::<Quotation>(&caller.actor, UPDATE)?;
        let work = move |tx: &mut Writer<'_>| {
            let id = verbs::find::<Quotation>(tx, tx.actor(), &id.0, UPDATE)?;
            send(tx, id)?;
            Ok(id)
        };
        Ok(verbs::act_on::<Quotation>(&caller, work).await?)
    }

    /// Read a quotation on paper
    ///
    /// As a PDF document. A draft, and what was answered or has expired, say so.
    #[oai(path = "/finance/quotations/:id/pdf", method = "get")]
    async fn pdf(&self, caller: Caller, id: Path<String>) -> poem::Result<PdfFile> {
        verbs::allowed::<Quotation>(&caller.actor, READ)?;
        let actor = caller.actor.clone();
        let work =
            move |reader: &Reader<'_>| print::file(reader, verbs::find::<Quotation>(reader, &actor, &id.0, READ)?, Date(actor.today()));
        let (bytes, title) = caller.scan(work).await?;
        Ok(PdfFile { bytes, title })
    }

    /// Make an invoice of a quotation
    ///
    /// Of one that was accepted; a draft. When there is one already, that is answered, with the status 200.
    #[oai(path = "/finance/quotations/:id/create-invoice", method = "post")]
    async fn create_invoice(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<QuotationInvoiced, 201>> {
        verbs::allowed::<Invoice>(&caller.actor, CREATE)?;
        let work = move |tx: &mut Writer<'_>| create_invoice(tx, &id.0);
        let answer = |is_new: bool, done: QuotationInvoiced| {
            let reply = Reply::json(&done.to_json().unwrap_or_default());
            if is_new { reply } else { reply.with_status(200) }
        };
        Ok(verbs::act(&caller, work, move |_, _, (is_new, done)| Ok(answer(is_new, done))).await?)
    }

    /// Remove an item of a quotation
    ///
    /// For good; what the quotation comes to follows.
    #[oai(path = "/finance/quotation-items/:id", method = "delete", operation_id = "finance_quotation_items_destroy")]
    async fn remove_item(&self, caller: Caller, id: Path<String>) -> poem::Result<NoContent> {
        let work = move |tx: &mut Writer<'_>| {
            let id = verbs::find::<QuotationItem>(tx, tx.actor(), &id.0, UPDATE)?;
            let quotation = verbs::load::<QuotationItem>(tx, id)?.quotation.0;
            verbs::remove::<QuotationItem>(tx, id)?;
            item::recount(tx, quotation)
        };
        caller.write(work).await?;
        Ok(NoContent)
    }
}

fn accept(tx: &mut Writer<'_>, key: &str) -> Result<QuotationAccepted> {
    let id = verbs::find::<Quotation>(tx, tx.actor(), key, UPDATE)?;
    if verbs::load::<Quotation>(tx, id)?.state == QuotationState::Accepted {
        return Err(Error::Refused { detail: "Quotation already accepted".into(), code: "already_accepted" });
    }
    tx.act("accept");
    let changes = Map::from_iter([("status".to_owned(), Json::from("accepted"))]);
    verbs::change::<Quotation>(tx, id, changes, Options::default())?;
    Ok(QuotationAccepted { status: QuotationStatus::Accepted, quotation_id: id })
}

fn send(tx: &mut Writer<'_>, id: i64) -> Result<()> {
    let quotation = verbs::load::<Quotation>(tx, id)?;
    if quotation.is_closed() {
        return Err(Error::conflict("invalid_transition", "A quotation that was answered is not sent."));
    }
    if quotation.is_over(Date(tx.actor().today())) {
        return Err(Error::conflict("expired", "The quotation has expired; change valid_until first."));
    }
    let sql =
        "SELECT p.email, b.name FROM parties AS p JOIN businesses AS b ON b.id = p.business_id WHERE p.id = ?1 AND p.deleted_at IS NULL";
    let found = tx.row(sql, &[quotation.party.0.into()], |row| Ok((row.get::<Option<String>>(0)?, row.get::<String>(1)?)))?;
    let Some((Some(recipient), seller)) = found else {
        return Err(Error::conflict("no_address", "The party has no e-mail address."));
    };
    let number = quotation.quote_number.as_deref().unwrap_or_default();
    let shown = |money: &Option<Money>| money.as_ref().map(Money::to_string).unwrap_or_default();
    let total = format!("{} {}", quotation.currency_code(), shown(&quotation.total_amount));
    let until = quotation.valid_until.map(|until| until.to_string()).unwrap_or_default();
    let values = [("number", number), ("seller", &seller), ("total", &total), ("until", &until)];
    let language = Language::of_recipient(tx, Channel::Email, &recipient, tx.actor().business_id())?;
    let text = match quotation.valid_until {
        Some(_) => "Quotation {number} of {seller}: {total}; valid until {until}.",
        None => "Quotation {number} of {seller}: {total}.",
    };
    let mut text = language.say(text, &values) + "\n";
    for item in &quotation.items.0 {
        text += &format!("\n{} x {}: {}", item.quantity, item.name, shown(&item.amount));
    }
    for more in [&quotation.description, &quotation.terms].into_iter().filter(|more| !more.is_empty()) {
        text += &format!("\n\n{more}");
    }
    tx.act("send");
    let payload = outbox::letter(language, language.say("{seller}: quotation {number}", &values), text);
    let template = "message".to_owned();
    outbox::send(tx, Message { channel: Channel::Email, recipient, template, payload, key: None, due_at: None })?;
    if quotation.state == QuotationState::Sent {
        return Ok(());
    }
    let changes = Map::from_iter([("status".to_owned(), Json::from("sent"))]);
    verbs::change::<Quotation>(tx, id, changes, Options::default())
}

/// Makes the invoice, or finds the one that there is. There is never a second one: the database keeps one for each quotation.
fn create_invoice(tx: &mut Writer<'_>, key: &str) -> Result<(bool, QuotationInvoiced)> {
    let id = verbs::find::<Quotation>(tx, tx.actor(), key, UPDATE)?;
    let quotation = verbs::load::<Quotation>(tx, id)?;
    if quotation.state != QuotationState::Accepted {
        let detail = "Quotation must be accepted before creating an invoice.".into();
        return Err(Error::Refused { detail, code: "not_accepted" });
    }
    let read = |row: &Row<'_>| {
        let exponent = exponent(&row.get::<String>(2)?);
        Ok(QuotationInvoiced { invoice_id: row.get(0)?, invoice_total: Money { minor: row.get(1)?, exponent } })
    };
    let made = "SELECT id, total, currency FROM invoices WHERE quotation_id = ?1 AND deleted_at IS NULL";
    if let Some(known) = tx.row(made, &[id.into()], read)? {
        return Ok((false, known));
    }
    let invoice = draft(&quotation, id)?;
    tx.act("create_invoice");
    tx.step(|tx| verbs::insert::<Invoice>(tx, invoice, Options { internal: true, ..Options::default() }))?;
    let made = tx.row(made, &[id.into()], read)?.ok_or_else(|| Error::internal("an invoice that was just made"))?;
    Ok((true, made))
}

/// The invoice as the fields of a draft: the same items, or one of all that was offered.
fn draft(quotation: &Quotation, id: i64) -> Result<Map<String, Json>> {
    let items = if quotation.items.0.is_empty() {
        let price = price_of(quotation.total_amount.unwrap_or(Money { minor: 0, exponent: exponent(quotation.currency_code()) }))?;
        vec![InvoiceItem::new(quotation.words(), price)]
    } else {
        quotation.items.0.iter().map(blank).collect()
    };
    let discounts = !quotation.items.0.is_empty();
    let mut draft = Map::from_iter([
        ("party".to_owned(), quotation.party.0.into()),
        ("currency".to_owned(), quotation.currency_code().into()),
        ("prices_include_tax".to_owned(), quotation.prices_include_tax.into()),
        ("reference".to_owned(), quotation.quote_number.clone().unwrap_or_default().into()),
        ("terms".to_owned(), quotation.terms.as_str().into()),
        ("quotation_id".to_owned(), id.into()),
        ("items".to_owned(), Lines(items).to_json().unwrap_or_default()),
    ]);
    if discounts {
        draft.insert("discount_type".to_owned(), quotation.discount_type.to_json().unwrap_or_default());
        draft.insert("discount_value".to_owned(), quotation.discount_value.to_json().unwrap_or_default());
    }
    Ok(draft)
}
