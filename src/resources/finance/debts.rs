//! Who owes, and who is owed: one row for each party and currency, and how late it is.

use poem::web;
use poem_openapi::{Object, OpenApi, param::Query};

use super::{report::day, statement::keeps_books};
use crate::{
    auth::gate::Caller,
    db::Reader,
    engine::{
        query::{Parameters, parameter},
        reply::Report,
        table::{cell::Shown, tabular::Tabular},
        verbs,
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
    async fn debtors(
        &self,
        caller: Caller,
        parameters: web::Query<Parameters>,
        /// `json`, or `csv` for a file.
        #[oai(name = "format")]
        _format: Query<Option<String>>,
    ) -> poem::Result<Report<Vec<Debt>>> {
        Ok(debts(&caller, &parameters.0, "debtors", "outgoing").await?)
    }

    /// Who is owed
    ///
    /// One row for each party and currency with open bills, the most owed first.
    #[oai(path = "/finance/debts/creditors", method = "get")]
    async fn creditors(
        &self,
        caller: Caller,
        parameters: web::Query<Parameters>,
        /// `json`, or `csv` for a file.
        #[oai(name = "format")]
        _format: Query<Option<String>>,
    ) -> poem::Result<Report<Vec<Debt>>> {
        Ok(debts(&caller, &parameters.0, "creditors", "incoming").await?)
    }

    /// How late it is
    ///
    /// What is open on a day, by days past the due date. What happened later had not happened then: documents and what settles them count
    /// from their day, and a voided one counts until the day on which it was voided.
    #[oai(path = "/finance/reports/aging", method = "get")]
    async fn aging(
        &self,
        caller: Caller,
        parameters: web::Query<Parameters>,
        /// At the end of this day; today when left out.
        #[oai(name = "as_of")]
        _as_of: Query<Option<String>>,
        /// `outgoing` for what others owe, as when left out, or `incoming` for what is owed to them.
        #[oai(name = "direction")]
        _direction: Query<Option<String>>,
        /// `json`, or `csv` for a file.
        #[oai(name = "format")]
        _format: Query<Option<String>>,
    ) -> poem::Result<Report<Vec<AgedDebt>>> {
        keeps_books(&caller.actor)?;
        let at = day(&parameters.0, "as_of")?.unwrap_or(Date(caller.actor.today()));
        let direction = match parameter(&parameters.0, "direction").unwrap_or("outgoing") {
            "outgoing" => "outgoing",
            "incoming" => "incoming",
            other => return Err(Error::field("direction", format!("\"{other}\" is not a valid choice.")).into()),
        };
        let business = caller.actor.business_id();
        Ok(verbs::report(&caller, "aging", &parameters.0, move |reader| aged(reader, business, direction, at)).await?)
    }
}

async fn debts(caller: &Caller, parameters: &Parameters, name: &str, direction: &'static str) -> Result<Report<Vec<Debt>>> {
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
    verbs::report(caller, name, parameters, work).await
}

impl Tabular for Debt {
    const COLUMNS: &'static [&'static str] =
        &["party_id", "party", "currency", "invoice_count", "total_amount", "total_paid", "total_due", "next_due_date"];

    fn rows(&self) -> Vec<Vec<Shown>> {
        let whose = vec![self.party_id.into(), (&self.party).into(), (&self.currency).into(), self.invoice_count.into()];
        let sums = vec![self.total_amount.into(), self.total_paid.into(), self.total_due.into(), self.next_due_date.into()];
        vec![[whose, sums].concat()]
    }
}

impl Tabular for AgedDebt {
    const COLUMNS: &'static [&'static str] =
        &["party_id", "party", "currency", "current", "days_1_30", "days_31_60", "days_61_90", "over_90_days", "total", "credits"];

    fn rows(&self) -> Vec<Vec<Shown>> {
        let whose = vec![self.party_id.into(), (&self.party).into(), (&self.currency).into()];
        let ages = [self.current, self.days_1_30, self.days_31_60, self.days_61_90, self.over_90_days, self.total, self.credits];
        vec![[whose, ages.map(Shown::from).to_vec()].concat()]
    }
}

/// Documents as they stood on a day, and what settled them by then. Both sides of an allocation have to be there by that day; a document
/// that was voided later has none any more. So what is open less the credits is what the books say of that day.
const AGED: &str = "WITH invoice AS ( \
     SELECT i.* FROM invoices AS i LEFT JOIN journal_entries AS v ON v.id = i.void_entry_id \
     WHERE i.business_id = ?1 AND i.direction = ?2 AND i.issue_date <= ?3 AND (i.state = 'issued' OR i.state = 'void' AND v.date > ?3)), \
     payment AS ( \
     SELECT p.* FROM payments AS p LEFT JOIN journal_entries AS v ON v.id = p.void_entry_id \
     WHERE p.business_id = ?1 AND p.party_id IS NOT NULL AND p.date <= ?3 AND (p.state = 'posted' OR v.date > ?3)), \
     settled AS ( \
     SELECT a.invoice_id, a.refund_id, a.payment_id, a.credit_note_id, a.amount FROM allocations AS a \
     LEFT JOIN invoices AS i ON i.id = a.invoice_id LEFT JOIN payments AS r ON r.id = a.refund_id \
     LEFT JOIN payments AS p ON p.id = a.payment_id LEFT JOIN invoices AS c ON c.id = a.credit_note_id \
     WHERE a.business_id = ?1 AND a.date <= ?3 AND coalesce(i.issue_date, r.date) <= ?3 AND coalesce(p.date, c.issue_date) <= ?3), \
     open AS ( \
     SELECT i.party_id, i.currency, julianday(?3) - julianday(i.due_date) AS late, \
            i.total - coalesce((SELECT sum(s.amount) FROM settled AS s WHERE s.invoice_id = i.id), 0) AS due, 0 AS credit \
     FROM invoice AS i WHERE i.kind = 'invoice' \
     UNION ALL \
     SELECT c.party_id, c.currency, 0, 0, c.total - coalesce((SELECT sum(s.amount) FROM settled AS s WHERE s.credit_note_id = c.id), 0) \
     FROM invoice AS c WHERE c.kind = 'credit_note' \
     UNION ALL \
     SELECT p.party_id, p.currency, 0, 0, p.amount - coalesce((SELECT sum(s.amount) FROM settled AS s WHERE s.payment_id = p.id), 0) \
     FROM payment AS p WHERE p.direction <> ?2 AND p.purpose = 'settlement' \
     UNION ALL \
     SELECT r.party_id, r.currency, 0, 0, coalesce((SELECT sum(s.amount) FROM settled AS s WHERE s.refund_id = r.id), 0) - r.amount \
     FROM payment AS r WHERE r.direction = ?2 AND r.purpose = 'refund') \
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
