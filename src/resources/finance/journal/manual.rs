//! Entries by hand: for what no document stands for.

use poem_openapi::{Object, types::ParseFromJSON};
use serde_json::Value as Json;

use crate::{
    db::{Reader, Writer},
    engine::{
        descriptor::{Record, fields},
        validate,
    },
    error::{Error, Problems, Result},
    kit::{Date, Line as OwnedLine, Lines, Money, Ref, exponent},
    resources::finance::{
        Account, Party,
        ledger::{Line, Posting},
    },
};

/// An entry by hand.
#[derive(Object)]
pub struct ManualEntry {
    /// On which day it happened; today when left out.
    pub date: Option<Date>,
    /// What it was.
    #[oai(validator(max_length = 500))]
    pub memo: String,
    /// What it does to which account; adds up to zero in each currency.
    pub lines: Lines<ManualLine>,
}

/// A line of an entry by hand: a debit, a credit, or an amount that is positive for debit.
#[derive(Object)]
pub struct ManualLine {
    /// The account.
    pub account: Ref<Account>,
    /// So much on the debit side.
    #[oai(validator(max_length = 30))]
    pub debit: Option<String>,
    /// So much on the credit side.
    #[oai(validator(max_length = 30))]
    pub credit: Option<String>,
    /// So much, positive for debit and negative for credit.
    #[oai(validator(max_length = 30))]
    pub amount: Option<String>,
    /// Who it is about; needed on what is owed.
    pub party: Option<Ref<Party>>,
    /// What it is.
    #[oai(default, validator(max_length = 255))]
    pub memo: String,
}

impl OwnedLine for ManualLine {
    const TABLE: &'static str = "journal_lines";
}

/// What a body asks to be posted.
pub fn posting(tx: &Writer<'_>, body: Record) -> Result<Posting> {
    let actor = tx.actor().clone();
    let body = validate::object(&fields::<ManualEntry>(), body, Some(tx), &actor)?;
    let entry = ManualEntry::parse_from_json(Some(Json::Object(body))).map_err(|error| Error::whole(error.into_message()))?;
    let (mut lines, mut problems) = (vec![], vec![]);
    for line in &entry.lines.0 {
        match posted(tx, line) {
            Ok(line) => {
                lines.push(line);
                problems.push(Problems::default());
            }
            Err(Error::Invalid(wrong)) => problems.push(wrong),
            // Not the client's fault.
            Err(error) => return Err(error),
        }
    }
    if problems.iter().any(|problems| !problems.is_empty()) {
        let mut all = Problems::default();
        all.rows("lines", problems);
        return Err(Error::Invalid(all));
    }
    Ok(Posting { date: entry.date.unwrap_or(Date(actor.today())), memo: entry.memo, source: ("manual", 0), lines, reverses: None })
}

fn posted(reader: &Reader<'_>, line: &ManualLine) -> Result<Line> {
    let sql = "SELECT currency, is_active FROM accounts WHERE id = ?1";
    let found = reader.row(sql, &[line.account.0.into()], |row| Ok((row.get::<String>(0)?, row.get::<bool>(1)?)))?;
    let Some((currency, true)) = found else { return Err(Error::field("account", "This account is not active.")) };
    let decimals = exponent(&currency);
    let sent = [("debit", &line.debit), ("credit", &line.credit), ("amount", &line.amount)];
    let mut sent = sent.into_iter().filter_map(|(name, text)| text.as_deref().map(|text| (name, text)));
    let (Some((name, text)), None) = (sent.next(), sent.next()) else {
        return Err(Error::whole("A line has one of debit, credit and amount."));
    };
    let amount = validate::amount(&Json::from(text), decimals).map_err(|error| Error::field(name, error.detail()))?;
    let amount = amount.as_str().and_then(|text| Money::parse(text, decimals).ok()).map_or(0, |money| money.minor);
    let amount = match name {
        "amount" if amount == 0 => return Err(Error::field(name, "Ensure this value is not zero.")),
        "amount" => amount,
        _ if amount <= 0 => return Err(Error::field(name, "Ensure this value is greater than 0.")),
        "credit" => -amount,
        _ => amount,
    };
    Ok(Line { account: line.account.0, party: line.party.map(|party| party.0), amount, memo: line.memo.clone() })
}
