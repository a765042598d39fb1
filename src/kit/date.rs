//! Dates and instants.

use std::fmt;

use jiff::{Timestamp, civil, tz::TimeZone};

use super::string_type;

/// A calendar day, `YYYY-MM-DD` (RFC 3339 full-date).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub civil::Date);

/// An instant, always UTC and of fixed width, `YYYY-MM-DDTHH:MM:SS.sssZ` (RFC 3339), so that text order is time order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime(pub Timestamp);

impl Date {
    /// Reads `YYYY-MM-DD`, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 10 && text.is_ascii()).then(|| text.parse().ok().map(Self)).flatten()
    }
}

impl DateTime {
    /// Reads what DRF reads: `T` or a space between date and time, seconds and fraction optional, an offset or none (then the
    /// time is `zone`'s), or a date alone (its midnight in `zone`).
    pub fn parse(text: &str, zone: &TimeZone) -> Option<Self> {
        let text = text.trim();
        if let Ok(timestamp) = text.parse::<Timestamp>() {
            return Some(Self(timestamp));
        }
        let local = text.parse::<civil::DateTime>().ok().or_else(|| Date::parse(text).map(|date| date.0.at(0, 0, 0, 0)))?;
        zone.to_timestamp(local).ok().map(Self)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Each write stores several: the digits are put in their places by hand, which takes a tenth of formatting them.
        let utc = TimeZone::UTC.to_datetime(self.0);
        let milliseconds = self.0.as_millisecond().rem_euclid(1000).unsigned_abs();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let parts = [
            (0, 4, u64::from(utc.year().unsigned_abs())),
            (5, 2, u64::from(utc.month().unsigned_abs())),
            (8, 2, u64::from(utc.day().unsigned_abs())),
            (11, 2, u64::from(utc.hour().unsigned_abs())),
            (14, 2, u64::from(utc.minute().unsigned_abs())),
            (17, 2, u64::from(utc.second().unsigned_abs())),
            (20, 3, milliseconds),
        ];
        for (start, width, mut number) in parts {
            for digit in text[start..start + width].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

string_type!(Date, "date", Date::parse, ToString::to_string);
string_type!(DateTime, "date-time", |text| DateTime::parse(text, &TimeZone::UTC), ToString::to_string);
