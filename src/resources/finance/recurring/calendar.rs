//! On which days something recurs.

use jiff::{ToSpan, civil};
use poem_openapi::Enum;

use crate::kit::Date;

/// How often something recurs.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[oai(rename_all = "snake_case", rename = "FrequencyEnum")]
pub enum Frequency {
    /// Each day.
    Daily,
    /// Each week, on the same weekday.
    Weekly,
    /// Each month, on the same day.
    Monthly,
    /// Each third month, on the same day.
    Quarterly,
    /// Each year, on the same day.
    Yearly,
}

impl Frequency {
    /// Is it held to a day of the month?
    pub fn has_anchor(self) -> bool {
        !matches!(self, Self::Daily | Self::Weekly)
    }
}

/// The next day after `day`. `anchor`: the day of the month, or the last one of a month that is shorter, without ever drifting.
pub fn following(day: Date, frequency: Frequency, interval: i64, anchor: Option<i64>) -> Option<Date> {
    let months = match frequency {
        Frequency::Daily => return day.0.checked_add(interval.days()).ok().map(Date),
        Frequency::Weekly => return day.0.checked_add(interval.weeks()).ok().map(Date),
        Frequency::Monthly => interval,
        Frequency::Quarterly => 3 * interval,
        Frequency::Yearly => 12 * interval,
    };
    let month = day.0.first_of_month().checked_add(months.months()).ok()?;
    let anchor = anchor.and_then(|anchor| i8::try_from(anchor).ok()).unwrap_or(day.0.day());
    civil::Date::new(month.year(), month.month(), anchor.clamp(1, month.days_in_month())).ok().map(Date)
}
