//! The public link of an invoice: who has it sees the invoice, and nothing else. Only a hash of its token is stored.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::print::{file, printed};
use crate::{
    db::{self, Reader, Writer},
    error::{Error, Result},
    kit::hex::hex,
    outbox::template::escaped,
    paper::grouped,
    resources::finance::printed::{Row, Sum},
};

const TOKEN_BYTES: usize = 32;
/// The longest token that is looked at.
const LONGEST: usize = 200;

/// What the page may do: show itself.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// On a phone an item is its name, and below it how many at what price. On paper the sums stand once, at the end.
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;color:#18181b;overflow-wrap:anywhere}\
                     .parties{display:flex;flex-wrap:wrap;gap:1rem 2rem}.parties>section{flex:1 1 14rem;white-space:pre-line}\
                     table{width:100%;border-collapse:collapse;margin:1.5rem 0}th,td{padding:.35rem .5rem;text-align:left;vertical-align:top;\
                     border-bottom:1px solid #d4d4d8}.n{text-align:right;white-space:nowrap}tfoot td{border:0}tfoot .strong{font-weight:700}\
                     .void{color:#b91c1c;font-weight:700}.text{white-space:pre-line}\
                     @media screen and (max-width:36rem){thead{display:none}table,tbody,tfoot{display:block}\
                     tr{display:flex;flex-wrap:wrap;gap:0 1rem;padding:.5rem 0;border-bottom:1px solid #d4d4d8}td{padding:0;border:0}\
                     tbody td:first-child{flex:1 0 100%}tbody td:nth-child(2):after{content:\" \\00d7\"}td:last-child{margin-left:auto}\
                     tfoot tr{flex-wrap:nowrap;border:0;padding:.2rem 0}tfoot td:first-child{white-space:normal;text-align:left}}\
                     @media print{.screen{display:none}body{margin:0;max-width:none;font-size:11pt}thead{display:table-header-group}\
                     tfoot{display:table-row-group}tr{break-inside:avoid}}";

/// Makes a new link for an invoice; the one before is dead from now on. Answers its token.
pub fn renew(tx: &mut Writer<'_>, id: i64) -> Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(format!("No random bytes for a link: {error}.")))?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    tx.update("invoices", id, vec![("share_token_hash", hash(&token).into())])?;
    Ok(token)
}

fn hash(token: &str) -> String {
    hex(&Sha256::digest(token))
}

/// The invoice of a token, whether it was looked at before, and the business it is of.
pub fn find(reader: &Reader<'_>, token: &str) -> Result<Option<(i64, bool, i64)>> {
    if token.is_empty() || token.len() > LONGEST {
        return Ok(None);
    }
    let sql = "SELECT id, viewed_at IS NOT NULL, business_id FROM invoices WHERE share_token_hash = ?1 AND state <> 'draft' AND deleted_at IS NULL";
    reader.row(sql, &[hash(token).into()], |row: &db::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// Notes that somebody looked at an invoice, the first time.
pub fn viewed(tx: &mut Writer<'_>, id: i64) -> Result<()> {
    if tx.exists("SELECT 1 FROM invoices WHERE id = ?1 AND viewed_at IS NULL", &[id.into()])? {
        tx.act("view");
        tx.update("invoices", id, vec![("viewed_at", tx.now().to_string().into())])?;
    }
    Ok(())
}

/// The page of an invoice, with a link to it on paper; `token` is that of its own link.
pub fn page(reader: &Reader<'_>, id: i64, business: i64, token: &str) -> Result<String> {
    let printed = printed(reader, id, business)?;
    let facts: String = printed.facts.iter().map(|(name, value)| format!("{name}: {}", escaped(value))).collect::<Vec<_>>().join("<br>");
    let row = |row: &Row| {
        let more = if row.more.is_empty() { String::new() } else { format!("<br><small class=\"text\">{}</small>", escaped(&row.more)) };
        let cells = [row.quantity.clone(), grouped(&row.price), row.tax.clone(), grouped(&row.amount)];
        let cells: String = cells.iter().map(|cell| format!("<td class=\"n\">{}</td>", escaped(cell))).collect();
        format!("<tr><td>{}{more}</td>{cells}</tr>\n", escaped(&row.name))
    };
    let sum = |sum: &Sum| {
        let class = if sum.strong { " class=\"strong\"" } else { "" };
        let cells = [("colspan=\"4\" ", sum.name.clone()), ("", grouped(&sum.amount.to_string()))];
        let cells: String = cells.iter().map(|(how, text)| format!("<td {how}class=\"n\">{}</td>", escaped(text))).collect();
        format!("<tr{class}>{cells}</tr>\n")
    };
    let rows: String = printed.rows.iter().map(row).collect();
    let sums: String = printed.sums.iter().map(sum).collect();
    let warning = if printed.warning.is_empty() { String::new() } else { format!("<p class=\"void\">{}</p>\n", printed.warning) };
    let texts = printed.texts.iter().filter(|text| !text.is_empty());
    let texts: String = texts.map(|text| format!("<p class=\"text\">{}</p>\n", escaped(text))).collect();
    let sides = printed.parties.iter().map(|(what, lines)| {
        let lines: Vec<String> = lines.iter().map(|line| escaped(line)).collect();
        format!("<section><strong>{what}</strong>\n{}</section>", lines.join("\n"))
    });
    let body = format!(
        "<p>{facts}</p>\n{warning}<div class=\"parties\">{}</div>\n\
         <table><thead><tr><th>Item</th><th class=\"n\">Quantity</th><th class=\"n\">Price</th><th class=\"n\">Tax</th><th class=\"n\">Amount</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n<tfoot>\n{sums}</tfoot></table>\n{texts}<p class=\"screen\"><a href=\"/p/{}/pdf/\">PDF</a></p>\n",
        sides.collect::<String>(),
        escaped(token),
    );
    Ok(whole(&printed.title, &body))
}

/// The same as a PDF file.
pub fn paper(reader: &Reader<'_>, id: i64) -> Result<Vec<u8>> {
    file(reader, id).map(|(bytes, _)| bytes)
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
