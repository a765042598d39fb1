//! Quotations: what is offered to a party, and becomes an invoice once it is accepted.

mod actions;
mod item;
mod print;

use poem_openapi::{Enum, Object};
use serde_json::{Map, Value as Json};

pub use actions::QuotationVerbs;
pub use item::QuotationItem;

use super::{
    Party,
    invoice::{Direction, DiscountType, InvoiceItem, WORKED_OUT},
    ledger,
    named::use_currency_of_party,
    posted,
    pricing::{self, Terms},
};
use crate::{
    actor::Capability::Finance,
    db::Writer,
    engine::{About, Access, Action, Change, Computed, Expand, IdOf, LR, LRCU, LRCUD, Options, Resource, all, own, verbs},
    error::{Error, Result},
    kit::{Currency, Date, DateTime, Decimal, Lines, Money, Ref},
};

/// How far a quotation has come.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "QuotationStateEnum")]
pub enum QuotationState {
    /// Being written.
    #[default]
    Draft,
    /// Offered.
    Sent,
    /// The party wants it.
    Accepted,
    /// The party does not want it.
    Rejected,
}

/// How far a quotation has come, and whether it still holds.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[oai(rename_all = "snake_case", rename = "QuotationStatusEnum")]
pub enum QuotationStatus {
    /// Being written.
    Draft,
    /// Offered.
    Sent,
    /// The party wants it.
    Accepted,
    /// The party does not want it.
    Rejected,
    /// Nobody has said anything until it was too late.
    Expired,
}

/// What is offered to a party.
#[derive(Object)]
pub struct Quotation {
    /// Its number; the next of the series when left out.
    #[oai(validator(max_length = 50))]
    pub quote_number: Option<String>,
    /// Whom it is for.
    pub party: Ref<Party>,
    /// What it is about.
    #[oai(default, validator(max_length = 5000))]
    pub description: String,
    /// Its date; today when left out.
    pub issued_date: Option<Date>,
    /// The last day on which it can be accepted; any day when left out.
    pub valid_until: Option<Date>,
    /// How far it has come, whatever the date.
    #[oai(default)]
    pub state: QuotationState,
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
    /// Without tax, after all discounts.
    pub subtotal: Option<Money>,
    /// All discounts.
    pub discount_total: Option<Money>,
    /// The tax.
    pub tax_total: Option<Money>,
    /// What it comes to. Without items it is what is sent; with items it may be sent if it is right.
    pub total_amount: Option<Money>,
    /// Under which conditions.
    #[oai(default, validator(max_length = 5000))]
    pub terms: String,
    /// When it was offered.
    pub sent_at: Option<DateTime>,
    /// When it was accepted.
    pub accepted_at: Option<DateTime>,
    /// When it was rejected.
    pub rejected_at: Option<DateTime>,
    /// What is offered, in the order in which it is printed.
    #[oai(default)]
    pub items: Lines<InvoiceItem>,
    /// draft, sent, accepted, rejected; expired: nobody has said anything until `valid_until`.
    pub status: Option<QuotationStatus>,
}

/// What may be changed once it was accepted or rejected.
const ALWAYS_OPEN: [&str; 2] = ["description", "terms"];
const IMMUTABLE: &str = "A quotation that was answered is not changed, but for description, terms.";

const STATUS: &str = "CASE WHEN (t.state = 'draft' OR t.state = 'sent') AND t.valid_until < :today THEN 'expired' ELSE t.state END";

impl Resource for Quotation {
    const ABOUT: About = About {
        path: "finance/quotations",
        table: "quotations",
        label: "coalesce(t.quote_number, 'Quotation ' || t.id)",
        list: &["quote_number", "party", "issued_date", "valid_until", "status", "total_amount"],
        search: &["quote_number", "description", "party.name"],
        filter: &["party", "state", "status", "currency", "issued_date", "valid_until", "quote_number", "total_amount"],
        order: &["-created_at", "issued_date", "valid_until", "quote_number", "total_amount"],
        server_set: &["state", "subtotal", "discount_total", "tax_total", "sent_at", "accepted_at", "rejected_at"],
        input: &["status"],
        confirmed: &[("total_amount", "total_amount")],
        computed: &[
            Computed::choice(
                "status",
                &["draft", "sent", "accepted", "rejected", "expired"],
                STATUS,
                "draft, sent, accepted, rejected; expired: nobody has said anything until `valid_until`.",
            ),
            Computed::text("party_name", "(SELECT p.name FROM parties AS p WHERE p.id = t.party_id)", "What the party is called."),
            Computed::integer(
                "invoice_id",
                "(SELECT i.id FROM invoices AS i WHERE i.quotation_id = t.id AND i.deleted_at IS NULL)",
                "The id of the invoice that was made of it.",
            ),
        ],
        lines: &[("items", "quotation_items")],
        expand: &[("party", Expand::Label)],
        ids: &[("invoice_id", IdOf::Table("invoices"))],
        access: Access::deny().admin(all(LRCUD)).manager(all(LRCUD)).staff_with(Finance, all(LRCU)).customer(own(LR)).student(own(LR)),
        // The party sees what was offered to it, not what is being written.
        own: "t.state <> 'draft' AND EXISTS (SELECT 1 FROM parties AS p WHERE p.id = t.party_id AND p.user_id = :me AND p.deleted_at IS NULL)",
        // They are part of it, deleted or not.
        kept_by: &["quotation_items"],
        comments: true,
        files: true,
        worked_out: WORKED_OUT,
        actions: &[
            Action::new("send", "t.state = 'draft' OR t.state = 'sent'"),
            Action::new("accept", "t.state = 'draft' OR t.state = 'sent'").confirmed(),
            Action::new("create-invoice", "t.state = 'accepted'"),
        ],
        groups: &[
            ("Document", &["quote_number", "party", "description", "issued_date", "valid_until"]),
            ("Prices", &["currency", "prices_include_tax", "discount_type", "discount_value"]),
            ("Printed below the items", &["terms"]),
        ],
        ..About::DEFAULT
    };

    fn prepare(input: &mut Map<String, Json>, before: Option<&Map<String, Json>>, tx: &Writer<'_>) -> Result<()> {
        if before.is_none() { use_currency_of_party(tx, tx.actor(), input) } else { Ok(()) }
    }

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let (tx, actor) = (change.tx, change.tx.actor());
        let business = actor.business_id().ok_or_else(Error::forbidden)?;
        let today = Date(actor.today());
        self.go(change.before, today, tx.now())?;
        if let Some(before) = change.before.filter(|before| before.is_closed() && self.is_closed()) {
            return posted::only_differs_where(&ALWAYS_OPEN, before, self, IMMUTABLE);
        }
        let issued = *self.issued_date.get_or_insert(today);
        if self.valid_until.is_some_and(|until| until < issued) {
            return Err(Error::field("valid_until", "Ensure this date is not before the date of the quotation."));
        }
        if let Some(number) = &self.quote_number {
            let sql = "SELECT 1 FROM quotations WHERE business_id = ?1 AND quote_number = ?2 AND deleted_at IS NULL AND id IS NOT ?3";
            if tx.exists(sql, &[business.into(), number.as_str().into(), change.id.into()])? {
                return Err(Error::field("quote_number", "quotation with this quote number already exists."));
            }
        }
        if self.prices_include_tax.is_none() {
            let sql = "SELECT prices_include_tax FROM businesses WHERE id = ?1";
            self.prices_include_tax = Some(tx.one(sql, &[business.into()])?.unwrap_or_default());
        }
        self.price(change, business)
    }

    fn after(&self, id: i64, _before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        if self.quote_number.is_none() {
            self.number(id, tx)?;
        }
        if self.status == Some(QuotationStatus::Accepted) && self.state != QuotationState::Accepted {
            let accepted = Map::from_iter([("status".to_owned(), Json::from("accepted"))]);
            tx.step(|tx| {
                tx.act("accept");
                verbs::change::<Self>(tx, id, accepted, Options::default())
            })?;
        }
        Ok(())
    }

    fn deleting(&self, id: i64, tx: &mut Writer<'_>) -> Result<()> {
        if tx.exists("SELECT 1 FROM invoices WHERE quotation_id = ?1 AND deleted_at IS NULL", &[id.into()])? {
            return Err(Error::conflict("in_use", "This quotation cannot be deleted: an invoice was made of it."));
        }
        match self.state {
            QuotationState::Accepted => Err(Error::conflict("immutable", "A quotation that was accepted is not deleted.")),
            _ => Ok(()),
        }
    }
}

impl Quotation {
    /// Gives it the next number.
    fn number(&self, id: i64, tx: &mut Writer<'_>) -> Result<()> {
        let business = tx.actor().business_id().ok_or_else(Error::forbidden)?;
        let date = self.issued_date.unwrap_or(Date(tx.actor().today()));
        let number = ledger::next_number(tx, "quotation", date, |reader, number| {
            let sql = "SELECT 1 FROM quotations WHERE business_id = ?1 AND quote_number = ?2 AND deleted_at IS NULL";
            reader.exists(sql, &[business.into(), number.into()])
        })?;
        tx.complete("quotations", id, vec![("quote_number", number.into())])
    }

    pub fn currency_code(&self) -> &str {
        self.currency.as_ref().map_or("USD", |currency| &currency.0)
    }

    /// What it is about, in a few words.
    fn words(&self) -> String {
        let words = [self.description.lines().next(), self.quote_number.as_deref()];
        let words = words.into_iter().flatten().map(str::trim).find(|words| !words.is_empty()).unwrap_or("Quotation");
        words.chars().take(255).collect()
    }

    /// Is it too late to accept it?
    fn is_over(&self, today: Date) -> bool {
        self.valid_until.is_some_and(|until| until < today)
    }

    /// Has the party answered?
    pub fn is_closed(&self) -> bool {
        matches!(self.state, QuotationState::Accepted | QuotationState::Rejected)
    }

    /// How its items are priced.
    pub fn terms_of<'a>(&self, business: i64, currency: &'a str) -> Terms<'a> {
        Terms {
            business,
            currency,
            direction: Direction::Outgoing,
            takes_expense: false,
            prices_include_tax: self.prices_include_tax.unwrap_or_default(),
            discount_type: self.discount_type,
            discount_value: self.discount_value,
        }
    }

    /// Takes it to where `status` says.
    fn go(&mut self, before: Option<&Self>, today: Date, now: DateTime) -> Result<()> {
        let was = before.map_or(QuotationState::Draft, |before| before.state);
        let is_over = self.is_over(today);
        let to = match self.status {
            None => return Ok(()),
            Some(QuotationStatus::Draft) => QuotationState::Draft,
            Some(QuotationStatus::Sent) => QuotationState::Sent,
            Some(QuotationStatus::Accepted) => QuotationState::Accepted,
            Some(QuotationStatus::Rejected) => QuotationState::Rejected,
            // What was read may be sent back.
            Some(QuotationStatus::Expired) if is_over && !self.is_closed() => return Ok(()),
            Some(QuotationStatus::Expired) => return Err(Error::field("status", "A quotation expires by its valid_until.")),
        };
        if to == was {
            return Ok(());
        }
        match (was, to) {
            (QuotationState::Accepted, _) => {
                return Err(Error::conflict("invalid_transition", "The quotation was accepted."));
            }
            (QuotationState::Rejected, QuotationState::Accepted) => {
                return Err(Error::conflict("invalid_transition", "The quotation was rejected; make it a draft again first."));
            }
            (_, QuotationState::Accepted) if is_over => {
                return Err(Error::conflict("expired", "The quotation has expired; change valid_until first."));
            }
            _ => {}
        }
        // What is accepted is not changed any more, so its items come first (`after`).
        if to == QuotationState::Accepted && before.is_none_or(|before| before.items.0 != self.items.0) {
            return Ok(());
        }
        self.state = to;
        self.sent_at = if to == QuotationState::Draft { None } else { self.sent_at.or((to == QuotationState::Sent).then_some(now)) };
        self.accepted_at = (to == QuotationState::Accepted).then_some(now);
        self.rejected_at = (to == QuotationState::Rejected).then_some(now);
        Ok(())
    }

    /// Fills in what it comes to: what its items do, or what was said of it when it has none.
    fn price(&mut self, change: &Change<'_, '_, Self>, business: i64) -> Result<()> {
        let currency = self.currency_code().to_owned();
        let sent = change.before.is_none_or(|before| before.items.0 != self.items.0);
        let terms = self.terms_of(business, &currency);
        if !self.items.0.is_empty() {
            let sums = pricing::fill(&mut self.items.0, &terms, change.tx, sent)?;
            (self.subtotal, self.discount_total) = (Some(sums.subtotal), Some(sums.discount));
            (self.tax_total, self.total_amount) = (Some(sums.tax), Some(sums.total));
            return Ok(());
        }
        let none = Money { minor: 0, exponent: crate::kit::exponent(&currency) };
        // Without items it comes to what was said, or to what it came to when it had some.
        let stated = self.total_amount.unwrap_or(none);
        if stated.minor < 0 {
            return Err(Error::field("total_amount", "Ensure this value is greater than or equal to 0."));
        }
        (self.subtotal, self.discount_total) = (Some(stated), Some(none));
        (self.tax_total, self.total_amount) = (Some(none), Some(stated));
        Ok(())
    }
}
