//! The chart of accounts that every business begins with, and how its accounts are found: those of further currencies are made when
//! something is first posted in them.

use super::choices::{AccountClass, AccountType};
use crate::{
    db::{Reader, Row, Value, Writer},
    error::{Error, Result},
    kit::words,
};

/// The cash box that a business begins with.
const CASH: &str = "1000";
/// What customers owe.
pub const RECEIVABLE: &str = "1200";
/// Tax that was paid and can be claimed back.
pub const TAX_RECEIVABLE: &str = "1300";
/// What is owed to suppliers.
pub const PAYABLE: &str = "2100";
/// Tax that was taken and is to be handed on.
pub const TAX_PAYABLE: &str = "2200";
/// Where the balances come from that the books begin with.
pub const OPENING_EQUITY: &str = "3000";
/// What passes from one currency to another; balanced in neither.
pub const FX_CLEARING: &str = "3900";
/// What banks and wallets keep.
pub const BANK_CHARGES: &str = "5900";
/// What will not be paid any more.
pub const BAD_DEBT: &str = "5950";

/// Code, type and name.
const SYSTEM: [(&str, AccountType, &str); 8] = [
    (RECEIVABLE, AccountType::Receivable, "Accounts receivable"),
    (TAX_RECEIVABLE, AccountType::TaxReceivable, "Tax receivable"),
    (PAYABLE, AccountType::Payable, "Accounts payable"),
    (TAX_PAYABLE, AccountType::TaxPayable, "Tax payable"),
    (OPENING_EQUITY, AccountType::Equity, "Opening equity"),
    (FX_CLEARING, AccountType::FxClearing, "Currency exchange"),
    (BANK_CHARGES, AccountType::Expense, "Bank charges"),
    (BAD_DEBT, AccountType::Expense, "Bad debt"),
];

/// The categories: an income account and an expense account of each.
const CATEGORIES: [&str; 15] = [
    "web_dev",
    "app_dev",
    "training",
    "facilitation",
    "travel",
    "marketing",
    "salary",
    "infrastructure",
    "operations",
    "utilities",
    "office",
    "tax",
    "invoice",
    "miscellaneous",
    "tuition",
];

/// An account as it is made.
struct Plan {
    code: String,
    kind: AccountType,
    name: String,
}

fn plans() -> Vec<Plan> {
    let system = SYSTEM.iter().map(|(code, kind, name)| Plan { code: (*code).to_owned(), kind: *kind, name: (*name).to_owned() });
    let categories = CATEGORIES.iter().flat_map(|slug| {
        let name = words(slug);
        let name = name[..1].to_ascii_uppercase() + &name[1..];
        [AccountType::Income, AccountType::Expense].map(|kind| Plan { code: (*slug).to_owned(), kind, name: name.clone() })
    });
    system.chain(categories).collect()
}

/// Makes the accounts of the chart that a business never had. Those that were deleted stay so.
pub fn seed_chart(tx: &mut Writer<'_>, business: i64) -> Result<()> {
    let known: Vec<(String, String)> =
        tx.rows("SELECT class, code FROM accounts WHERE business_id = ?1 AND code IS NOT NULL", &[business.into()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let currency: String =
        tx.one("SELECT currency FROM businesses WHERE id = ?1", &[business.into()])?.ok_or_else(|| Error::internal("no such business"))?;
    for plan in plans() {
        if !known.iter().any(|(class, code)| class == plan.kind.class().name() && *code == plan.code) {
            insert(tx, business, &plan, &currency)?;
        }
    }
    Ok(())
}

/// Makes a cash box for a business that never had a place for money, so that it can take some at once.
pub fn seed_cash(tx: &mut Writer<'_>, business: i64) -> Result<()> {
    let currency: String =
        tx.one("SELECT currency FROM businesses WHERE id = ?1", &[business.into()])?.ok_or_else(|| Error::internal("no such business"))?;
    // One that was deleted was not wanted.
    let known = tx.exists("SELECT 1 FROM accounts WHERE business_id = ?1 AND is_money = 1", &[business.into()])?;
    if known { Ok(()) } else { insert(tx, business, &cash(), &currency).map(drop) }
}

/// Has a place for money in the currency that a business has changed to: its own cash box, as long as nothing is on it, or one more.
/// The accounts of the chart need none of this: they are made in whatever currency something is posted.
pub fn follow_currency(tx: &mut Writer<'_>, business: i64, currency: &str) -> Result<()> {
    let there = "SELECT 1 FROM accounts WHERE business_id = ?1 AND is_money = 1 AND is_active = 1 AND currency = ?2 AND owner_id IS NULL \
                 AND deleted_at IS NULL";
    if tx.exists(there, &[business.into(), currency.into()])? {
        return Ok(());
    }
    let unused = "SELECT a.id FROM accounts AS a WHERE a.business_id = ?1 AND a.code = ?2 AND a.type = 'cash' AND a.deleted_at IS NULL \
                  AND NOT EXISTS (SELECT 1 FROM journal_lines AS l WHERE l.account_id = a.id) \
                  AND NOT EXISTS (SELECT 1 FROM transactions AS t WHERE t.business_id = a.business_id \
                                  AND (t.account_id = a.id OR t.to_account_id = a.id)) \
                  AND NOT EXISTS (SELECT 1 FROM accounts AS o WHERE o.business_id = a.business_id AND o.id <> a.id AND o.class = a.class \
                                  AND (o.name = a.name OR o.code = a.code) AND o.currency = ?3 AND o.deleted_at IS NULL)";
    match tx.one(unused, &[business.into(), CASH.into(), currency.into()])? {
        Some(id) => tx.step(|tx| {
            tx.act("update");
            tx.update("accounts", id, vec![("currency", currency.into())]).map(drop)
        }),
        None => insert(tx, business, &cash(), currency).map(drop),
    }
}

fn cash() -> Plan {
    Plan { code: CASH.to_owned(), kind: AccountType::Cash, name: "Cash".to_owned() }
}

/// Is this the code of a category that something can be posted to? One of the chart that the business never had is made then.
pub fn is_category(reader: &Reader<'_>, business: Option<i64>, slug: &str, class: AccountClass) -> Result<bool> {
    let args = [business.into(), class.name().into(), slug.into()];
    let used = "SELECT 1 FROM accounts WHERE business_id = ?1 AND class = ?2 AND code = ?3 AND type = class AND is_active = 1 \
                AND deleted_at IS NULL";
    let known = "SELECT 1 FROM accounts WHERE business_id = ?1 AND class = ?2 AND code = ?3";
    Ok(reader.exists(used, &args)? || CATEGORIES.contains(&slug) && !reader.exists(known, &args)?)
}

/// The account of a code in a currency, which is made if there is none yet.
pub fn account(tx: &mut Writer<'_>, code: &str, class: AccountClass, currency: &str) -> Result<i64> {
    let known = find(tx, code, class, currency)?;
    known.ok_or_else(|| Error::internal(format_args!("the chart has no {} account {code}", class.name())))
}

/// The account of a category in a currency, which is made if the category exists in another.
///
/// # Errors
/// 400 on `category` for one that does not exist or is not active.
pub fn category(tx: &mut Writer<'_>, slug: &str, class: AccountClass, currency: &str) -> Result<i64> {
    find(tx, slug, class, currency)?.ok_or_else(|| Error::field("category", format!("\"{slug}\" is not a valid choice.")))
}

fn find(tx: &mut Writer<'_>, code: &str, class: AccountClass, currency: &str) -> Result<Option<i64>> {
    let business = tx.actor().business_id().ok_or_else(Error::forbidden)?;
    let args = [business.into(), class.name().into(), code.into(), currency.into()];
    // Of another currency only when there is none of this.
    let sql = "SELECT id, name, type, currency, is_active FROM accounts WHERE business_id = ?1 AND class = ?2 AND code = ?3 \
               AND deleted_at IS NULL ORDER BY currency <> ?4, id LIMIT 1";
    let read = |row: &Row<'_>| Ok((row.get::<i64>(0)?, row.get::<String>(1)?, row.get::<String>(2)?, row.get::<String>(3)?, row.get(4)?));
    let found = tx.row(sql, &args, read)?;
    match found {
        // The chart itself is always there, whatever was switched off.
        Some((_, _, _, _, false)) if !is_system(code) => Ok(None),
        Some((id, _, _, known, _)) if known == currency => Ok(Some(id)),
        Some((_, name, kind, ..)) => {
            use poem_openapi::types::ParseFromJSON;
            let kind = AccountType::parse_from_json(Some(kind.into())).map_err(|error| Error::internal(error.into_message()))?;
            insert(tx, business, &Plan { code: code.to_owned(), kind, name }, currency).map(Some)
        }
        None => {
            let plan = plans().into_iter().find(|plan| plan.code == code && plan.kind.class() == class);
            let deleted = "SELECT 1 FROM accounts WHERE business_id = ?1 AND class = ?2 AND code = ?3";
            match plan {
                Some(plan) if is_system(code) || !tx.exists(deleted, &args)? => insert(tx, business, &plan, currency).map(Some),
                _ => Ok(None),
            }
        }
    }
}

fn is_system(code: &str) -> bool {
    SYSTEM.iter().any(|(known, ..)| *known == code)
}

fn insert(tx: &mut Writer<'_>, business: i64, plan: &Plan, currency: &str) -> Result<i64> {
    let class = plan.kind.class().name();
    let name = free_name(tx, business, class, plan, currency)?;
    let values: Vec<(&str, Value)> = vec![
        ("business_id", business.into()),
        ("name", name.into()),
        ("code", plan.code.as_str().into()),
        ("class", class.into()),
        ("type", plan.kind.name().into()),
        ("currency", currency.into()),
        ("allow_negative", plan.kind.allows_negative().into()),
        ("is_system", is_system(&plan.code).into()),
    ];
    tx.step(|tx| {
        tx.act("create");
        tx.insert("accounts", values)
    })
}

/// Somebody may have called an account of their own like this.
fn free_name(reader: &Reader<'_>, business: i64, class: &str, plan: &Plan, currency: &str) -> Result<String> {
    let sql = "SELECT 1 FROM accounts WHERE business_id = ?1 AND class = ?2 AND name = ?3 AND currency = ?4 AND deleted_at IS NULL";
    let mut name = plan.name.clone();
    for count in 1.. {
        if !reader.exists(sql, &[business.into(), class.into(), name.as_str().into(), currency.into()])? {
            break;
        }
        let shorter: String = plan.name.chars().take(60).collect();
        name = if count == 1 { format!("{shorter} ({})", plan.code) } else { format!("{shorter} ({}, {count})", plan.code) };
    }
    Ok(name)
}
