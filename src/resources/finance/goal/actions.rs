//! What can be done with goals besides the operations that every resource has.

use poem_openapi::{Object, OpenApi, param::Path, types::ToJSON};
use serde_json::{Map, Value as Json, json};

use super::{Goal, progress::progress};
use crate::{
    auth::gate::Caller,
    db::{Reader, Writer},
    engine::{CREATE, Options, READ, UPDATE, body::Input, reply::Reply, verbs},
    error::{Error, Result},
    kit::{self, Date, Money, Ref},
    resources::finance::{Account, Party, Payment, Transaction, payment::Method},
};

/// How far a goal has come.
#[derive(Object)]
pub struct GoalProgress {
    /// What there is of it.
    pub current: Money,
    /// What there is to be.
    pub target: Money,
    /// The one in percent of the other, with one decimal; may be more than 100.
    pub percentage: f64,
}

/// A payment that serves a goal.
#[derive(Object)]
pub struct AddGoalPayment {
    /// How much was received.
    pub amount: kit::Json,
    /// Who paid.
    pub party: Option<Ref<Party>>,
    /// The category of income, when nobody's account is concerned; `miscellaneous` when both are left out.
    #[oai(validator(max_length = 32))]
    pub category: Option<String>,
    /// Where the money is; the cash box of the business when left out.
    pub account: Option<Ref<Account>>,
    /// How it was paid.
    pub method: Option<Method>,
    /// On which day, not in the future; today when left out.
    pub date: Option<Date>,
    /// Whatever it can be found by.
    #[oai(validator(max_length = 100))]
    pub reference: Option<String>,
    /// What is to be remembered about it.
    #[oai(validator(max_length = 2000))]
    pub notes: Option<String>,
}

/// What came of a payment towards a goal.
#[derive(Object)]
pub struct GoalPayment {
    /// That it is stored.
    pub message: String,
    /// The id of the payment.
    pub payment_id: i64,
    /// How far the goal has come.
    #[oai(flatten)]
    pub progress: GoalProgress,
}

/// A transaction that is to serve a goal.
#[derive(Object)]
pub struct LinkTransaction {
    /// The transaction, by id.
    pub transaction_id: i64,
}

/// What came of a transaction towards a goal.
#[derive(Object)]
pub struct LinkedTransaction {
    /// That it serves the goal.
    pub message: String,
    /// The id of the transaction.
    pub transaction_id: i64,
    /// How far the goal has come.
    #[oai(flatten)]
    pub progress: GoalProgress,
}

pub struct GoalVerbs;

#[OpenApi]
impl GoalVerbs {
    /// How far a goal has come
    #[oai(path = "/finance/goals/:id/progress", method = "get")]
    async fn progress(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<GoalProgress>> {
        let told = caller.read(|reader| {
            let id = verbs::find::<Goal>(reader, &caller.actor, &id.0, READ)?;
            told(reader, id)
        });
        Ok(Reply::json(&told?.to_json().unwrap_or_default()))
    }

    /// Lay a goal aside
    ///
    /// It is kept with all that serves it, and no longer counts as active, achieved or missed.
    #[oai(path = "/finance/goals/:id/archive", method = "post")]
    async fn archive(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<Goal>> {
        verbs::allowed::<Goal>(&caller.actor, UPDATE)?;
        Ok(verbs::act_on::<Goal>(&caller, move |tx| lay_aside(tx, &id.0, true)).await?)
    }

    /// Take up a goal again that was laid aside
    #[oai(path = "/finance/goals/:id/unarchive", method = "post")]
    async fn unarchive(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<Goal>> {
        verbs::allowed::<Goal>(&caller.actor, UPDATE)?;
        Ok(verbs::act_on::<Goal>(&caller, move |tx| lay_aside(tx, &id.0, false)).await?)
    }

    /// Receive money for a goal
    ///
    /// Makes a payment that serves it.
    #[oai(path = "/finance/goals/:id/add_payment", method = "post")]
    async fn add_payment(&self, caller: Caller, id: Path<String>, body: Input<AddGoalPayment>) -> poem::Result<Reply<GoalPayment, 201>> {
        verbs::allowed::<Goal>(&caller.actor, UPDATE)?;
        let work = move |tx: &mut Writer<'_>| {
            let id = verbs::find::<Goal>(tx, tx.actor(), &id.0, UPDATE)?;
            verbs::allowed::<Payment>(tx.actor(), CREATE)?;
            Ok((id, add_payment(tx, id, body.get()?)?))
        };
        let answer = |reader: &Reader<'_>, _: &_, (goal, payment_id): (i64, i64)| {
            let answer = GoalPayment { message: "Payment recorded successfully".to_owned(), payment_id, progress: told(reader, goal)? };
            Ok(Reply::json(&answer.to_json().unwrap_or_default()))
        };
        Ok(verbs::act(&caller, work, answer).await?)
    }

    /// Have a transaction serve a goal
    ///
    /// Income that serves no other goal. Of the row of a payment, it is the payment that serves it.
    #[oai(path = "/finance/goals/:id/link_transaction", method = "post")]
    async fn link(&self, caller: Caller, id: Path<String>, body: Input<LinkTransaction>) -> poem::Result<Reply<LinkedTransaction>> {
        verbs::allowed::<Goal>(&caller.actor, UPDATE)?;
        let work = move |tx: &mut Writer<'_>| {
            let id = verbs::find::<Goal>(tx, tx.actor(), &id.0, UPDATE)?;
            let transaction = body.get()?.transaction_id;
            link(tx, id, transaction)?;
            Ok((id, transaction))
        };
        let answer = |reader: &Reader<'_>, _: &_, (goal, transaction_id): (i64, i64)| {
            let message = "Transaction linked successfully".to_owned();
            let answer = LinkedTransaction { message, transaction_id, progress: told(reader, goal)? };
            Ok(Reply::json(&answer.to_json().unwrap_or_default()))
        };
        Ok(verbs::act(&caller, work, answer).await?)
    }
}

/// Lays a goal aside, or takes it up again.
fn lay_aside(tx: &mut Writer<'_>, key: &str, aside: bool) -> Result<i64> {
    let id = verbs::find::<Goal>(tx, tx.actor(), key, UPDATE)?;
    if verbs::load::<Goal>(tx, id)?.archived_at.is_some() == aside {
        let detail = if aside { "The goal is archived already." } else { "The goal is not archived." };
        return Err(Error::conflict("invalid_transition", detail));
    }
    let at = if aside { Json::from(tx.now().to_string()) } else { Json::Null };
    tx.act(if aside { "archive" } else { "unarchive" });
    verbs::change::<Goal>(tx, id, Map::from_iter([("archived_at".to_owned(), at)]), Options::default())?;
    Ok(id)
}

fn told(reader: &Reader<'_>, goal: i64) -> Result<GoalProgress> {
    let progress = progress(reader, goal)?;
    Ok(GoalProgress { current: progress.current, target: progress.target, percentage: progress.percentage })
}

fn add_payment(tx: &mut Writer<'_>, goal: i64, body: &AddGoalPayment) -> Result<i64> {
    let mut payment = match body.to_json() {
        Some(Json::Object(payment)) => payment,
        _ => Map::new(),
    };
    payment.retain(|_, value| !value.is_null());
    if !payment.contains_key("party") && !payment.contains_key("category") {
        payment.insert("category".to_owned(), json!("miscellaneous"));
    }
    payment.insert("goal".to_owned(), goal.into());
    payment.insert("direction".to_owned(), json!("incoming"));
    verbs::insert::<Payment>(tx, payment, Options::default())
}

fn link(tx: &mut Writer<'_>, goal: i64, transaction: i64) -> Result<()> {
    let missing = || Error::field("transaction_id", format!("Invalid pk \"{transaction}\" - object does not exist."));
    let id = match verbs::find::<Transaction>(tx, tx.actor(), &transaction.to_string(), UPDATE) {
        Err(Error::NotFound(_)) => return Err(missing()),
        found => found?,
    };
    let found = verbs::load::<Transaction>(tx, id)?;
    let taken = Error::conflict("already_linked", "It serves another goal already.");
    let change = || Map::from_iter([("goal".to_owned(), Json::from(goal))]);
    let Some(payment) = found.related_payment_id else {
        if found.goal.is_some_and(|other| other.0 != goal) {
            return Err(taken);
        }
        return verbs::change::<Transaction>(tx, id, change(), Options::default());
    };
    let payment = verbs::find::<Payment>(tx, tx.actor(), &payment.to_string(), UPDATE)?;
    if verbs::load::<Payment>(tx, payment)?.goal.is_some_and(|other| other.0 != goal) {
        return Err(taken);
    }
    verbs::change::<Payment>(tx, payment, change(), Options::default())
}
