//! Invoices and quotations as they are printed: what a page and a sheet of paper show alike, and the sheet.

use serde_json::Value as Json;

use super::invoice::InvoiceItem;
use crate::{
    error::Result,
    kit::{Money, Price},
    paper::{Cell, Column, Sheet, Style, Table, Tone, grouped},
};

/// A document as it is printed.
pub struct Printed {
    /// `Invoice INV-0001`
    pub title: String,
    /// How it stands, if whoever holds it has to know: `PAID`.
    pub stamp: Option<(&'static str, Tone)>,
    /// What the stamp means for them.
    pub warning: &'static str,
    pub facts: Vec<(&'static str, String)>,
    /// Who sells, and who buys: name, address, tax number.
    pub parties: [(&'static str, Vec<String>); 2],
    pub rows: Vec<Row>,
    pub sums: Vec<Sum>,
    /// What is printed below: notes, terms.
    pub texts: Vec<String>,
}

/// An item.
pub struct Row {
    pub name: String,
    /// The description and the discount.
    pub more: String,
    pub quantity: String,
    pub price: String,
    pub tax: String,
    pub amount: String,
}

/// A line below the items.
pub struct Sum {
    pub name: String,
    pub amount: Money,
    pub strong: bool,
}

impl Sum {
    pub fn new(name: impl Into<String>, amount: Money) -> Self {
        Self { name: name.into(), amount, strong: false }
    }

    pub fn strong(name: impl Into<String>, amount: Money) -> Self {
        Self { strong: true, ..Self::new(name, amount) }
    }
}

/// What a document comes to.
pub struct Totals {
    pub currency: String,
    pub subtotal: Option<Money>,
    pub total: Option<Money>,
}

/// The items, in a currency with so many decimals.
pub fn rows(items: &[InvoiceItem], decimals: u8) -> Vec<Row> {
    let row = |item: &InvoiceItem| {
        let discount = item
            .discount_amount
            .filter(|discount| discount.minor != 0)
            .map(|discount| format!("Discount {}", grouped(&discount.to_string())));
        let more: Vec<String> = [Some(item.description.clone()).filter(|text| !text.is_empty()), discount].into_iter().flatten().collect();
        Row {
            name: item.name.clone(),
            more: more.join("\n"),
            quantity: format!("{}{}", item.quantity, item.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default()),
            price: price(item.unit_cost, decimals),
            tax: if item.tax_rate.is_some() { format!("{} %", item.tax_percent) } else { String::new() },
            amount: item.amount.as_ref().map(Money::to_string).unwrap_or_default(),
        }
    };
    items.iter().map(row).collect()
}

/// A price with at least the decimals of the currency.
fn price(price: Price, decimals: u8) -> String {
    let mut text = price.to_string();
    let known = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if known == 0 && decimals > 0 {
        text.push('.');
    }
    text.extend(std::iter::repeat_n('0', usize::from(decimals).saturating_sub(known)));
    text
}

/// What stands below the items: what they come to and what is taken off the whole, if something is, the subtotal, the tax of each rate,
/// the total. What is taken off an item stands beside it, and its amount is without that already.
pub fn sums(items: &[InvoiceItem], totals: &Totals) -> Vec<Sum> {
    let all = |part: fn(&InvoiceItem) -> Option<Money>| items.iter().filter_map(part).map(|money| money.minor).sum::<i64>();
    let discount = all(|item| item.doc_discount_share);
    let mut sums = vec![];
    if let Some(subtotal) = totals.subtotal {
        let money = |minor| Money { minor, ..subtotal };
        if discount != 0 {
            sums.extend([Sum::new("Items", money(all(|item| item.amount))), Sum::new("Discount", money(-discount))]);
        }
        sums.push(Sum::new("Subtotal", subtotal));
    }
    let mut taxes: Vec<Sum> = vec![];
    for item in items.iter().filter(|item| item.tax_rate.is_some()) {
        let (percent, Some(tax)) = (format!("{} %", item.tax_percent), item.tax_amount) else { continue };
        let name = if item.tax_name.ends_with(&percent) { item.tax_name.clone() } else { format!("{} {percent}", item.tax_name) };
        match taxes.iter_mut().find(|sum| sum.name == name) {
            Some(sum) => sum.amount.minor += tax.minor,
            None => taxes.push(Sum::new(name, tax)),
        }
    }
    sums.extend(taxes);
    sums.extend(totals.total.map(|total| Sum::strong(format!("Total {}", totals.currency), total)));
    sums
}

/// Seller or buyer as they were, line by line.
pub fn side(snapshot: &Json) -> Vec<String> {
    let text = |name: &str| snapshot[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let mut lines = vec![text("legal_name").or_else(|| text("name")).unwrap_or_default()];
    match &snapshot["address"] {
        Json::Object(address) => lines.extend(address.values().filter_map(Json::as_str).map(str::to_owned)),
        Json::String(address) => lines.push(address.clone()),
        _ => {}
    }
    lines.extend(text("tax_number").map(|number| format!("Tax number {number}")));
    lines.retain(|line| !line.is_empty());
    lines
}

/// Where the sums begin.
const SUMS: f32 = Sheet::LEFT + 215.0;
/// How wide the text below them is, and how high it is at most to stay on their page.
const WIDE: f32 = Sheet::RIGHT - Sheet::LEFT;
const FEW_LINES: f32 = 80.0;
/// How wide the text of seller and buyer is.
const PARTY: f32 = 225.0;

impl Printed {
    /// The document as a PDF file.
    ///
    /// # Errors
    /// See `Sheet::into_pdf`.
    pub fn to_pdf(&self) -> Result<Vec<u8>> {
        let mut sheet = Sheet::default();
        self.head(&mut sheet);
        self.table().draw(&mut sheet);
        sheet.down(10.0);
        self.foot(&mut sheet);
        sheet.into_pdf(&self.title)
    }

    fn head(&self, sheet: &mut Sheet) {
        if let Some((text, tone)) = self.stamp {
            sheet.stamp(Sheet::RIGHT, tone, text);
        }
        let room = Sheet::RIGHT - Sheet::LEFT - if self.stamp.is_some() { 130.0 } else { 0.0 };
        sheet.paragraph(Sheet::LEFT, room, Style::TITLE, &self.title);
        if !self.warning.is_empty() {
            sheet.paragraph(Sheet::LEFT, room, Style { tone: Tone::Warning, ..Style::BODY }, self.warning);
        }
        sheet.down(6.0);
        for (name, value) in &self.facts {
            sheet.text(Sheet::LEFT, Style { size: Style::BODY.size, ..Style::QUIET }, name);
            sheet.paragraph(Sheet::LEFT + 80.0, Sheet::RIGHT - Sheet::LEFT - 80.0, Style::BODY, value);
        }
        sheet.down(16.0);
        let (top, mut bottom) = (sheet.y(), sheet.y());
        let middle = (Sheet::LEFT + Sheet::RIGHT) / 2.0;
        for ((what, lines), x) in self.parties.iter().zip([Sheet::LEFT, middle]) {
            sheet.go_to(top);
            sheet.text(x, Style::QUIET, what);
            sheet.down(Style::QUIET.leading() + 1.0);
            for (index, line) in lines.iter().enumerate() {
                // An address of any length leaves room for what the document is about.
                if sheet.y() > top + 220.0 {
                    break;
                }
                sheet.paragraph(x, PARTY, if index == 0 { Style::STRONG } else { Style::BODY }, line);
            }
            bottom = bottom.max(sheet.y());
        }
        sheet.go_to(bottom + 20.0);
    }

    fn table(&self) -> Table {
        let column = |title, width, right| Column { title, width, right };
        let row = |row: &Row| {
            let name = Cell { text: row.name.clone(), more: row.more.clone() };
            let numbers = [row.quantity.clone(), grouped(&row.price), row.tax.clone(), grouped(&row.amount)];
            std::iter::once(name).chain(numbers.map(Cell::from)).collect()
        };
        Table {
            columns: vec![
                column("Item", 223.28, false),
                column("Quantity", 65.0, true),
                column("Price", 75.0, true),
                column("Tax", 45.0, true),
                column("Amount", 85.0, true),
            ],
            rows: self.rows.iter().map(row).collect(),
        }
    }

    fn foot(&self, sheet: &mut Sheet) {
        let leading = |sum: &Sum| if sum.strong { Style::STRONG.leading() + 6.0 } else { Style::BODY.leading() + 2.0 };
        let sums: f32 = self.sums.iter().map(leading).sum();
        let lines = |text: &String| 14.0 + Style::BODY.leading() * Style::BODY.face.lines(text, Style::BODY.size, WIDE).len() as f32;
        let texts: f32 = self.texts.iter().filter(|text| !text.is_empty()).map(lines).sum();
        // A word of thanks does not get a page to itself.
        sheet.keep(if texts <= FEW_LINES { sums + texts } else { sums });
        for sum in &self.sums {
            let style = if sum.strong { Style::STRONG } else { Style::BODY };
            let amount = grouped(&sum.amount.to_string());
            let room = Sheet::RIGHT - SUMS - style.face.width(&amount, style.size) - 12.0;
            let names = style.face.lines(&sum.name, style.size, room);
            for (index, name) in names.iter().enumerate() {
                sheet.keep(leading(sum));
                if index == 0 && sum.strong {
                    sheet.rule(SUMS, Sheet::RIGHT, 0.5, Tone::Line);
                    sheet.down(4.0);
                }
                if index == 0 {
                    sheet.text_to(Sheet::RIGHT, style, &amount);
                }
                sheet.text(SUMS, style, name);
                sheet.down(style.leading() + 2.0);
            }
        }
        for text in self.texts.iter().filter(|text| !text.is_empty()) {
            sheet.down(14.0);
            sheet.paragraph(Sheet::LEFT, WIDE, Style::BODY, text);
        }
    }
}
