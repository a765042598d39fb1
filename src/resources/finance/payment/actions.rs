//! What can be done with payments besides the operations that every resource has.

use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    types::ToJSON,
};
use serde_json::{Map, Value as Json};

use super::{
    Allocate, Method, Payment, PaymentState, Purpose,
    allocation::{self, Source, Target, Wanted},
    posting,
};
use crate::{
    auth::gate::Caller,
    db::{Reader, Row, Writer},
    engine::{
        CREATE, LIST, Options, READ, UPDATE,
        body::Input,
        reply::{NoContent, Read, Reply},
        verbs,
    },
    error::{Error, Result},
    kit::{self, Date, Money, Ref},
    resources::finance::{Account, goal::Goal, invoice::Invoice, named::id_of},
};

/// What a payment is to settle.
#[derive(Object)]
pub struct AllocatePayment {
    /// One invoice, as far as the money goes.
    pub invoice: Option<Ref<Invoice>>,
    /// So much of that invoice; all that is open and there when left out.
    pub amount: Option<kit::Json>,
    /// So much of several: a list of objects with `invoice` and `amount`.
    pub allocations: Option<kit::Json>,
    /// Whatever is open, the oldest due first.
    pub allocate: Option<Allocate>,
}

/// What a payment is not to settle any more.
#[derive(Object)]
pub struct Unallocate {
    /// The invoice.
    pub invoice: Ref<Invoice>,
}

/// Why a payment is taken back.
#[derive(Object)]
pub struct VoidPayment {
    /// The reason, in words.
    #[oai(validator(max_length = 500))]
    pub reason: Option<String>,
}

/// What of a payment is given back.
#[derive(Object)]
pub struct Refund {
    /// How much; all that settles nothing when left out.
    pub amount: Option<kit::Json>,
    /// Where the money is taken from; where it was put when left out.
    pub account: Option<Ref<Account>>,
    /// How it is given back.
    pub method: Option<Method>,
    /// Whatever it can be found by.
    #[oai(validator(max_length = 100))]
    pub reference: Option<String>,
    /// What is to be remembered about it.
    #[oai(validator(max_length = 2000))]
    pub notes: Option<String>,
}

/// What is printed for whoever paid.
#[derive(Object)]
pub struct PaymentReceipt {
    /// Its number.
    pub number: String,
    /// The day of the payment.
    pub date: Date,
    /// The business.
    pub business_name: String,
    /// Whoever paid.
    pub party_name: Option<String>,
    /// How much.
    pub amount: Money,
    /// The currency.
    pub currency: String,
    /// How it was paid.
    pub method: String,
    /// Whatever it can be found by.
    pub reference: String,
    /// What is left for what comes next.
    pub unallocated: Money,
    /// Whether it was taken back.
    pub is_void: bool,
    /// What it settles.
    pub allocations: Vec<ReceiptAllocation>,
}

/// An invoice on a receipt.
#[derive(Object)]
pub struct ReceiptAllocation {
    /// The invoice's id.
    pub invoice: i64,
    /// Its number.
    pub number: String,
    /// How much of it is settled.
    pub amount: Money,
    /// What is open of it now.
    pub amount_due: Money,
}

pub struct PaymentVerbs;

#[OpenApi]
impl PaymentVerbs {
    /// Settle invoices with a payment
    ///
    /// With what of it settles nothing yet.
    #[oai(path = "/finance/payments/:id/allocate", method = "post")]
    async fn allocate(&self, caller: Caller, id: Path<String>, body: Input<AllocatePayment>) -> poem::Result<Reply<Payment>> {
        Ok(verbs::act_on::<Payment>(&caller, move |tx| allocate(tx, &id.0, &body)).await?)
    }

    /// Take back what a payment settles of an invoice
    #[oai(path = "/finance/payments/:id/unallocate", method = "post")]
    async fn unallocate(&self, caller: Caller, id: Path<String>, body: Input<Unallocate>) -> poem::Result<Reply<Payment>> {
        let work = move |tx: &mut Writer<'_>| {
            let id = found(tx, &id.0)?;
            tx.act("unallocate");
            allocation::remove(tx, Source::Payment(id), body.get()?.invoice.0)?;
            Ok(id)
        };
        Ok(verbs::act_on::<Payment>(&caller, work).await?)
    }

    /// Take a payment back
    ///
    /// What it settled is open again; for managers and administrators.
    #[oai(path = "/finance/payments/:id/void", method = "post")]
    async fn void(&self, caller: Caller, id: Path<String>, body: Input<VoidPayment>) -> poem::Result<Reply<Payment>> {
        let work = move |tx: &mut Writer<'_>| {
            let id = voidable(tx, &id.0)?;
            posting::void(tx, id, body.get()?.reason.as_deref().unwrap_or_default())?;
            Ok(id)
        };
        Ok(verbs::act_on::<Payment>(&caller, work).await?)
    }

    /// Delete a payment
    ///
    /// Takes it back as voiding does: it stays in the list, and in the books with its reversal.
    #[oai(path = "/finance/payments/:id", method = "delete", operation_id = "finance_payments_destroy")]
    async fn delete(&self, caller: Caller, id: Path<String>) -> poem::Result<NoContent> {
        verbs::allowed::<Payment>(&caller.actor, UPDATE)?;
        let work = move |tx: &mut Writer<'_>| {
            let id = voidable(tx, &id.0)?;
            posting::void(tx, id, "")
        };
        caller.write(work).await?;
        Ok(NoContent)
    }

    /// Give back what was paid too much
    ///
    /// From what of the payment settles nothing. Answers the refund, a payment of its own.
    #[oai(path = "/finance/payments/:id/refund", method = "post")]
    async fn refund(&self, caller: Caller, id: Path<String>, body: Input<Refund>) -> poem::Result<Reply<Payment, 201>> {
        verbs::allowed::<Payment>(&caller.actor, CREATE)?;
        Ok(verbs::act_making::<Payment>(&caller, move |tx| refund(tx, &id.0, &body)).await?)
    }

    /// List the payments that serve a goal
    ///
    /// The newest first; `goal` is its id or uuid.
    #[oai(path = "/finance/payments/by_goal", method = "get")]
    async fn by_goal(
        &self,
        caller: Caller,
        /// The goal.
        goal: Query<Option<String>>,
    ) -> poem::Result<Reply<Vec<Read<Payment>>>> {
        verbs::allowed::<Payment>(&caller.actor, LIST)?;
        let goal = goal.0.as_deref().map(str::trim).filter(|goal| !goal.is_empty());
        let goal = goal.ok_or_else(|| Error::Malformed("Missing goal param".into()))?;
        let id = caller.read(|reader| id_of::<Goal>(reader, &caller.actor, &goal.into()))?;
        let id = id.ok_or_else(|| Error::field("goal", format!("Invalid pk \"{goal}\" - object does not exist.")))?;
        Ok(verbs::rows::<Payment, _>(&caller, &format!("t.goal_id = {id}"), "t.date DESC, t.id DESC").await?)
    }

    /// Read the receipt of a payment
    #[oai(path = "/finance/payments/:id/receipt", method = "get")]
    async fn receipt(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<PaymentReceipt>> {
        let receipt = caller.read(|reader| {
            let id = verbs::find::<Payment>(reader, &caller.actor, &id.0, READ)?;
            receipt(reader, id)
        });
        Ok(Reply::json(&receipt?.to_json().unwrap_or_default()))
    }
}

fn found(tx: &Writer<'_>, key: &str) -> Result<i64> {
    verbs::find::<Payment>(tx, tx.actor(), key, UPDATE)
}

/// A payment, for those who may take it back.
fn voidable(tx: &Writer<'_>, key: &str) -> Result<i64> {
    let id = found(tx, key)?;
    if tx.actor().is_manager() { Ok(id) } else { Err(Error::forbidden()) }
}

/// A payment of which something is left.
fn with_rest(tx: &Writer<'_>, key: &str) -> Result<(i64, Payment, Money)> {
    let id = found(tx, key)?;
    let payment = verbs::load::<Payment>(tx, id)?;
    if payment.state == PaymentState::Void || payment.purpose == Purpose::Refund {
        return Err(Error::conflict("not_open", "Only a posted payment that is no refund has something left."));
    }
    let rest = Money { minor: payment.amount.minor - payment.amount_allocated.map_or(0, |amount| amount.minor), ..payment.amount };
    if rest.minor <= 0 {
        return Err(Error::conflict("nothing_left", "All of the payment settles something already."));
    }
    Ok((id, payment, rest))
}

fn allocate(tx: &mut Writer<'_>, key: &str, body: &Input<AllocatePayment>) -> Result<i64> {
    let id = found(tx, key)?;
    let body = body.get()?;
    let (_, payment, rest) = with_rest(tx, &id.to_string())?;
    let business = tx.actor().business_id().ok_or_else(Error::forbidden)?;
    let party = payment.party.ok_or_else(|| Error::conflict("not_open", "Only a payment of a party settles something."))?;
    let currency = payment.currency.as_ref().map_or("USD", |currency| &currency.0);
    let wanted = match (body.invoice, &body.allocations, body.allocate) {
        (Some(invoice), None, None) => match &body.amount {
            Some(sent) => Wanted::Shares(vec![allocation::Share {
                invoice: invoice.0,
                amount: allocation::amount("amount", &sent.0, rest.exponent)?.minor,
            }]),
            None => Wanted::Invoice(invoice.0),
        },
        (None, Some(shares), None) => Wanted::Shares(allocation::shares(tx, tx.actor(), &shares.0, currency)?),
        (None, None, Some(Allocate::Auto)) => Wanted::Auto,
        _ => return Err(Error::whole("Send one of invoice, allocations and allocate.")),
    };
    let direction = payment.direction.unwrap_or(crate::resources::finance::invoice::Direction::Incoming);
    let from = allocation::Plan { party: party.0, currency, direction, keeps_excess: true };
    let shares = allocation::plan(tx, business, &wanted, &rest, &from)?;
    if shares.is_empty() {
        return Err(Error::conflict("nothing_open", "Nothing is open."));
    }
    tx.act("allocate");
    let date = Date(tx.actor().today());
    for share in shares {
        allocation::add(tx, Source::Payment(id), Target::Invoice(share.invoice), share.amount, date)?;
    }
    Ok(id)
}

fn refund(tx: &mut Writer<'_>, key: &str, body: &Input<Refund>) -> Result<i64> {
    let id = found(tx, key)?;
    let body = body.get()?;
    let (_, payment, rest) = with_rest(tx, &id.to_string())?;
    let party = payment.party.ok_or_else(|| Error::conflict("not_open", "Only a payment of a party is given back."))?;
    let given = body.amount.as_ref().map_or(Ok(rest), |sent| allocation::amount("amount", &sent.0, rest.exponent))?;
    if given.minor > rest.minor {
        return Err(Error::field("amount", format!("exceeds_open_amount: {given} is more than the {rest} that settles nothing.")));
    }
    let direction = payment.direction.unwrap_or(crate::resources::finance::invoice::Direction::Incoming).opposite();
    let account = body.account.or(payment.account);
    let mut fields = Map::from_iter([
        ("party".to_owned(), party.0.into()),
        ("direction".to_owned(), direction.name().into()),
        ("amount".to_owned(), given.to_string().into()),
        ("purpose".to_owned(), Json::from("refund")),
    ]);
    let mut set = |name: &str, value: Option<Json>| drop(value.map(|value| fields.insert(name.to_owned(), value)));
    set("account", account.map(|account| account.0.into()));
    set("method", Some(body.method.unwrap_or(payment.method).to_json().unwrap_or_default()));
    set("reference", body.reference.clone().map(Json::from));
    set("notes", body.notes.clone().map(Json::from));
    let own: Option<String> = match account {
        Some(account) => tx.one("SELECT currency FROM accounts WHERE id = ?1", &[account.0.into()])?,
        None => None,
    };
    if own.as_deref() != payment.currency.as_ref().map(|currency| currency.0.as_str()) {
        return Err(Error::field("account", "The account is in another currency than the payment."));
    }
    let refund = verbs::insert::<Payment>(tx, fields, Options { internal: true, ..Options::default() })?;
    allocation::add(tx, Source::Payment(id), Target::Refund(refund), given.minor, Date(tx.actor().today()))?;
    Ok(refund)
}

fn receipt(reader: &Reader<'_>, id: i64) -> Result<PaymentReceipt> {
    let payment = verbs::load::<Payment>(reader, id)?;
    let names = "SELECT b.name, (SELECT name FROM parties WHERE id = p.party_id) FROM payments AS p \
                 JOIN businesses AS b ON b.id = p.business_id WHERE p.id = ?1";
    let read = |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<Option<String>>(1)?));
    let (business_name, party_name) = reader.row(names, &[id.into()], read)?.ok_or_else(Error::not_found)?;
    let money = |minor| Money { minor, ..payment.amount };
    let sql = "SELECT i.id, coalesce(i.number, ''), a.amount, i.total - i.amount_allocated FROM allocations AS a \
               JOIN invoices AS i ON i.id = a.invoice_id WHERE a.payment_id = ?1 ORDER BY a.id";
    let allocations = reader.rows(sql, &[id.into()], |row| {
        let (amount, due) = (money(row.get(2)?), money(row.get(3)?));
        Ok(ReceiptAllocation { invoice: row.get(0)?, number: row.get(1)?, amount, amount_due: due })
    })?;
    let is_void = payment.state == PaymentState::Void;
    let rest = payment.amount.minor - payment.amount_allocated.map_or(0, |amount| amount.minor);
    Ok(PaymentReceipt {
        number: payment.number.unwrap_or_default(),
        date: payment.date.ok_or_else(|| Error::internal("a payment without a date"))?,
        business_name,
        party_name,
        amount: payment.amount,
        currency: payment.currency.map_or_else(String::new, |currency| currency.0),
        method: payment.method.to_json().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default(),
        reference: payment.reference,
        unallocated: money(if is_void { 0 } else { rest }),
        is_void,
        allocations,
    })
}
