//! What can be done with quotations besides the operations that every resource has.

use poem_openapi::{Object, OpenApi, param::Path, types::ToJSON};
use serde_json::{Map, Value as Json};

use super::{Quotation, QuotationItem, QuotationState, QuotationStatus, item};
use crate::{
    auth::gate::Caller,
    db::{Row, Writer},
    engine::{
        CREATE, Options, UPDATE,
        reply::{NoContent, Reply},
        verbs,
    },
    error::{Error, Result},
    kit::{Lines, Money, exponent},
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
        let words = [quotation.description.lines().next(), quotation.quote_number.as_deref()];
        let name = words.into_iter().flatten().map(str::trim).find(|words| !words.is_empty()).unwrap_or("Quotation");
        let price = price_of(quotation.total_amount.unwrap_or(Money { minor: 0, exponent: exponent(quotation.currency_code()) }))?;
        vec![InvoiceItem::new(name.chars().take(255).collect::<String>(), price)]
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
