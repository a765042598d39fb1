//! Reports over the books: read from what was posted, so that they agree with each other and with it.
//!
//! Of each the days are those of the business, both ends included. A period without a beginning begins with the books; one without an end
//! ends today.

mod cash_flow;
mod profit_loss;
mod summary;
mod tax;
mod trial_balance;

use std::collections::BTreeMap;

use poem::web;
use poem_openapi::{OpenApi, param::Query, types::ToJSON};

use self::{cash_flow::CashFlow, profit_loss::ProfitLoss, summary::FinanceSummary, tax::TaxReport, trial_balance::TrialBalance};
use super::statement::keeps_books;
use crate::{
    actor::Actor,
    auth::gate::Caller,
    db::{Reader, Value},
    engine::{
        query::{Parameters, parameter},
        reply::Report,
        table::tabular::Tabular,
        verbs,
    },
    error::{Error, Result},
    kit::Date,
};

/// From one day to another.
#[derive(Debug, Clone, Copy)]
pub struct Period {
    /// Since the books began, when left out.
    pub from: Option<Date>,
    pub to: Date,
}

impl Period {
    /// As `from` and `to` say.
    ///
    /// # Errors
    /// 400 for what is no day, and for an end before the beginning.
    pub fn parse(parameters: &Parameters, actor: &Actor) -> Result<Self> {
        let (from, to) = (day(parameters, "from")?, day(parameters, "to")?.unwrap_or(Date(actor.today())));
        if from.is_some_and(|from| from > to) {
            return Err(Error::field("to", "Ensure this date is not before the beginning."));
        }
        Ok(Self { from, to })
    }

    /// `?1` to `?3` of the statements of reports: the business and the two days.
    fn args(self, actor: &Actor) -> [Value; 3] {
        [actor.business_id().into(), self.from.map(|from| from.to_string()).into(), self.to.to_string().into()]
    }
}

/// A day that a parameter names.
///
/// # Errors
/// 400 for what is none.
pub fn day(parameters: &Parameters, name: &str) -> Result<Option<Date>> {
    match parameter(parameters, name).map(str::trim).filter(|day| !day.is_empty()) {
        None => Ok(None),
        Some(day) => Date::parse(day).map(Some).ok_or_else(|| Error::field(name, "Enter a valid date.")),
    }
}

/// Lines of posted entries, as `l`, with their entries `e` and accounts `a`, up to the end of the period.
const POSTED: &str = "journal_lines AS l JOIN journal_entries AS e ON e.id = l.entry_id JOIN accounts AS a ON a.id = l.account_id \
                      WHERE l.business_id = ?1 AND e.business_id = ?1 AND e.state = 'posted' AND e.date <= ?3";
/// Those of the period alone.
const SINCE: &str = "(?2 IS NULL OR e.date >= ?2)";

/// What is told of each currency, in their order.
type ByCurrency<T> = BTreeMap<String, T>;

pub struct ReportVerbs;

#[OpenApi]
impl ReportVerbs {
    /// Read how the business stands
    ///
    /// What came in and went out in a period, by the cash book: income and expenses that were posted and not reversed; transfers and
    /// opening balances are neither. The first amounts are in the currency of the business; `currencies` has those of each, with what was
    /// earned and spent by the books, whether or not it was paid, and the money that there was in the end.
    #[oai(path = "/finance/summary", method = "get")]
    async fn summary(
        &self,
        caller: Caller,
        parameters: web::Query<Parameters>,
        /// The first day: `2026-01-01`; since the books began when left out.
        #[oai(name = "from")]
        _from: Query<Option<String>>,
        /// The last day; today when left out.
        #[oai(name = "to")]
        _to: Query<Option<String>>,
        /// `json`, or `csv` for a file with a line for each currency.
        #[oai(name = "format")]
        _format: Query<Option<String>>,
    ) -> poem::Result<Report<FinanceSummary>> {
        keeps_books(&caller.actor)?;
        let (period, actor, db) = (Period::parse(&parameters.0, &caller.actor)?, caller.actor.clone(), caller.db.clone());
        let work = move |reader: &Reader<'_>| summary::summary(reader, db.catalog(), &actor, period);
        Ok(verbs::report(&caller, "summary", &parameters.0, work).await?)
    }

    /// Read profit and loss
    ///
    /// What was earned and spent in a period, by account and currency, by the books: an invoice counts on its date, whether or not it was
    /// paid. The profit is the change of the owners' share by it.
    #[oai(path = "/finance/reports/profit-loss", method = "get")]
    async fn profit_loss(
        &self,
        caller: Caller,
        parameters: web::Query<Parameters>,
        /// The first day: `2026-01-01`; since the books began when left out.
        #[oai(name = "from")]
        _from: Query<Option<String>>,
        /// The last day; today when left out.
        #[oai(name = "to")]
        _to: Query<Option<String>>,
        /// `json`, or `csv` for a file with a line for each account and total.
        #[oai(name = "format")]
        _format: Query<Option<String>>,
    ) -> poem::Result<Report<Vec<ProfitLoss>>> {
        Ok(of_period(&caller, "profit-loss", &parameters.0, profit_loss::profit_loss).await?)
    }

    /// Read the trial balance
    ///
    /// What is on each account at the end of a day, as debit or credit, by currency. Both sides come to the same.
    #[oai(path = "/finance/reports/trial-balance", method = "get")]
    async fn trial_balance(
        &self,
        caller: Caller,
        parameters: web::Query<Parameters>,
        /// At the end of this day; today when left out.
        #[oai(name = "as_of")]
        _as_of: Query<Option<String>>,
        /// `json`, or `csv` for a file with a line for each account and total.
        #[oai(name = "format")]
        _format: Query<Option<String>>,
    ) -> poem::Result<Report<Vec<TrialBalance>>> {
        keeps_books(&caller.actor)?;
        let to = day(&parameters.0, "as_of")?.unwrap_or(Date(caller.actor.today()));
        let actor = caller.actor.clone();
        let work = move |reader: &Reader<'_>| trial_balance::trial_balance(reader, &actor, Period { from: None, to });
        Ok(verbs::report(&caller, "trial-balance", &parameters.0, work).await?)
    }

    /// Read the cash flow
    ///
    /// The money that there was before a period and after it, and by which accounts it came and went, by currency: what customers paid
    /// comes from the account of what they owe. What only went from one place for money to another is not in it, but for its charges.
    #[oai(path = "/finance/reports/cash-flow", method = "get")]
    async fn cash_flow(
        &self,
        caller: Caller,
        parameters: web::Query<Parameters>,
        /// The first day: `2026-01-01`; since the books began when left out.
        #[oai(name = "from")]
        _from: Query<Option<String>>,
        /// The last day; today when left out.
        #[oai(name = "to")]
        _to: Query<Option<String>>,
        /// `json`, or `csv` for a file with a line for each account and total.
        #[oai(name = "format")]
        _format: Query<Option<String>>,
    ) -> poem::Result<Report<Vec<CashFlow>>> {
        Ok(of_period(&caller, "cash-flow", &parameters.0, cash_flow::cash_flow).await?)
    }

    /// Read what tax there is
    ///
    /// What was sold and bought in a period at each rate and what tax that bears, by currency: a document counts on its date, and takes
    /// itself back on the day when it is voided. What else was posted to the accounts of tax, such as paying it, has a line of its own.
    #[oai(path = "/finance/reports/tax", method = "get")]
    async fn tax(
        &self,
        caller: Caller,
        parameters: web::Query<Parameters>,
        /// The first day: `2026-01-01`; since the books began when left out.
        #[oai(name = "from")]
        _from: Query<Option<String>>,
        /// The last day; today when left out.
        #[oai(name = "to")]
        _to: Query<Option<String>>,
        /// `json`, or `csv` for a file with a line for each rate and total.
        #[oai(name = "format")]
        _format: Query<Option<String>>,
    ) -> poem::Result<Report<Vec<TaxReport>>> {
        Ok(of_period(&caller, "tax", &parameters.0, tax::tax).await?)
    }
}

/// A report over a period.
async fn of_period<S: Tabular + ToJSON + Send + 'static>(
    caller: &Caller,
    name: &str,
    parameters: &Parameters,
    read: fn(&Reader<'_>, &Actor, Period) -> Result<S>,
) -> Result<Report<S>> {
    keeps_books(&caller.actor)?;
    let (period, actor) = (Period::parse(parameters, &caller.actor)?, caller.actor.clone());
    verbs::report(caller, name, parameters, move |reader| read(reader, &actor, period)).await
}
