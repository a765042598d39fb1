//! The items of quotations, one by one. What is done to one is done to its quotation.

use poem_openapi::{Object, types::ToJSON};
use serde_json::{Map, Value as Json, json};

use super::{Quotation, QuotationState};
use crate::{
    actor::Capability::Finance,
    db::Writer,
    engine::{About, Access, Change, LR, LRCU, Options, Resource, all, own, verbs},
    error::{Error, Result},
    kit::{Currency, Decimal, Money, Percent, Price, Quantity, Ref},
    resources::finance::{
        Account, TaxRate,
        invoice::{DiscountType, InvoiceItem},
        pricing::{self, Terms},
    },
};

/// An item of a quotation.
#[derive(Object)]
pub struct QuotationItem {
    /// The quotation that it is part of, for good.
    pub quotation: Ref<Quotation>,
    /// What is offered.
    #[oai(validator(max_length = 255))]
    pub name: String,
    /// More about it.
    #[oai(default, validator(max_length = 2000))]
    pub description: String,
    /// How much of it, more than nothing, with up to four decimals.
    #[oai(default = "one")]
    pub quantity: Quantity,
    /// What it is counted in: `h`, `kg`.
    #[oai(validator(max_length = 20))]
    pub unit: Option<String>,
    /// What one costs, with up to six decimals.
    pub unit_cost: Price,
    /// How the discount is meant.
    #[oai(default)]
    pub discount_type: DiscountType,
    /// The percentage or the amount that is taken off.
    #[oai(default)]
    pub discount_value: Decimal<4>,
    /// The rate by which it is taxed; none when left out.
    pub tax_rate: Option<Ref<TaxRate>>,
    /// The name of that rate as it was.
    #[oai(default, validator(max_length = 50))]
    pub tax_name: String,
    /// The percentage of that rate as it was.
    #[oai(default)]
    pub tax_percent: Percent,
    /// The account of income that it belongs to; that of the category `invoice` when left out.
    pub account: Option<Ref<Account>>,
    /// Quantity times price.
    pub gross: Option<Money>,
    /// What is taken off.
    pub discount_amount: Option<Money>,
    /// What is left: what is printed beside the item. May be sent if it is right.
    pub amount: Option<Money>,
    /// Its part of the discount of the whole quotation.
    pub doc_discount_share: Option<Money>,
    /// What it comes to without tax.
    pub net_amount: Option<Money>,
    /// Its part of the tax.
    pub tax_amount: Option<Money>,
    /// The currency of the quotation.
    pub currency: Option<Currency>,
    /// Where it stands among the others.
    #[oai(default)]
    pub position: i64,
}

fn one() -> Quantity {
    Decimal(10_000)
}

const SERVER_SET: &[&str] = &[
    "tax_name",
    "tax_percent",
    "gross",
    "discount_amount",
    "amount",
    "doc_discount_share",
    "net_amount",
    "tax_amount",
    "currency",
    "position",
];

impl Resource for QuotationItem {
    const ABOUT: About = About {
        path: "finance/quotation-items",
        table: "quotation_items",
        list: &["quotation", "name", "quantity", "unit_cost", "amount"],
        search: &["name", "description"],
        filter: &["quotation", "name", "amount", "created_at"],
        // Those of quotations that were deleted are not there, unless they are asked for.
        usual: Some((&["quotation"], "EXISTS (SELECT 1 FROM quotations AS q WHERE q.id = t.quotation_id AND q.deleted_at IS NULL)")),
        order: &["-created_at", "name", "amount"],
        server_set: SERVER_SET,
        confirmed: &[("amount", "amount")],
        access: Access::deny().admin(all(LRCU)).manager(all(LRCU)).staff_with(Finance, all(LRCU)).customer(own(LR)).student(own(LR)),
        own: "EXISTS (SELECT 1 FROM quotations AS q JOIN parties AS p ON p.id = q.party_id \
              WHERE q.id = t.quotation_id AND q.state <> 'draft' AND q.deleted_at IS NULL AND p.user_id = :me AND p.deleted_at IS NULL)",
        soft_delete: false,
        ..About::DEFAULT
    };

    fn check(&mut self, change: &Change<'_, '_, Self>) -> Result<()> {
        let tx = change.tx;
        let business = tx.actor().business_id().ok_or_else(Error::forbidden)?;
        if change.before.is_some_and(|before| before.quotation != self.quotation) {
            return Err(Error::field("quotation", "An item stays with its quotation."));
        }
        let quotation = open(tx, self.quotation)?;
        let currency = quotation.currency_code().to_owned();
        // What is the same comes to the same.
        if change.before.is_some_and(|before| before.entered() == self.entered()) {
            return Ok(());
        }
        if change.before.is_none() {
            let last = "SELECT 1 + max(position) FROM quotation_items WHERE quotation_id = ?1";
            self.position = tx.one::<Option<i64>>(last, &[self.quotation.0.into()])?.flatten().unwrap_or(0);
        }
        // By itself; what all of them come to follows.
        let terms = Terms { discount_type: DiscountType::None, discount_value: Decimal(0), ..quotation.terms_of(business, &currency) };
        let mut items = [self.entered()];
        pricing::fill(&mut items, &terms, tx, false).map_err(alone)?;
        let [item] = items;
        (self.tax_name, self.tax_percent) = (item.tax_name, item.tax_percent);
        (self.gross, self.discount_amount, self.amount) = (item.gross, item.discount_amount, item.amount);
        (self.doc_discount_share, self.net_amount, self.tax_amount) = (item.doc_discount_share, item.net_amount, item.tax_amount);
        self.currency = Some(Currency(currency));
        Ok(())
    }

    fn after(&self, id: i64, before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        let now = rows(tx, self.quotation)?;
        let was = match before.and_then(ToJSON::to_json) {
            None => without(&now, id),
            Some(before) => now.iter().map(|row| if row["id"] == id { as_it_was(row, &before) } else { row.clone() }).collect(),
        };
        tell(tx, self.quotation, was, now)?;
        recount(tx, self.quotation.0)
    }

    fn deleting(&self, id: i64, tx: &mut Writer<'_>) -> Result<()> {
        open(tx, self.quotation)?;
        let was = rows(tx, self.quotation)?;
        let now = without(&was, id);
        tell(tx, self.quotation, was, now)
    }
}

impl QuotationItem {
    fn entered(&self) -> InvoiceItem {
        InvoiceItem {
            description: self.description.clone(),
            quantity: self.quantity,
            unit: self.unit.clone(),
            discount_type: self.discount_type,
            discount_value: self.discount_value,
            tax_rate: self.tax_rate,
            account: self.account,
            ..InvoiceItem::new(self.name.clone(), self.unit_cost)
        }
    }
}

fn rows(reader: &Writer<'_>, quotation: Ref<Quotation>) -> Result<Vec<Json>> {
    verbs::lines_of::<Quotation>(reader, quotation.0, "items")
}

fn without(rows: &[Json], id: i64) -> Vec<Json> {
    rows.iter().filter(|row| row["id"] != id).cloned().collect()
}

/// A row with what an item said before.
fn as_it_was(row: &Json, before: &Json) -> Json {
    let mut row = row.clone();
    for (name, value) in row.as_object_mut().into_iter().flatten() {
        if let Some(was) = before.get(name.as_str()) {
            *value = was.clone();
        }
    }
    row
}

/// The history of a quotation has its items, whichever way they are written: it can be taken back to them.
fn tell(tx: &mut Writer<'_>, quotation: Ref<Quotation>, was: Vec<Json>, now: Vec<Json>) -> Result<()> {
    if was == now {
        return Ok(());
    }
    tx.step(|tx| {
        tx.act("update");
        tx.note("quotations", quotation.0, "update", Some(json!({"items": was})), Some(json!({"items": now})))
    })
}

/// The quotation, as long as it may be changed.
fn open(tx: &Writer<'_>, quotation: Ref<Quotation>) -> Result<Quotation> {
    if !tx.exists("SELECT 1 FROM quotations WHERE id = ?1 AND deleted_at IS NULL", &[quotation.0.into()])? {
        return Err(Error::not_found());
    }
    let quotation = verbs::load::<Quotation>(tx, quotation.0)?;
    match quotation.state {
        QuotationState::Draft | QuotationState::Sent => Ok(quotation),
        _ => Err(Error::conflict("immutable", "The items of a quotation that was answered are not changed.")),
    }
}

/// Works out again what a quotation comes to.
pub fn recount(tx: &mut Writer<'_>, quotation: i64) -> Result<()> {
    tx.step(|tx| verbs::change::<Quotation>(tx, quotation, Map::new(), Options { internal: true, ..Options::default() }))
}

/// What is wrong with the only row of a list is wrong with the record.
fn alone(error: Error) -> Error {
    let Error::Invalid(problems) = error else { return error };
    let rows = problems.clone().into_rows().and_then(|rows| rows.into_iter().next());
    Error::Invalid(rows.unwrap_or(problems))
}
