//! The public link of an invoice: who has it sees the invoice, and nothing else. Only a hash of its token is stored.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{Invoice, InvoiceKind, InvoiceState};
use crate::{
    db::{Reader, Row, Writer},
    engine::verbs,
    error::{Error, Result},
    kit::{Money, exponent},
    outbox::template::escaped,
};

const TOKEN_BYTES: usize = 32;
/// The longest token that is looked at.
const LONGEST: usize = 200;

/// What the page may do: show itself.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;color:#18181b;overflow-wrap:anywhere}\
                     .parties{display:flex;gap:2rem}.parties>section{flex:1;white-space:pre-line}\
                     table{width:100%;border-collapse:collapse;margin:1.5rem 0}th,td{padding:.35rem .5rem;text-align:left;vertical-align:top;\
                     border-bottom:1px solid #d4d4d8}.n{text-align:right;white-space:nowrap}tfoot td{border:0}tfoot tr:last-child{font-weight:700}\
                     .void{color:#b91c1c;font-weight:700}.text{white-space:pre-line}\
                     @media print{body{margin:0;max-width:none;font-size:11pt}thead{display:table-header-group}tr{break-inside:avoid}}";

/// Makes a new link for an invoice; the one before is dead from now on. Answers its token.
pub fn renew(tx: &mut Writer<'_>, id: i64) -> Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(format!("No random bytes for a link: {error}.")))?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    tx.update("invoices", id, vec![("share_token_hash", hash(&token).into())])?;
    Ok(token)
}

fn hash(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The invoice of a token, whether it was looked at before, and the business it is of.
pub fn find(reader: &Reader<'_>, token: &str) -> Result<Option<(i64, bool, i64)>> {
    if token.is_empty() || token.len() > LONGEST {
        return Ok(None);
    }
    let sql = "SELECT id, viewed_at IS NOT NULL, business_id FROM invoices WHERE share_token_hash = ?1 AND state <> 'draft' AND deleted_at IS NULL";
    reader.row(sql, &[hash(token).into()], |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// Notes that somebody looked at an invoice, the first time.
pub fn viewed(tx: &mut Writer<'_>, id: i64) -> Result<()> {
    if tx.exists("SELECT 1 FROM invoices WHERE id = ?1 AND viewed_at IS NULL", &[id.into()])? {
        tx.act("view");
        tx.update("invoices", id, vec![("viewed_at", tx.now().to_string().into())])?;
    }
    Ok(())
}

/// The page of an invoice: as it was issued, and what is open of it now.
pub fn page(reader: &Reader<'_>, id: i64) -> Result<String> {
    let invoice = verbs::load::<Invoice>(reader, id)?;
    let decimals = exponent(invoice.currency_code());
    let money = |amount: Option<Money>| amount.map_or_else(String::new, |amount| amount.to_string());
    let what = if invoice.kind == InvoiceKind::CreditNote { "Credit note" } else { "Invoice" };
    let title = format!("{what} {}", invoice.number.as_deref().unwrap_or_default());
    let snapshot = invoice.snapshot.as_ref().map(|snapshot| snapshot.0.clone()).unwrap_or_default();
    let mut facts = vec![("Date", invoice.issue_date.map(|date| date.to_string()).unwrap_or_default())];
    if invoice.kind == InvoiceKind::Invoice {
        facts.push(("Due", invoice.due_date.map(|date| date.to_string()).unwrap_or_default()));
    }
    if !invoice.reference.is_empty() {
        facts.push(("Reference", invoice.reference.clone()));
    }
    let facts: String = facts.iter().map(|(name, value)| format!("<br>{name}: {}", escaped(value))).collect();
    let rows: String = invoice
        .items
        .0
        .iter()
        .map(|item| {
            let unit = item.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
            let text = if item.description.is_empty() {
                String::new()
            } else {
                format!("<br><small class=\"text\">{}</small>", escaped(&item.description))
            };
            let tax = if item.tax_rate.is_some() { format!("{} %", item.tax_percent) } else { String::new() };
            let cells = [format!("{}{unit}", item.quantity), item.unit_cost.to_string(), tax, money(item.amount)];
            let cells: String = cells.iter().map(|cell| format!("<td class=\"n\">{}</td>", escaped(cell))).collect();
            format!("<tr><td>{}{text}</td>{cells}</tr>\n", escaped(&item.name))
        })
        .collect();
    let mut sums = vec![("Discounts".to_owned(), money(invoice.discount_total)), ("Subtotal".to_owned(), money(invoice.subtotal))];
    sums.retain(|(name, _)| name != "Discounts" || Invoice::minor(invoice.discount_total) != 0);
    sums.extend(taxes(&invoice).into_iter().map(|(name, minor)| (name, Money { minor, exponent: decimals }.to_string())));
    sums.push((format!("Total {}", invoice.currency_code()), money(invoice.total)));
    if invoice.state == InvoiceState::Issued && invoice.kind == InvoiceKind::Invoice {
        sums.push(("Paid".to_owned(), money(invoice.amount_allocated)));
        sums.push(("Amount due".to_owned(), Money { minor: invoice.open(), exponent: decimals }.to_string()));
    }
    let sums: String = sums
        .iter()
        .map(|(name, sum)| format!("<tr><td colspan=\"4\" class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n", escaped(name), escaped(sum)))
        .collect();
    let void = if invoice.state == InvoiceState::Void { "<p class=\"void\">This was taken back: nothing is to be paid.</p>\n" } else { "" };
    let text = |text: &str| if text.is_empty() { String::new() } else { format!("<p class=\"text\">{}</p>\n", escaped(text)) };
    let body = format!(
        "<p>{}{facts}</p>\n{void}<div class=\"parties\"><section>{}</section><section>{}</section></div>\n\
         <table><thead><tr><th>Item</th><th class=\"n\">Quantity</th><th class=\"n\">Price</th><th class=\"n\">Tax</th><th class=\"n\">Amount</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n<tfoot>\n{sums}</tfoot></table>\n{}{}",
        escaped(&title),
        side("From", &snapshot["seller"]),
        side("To", &snapshot["buyer"]),
        text(&invoice.notes),
        text(&invoice.terms)
    );
    Ok(whole(&title, &body))
}

/// The page for a token that is none.
pub fn nothing() -> String {
    whole("Not found", "<p>There is nothing here, or not any more.</p>\n")
}

fn whole(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title}</title><link rel=\"icon\" href=\"data:,\"><style>{STYLE}</style></head>\n\
         <body>\n<h1>{title}</h1>\n{body}</body>\n</html>\n"
    )
}

/// The tax of each rate, as it is printed.
fn taxes(invoice: &Invoice) -> Vec<(String, i64)> {
    let mut taxes: Vec<(String, i64)> = vec![];
    for item in invoice.items.0.iter().filter(|item| item.tax_rate.is_some()) {
        let name = format!("{} {} %", item.tax_name, item.tax_percent);
        let minor = Invoice::minor(item.tax_amount);
        match taxes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += minor,
            None => taxes.push((name, minor)),
        }
    }
    taxes
}

/// Seller or buyer as they were when it was issued.
fn side(what: &str, snapshot: &Json) -> String {
    let text = |name: &str| snapshot[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let mut lines = vec![text("legal_name").or_else(|| text("name")).unwrap_or_default()];
    match &snapshot["address"] {
        Json::Object(address) => lines.extend(address.values().filter_map(Json::as_str).map(str::to_owned)),
        Json::String(address) => lines.push(address.clone()),
        _ => {}
    }
    lines.extend(text("tax_number").map(|number| format!("Tax number {number}")));
    lines.retain(|line| !line.is_empty());
    let lines: Vec<String> = lines.iter().map(|line| escaped(line)).collect();
    format!("<strong>{what}</strong>\n{}", lines.join("\n"))
}
