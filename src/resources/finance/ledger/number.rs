//! Numbers of documents: in the format of the business, one after the other, without gaps. What is not committed uses up none.

use serde_json::Value as Json;

use crate::{
    db::{Reader, Writer},
    error::{Error, Result},
    kit::Date,
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
        let mut format = chosen.map_or_else(|| format!("{}-{{SEQ:4}}", key.to_ascii_uppercase()), str::to_owned);
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
