//! Tax: what documents bear at each rate, and what else happened on the accounts of tax.

use poem_openapi::{Enum, Object};

use super::{ByCurrency, POSTED, Period, SINCE};
use crate::{
    actor::Actor,
    db::{Reader, Row},
    engine::table::{cell::Shown, tabular::Tabular},
    error::Result,
    kit::{Currency, Money, Percent, exponent},
};

/// The tax of one currency.
#[derive(Object)]
pub struct TaxReport {
    /// The currency.
    pub currency: Currency,
    /// What was sold and bought at each rate, and what else there was.
    pub lines: Vec<TaxLine>,
    /// All tax on what was sold: the movement of the account of tax to be handed on.
    pub output_tax: Money,
    /// All tax on what was bought: the movement of the account of tax that can be claimed back.
    pub input_tax: Money,
    /// What of it is to be handed on; below zero, it can be claimed back.
    pub due: Money,
}

/// What a line of the report is about.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[oai(rename_all = "snake_case", rename = "TaxLineKindEnum")]
pub enum TaxLineKind {
    /// Documents, at a rate.
    Rate,
    /// Documents, without tax.
    Untaxed,
    /// What is on no document: entries by hand, and paying the tax.
    Other,
}

impl TaxLineKind {
    fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Untaxed => "untaxed",
            Self::Other => "other",
        }
    }
}

/// What was sold and bought at one rate.
#[derive(Object)]
pub struct TaxLine {
    /// What it is about.
    pub kind: TaxLineKind,
    /// What the rate was called on the documents; empty where there is none.
    pub name: Option<String>,
    /// The percentage; empty where there is none.
    pub percent: Option<Percent>,
    /// What was sold, without tax; credit notes count against it, what was written off does not.
    pub sales: Money,
    /// The tax on it.
    pub output_tax: Money,
    /// What was bought, without tax.
    pub purchases: Money,
    /// The tax on it.
    pub input_tax: Money,
}

/// What a line says, as it is summed up: sales, output tax, purchases, input tax.
type Sums = [i64; 4];
/// What lines are told apart by.
type Key = (TaxLineKind, String, i64);

/// A credit note counts against what an invoice says, and so does what takes either back. Bad debts are no less sales.
fn documents() -> String {
    format!(
        "SELECT i.currency, t.tax_rate_id IS NOT NULL, t.tax_name, t.tax_percent, i.direction = 'outgoing', \
                sum(CASE WHEN i.direction = 'outgoing' AND b.class = 'expense' THEN 0 ELSE sign * t.net_amount END), sum(sign * t.tax_amount) \
         FROM (SELECT e.source_id AS invoice, CASE WHEN (e.reverses_id IS NULL) = (k.kind = 'invoice') THEN 1 ELSE -1 END AS sign \
               FROM journal_entries AS e JOIN invoices AS k ON k.id = e.source_id AND k.business_id = e.business_id \
               WHERE e.business_id = ?1 AND e.source_type = 'invoice' AND e.state = 'posted' AND e.date <= ?3 AND {SINCE}) AS d \
         JOIN invoices AS i ON i.id = d.invoice JOIN invoice_items AS t ON t.invoice_id = i.id LEFT JOIN accounts AS b ON b.id = t.account_id \
         GROUP BY 1, 2, 3, 4, 5"
    )
}

pub fn tax(reader: &Reader<'_>, actor: &Actor, period: Period) -> Result<Vec<TaxReport>> {
    let mut all: ByCurrency<std::collections::BTreeMap<Key, Sums>> = ByCurrency::new();
    reader.each(&documents(), &period.args(actor), |row: &Row<'_>| {
        let (is_taxed, is_sold, net, tax): (bool, bool, i64, i64) = (row.get(1)?, row.get(4)?, row.get(5)?, row.get(6)?);
        let key = if is_taxed { (TaxLineKind::Rate, row.get(2)?, row.get(3)?) } else { (TaxLineKind::Untaxed, String::new(), 0) };
        let sums = all.entry(row.get(0)?).or_default().entry(key).or_default();
        let (base, levied) = if is_sold { (0, 1) } else { (2, 3) };
        sums[base] += net;
        sums[levied] += tax;
        Ok(())
    })?;
    // What the accounts say beyond that.
    let moved = format!(
        "SELECT l.currency, sum(CASE a.type WHEN 'tax_payable' THEN -l.amount ELSE 0 END), sum(CASE a.type WHEN 'tax_receivable' THEN l.amount ELSE 0 END) \
         FROM {POSTED} AND {SINCE} AND (a.type = 'tax_payable' OR a.type = 'tax_receivable') GROUP BY l.currency"
    );
    reader.each(&moved, &period.args(actor), |row: &Row<'_>| {
        let lines = all.entry(row.get(0)?).or_default();
        let told = |place: usize| lines.values().map(|sums| sums[place]).sum::<i64>();
        let other = [0, row.get::<i64>(1)? - told(1), 0, row.get::<i64>(2)? - told(3)];
        if other != [0; 4] {
            lines.insert((TaxLineKind::Other, String::new(), 0), other);
        }
        Ok(())
    })?;
    let reports = all.into_iter().map(|(currency, lines)| report(currency, lines));
    Ok(reports.filter(|report| !report.lines.is_empty()).collect())
}

fn report(currency: String, lines: std::collections::BTreeMap<Key, Sums>) -> TaxReport {
    let money = |minor| Money { minor, exponent: exponent(&currency) };
    let total = |place: usize| lines.values().map(|sums| sums[place]).sum::<i64>();
    let (output, input) = (total(1), total(3));
    let line = |((kind, name, percent), sums): (&Key, &Sums)| {
        let is_rate = *kind == TaxLineKind::Rate;
        let [sales, output_tax, purchases, input_tax] = sums.map(money);
        let percent = is_rate.then_some(crate::kit::Decimal(*percent));
        TaxLine { kind: *kind, name: is_rate.then(|| name.clone()), percent, sales, output_tax, purchases, input_tax }
    };
    let told = lines.iter().filter(|(_, sums)| **sums != [0; 4]).map(line).collect();
    TaxReport {
        lines: told,
        output_tax: money(output),
        input_tax: money(input),
        due: money(output - input),
        currency: Currency(currency.clone()),
    }
}

impl Tabular for TaxReport {
    const COLUMNS: &'static [&'static str] = &["currency", "kind", "name", "percent", "sales", "output_tax", "purchases", "input_tax"];

    fn rows(&self) -> Vec<Vec<Shown>> {
        let line = |line: &TaxLine| {
            let rate = vec![(&self.currency).into(), line.kind.name().into(), line.name.as_ref().into(), line.percent.into()];
            let sums = [line.sales, line.output_tax, line.purchases, line.input_tax].map(Shown::from);
            [rate, sums.to_vec()].concat()
        };
        let mut rows: Vec<Vec<Shown>> = self.lines.iter().map(line).collect();
        let total = vec![(&self.currency).into(), "total".into(), Shown::Empty, Shown::Empty, Shown::Empty];
        rows.push([total, vec![self.output_tax.into(), Shown::Empty, self.input_tax.into()]].concat());
        rows
    }
}
