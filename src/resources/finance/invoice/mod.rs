//! Invoices and credit notes, ours and those of suppliers.

mod actions;
mod choices;
mod computed;
mod correct;
mod issue;
mod item;
mod print;
mod settle;
pub mod share;

use jiff::ToSpan;
use poem_openapi::Object;
use serde_json::{Map, Value as Json};

pub use actions::{InvoiceVerbs, send};
pub use choices::{Direction, DiscountType, InvoiceKind, InvoiceState};
pub use correct::blank;
pub use issue::{issue, sides};
pub use item::{InvoiceItem, WORKED_OUT, discount};

use super::{
    Party, ledger,
    named::use_currency_of_party,
    posted,
    pricing::{self, Terms},
};
use crate::{
    actor::Capability::Finance,
    db::{Reader, Row, Writer},
    engine::{About, Access, Action, Bars, Change, Chart, Expand, Figure, IdOf, LR, LRCU, LRCUD, Resource, all, own},
    error::{Error, Result},
    kit::{self, Currency, Date, DateTime, Decimal, Lines, Money, Price, Ref},
};

/// What somebody is to pay, or takes back of that.
#[derive(Object)]
pub struct Invoice {
    /// Its number; the next of the series when it is issued without one. A supplier's bill has the supplier's.
    #[oai(validator(max_length = 50))]
    pub number: Option<String>,
    /// Who buys, or whose bill it is.
    pub party: Ref<Party>,
    /// Does the business sell or buy?
    #[oai(default)]
    pub direction: Direction,
    /// Whether it is an invoice or a credit note.
    #[oai(default)]
    pub kind: InvoiceKind,
    /// The invoice that a credit note is for.
    pub corrects: Option<Ref<Invoice>>,
    /// What the customer calls it: the number of their order.
    #[oai(default, validator(max_length = 100))]
    pub reference: String,
    /// How far it has come.
    #[oai(default)]
    pub state: InvoiceState,
    /// Its date; today when left out.
    pub issue_date: Option<Date>,
    /// When it is to be paid; by the terms of the party or of the business when left out.
    pub due_date: Option<Date>,
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
    /// Without tax, after all discounts. May be sent if it is right.
    pub subtotal: Option<Money>,
    /// All discounts. May be sent if it is right.
    pub discount_total: Option<Money>,
    /// The tax. May be sent if it is right.
    pub tax_total: Option<Money>,
    /// What is to be paid. May be sent if it is right.
    pub total: Option<Money>,
    /// How much of it is settled.
    pub amount_allocated: Option<Money>,
    /// What is printed below the items.
    #[oai(default, validator(max_length = 5000))]
    pub notes: String,
    /// The conditions of payment.
    #[oai(default, validator(max_length = 5000))]
    pub terms: String,
    /// Seller and buyer as they were.
    pub snapshot: Option<kit::Json>,
    /// When it was issued.
    pub issued_at: Option<DateTime>,
    /// The id of the person who issued it.
    pub issued_by: Option<i64>,
    /// When it was taken back.
    pub voided_at: Option<DateTime>,
    /// The id of the person who took it back.
    pub voided_by: Option<i64>,
    /// Why it was taken back.
    #[oai(default, validator(max_length = 500))]
    pub void_reason: String,
    /// When it was last sent.
    pub sent_at: Option<DateTime>,
    /// When whoever got the link looked at it first.
    pub viewed_at: Option<DateTime>,
    /// When somebody was last reminded.
    pub last_reminder_at: Option<DateTime>,
    /// How often somebody was reminded.
    #[oai(default)]
    pub reminder_count: i64,
    /// Nobody is reminded of it.
    #[oai(default)]
    pub reminders_off: bool,
    /// The id of the quotation that it was made from.
    pub quotation_id: Option<i64>,
    /// The id of the lead that it was made from.
    pub lead_id: Option<i64>,
    /// The id of the recurring invoice that it was made by.
    pub recurring_id: Option<i64>,
    /// The day of the recurring invoice that it is for.
    pub run_on: Option<Date>,
    /// By what the public link is known.
    #[oai(validator(max_length = 64))]
    pub share_token_hash: Option<String>,
    /// The id of the entry in the books.
    pub journal_entry_id: Option<i64>,
    /// The id of the entry that took it back.
    pub void_entry_id: Option<i64>,
    /// What is sold, in the order in which it is printed.
    #[oai(default)]
    pub items: Lines<InvoiceItem>,
    /// Sent without items, makes one item of this amount, with the number as its name; sent with items, it must be the total.
    pub amount: Option<Money>,
    /// Issues it at once.
    pub issue: Option<bool>,
}

/// What may be changed of an issued invoice.
const ALWAYS_OPEN: [&str; 5] = ["notes", "terms", "due_date", "reference", "reminders_off"];
const IMMUTABLE: &str =
    "An issued invoice is not changed, but for notes, terms, due_date, reference, reminders_off; issue a credit note instead.";

impl Resource for Invoice {
    const ABOUT: About = About {
        path: "finance/invoices",
        table: "invoices",
        label: "coalesce(t.number, 'Draft ' || t.id)",
        list: &["number", "party", "issue_date", "due_date", "status", "total", "amount_due"],
        search: &["number", "reference", "party.name"],
        filter: &[
            "direction",
            "kind",
            "party",
            "state",
            "status",
            "payment_status",
            "currency",
            "issue_date",
            "due_date",
            "number",
            "is_overdue",
            "amount_due",
            "quotation_id",
            "lead_id",
            "recurring_id",
        ],
        filter_as: &[("min_due", "amount_due__gte"), ("overdue", "is_overdue")],
        order: &["-created_at", "issue_date", "due_date", "number", "total", "amount_due"],
        server_set: &[
            "kind",
            "corrects",
            "state",
            "subtotal",
            "discount_total",
            "tax_total",
            "total",
            "issued_at",
            "issued_by",
            "voided_at",
            "voided_by",
            "void_reason",
            "sent_at",
            "viewed_at",
            "last_reminder_at",
            "reminder_count",
            "journal_entry_id",
            "void_entry_id",
            "quotation_id",
            "lead_id",
            "recurring_id",
            "run_on",
        ],
        worked_out: WORKED_OUT,
        hidden: &["amount_allocated", "snapshot", "share_token_hash"],
        input: &["amount", "issue"],
        confirmed: &[
            ("subtotal", "subtotal"),
            ("discount_total", "discount_total"),
            ("discount", "discount_total"),
            ("tax_total", "tax_total"),
            ("tax", "tax_total"),
            ("total", "total"),
            ("amount", "total"),
        ],
        computed: computed::ALL,
        expand: &[("party", Expand::Label)],
        ids: &[
            ("issued_by", IdOf::Table("users")),
            ("voided_by", IdOf::Table("users")),
            ("quotation_id", IdOf::Table("quotations")),
            ("lead_id", IdOf::Table("leads")),
            ("recurring_id", IdOf::Table("recurring_invoices")),
            ("journal_entry_id", IdOf::Table("journal_entries")),
            ("void_entry_id", IdOf::Table("journal_entries")),
        ],
        access: Access::deny().admin(all(LRCUD)).manager(all(LRCUD)).staff_with(Finance, all(LRCU)).customer(own(LR)).student(own(LR)),
        // The party sees what was issued to it, not what is being written.
        own: "t.state = 'issued' AND EXISTS (SELECT 1 FROM parties AS p WHERE p.id = t.party_id AND p.user_id = :me AND p.deleted_at IS NULL)",
        actions: &[
            Action::new("issue", "t.state = 'draft'").confirmed(),
            Action::new("pay", "t.state = 'issued' AND t.payment_status <> 'paid'"),
            Action::new("send", "t.state = 'issued'"),
            Action::new("allocate", "t.state = 'issued' AND t.payment_status <> 'paid'"),
            Action::new("unallocate", "t.state = 'issued' AND t.payment_status <> 'unpaid'"),
            Action::new("credit-note", "t.state = 'issued' AND t.kind = 'invoice'"),
            Action::new("write-off", "t.state = 'issued' AND t.payment_status <> 'paid'").destructive(),
            Action::new("duplicate", "TRUE"),
            Action::new("void", "t.state = 'issued'").destructive(),
        ],
        figures: &[
            Figure::new("Overdue invoices", "is_overdue=true&direction=outgoing").sum("amount_due"),
            Figure::new("To receive", "state=issued&direction=outgoing&payment_status__in=unpaid,partial").sum("amount_due"),
            Figure::new("Bills to pay", "state=issued&direction=incoming&payment_status__in=unpaid,partial").sum("amount_due"),
            Figure::new("Bills due by today", "state=issued&direction=incoming&payment_status__in=unpaid,partial&due_date__lte=:today")
                .sum("amount_due"),
            Figure::new("Drafts of invoices", "state=draft"),
        ],
        charts: &[Chart {
            title: "To receive, by age",
            bars: Bars::Ages("amount_due", "due_date", "state=issued&direction=outgoing&payment_status__in=unpaid,partial"),
        }],
        comments: true,
        files: true,
        groups: &[
            ("Document", &["number", "party", "direction", "kind", "corrects", "reference", "issue_date", "due_date"]),
            ("Prices", &["currency", "prices_include_tax", "discount_type", "discount_value", "amount"]),
            ("Printed below the items", &["notes", "terms"]),
            ("Sending", &["issue", "reminders_off"]),
        ],
        totals_by: &["direction", "kind"],
        ..About::DEFAULT
    };

    fn prepare(input: &mut Map<String, Json>, before: Option<&Map<String, Json>>, tx: &Writer<'_>) -> Result<()> {
        // Older clients send the party as it is shown.
        if let Some(party) = input.get("party").and_then(|party| party.get("id")).cloned() {
            input.insert("party".to_owned(), party);
        }
        if before.is_none() { use_currency_of_party(tx, tx.actor(), input) } else { Ok(()) }
    }

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let (tx, actor) = (change.tx, change.tx.actor());
        let business = actor.business_id().ok_or_else(Error::forbidden)?;
        if let Some(before) = change.before.filter(|before| before.state != InvoiceState::Draft) {
            posted::only_differs_where(&ALWAYS_OPEN, before, self, IMMUTABLE)?;
            return self.check_dates();
        }
        self.defaults(tx, business, Date(actor.today()))?;
        self.check_dates()?;
        if let Some(before) = change.before.filter(|before| before.number != self.number) {
            before.let_number_go(tx, business)?;
        }
        if let Some(number) = &self.number {
            let sql = "SELECT 1 FROM invoices WHERE business_id = ?1 AND direction = ?2 AND kind = ?3 AND number = ?4 AND deleted_at IS NULL \
                       AND id IS NOT ?5 AND (?2 = 'outgoing' OR party_id = ?6)";
            let (kind, id) = (kind_name(self.kind), change.id);
            let args = [business.into(), self.direction.name().into(), kind.into(), number.as_str().into(), id.into(), self.party.0.into()];
            if tx.exists(sql, &args)? {
                return Err(Error::field("number", "invoice with this number already exists."));
            }
        }
        if let Some(amount) = self.amount.filter(|_| self.items.0.is_empty()) {
            self.items.0.push(shorthand(self.number.as_deref(), amount)?);
        }
        let sent = change.before.is_none_or(|before| before.items.0 != self.items.0);
        self.price(tx, business, sent)
    }

    fn after(&self, id: i64, _before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        if self.issue == Some(true) { issue(tx, id) } else { Ok(()) }
    }

    fn deleting(&self, _id: i64, tx: &mut Writer<'_>) -> Result<()> {
        match self.state {
            InvoiceState::Draft => self.let_number_go(tx, tx.actor().business_id().ok_or_else(Error::forbidden)?),
            _ => Err(Error::conflict("immutable", "An issued invoice is not deleted; void it instead.")),
        }
    }
}

fn kind_name(kind: InvoiceKind) -> &'static str {
    match kind {
        InvoiceKind::Invoice => "invoice",
        InvoiceKind::CreditNote => "credit_note",
    }
}

/// One item of this amount.
fn shorthand(number: Option<&str>, amount: Money) -> Result<InvoiceItem> {
    Ok(InvoiceItem::new(number.unwrap_or("Invoice"), price_of(amount)?))
}

/// An amount as the price of one.
pub fn price_of(amount: Money) -> Result<Price> {
    let unit = 10_i64.pow(6 - u32::from(amount.exponent.min(6)));
    match amount.minor.checked_mul(unit) {
        Some(price) if price >= 0 => Ok(Decimal(price)),
        Some(_) => Err(Error::field("amount", "Ensure this value is greater than or equal to 0.")),
        None => Err(Error::field("amount", "The amount is too large.")),
    }
}

impl Invoice {
    pub fn currency_code(&self) -> &str {
        self.currency.as_ref().map_or("USD", |currency| &currency.0)
    }

    pub fn minor(amount: Option<Money>) -> i64 {
        amount.map_or(0, |amount| amount.minor)
    }

    /// Fills in what it comes to. `sent`: see `pricing::fill`.
    fn price(&mut self, reader: &Reader<'_>, business: i64, sent: bool) -> Result<()> {
        let currency = self.currency_code().to_owned();
        let terms = Terms {
            business,
            currency: &currency,
            direction: self.direction,
            takes_expense: self.kind == InvoiceKind::CreditNote,
            prices_include_tax: self.prices_include_tax.unwrap_or_default(),
            discount_type: self.discount_type,
            discount_value: self.discount_value,
        };
        let sums = pricing::fill(&mut self.items.0, &terms, reader, sent)?;
        let exponent = sums.total.exponent;
        (self.subtotal, self.discount_total) = (Some(sums.subtotal), Some(sums.discount));
        (self.tax_total, self.total) = (Some(sums.tax), Some(sums.total));
        self.amount_allocated = Some(self.amount_allocated.map_or(Money { minor: 0, exponent }, |was| Money { exponent, ..was }));
        Ok(())
    }

    /// What is still to be settled.
    pub fn open(&self) -> i64 {
        Self::minor(self.total) - Self::minor(self.amount_allocated)
    }

    fn defaults(&mut self, reader: &Reader<'_>, business: i64, today: Date) -> Result<()> {
        let issue_date = *self.issue_date.get_or_insert(today);
        if self.due_date.is_none() || self.prices_include_tax.is_none() {
            let sql = "SELECT coalesce(p.payment_terms_days, b.invoice_due_days), b.prices_include_tax FROM businesses AS b \
                       LEFT JOIN parties AS p ON p.id = ?2 AND p.business_id = b.id WHERE b.id = ?1";
            let read = |row: &Row<'_>| Ok((row.get::<i64>(0)?, row.get::<bool>(1)?));
            let (days, include) = reader.row(sql, &[business.into(), self.party.0.into()], read)?.unwrap_or_default();
            self.prices_include_tax.get_or_insert(include);
            if self.due_date.is_none() {
                let due = issue_date.0.checked_add(days.days());
                self.due_date = Some(Date(due.map_err(|_| Error::field("issue_date", "There is no such date."))?));
            }
        }
        Ok(())
    }

    fn check_dates(&self) -> Result<()> {
        if self.due_date < self.issue_date {
            return Err(Error::field("due_date", "Ensure this date is not before the issue date."));
        }
        Ok(())
    }

    /// The number of a draft, before it has another or none: once the series has passed over it, that would leave a gap.
    fn let_number_go(&self, reader: &Reader<'_>, business: i64) -> Result<()> {
        let Some(number) = self.number.as_deref().filter(|_| self.direction == Direction::Outgoing) else { return Ok(()) };
        if ledger::is_passed(reader, business, kind_name(self.kind), number)? {
            let text =
                format!("The series has passed over {number}, which would be missing: issue it under this number, and void it then.");
            return Err(Error::conflict("number_used", text));
        }
        Ok(())
    }
}
