//! What can be done with recurring invoices besides the operations that every resource has.

use poem_openapi::{OpenApi, param::Path};

use super::{RecurringInvoice, RecurringStatus, run};
use crate::{
    auth::gate::Caller,
    db::Writer,
    engine::{CREATE, UPDATE, reply::Reply, verbs},
    error::{Error, Result},
    kit::Date,
    resources::finance::invoice::Invoice,
};

pub struct RecurringVerbs {
    /// What links in messages start with.
    pub public_url: String,
}

#[OpenApi]
impl RecurringVerbs {
    /// Pause a recurring invoice
    ///
    /// It makes no invoices until it is taken up again.
    #[oai(path = "/finance/recurring-invoices/:id/pause", method = "post")]
    async fn pause(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<RecurringInvoice>> {
        let work = move |tx: &mut Writer<'_>| {
            let (id, recurring) = found(tx, &id.0)?;
            if recurring.status != RecurringStatus::Active {
                return Err(Error::conflict("invalid_transition", "Only what is active is paused."));
            }
            tx.act("pause");
            tx.update("recurring_invoices", id, vec![("status", "paused".into())])?;
            Ok(id)
        };
        Ok(verbs::act_on::<RecurringInvoice>(&caller, work).await?)
    }

    /// Take a recurring invoice up again
    ///
    /// From the first of its days that is not over; those that passed meanwhile make no invoices.
    #[oai(path = "/finance/recurring-invoices/:id/resume", method = "post")]
    async fn resume(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<RecurringInvoice>> {
        Ok(verbs::act_on::<RecurringInvoice>(&caller, move |tx| resume(tx, &id.0)).await?)
    }

    /// Make the next invoice of a recurring invoice now
    ///
    /// In place of the one that its next day would make. Answers the invoice.
    #[oai(path = "/finance/recurring-invoices/:id/run-now", method = "post")]
    async fn run_now(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<Invoice, 201>> {
        verbs::allowed::<Invoice>(&caller.actor, CREATE)?;
        let public_url = self.public_url.clone();
        let work = move |tx: &mut Writer<'_>| {
            let (id, _) = found(tx, &id.0)?;
            run::run(tx, id, &public_url)
        };
        Ok(verbs::act_making::<Invoice>(&caller, work).await?)
    }

    /// Pass over the next day of a recurring invoice
    #[oai(path = "/finance/recurring-invoices/:id/skip", method = "post")]
    async fn skip(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<RecurringInvoice>> {
        let work = move |tx: &mut Writer<'_>| {
            let (id, _) = found(tx, &id.0)?;
            run::skip(tx, id)?;
            Ok(id)
        };
        Ok(verbs::act_on::<RecurringInvoice>(&caller, work).await?)
    }
}

fn found(tx: &Writer<'_>, key: &str) -> Result<(i64, RecurringInvoice)> {
    let id = verbs::find::<RecurringInvoice>(tx, tx.actor(), key, UPDATE)?;
    Ok((id, verbs::load(tx, id)?))
}

fn resume(tx: &mut Writer<'_>, key: &str) -> Result<i64> {
    let (id, recurring) = found(tx, key)?;
    if recurring.status != RecurringStatus::Paused {
        return Err(Error::conflict("invalid_transition", "Only what is paused is taken up again."));
    }
    let (today, mut next) = (Date(tx.actor().today()), recurring.next_run_on);
    while next < today {
        next = recurring.next_after(tx, id, next)?;
    }
    let is_over = recurring.end_on.is_some_and(|end| next > end);
    let status = if is_over { "ended" } else { "active" };
    tx.act("resume");
    tx.update("recurring_invoices", id, vec![("status", status.into()), ("next_run_on", next.to_string().into())])?;
    Ok(id)
}
