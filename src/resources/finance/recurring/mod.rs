//! What is invoiced again and again: each of its days makes one invoice.

mod actions;
mod calendar;
mod run;

use poem_openapi::{Enum, Object};
use serde_json::{Map, Value as Json};

pub use actions::RecurringVerbs;
pub use calendar::Frequency;
pub use run::{businesses, run_due};

use super::{
    Party,
    invoice::{Direction, DiscountType, InvoiceItem, WORKED_OUT},
    named::use_currency_of_party,
    pricing::{self, Terms},
};
use crate::{
    actor::Capability::Finance,
    db::Writer,
    engine::{About, Access, Action, Change, Computed, Expand, LRCU, LRCUD, Resource, all},
    error::{Error, Result},
    kit::{Currency, Date, DateTime, Decimal, Lines, Money, Ref},
};

/// Whether it goes on.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "RecurringStatusEnum")]
pub enum RecurringStatus {
    /// Makes an invoice on each of its days.
    #[default]
    Active,
    /// Makes none until it is taken up again.
    Paused,
    /// Has made the last one.
    Ended,
}

/// What is invoiced again and again.
#[derive(Object)]
pub struct RecurringInvoice {
    /// What it is called.
    #[oai(validator(max_length = 255))]
    pub name: String,
    /// Who buys, or whose bills it makes.
    pub party: Ref<Party>,
    /// Does the business sell or buy?
    #[oai(default)]
    pub direction: Direction,
    /// The currency; the party's when left out.
    pub currency: Option<Currency>,
    /// Do prices include tax? As the business does it when left out.
    pub prices_include_tax: Option<bool>,
    /// How the discount on the whole is meant.
    #[oai(default)]
    pub discount_type: DiscountType,
    /// The percentage or the amount that is taken off the whole, before tax.
    #[oai(default)]
    pub discount_value: Decimal<4>,
    /// What one invoice comes to, by the tax as it was when this was changed last.
    pub total: Option<Money>,
    /// What the customer calls it.
    #[oai(default, validator(max_length = 100))]
    pub reference: String,
    /// What is printed below the items.
    #[oai(default, validator(max_length = 5000))]
    pub notes: String,
    /// The conditions of payment.
    #[oai(default, validator(max_length = 5000))]
    pub terms: String,
    /// How often.
    pub frequency: Frequency,
    /// Each, every second, every third: 2 with weekly is each fortnight.
    #[oai(default = "one", validator(minimum(value = "1"), maximum(value = "52")))]
    pub interval: i64,
    /// The day of the month; the last one of a month that is shorter. That of the first invoice when left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "31")))]
    pub anchor_day: Option<i64>,
    /// The day of the next invoice.
    pub next_run_on: Date,
    /// There are none after this day.
    pub end_on: Option<Date>,
    /// There are no more than so many.
    #[oai(validator(minimum(value = "1")))]
    pub max_runs: Option<i64>,
    /// They are issued at once; otherwise they are drafts.
    #[oai(default)]
    pub auto_issue: bool,
    /// They are sent at once, which needs that they are issued.
    #[oai(default)]
    pub auto_send: bool,
    /// Whether it goes on.
    #[oai(default)]
    pub status: RecurringStatus,
    /// How many invoices it has made.
    #[oai(default)]
    pub runs: i64,
    /// The day of the last one.
    pub last_run_on: Option<Date>,
    /// Why the last attempt did not do all that it should; empty when it did.
    #[oai(default, validator(max_length = 500))]
    pub last_error: String,
    /// When that was first so.
    pub failed_at: Option<DateTime>,
    /// What is sold, in the order in which it is printed.
    #[oai(default)]
    pub items: Lines<InvoiceItem>,
}

fn one() -> i64 {
    1
}

impl Resource for RecurringInvoice {
    const ABOUT: About = About {
        path: "finance/recurring-invoices",
        table: "recurring_invoices",
        list: &["name", "party", "frequency", "next_run_on", "total", "status", "last_error"],
        search: &["name", "reference", "party.name"],
        filter: &["party", "direction", "currency", "frequency", "status", "next_run_on", "auto_issue", "has_failed"],
        order: &["-created_at", "name", "next_run_on", "total"],
        server_set: &["total", "status", "runs", "last_run_on", "last_error", "failed_at"],
        goes_on: &["next_run_on"],
        computed: &[Computed::bool("has_failed", "t.last_error <> ''", "Did the last attempt not do all that it should?")],
        lines: &[("items", "recurring_invoice_items")],
        expand: &[("party", Expand::Label)],
        access: Access::deny().admin(all(LRCUD)).manager(all(LRCUD)).staff_with(Finance, all(LRCU)),
        worked_out: WORKED_OUT,
        actions: &[
            Action::new("run-now", "t.status = 'active'").confirmed(),
            Action::new("skip", "t.status = 'active'").confirmed(),
            Action::new("pause", "t.status = 'active'"),
            Action::new("resume", "t.status = 'paused'"),
        ],
        groups: &[
            ("Document", &["name", "party", "direction", "reference"]),
            ("When", &["frequency", "interval", "anchor_day", "next_run_on", "end_on", "max_runs", "auto_issue", "auto_send"]),
            ("Prices", &["currency", "prices_include_tax", "discount_type", "discount_value"]),
            ("Printed below the items", &["notes", "terms"]),
        ],
        totals_by: &["direction"],
        ..About::DEFAULT
    };

    fn prepare(input: &mut Map<String, Json>, before: Option<&Map<String, Json>>, tx: &Writer<'_>) -> Result<()> {
        if before.is_none() { use_currency_of_party(tx, tx.actor(), input) } else { Ok(()) }
    }

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let tx = change.tx;
        let business = tx.actor().business_id().ok_or_else(Error::forbidden)?;
        if self.auto_send && !self.auto_issue {
            return Err(Error::field("auto_send", "Only what is issued is sent: set auto_issue as well."));
        }
        if self.direction == Direction::Incoming && self.auto_issue {
            return Err(Error::field("auto_issue", "A supplier's bill is issued with the supplier's number: by hand."));
        }
        if self.items.0.is_empty() {
            return Err(Error::field("items", "This list may not be empty."));
        }
        if self.frequency.has_anchor() {
            self.anchor_day.get_or_insert(self.next_run_on.0.day().into());
        } else {
            self.anchor_day = None;
        }
        if self.prices_include_tax.is_none() {
            let sql = "SELECT prices_include_tax FROM businesses WHERE id = ?1";
            self.prices_include_tax = Some(tx.one(sql, &[business.into()])?.unwrap_or_default());
        }
        if change.id.map(|id| is_made(tx, id, self.next_run_on)).transpose()?.unwrap_or_default() {
            return Err(Error::field("next_run_on", "There is an invoice of this day already."));
        }
        self.price(change, business)?;
        self.settle();
        Ok(())
    }
}

/// Is there an invoice of a day?
fn is_made(tx: &Writer<'_>, id: i64, day: Date) -> Result<bool> {
    tx.exists("SELECT 1 FROM invoices WHERE recurring_id = ?1 AND run_on = ?2", &[id.into(), day.to_string().into()])
}

impl RecurringInvoice {
    fn price(&mut self, change: &Change<'_, '_, Self>, business: i64) -> Result<()> {
        let currency = self.currency.as_ref().map_or_else(|| "USD".to_owned(), |currency| currency.0.clone());
        let terms = Terms {
            business,
            currency: &currency,
            direction: self.direction,
            takes_expense: false,
            prices_include_tax: self.prices_include_tax.unwrap_or_default(),
            discount_type: self.discount_type,
            discount_value: self.discount_value,
        };
        let sent = change.before.is_none_or(|before| before.items.0 != self.items.0);
        self.total = Some(pricing::fill(&mut self.items.0, &terms, change.tx, sent)?.total);
        Ok(())
    }

    /// Whether there is anything left to do says whether it has ended.
    fn settle(&mut self) {
        let is_over = self.end_on.is_some_and(|end| self.next_run_on > end) || self.max_runs.is_some_and(|most| self.runs >= most);
        self.status = match (is_over, self.status) {
            (true, _) => RecurringStatus::Ended,
            (false, RecurringStatus::Ended) => RecurringStatus::Active,
            (false, status) => status,
        };
    }

    /// The next day after `day` that has no invoice yet: whoever set the date back did so for what was passed over.
    fn next_after(&self, tx: &Writer<'_>, id: i64, day: Date) -> Result<Date> {
        let mut next = self.following(day)?;
        while is_made(tx, id, next)? {
            next = self.following(next)?;
        }
        Ok(next)
    }

    /// The day after `day` on which it makes an invoice.
    fn following(&self, day: Date) -> Result<Date> {
        calendar::following(day, self.frequency, self.interval, self.anchor_day)
            .ok_or_else(|| Error::field("next_run_on", "There is no such date."))
    }
}
