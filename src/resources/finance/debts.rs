//! Who owes, and who is owed: one row for each party and currency, and how late it is.

use poem::web::Query;
use poem_openapi::{Object, OpenApi, types::ToJSON};
use serde_json::Value as Json;

use super::statement::keeps_books;
use crate::{
    auth::gate::Caller,
    db::Reader,
    engine::{
        query::{Parameters, parameter},
        reply::Reply,
    },
    error::{Error, Result},
    kit::{Currency, Date, Money, exponent},
};

/// What a party owes or is owed in one currency.
#[derive(Object)]
pub struct Debt {
    /// The party's id.
    pub party_id: i64,
    /// What it is called.
    pub party: String,
    /// The currency.
    pub currency: Currency,
    /// How many invoices are open.
    pub invoice_count: i64,
    /// What those come to.
    pub total_amount: Money,
    /// What of that is settled.
    pub total_paid: Money,
    /// What of that is open.
    pub total_due: Money,
    /// When the first of them is due.
    pub next_due_date: Option<Date>,
}

/// What a party owes or is owed in one currency on a day, by how long it is overdue.
#[derive(Object)]
pub struct AgedDebt {
    /// The party's id.
    pub party_id: i64,
    /// What it is called.
    pub party: String,
    /// The currency.
    pub currency: Currency,
    /// Not due yet.
    pub current: Money,
    /// Overdue for 1 to 30 days.
    pub days_1_30: Money,
    /// Overdue for 31 to 60 days.
    pub days_31_60: Money,
    /// Overdue for 61 to 90 days.
    pub days_61_90: Money,
    /// Overdue for longer.
    pub over_90_days: Money,
    /// All of it.
    pub total: Money,
    /// What was paid ahead or credited and settles nothing yet; not part of the total.
    pub credits: Money,
}

pub struct DebtVerbs;

#[OpenApi]
impl DebtVerbs {
    /// Who owes
    ///
    /// One row for each party and currency with open invoices, the most owed first.
    #[oai(path = "/finance/debts/debtors", method = "get")]
    async fn debtors(&self, caller: Caller) -> poem::Result<Reply<Vec<Debt>>> {
        Ok(debts(&caller, "outgoing").await?)
    }

    /// Who is owed
    ///
    /// One row for each party and currency with open bills, the most owed first.
    #[oai(path = "/finance/debts/creditors", method = "get")]
    async fn creditors(&self, caller: Caller) -> poem::Result<Reply<Vec<Debt>>> {
        Ok(debts(&caller, "incoming").await?)
    }

    /// How late it is
    ///
    /// What is open on a day (`as_of`, today when left out), by days past the due date; `direction` is `outgoing` for what others owe, or
    /// `incoming`. What was settled later than that day counts as open.
    #[oai(path = "/finance/reports/aging", method = "get")]
    async fn aging(&self, caller: Caller, parameters: Query<Parameters>) -> poem::Result<Reply<Vec<AgedDebt>>> {
        keeps_books(&caller.actor)?;
        let day = match parameter(&parameters.0, "as_of").map(str::trim).filter(|day| !day.is_empty()) {
            None => Date(caller.actor.today()),
            Some(day) => Date::parse(day).ok_or_else(|| Error::field("as_of", "Enter a valid date."))?,
        };
        let direction = match parameter(&parameters.0, "direction").unwrap_or("outgoing") {
            "outgoing" => "outgoing",
            "incoming" => "incoming",
            other => return Err(Error::field("direction", format!("\"{other}\" is not a valid choice.")).into()),
        };
        let business = caller.actor.business_id();
        let rows = caller.scan(move |reader| aged(reader, business, direction, day)).await?;
        Ok(Reply::json(&rows.to_json().unwrap_or_default()))
    }
}

async fn debts(caller: &Caller, direction: &'static str) -> Result<Reply<Vec<Debt>>> {
    keeps_books(&caller.actor)?;
    let business = caller.actor.business_id();
    let sql = "SELECT p.id, p.name, i.currency, count(*), sum(i.total), sum(i.amount_allocated), min(i.due_date) \
               FROM invoices AS i JOIN parties AS p ON p.id = i.party_id \
               WHERE i.business_id = ?1 AND i.direction = ?2 AND i.state = 'issued' AND i.kind = 'invoice' AND i.amount_allocated < i.total \
               GROUP BY p.id, i.currency ORDER BY sum(i.total - i.amount_allocated) DESC, p.id, i.currency";
    let work = move |reader: &Reader<'_>| {
        reader.rows(sql, &[business.into(), direction.into()], |row| {
            let currency: String = row.get(2)?;
            let (total, paid): (i64, i64) = (row.get(4)?, row.get(5)?);
            let money = |minor| Money { minor, exponent: exponent(&currency) };
            Ok(Debt {
                party_id: row.get(0)?,
                party: row.get(1)?,
                invoice_count: row.get(3)?,
                total_amount: money(total),
                total_paid: money(paid),
                total_due: money(total - paid),
                next_due_date: row.get::<Option<String>>(6)?.and_then(|date| Date::parse(&date)),
                currency: Currency(currency.clone()),
            })
        })
    };
    let rows: Vec<Debt> = caller.scan(work).await?;
    Ok(Reply::json(&rows.to_json().unwrap_or(Json::Null)))
}

/// Invoices as they stood on a day: those of later days, and what was settled later, had not happened yet.
const AGED: &str = "WITH open AS ( \
     SELECT i.party_id, i.currency, julianday(?3) - julianday(i.due_date) AS late, i.total - coalesce( \
            (SELECT sum(a.amount) FROM allocations AS a WHERE a.invoice_id = i.id AND a.business_id = i.business_id AND a.date <= ?3), 0) AS due, 0 AS credit \
     FROM invoices AS i WHERE i.business_id = ?1 AND i.direction = ?2 AND i.state = 'issued' AND i.kind = 'invoice' AND i.issue_date <= ?3 \
     UNION ALL \
     SELECT c.party_id, c.currency, 0, 0, c.total - coalesce( \
            (SELECT sum(a.amount) FROM allocations AS a WHERE a.credit_note_id = c.id AND a.business_id = c.business_id AND a.date <= ?3), 0) \
     FROM invoices AS c WHERE c.business_id = ?1 AND c.direction = ?2 AND c.state = 'issued' AND c.kind = 'credit_note' AND c.issue_date <= ?3 \
     UNION ALL \
     SELECT p.party_id, p.currency, 0, 0, p.amount - coalesce( \
            (SELECT sum(a.amount) FROM allocations AS a WHERE a.payment_id = p.id AND a.business_id = p.business_id AND a.date <= ?3), 0) \
     FROM payments AS p WHERE p.business_id = ?1 AND p.direction <> ?2 AND p.state = 'posted' AND p.purpose = 'settlement' \
          AND p.party_id IS NOT NULL AND p.date <= ?3) \
     SELECT o.party_id, p.name, o.currency, sum(CASE WHEN late <= 0 THEN due ELSE 0 END), sum(CASE WHEN late BETWEEN 1 AND 30 THEN due ELSE 0 END), \
            sum(CASE WHEN late BETWEEN 31 AND 60 THEN due ELSE 0 END), sum(CASE WHEN late BETWEEN 61 AND 90 THEN due ELSE 0 END), \
            sum(CASE WHEN late > 90 THEN due ELSE 0 END), sum(due), sum(credit) \
     FROM open AS o JOIN parties AS p ON p.id = o.party_id GROUP BY o.party_id, o.currency HAVING sum(due) <> 0 OR sum(credit) <> 0 \
     ORDER BY sum(due) DESC, o.party_id, o.currency";

fn aged(reader: &Reader<'_>, business: Option<i64>, direction: &str, day: Date) -> Result<Vec<AgedDebt>> {
    reader.rows(AGED, &[business.into(), direction.into(), day.to_string().into()], |row| {
        let currency: String = row.get(2)?;
        let money = |index: usize| row.get::<i64>(index).map(|minor| Money { minor, exponent: exponent(&currency) });
        Ok(AgedDebt {
            party_id: row.get(0)?,
            party: row.get(1)?,
            current: money(3)?,
            days_1_30: money(4)?,
            days_31_60: money(5)?,
            days_61_90: money(6)?,
            over_90_days: money(7)?,
            total: money(8)?,
            credits: money(9)?,
            currency: Currency(currency.clone()),
        })
    })
}
