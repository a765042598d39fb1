//! What can be done with requisitions besides the operations that every resource has.

use poem_openapi::{Object, OpenApi, param::Path, types::ToJSON};
use serde_json::{Map, Value as Json, json};

use super::{Requisition, RequisitionItem, RequisitionStatus, decide, item::one};
use crate::{
    auth::gate::Caller,
    db::Writer,
    engine::{
        CREATE, Options, READ, UPDATE,
        body::Input,
        reply::{NoContent, Read, Reply},
        verbs,
    },
    error::{Error, Result},
    kit::{self, Date, Money, Price, Quantity, Ref, exponent},
    resources::finance::{Account, Invoice, Payment, payment::Method, statement::keeps_books},
};

/// What is approved.
#[derive(Object)]
pub struct Approve {
    /// How much; all that is asked for when left out.
    pub approved_amount: Option<kit::Json>,
    /// What is to be said about it.
    #[oai(validator(max_length = 2000))]
    pub comment: Option<String>,
}

/// Why something is rejected.
#[derive(Object)]
pub struct Reject {
    /// The reason, in words.
    #[oai(validator(max_length = 2000))]
    pub comment: String,
}

/// What is paid of a requisition.
#[derive(Object)]
pub struct PayRequisition {
    /// How much; all that was approved and is not paid yet when left out.
    pub amount: Option<kit::Json>,
    /// Where the money is taken from; the cash box of the business when left out.
    pub account: Option<Ref<Account>>,
    /// How it is paid.
    pub method: Option<Method>,
    /// What the bank or wallet takes on top.
    pub charge: Option<kit::Json>,
    /// On which day, not in the future; today when left out.
    pub date: Option<Date>,
    /// The bill of the party that it settles.
    pub invoice: Option<Ref<Invoice>>,
    /// Whatever it can be found by.
    #[oai(validator(max_length = 100))]
    pub reference: Option<String>,
    /// What is to be remembered about it.
    #[oai(validator(max_length = 2000))]
    pub notes: Option<String>,
}

/// One more item.
#[derive(Object)]
pub struct AddItem {
    /// What is needed.
    #[oai(validator(max_length = 255))]
    pub particular: String,
    /// How much of it; one when left out.
    #[oai(default = "one")]
    pub quantity: Quantity,
    /// What one costs.
    pub unit_cost: Price,
}

pub struct RequisitionVerbs;

#[OpenApi]
impl RequisitionVerbs {
    /// The requisitions that wait for the caller
    ///
    /// Those that are pending and that the caller can decide about, the oldest first.
    #[oai(path = "/finance/requisitions/pending", method = "get")]
    async fn pending(&self, caller: Caller) -> poem::Result<Reply<Vec<Read<Requisition>>>> {
        let condition = decide::decidable(&caller.actor);
        Ok(verbs::rows::<Requisition, _>(&caller, &condition, "t.created_at, t.id").await?)
    }

    /// Submit a requisition
    ///
    /// Asks for a decision about a draft; for whoever asks.
    #[oai(path = "/finance/requisitions/:id/submit", method = "post")]
    async fn submit(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<Requisition>> {
        Ok(verbs::act_on::<Requisition>(&caller, move |tx| ask(tx, &id.0, "submit", RequisitionStatus::Draft)).await?)
    }

    /// Approve a requisition
    ///
    /// All of it or less. For administrators, for managers up to the limit of the business (`requisition_manager_limit`), and up to that
    /// for whoever leads its department; never for whoever asks, unless the business has `requisition_self_approval`.
    #[oai(path = "/finance/requisitions/:id/approve", method = "post")]
    async fn approve(&self, caller: Caller, id: Path<String>, body: Input<Approve>) -> poem::Result<Reply<Requisition>> {
        Ok(verbs::act_on::<Requisition>(&caller, move |tx| approve(tx, &id.0, &body)).await?)
    }

    /// Reject a requisition
    ///
    /// With a reason; for those who could approve it.
    #[oai(path = "/finance/requisitions/:id/reject", method = "post")]
    async fn reject(&self, caller: Caller, id: Path<String>, body: Input<Reject>) -> poem::Result<Reply<Requisition>> {
        let work = move |tx: &mut Writer<'_>| {
            let (id, _) = decidable(tx, &id.0)?;
            let comment = body.get()?.comment.clone();
            tx.act("reject");
            decided(tx, id, "rejected", vec![("decision_comment", comment.into())])
        };
        Ok(verbs::act_on::<Requisition>(&caller, work).await?)
    }

    /// Submit a requisition again
    ///
    /// One that was rejected waits for a decision again; for whoever asks.
    #[oai(path = "/finance/requisitions/:id/resubmit", method = "post")]
    async fn resubmit(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<Requisition>> {
        Ok(verbs::act_on::<Requisition>(&caller, move |tx| ask(tx, &id.0, "resubmit", RequisitionStatus::Rejected)).await?)
    }

    /// Cancel a requisition
    ///
    /// A draft or pending one by whoever asks; one that is approved by managers and administrators, as long as nothing is paid.
    #[oai(path = "/finance/requisitions/:id/cancel", method = "post")]
    async fn cancel(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<Requisition>> {
        Ok(verbs::act_on::<Requisition>(&caller, move |tx| cancel(tx, &id.0)).await?)
    }

    /// Pay a requisition
    ///
    /// All that was approved, or part of it. Answers the payment. With a party it goes to what the business owes that, otherwise to the
    /// expenses of the category.
    #[oai(path = "/finance/requisitions/:id/pay", method = "post")]
    async fn pay(&self, caller: Caller, id: Path<String>, body: Input<PayRequisition>) -> poem::Result<Reply<Payment, 201>> {
        verbs::allowed::<Requisition>(&caller.actor, READ)?;
        Ok(verbs::act_making::<Payment>(&caller, move |tx| pay(tx, &id.0, &body)).await?)
    }

    /// Add an item to a requisition
    ///
    /// Answers the requisition with what it comes to.
    #[oai(path = "/finance/requisitions/:id/add_item", method = "post")]
    async fn add_item(&self, caller: Caller, id: Path<String>, body: Input<AddItem>) -> poem::Result<Reply<Requisition, 201>> {
        let work = move |tx: &mut Writer<'_>| {
            let (id, requisition) = own(tx, &id.0)?;
            let mut items = requisition.items.0;
            let body = body.get()?;
            items.push(RequisitionItem {
                id: None,
                particular: body.particular.clone(),
                quantity: body.quantity,
                unit_cost: body.unit_cost,
                amount: None,
            });
            set_items(tx, id, &items)
        };
        Ok(verbs::act_making::<Requisition>(&caller, work).await?)
    }

    /// Take an item off a requisition
    ///
    /// When it was the last one, the amount stays as it was.
    #[oai(path = "/finance/requisitions/:id/items/:item_id", method = "delete", operation_id = "finance_requisitions_items_destroy")]
    async fn remove_item(&self, caller: Caller, id: Path<String>, item_id: Path<String>) -> poem::Result<NoContent> {
        verbs::allowed::<Requisition>(&caller.actor, UPDATE)?;
        let work = move |tx: &mut Writer<'_>| {
            let (id, requisition) = own(tx, &id.0)?;
            let mut items = requisition.items.0;
            let at = item_id.0.parse().ok().and_then(|wanted: i64| items.iter().position(|item| item.id == Some(wanted)));
            items.remove(at.ok_or_else(Error::not_found)?);
            set_items(tx, id, &items)
        };
        caller.write(work).await?;
        Ok(NoContent)
    }
}

/// A requisition that the caller asks for.
fn own(tx: &Writer<'_>, key: &str) -> Result<(i64, Requisition)> {
    let id = verbs::find::<Requisition>(tx, tx.actor(), key, UPDATE)?;
    if !decide::is_own(tx, id)? {
        return Err(Error::forbidden());
    }
    Ok((id, verbs::load(tx, id)?))
}

/// A requisition that the caller may decide about.
fn decidable(tx: &Writer<'_>, key: &str) -> Result<(i64, Requisition)> {
    let id = verbs::find::<Requisition>(tx, tx.actor(), key, READ)?;
    let requisition = verbs::load::<Requisition>(tx, id)?;
    decide::expect_decidable(tx, id, requisition.status)?;
    Ok((id, requisition))
}

fn change(tx: &mut Writer<'_>, id: i64, changes: Vec<(&str, Json)>) -> Result<i64> {
    let changes: Map<String, Json> = changes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    verbs::change::<Requisition>(tx, id, changes, Options { internal: true, ..Options::default() })?;
    Ok(id)
}

/// Has it wait for a decision.
fn ask(tx: &mut Writer<'_>, key: &str, action: &'static str, from: RequisitionStatus) -> Result<i64> {
    let (id, requisition) = own(tx, key)?;
    if requisition.status != from {
        let text =
            if from == RequisitionStatus::Draft { "Only a draft is submitted." } else { "Only what was rejected is submitted again." };
        return Err(Error::conflict("invalid_transition", text));
    }
    tx.act(action);
    let nothing = [("decided_by", Json::Null), ("decided_at", Json::Null), ("decision_comment", json!(""))];
    change(tx, id, [("status", json!("pending"))].into_iter().chain(nothing).collect())
}

fn decided(tx: &mut Writer<'_>, id: i64, status: &str, more: Vec<(&str, Json)>) -> Result<i64> {
    let (by, at) = (tx.actor().user_id.into(), tx.now().to_string().into());
    change(tx, id, [("status", status.into()), ("decided_by", by), ("decided_at", at)].into_iter().chain(more).collect())
}

fn approve(tx: &mut Writer<'_>, key: &str, body: &Input<Approve>) -> Result<i64> {
    let (id, requisition) = decidable(tx, key)?;
    let body = body.get()?;
    let asked = requisition.amount.ok_or_else(|| Error::internal("a requisition without an amount"))?;
    let wrong = |text: String| Error::field("approved_amount", text);
    let approved = match &body.approved_amount {
        None => asked,
        Some(sent) => {
            let text = sent.0.as_str().map_or_else(|| sent.0.to_string(), |text| text.trim().to_owned());
            Money::parse(&text, asked.exponent).map_err(|_| wrong("A valid number is required.".to_owned()))?
        }
    };
    if approved.minor <= 0 {
        return Err(wrong("Ensure this value is greater than 0.".to_owned()));
    }
    if approved.minor > asked.minor {
        return Err(wrong(format!("Ensure this value is less than or equal to {asked}.")));
    }
    tx.act("approve");
    let comment = body.comment.clone().unwrap_or_default();
    decided(tx, id, "approved", vec![("approved_amount", approved.to_string().into()), ("decision_comment", comment.into())])
}

fn cancel(tx: &mut Writer<'_>, key: &str) -> Result<i64> {
    let id = verbs::find::<Requisition>(tx, tx.actor(), key, READ)?;
    let requisition = verbs::load::<Requisition>(tx, id)?;
    let may = match requisition.status {
        RequisitionStatus::Approved => tx.actor().is_manager(),
        _ => decide::is_own(tx, id)?,
    };
    if !may {
        return Err(Error::forbidden());
    }
    match requisition.status {
        RequisitionStatus::Approved if requisition.paid_amount.is_some_and(|paid| paid.minor > 0) => {
            Err(Error::conflict("in_use", "Part of this requisition is paid: void the payments first."))
        }
        RequisitionStatus::Draft | RequisitionStatus::Pending | RequisitionStatus::Approved => {
            tx.act("cancel");
            change(tx, id, vec![("status", json!("cancelled"))])
        }
        _ => Err(Error::conflict("invalid_transition", "Only a draft, pending or approved requisition is cancelled.")),
    }
}

fn pay(tx: &mut Writer<'_>, key: &str, body: &Input<PayRequisition>) -> Result<i64> {
    let id = verbs::find::<Requisition>(tx, tx.actor(), key, READ)?;
    keeps_books(tx.actor())?;
    verbs::allowed::<Payment>(tx.actor(), CREATE)?;
    let requisition = verbs::load::<Requisition>(tx, id)?;
    if requisition.status != RequisitionStatus::Approved {
        return Err(Error::conflict("not_open", "Only an approved requisition is paid."));
    }
    let mut payment = match body.get()?.to_json() {
        Some(Json::Object(payment)) => payment,
        _ => Map::new(),
    };
    payment.retain(|_, value| !value.is_null());
    if !payment.contains_key("amount") {
        let left = Money { minor: requisition.remaining(), exponent: exponent(requisition.currency_code()) };
        if left.minor <= 0 {
            return Err(Error::conflict("nothing_left", "All that was approved is paid already."));
        }
        payment.insert("amount".to_owned(), left.to_string().into());
    }
    payment.insert("requisition".to_owned(), id.into());
    verbs::insert::<Payment>(tx, payment, Options::default())
}

fn set_items(tx: &mut Writer<'_>, id: i64, items: &[RequisitionItem]) -> Result<i64> {
    let items: Vec<Json> = items.iter().filter_map(ToJSON::to_json).collect();
    verbs::change::<Requisition>(tx, id, Map::from_iter([("items".to_owned(), items.into())]), Options::default())?;
    Ok(id)
}
