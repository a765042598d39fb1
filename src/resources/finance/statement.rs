//! What has passed between the business and one party, and what is open of it.

use poem::web;
use poem_openapi::{
    Object, OpenApi,
    param::{self, Path},
    types::ToJSON,
};

use super::{Invoice, Party, invoice::Direction, report::day};
use crate::{
    actor::Actor,
    auth::gate::Caller,
    db::{Reader, Row, Value},
    engine::{
        LIST, READ, Reach, descriptor,
        query::{Parameters, parameter},
        reply::{Reply, Report},
        table::{cell::Shown, tabular::Tabular},
        verbs,
    },
    error::{Error, Result},
    kit::{Currency, Date, Money, exponent},
};

/// What passed in one currency.
#[derive(Object)]
pub struct Statement {
    /// The currency.
    pub currency: Currency,
    /// What the party owed before, less what it was owed.
    pub opening_balance: Money,
    /// What happened, in the order of the days.
    pub lines: Vec<StatementLine>,
    /// What the party owes in the end, less what it is owed.
    pub closing_balance: Money,
}

/// Something that changed what a party owes.
#[derive(Object)]
pub struct StatementLine {
    /// The day.
    pub date: Date,
    /// What it was, with its number.
    pub document: String,
    /// So much more is owed by them.
    pub debit: Money,
    /// So much less.
    pub credit: Money,
    /// What they owe after it.
    pub balance: Money,
}

/// An invoice of which something is open.
#[derive(Object)]
pub struct OpenItem {
    /// The id of the invoice.
    pub id: i64,
    /// Its number.
    pub number: String,
    /// Does the business sell or buy?
    pub direction: Direction,
    /// Its date.
    pub issue_date: Date,
    /// When it is to be paid.
    pub due_date: Date,
    /// Is that over?
    pub is_overdue: bool,
    /// The currency.
    pub currency: Currency,
    /// What it comes to.
    pub total: Money,
    /// What of that is settled.
    pub paid_amount: Money,
    /// What of that is open.
    pub amount_due: Money,
}

/// A party with its open invoices.
#[derive(Object)]
pub struct PartyWithUnpaid {
    /// The id of the party.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// What it is to the business.
    #[oai(rename = "type")]
    pub kind: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// The currency of the sum.
    pub currency: Currency,
    /// What is open of all of its invoices in that currency.
    pub total_due: Money,
    /// The open invoices, the first due first.
    pub invoices: Vec<OpenItem>,
}

pub struct StatementVerbs;

#[OpenApi]
impl StatementVerbs {
    /// Read the statement of a party
    ///
    /// What it owed, what passed from one day to another, both included, and what it owes then, by currency. It is what the books say; what
    /// a party is owed counts as less than nothing.
    #[oai(path = "/finance/parties/:id/statement", method = "get")]
    async fn statement(
        &self,
        caller: Caller,
        id: Path<String>,
        parameters: web::Query<Parameters>,
        /// The first day: `2026-01-01`; since the books began when left out.
        #[oai(name = "from")]
        _from: param::Query<Option<String>>,
        /// The last day; all that there is when left out.
        #[oai(name = "to")]
        _to: param::Query<Option<String>>,
        /// `json`, or `csv` for a file with a line for each of the statement, and for what was owed before and after.
        #[oai(name = "format")]
        _format: param::Query<Option<String>>,
    ) -> poem::Result<Report<Vec<Statement>>> {
        let (actor, key) = (caller.actor.clone(), id.0);
        keeps_books(&actor)?;
        let (from, to) = (day(&parameters.0, "from")?, day(&parameters.0, "to")?);
        let work = move |reader: &Reader<'_>| {
            let id = verbs::find::<Party>(reader, &actor, &key, READ)?;
            statement(reader, &actor, id, from, to)
        };
        Ok(verbs::report(&caller, "statement", &parameters.0, work).await?)
    }

    /// List what is open with a party
    ///
    /// Its invoices and bills that are not settled, the first due first.
    #[oai(path = "/finance/parties/:id/open-items", method = "get")]
    async fn open_items(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<Vec<OpenItem>>> {
        let (actor, key) = (caller.actor.clone(), id.0);
        keeps_books(&actor)?;
        let work = move |reader: &Reader<'_>| {
            let id = verbs::find::<Party>(reader, &actor, &key, READ)?;
            open_items(reader, &actor, id, None)
        };
        Ok(Reply::json(&caller.scan(work).await?.to_json().unwrap_or_default()))
    }

    /// List what a party owes or is owed
    ///
    /// Its open invoices of a `direction`: `outgoing` for what it owes, `incoming` for what it is owed.
    #[oai(path = "/finance/debts/party/:party_id", method = "get")]
    async fn debts(
        &self,
        caller: Caller,
        party_id: Path<String>,
        parameters: web::Query<Parameters>,
    ) -> poem::Result<Reply<Vec<OpenItem>>> {
        let (actor, key) = (caller.actor.clone(), party_id.0);
        keeps_books(&actor)?;
        let direction = match parameter(&parameters.0, "direction") {
            Some("outgoing") => Direction::Outgoing,
            Some("incoming") => Direction::Incoming,
            _ => return Err(Error::Malformed("Missing or invalid 'direction' (incoming|outgoing)".into()).into()),
        };
        let work = move |reader: &Reader<'_>| {
            let id = verbs::find::<Party>(reader, &actor, &key, READ)?;
            open_items(reader, &actor, id, Some(direction))
        };
        Ok(Reply::json(&caller.scan(work).await?.to_json().unwrap_or_default()))
    }

    /// Read a party with its open invoices
    #[oai(path = "/finance/party-finance/:id", method = "get")]
    async fn party(&self, caller: Caller, id: Path<String>) -> poem::Result<Reply<PartyWithUnpaid>> {
        let (actor, key) = (caller.actor.clone(), id.0);
        keeps_books(&actor)?;
        let work = move |reader: &Reader<'_>| {
            let id = verbs::find::<Party>(reader, &actor, &key, READ)?;
            with_unpaid(reader, &actor, id, None)
        };
        Ok(Reply::json(&caller.scan(work).await?.to_json().unwrap_or_default()))
    }
}

/// Which parties are wanted with their open invoices.
#[derive(Clone)]
pub struct PartiesWithUnpaid {
    actor: Actor,
    direction: Option<Direction>,
}

impl PartiesWithUnpaid {
    /// Reads `role` for those who keep the books.
    pub fn read(actor: &Actor, role: Option<&str>) -> Result<Self> {
        keeps_books(actor)?;
        let direction = match role.map(str::trim).filter(|role| !role.is_empty()) {
            None => None,
            Some("debtors") => Some(Direction::Outgoing),
            Some("creditors") => Some(Direction::Incoming),
            Some(other) => return Err(Error::field("role", format!("\"{other}\" is not a valid choice."))),
        };
        Ok(Self { actor: actor.clone(), direction })
    }

    fn args(&self) -> [Value; 2] {
        [self.actor.business_id().into(), self.direction.map(Direction::name).into()]
    }

    pub fn count(&self, reader: &Reader<'_>) -> Result<i64> {
        Ok(reader.one(&format!("SELECT count(*) FROM parties AS p WHERE {UNPAID}"), &self.args())?.unwrap_or(0))
    }

    /// So many of them, after so many others.
    pub fn rows(&self, reader: &Reader<'_>, size: u64, offset: u64) -> Result<Vec<PartyWithUnpaid>> {
        let sql = format!("SELECT p.id FROM parties AS p WHERE {UNPAID} ORDER BY p.name, p.id LIMIT {size} OFFSET {offset}");
        let ids: Vec<i64> = reader.rows(&sql, &self.args(), |row| row.get(0))?;
        ids.into_iter().map(|id| with_unpaid(reader, &self.actor, id, self.direction)).collect()
    }
}

const UNPAID: &str = "p.business_id = ?1 AND p.deleted_at IS NULL AND EXISTS (SELECT 1 FROM invoices AS i WHERE i.business_id = p.business_id \
     AND i.party_id = p.id AND i.state = 'issued' AND i.kind = 'invoice' AND i.amount_allocated < i.total AND i.deleted_at IS NULL \
     AND (?2 IS NULL OR i.direction = ?2))";

/// Only those who see all invoices see what passed with others.
pub(super) fn keeps_books(actor: &Actor) -> Result<()> {
    let sees_all = actor.business.is_some() && descriptor::of::<Invoice>().reach(actor, LIST) == Reach::All;
    if sees_all { Ok(()) } else { Err(Error::forbidden()) }
}

fn statement(reader: &Reader<'_>, actor: &Actor, party: i64, from: Option<Date>, to: Option<Date>) -> Result<Vec<Statement>> {
    let sql = "SELECT l.currency, e.date, e.memo, sum(l.amount) FROM journal_lines AS l \
               JOIN accounts AS a ON a.id = l.account_id JOIN journal_entries AS e ON e.id = l.entry_id \
               WHERE l.business_id = ?1 AND l.party_id = ?2 AND (a.type = 'receivable' OR a.type = 'payable') AND e.state = 'posted' \
                     AND (?3 IS NULL OR e.date <= ?3) \
               GROUP BY l.currency, e.id ORDER BY l.currency, e.date, e.id";
    let args = [actor.business_id().into(), party.into(), to.map(|to| to.to_string()).into()];
    let mut all: Vec<Statement> = vec![];
    reader.each(sql, &args, |row| {
        let (currency, date, amount): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(3)?);
        let money = |minor| Money { minor, exponent: exponent(&currency) };
        if all.last().is_none_or(|last| last.currency.0 != currency) {
            let (currency, zero) = (Currency(currency.clone()), money(0));
            all.push(Statement { currency, opening_balance: zero, lines: vec![], closing_balance: zero });
        }
        let Some(last) = all.last_mut() else { return Ok(()) };
        let date = Date::parse(&date).ok_or_else(|| Error::internal("an entry without a date"))?;
        last.closing_balance.minor += amount;
        if from.is_some_and(|from| date < from) {
            last.opening_balance.minor += amount;
        } else if amount != 0 {
            let (debit, credit, balance) = (money(amount.max(0)), money((-amount).max(0)), last.closing_balance);
            last.lines.push(StatementLine { date, document: row.get(2)?, debit, credit, balance });
        }
        Ok(())
    })?;
    Ok(all)
}

impl Tabular for Statement {
    const COLUMNS: &'static [&'static str] = &["currency", "date", "document", "debit", "credit", "balance"];

    fn rows(&self) -> Vec<Vec<Shown>> {
        let balance =
            |what: &str, amount: Money| vec![(&self.currency).into(), Shown::Empty, what.into(), Shown::Empty, Shown::Empty, amount.into()];
        let line = |line: &StatementLine| {
            let what = vec![(&self.currency).into(), line.date.into(), (&line.document).into()];
            [what, vec![line.debit.into(), line.credit.into(), line.balance.into()]].concat()
        };
        let mut rows = vec![balance("Opening balance", self.opening_balance)];
        rows.extend(self.lines.iter().map(line));
        rows.push(balance("Closing balance", self.closing_balance));
        rows
    }
}

fn open_items(reader: &Reader<'_>, actor: &Actor, party: i64, direction: Option<Direction>) -> Result<Vec<OpenItem>> {
    let sql = "SELECT id, coalesce(number, ''), direction, issue_date, due_date, currency, total, amount_allocated FROM invoices \
               WHERE business_id = ?1 AND party_id = ?2 AND state = 'issued' AND kind = 'invoice' AND amount_allocated < total \
                     AND (?3 IS NULL OR direction = ?3) ORDER BY due_date, id";
    let today = Date(actor.today());
    let read = |row: &Row<'_>| {
        let currency: String = row.get(5)?;
        let (total, paid): (i64, i64) = (row.get(6)?, row.get(7)?);
        let money = |minor| Money { minor, exponent: exponent(&currency) };
        let day = |text: String| Date::parse(&text).ok_or_else(|| Error::internal("an invoice without a date"));
        let due_date = day(row.get(4)?)?;
        Ok(OpenItem {
            id: row.get(0)?,
            number: row.get(1)?,
            direction: if row.get::<String>(2)? == "outgoing" { Direction::Outgoing } else { Direction::Incoming },
            issue_date: day(row.get(3)?)?,
            due_date,
            is_overdue: due_date < today,
            total: money(total),
            paid_amount: money(paid),
            amount_due: money(total - paid),
            currency: Currency(currency.clone()),
        })
    };
    reader.rows(sql, &[actor.business_id().into(), party.into(), direction.map(Direction::name).into()], read)
}

fn with_unpaid(reader: &Reader<'_>, actor: &Actor, id: i64, direction: Option<Direction>) -> Result<PartyWithUnpaid> {
    let invoices = open_items(reader, actor, id, direction)?;
    let sql = "SELECT name, type, email, phone, currency FROM parties WHERE id = ?1";
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get::<String>(4)?));
    let (name, kind, email, phone, currency) = reader.row(sql, &[id.into()], read)?.ok_or_else(Error::not_found)?;
    let minor = invoices.iter().filter(|one| one.currency.0 == currency).map(|one| one.amount_due.minor).sum();
    let total_due = Money { minor, exponent: exponent(&currency) };
    Ok(PartyWithUnpaid { id, name, kind, email, phone, currency: Currency(currency), total_due, invoices })
}
