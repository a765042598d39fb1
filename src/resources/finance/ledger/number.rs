//! Numbers of documents: in the format of the business, one after the other, without gaps. What is not committed uses up none.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::{
    db::{Reader, Writer},
    error::{Error, Result},
    kit::Date,
    resources::business,
};

/// Where a business's numbers of one kind have come to.
struct Series {
    business: i64,
    key: String,
    /// `INV-{YYYY}-{SEQ:4}`
    format: String,
    /// The year or the month that is counted in; empty when numbers go on for ever.
    period: String,
}

impl Series {
    fn of(reader: &Reader<'_>, business: i64, key: &str, date: Date) -> Result<Self> {
        let formats: Option<String> = reader.one("SELECT number_formats FROM businesses WHERE id = ?1", &[business.into()])?;
        let formats: Json = formats.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let chosen = formats.get(key).and_then(Json::as_str).map(str::trim).filter(|format| !format.is_empty());
        let usual = || business::number_formats().0.get(key).and_then(Json::as_str).map(str::to_owned);
        let named = || format!("{}-{{SEQ:4}}", key.to_ascii_uppercase());
        let mut format = chosen.map(str::to_owned).or_else(usual).unwrap_or_else(named);
        if !format.contains("{SEQ") {
            // All would be the same.
            format += "-{SEQ}";
        }
        let (year, month) = (date.0.year(), date.0.month());
        let period = match () {
            () if format.contains("{MM}") => format!("{year:04}-{month:02}"),
            () if format.contains("{YYYY}") || format.contains("{YY}") => format!("{year:04}"),
            () => String::new(),
        };
        format = format
            .replace("{YYYY}", &format!("{year:04}"))
            .replace("{YY}", &format!("{:02}", year.rem_euclid(100)))
            .replace("{MM}", &format!("{month:02}"));
        Ok(Self { business, key: key.to_owned(), format, period })
    }

    /// The number at a place of the series.
    fn number(&self, place: i64) -> String {
        let (before, rest) = self.format.split_once("{SEQ").unwrap_or((&self.format, "}"));
        let (digits, after) = rest.split_once('}').unwrap_or((rest, ""));
        let width = digits.trim_start_matches(':').parse::<usize>().unwrap_or(0).min(18);
        format!("{before}{place:0width$}{after}")
    }

    /// The place that a number has in the series, if it is one of it.
    fn place(&self, number: &str) -> Option<i64> {
        let (before, rest) = self.format.split_once("{SEQ").unwrap_or((&self.format, "}"));
        let (_, after) = rest.split_once('}').unwrap_or((rest, ""));
        let place: i64 = number.strip_prefix(before)?.strip_suffix(after)?.parse().ok()?;
        (self.number(place) == number).then_some(place)
    }

    /// The row that counts, and the next place.
    fn next(&self, reader: &Reader<'_>) -> Result<(Option<i64>, i64)> {
        next(reader, self.business, &self.key, &self.period)
    }

    fn store(&self, tx: &mut Writer<'_>, row: Option<i64>, next: i64) -> Result<()> {
        store(tx, row, self.business, &self.key, &self.period, next)
    }
}

fn next(reader: &Reader<'_>, business: i64, key: &str, period: &str) -> Result<(Option<i64>, i64)> {
    let sql = "SELECT id, next FROM number_sequences WHERE business_id = ?1 AND key = ?2 AND period = ?3";
    let found = reader.row(sql, &[business.into(), key.into(), period.into()], |row| Ok((Some(row.get(0)?), row.get(1)?)))?;
    Ok(found.unwrap_or((None, 1)))
}

fn store(tx: &mut Writer<'_>, row: Option<i64>, business: i64, key: &str, period: &str, next: i64) -> Result<()> {
    match row {
        Some(id) => tx.update("number_sequences", id, vec![("next", next.into())]).map(drop),
        None => {
            let values = vec![("business_id", business.into()), ("key", key.into()), ("period", period.into()), ("next", next.into())];
            tx.insert("number_sequences", values).map(drop)
        }
    }
}

/// The next number of a series (`invoice`, `receipt`, ...) for a document of this day, in the format that the business has chosen.
/// Numbers that are `taken` already, because somebody gave them, are passed over.
pub fn next_number(tx: &mut Writer<'_>, key: &str, date: Date, taken: impl Fn(&Reader<'_>, &str) -> Result<bool>) -> Result<String> {
    let business = tx.actor().business_id().ok_or_else(Error::forbidden)?;
    let series = Series::of(tx, business, key, date)?;
    let (row, mut place) = series.next(tx)?;
    while taken(tx, &series.number(place))? {
        place += 1;
    }
    series.store(tx, row, place + 1)?;
    Ok(series.number(place))
}

/// Tells the series of a number that somebody gave: it goes on after it if it would have been the next.
pub fn use_number(tx: &mut Writer<'_>, key: &str, date: Date, number: &str) -> Result<()> {
    let business = tx.actor().business_id().ok_or_else(Error::forbidden)?;
    let series = Series::of(tx, business, key, date)?;
    let (row, place) = series.next(tx)?;
    if series.number(place) == number { series.store(tx, row, place + 1) } else { Ok(()) }
}

/// The next place in a series without a format.
pub(super) fn next_place(tx: &mut Writer<'_>, business: i64, key: &str) -> Result<i64> {
    let (row, place) = next(tx, business, key, "")?;
    store(tx, row, business, key, "", place + 1)?;
    Ok(place)
}

/// The places of the series that a business has counted so far, in the format that it now has: each with the next place.
fn counted(reader: &Reader<'_>, business: i64, key: &str) -> Result<Vec<(Series, i64)>> {
    let sql = "SELECT period, next FROM number_sequences WHERE business_id = ?1 AND key = ?2";
    let rows: Vec<(String, i64)> = reader.rows(sql, &[business.into(), key.into()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut all = vec![];
    for (period, next) in rows {
        let day = match period.len() {
            7 => format!("{period}-01"),
            4 => format!("{period}-01-01"),
            _ => "2000-01-01".to_owned(),
        };
        let Some(day) = Date::parse(&day) else { continue };
        let series = Series::of(reader, business, key, day)?;
        // Counted otherwise before the format was changed.
        if series.period == period {
            all.push((series, next));
        }
    }
    Ok(all)
}

/// Has the series gone past this number? Then it stays in use, or there would be a gap.
pub fn is_passed(reader: &Reader<'_>, business: i64, key: &str, number: &str) -> Result<bool> {
    Ok(counted(reader, business, key)?.iter().any(|(series, next)| series.place(number).is_some_and(|place| (1..*next).contains(&place))))
}

/// The numbers that are missing in the series of documents, in words. A series begins with its first number in the format that the
/// business now has.
pub fn gaps(reader: &Reader<'_>) -> Result<Vec<String>> {
    let mut gaps = vec![];
    let series = "SELECT DISTINCT business_id, key FROM number_sequences WHERE key = 'invoice' OR key = 'credit_note' OR key = 'receipt' \
                  OR key = 'requisition'";
    let all: Vec<(i64, String)> = reader.rows(series, &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (business, key) in all {
        let sql = match key.as_str() {
            "receipt" => "SELECT number FROM payments WHERE business_id = ?1 AND ?2 = 'receipt' AND number IS NOT NULL",
            // Also of those that were deleted: their numbers are not given again.
            "requisition" => "SELECT number FROM requisitions WHERE business_id = ?1 AND ?2 = 'requisition' AND number IS NOT NULL",
            _ => {
                "SELECT number FROM invoices WHERE business_id = ?1 AND kind = ?2 AND direction = 'outgoing' AND number IS NOT NULL \
                 AND deleted_at IS NULL"
            }
        };
        let numbers: Vec<String> = reader.rows(sql, &[business.into(), key.as_str().into()], |row| row.get(0))?;
        for (series, next) in counted(reader, business, &key)? {
            let places: BTreeSet<i64> = numbers.iter().filter_map(|number| series.place(number)).collect();
            let Some(first) = places.first().copied() else { continue };
            let missing = (first..next).filter(|place| !places.contains(place));
            gaps.extend(missing.map(|place| format!("{} of business {business} is missing", series.number(place))));
        }
    }
    Ok(gaps)
}
