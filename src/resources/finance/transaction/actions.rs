//! What can be done with transactions besides the operations that every resource has.

use poem_openapi::{OpenApi, param::Path};
use serde_json::Map;

use super::{Transaction, TransactionSource, TransactionState};
use crate::{
    auth::gate::Caller,
    db::{Row, Writer},
    engine::{
        Options, UPDATE,
        body::Input,
        reply::{NoContent, Reply},
        verbs,
    },
    error::{Error, Result},
    kit::Date,
    resources::finance::{
        goal,
        journal::{Reverse, check_reversal},
        ledger,
    },
};

pub struct TransactionVerbs;

#[OpenApi]
impl TransactionVerbs {
    /// Reverse a transaction
    ///
    /// Posts the exact negation of its entry, once; both stay in the books. Managers and administrators reverse any, others what they
    /// entered themselves on the same day. That of a payment is taken back by the payment.
    #[oai(path = "/finance/transactions/:id/reverse", method = "post")]
    async fn reverse(&self, caller: Caller, id: Path<String>, body: Input<Reverse>) -> poem::Result<Reply<Transaction>> {
        verbs::allowed::<Transaction>(&caller.actor, UPDATE)?;
        let work = move |tx: &mut Writer<'_>| {
            let id = verbs::find::<Transaction>(tx, tx.actor(), &id.0, UPDATE)?;
            let wanted = body.get()?;
            reverse(tx, id, wanted.date, &wanted.reason)?;
            Ok(id)
        };
        Ok(verbs::act_on::<Transaction>(&caller, work).await?)
    }

    /// Delete a transaction
    ///
    /// A draft goes; a posted transaction is reversed today, and stays in the list.
    #[oai(path = "/finance/transactions/:id", method = "delete", operation_id = "finance_transactions_destroy")]
    async fn delete(&self, caller: Caller, id: Path<String>) -> poem::Result<NoContent> {
        verbs::allowed::<Transaction>(&caller.actor, UPDATE)?;
        let work = move |tx: &mut Writer<'_>| {
            let id = verbs::find::<Transaction>(tx, tx.actor(), &id.0, UPDATE)?;
            match verbs::load::<Transaction>(tx, id)?.state {
                TransactionState::Draft => delete_draft(tx, id),
                _ => reverse(tx, id, None, ""),
            }
        };
        caller.write(work).await?;
        Ok(NoContent)
    }
}

/// Who entered it, and on which day it is dated.
fn entered(tx: &Writer<'_>, id: i64) -> Result<(bool, String)> {
    let sql = "SELECT created_by IS ?2, date FROM transactions WHERE id = ?1";
    let read = |row: &Row<'_>| Ok((row.get::<bool>(0)?, row.get::<String>(1)?));
    tx.row(sql, &[id.into(), tx.actor().user_id.into()], read)?.ok_or_else(Error::not_found)
}

fn delete_draft(tx: &mut Writer<'_>, id: i64) -> Result<()> {
    let (is_own, _) = entered(tx, id)?;
    if is_own || tx.actor().is_manager() { verbs::remove::<Transaction>(tx, id) } else { Err(Error::forbidden()) }
}

fn reverse(tx: &mut Writer<'_>, id: i64, date: Option<Date>, reason: &str) -> Result<()> {
    let transaction = verbs::load::<Transaction>(tx, id)?;
    let (is_own, day) = entered(tx, id)?;
    check_reversal(tx, is_own, &day)?;
    match (transaction.state, transaction.source, transaction.journal_entry) {
        (TransactionState::Reversed, ..) => Err(Error::conflict("already_reversed", "This transaction was reversed already.")),
        (_, TransactionSource::Payment, _) => Err(Error::conflict("in_use", "This is the row of a payment; void the payment instead.")),
        (TransactionState::Posted, _, Some(entry)) => {
            let memo = if reason.is_empty() { format!("Reversal of transaction {id}") } else { reason.to_owned() };
            ledger::reverse(tx, entry.0, date, &memo)?;
            tx.act("reverse");
            let changes = Map::from_iter([("state".to_owned(), "reversed".into())]);
            verbs::change::<Transaction>(tx, id, changes, Options { internal: true, ..Options::default() })?;
            transaction.goal.map_or(Ok(()), |goal| goal::moved(tx, goal.0, goal::Moves::Back))
        }
        _ => Err(Error::conflict("invalid_transition", "A draft is not in the books; delete it instead.")),
    }
}
