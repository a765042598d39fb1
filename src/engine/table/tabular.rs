//! What is no list of records and is shown as a table all the same: a report.

use super::cell::Shown;
use crate::kit::{Currency, Date, Money, Percent};

/// Something that one table holds.
pub trait Tabular {
    /// The columns, as JSON calls them.
    const COLUMNS: &'static [&'static str];

    /// The rows below the headings, each with a cell for every column.
    fn rows(&self) -> Vec<Vec<Shown>>;
}

/// One after the other.
impl<T: Tabular> Tabular for Vec<T> {
    const COLUMNS: &'static [&'static str] = T::COLUMNS;

    fn rows(&self) -> Vec<Vec<Shown>> {
        self.iter().flat_map(T::rows).collect()
    }
}

impl From<&str> for Shown {
    fn from(text: &str) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Text(text.to_owned()) }
    }
}
impl From<&String> for Shown {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}
impl From<&Currency> for Shown {
    fn from(currency: &Currency) -> Self {
        currency.0.as_str().into()
    }
}
impl From<i64> for Shown {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}
impl From<bool> for Shown {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}
impl From<Money> for Shown {
    fn from(money: Money) -> Self {
        Self::Amount(money.to_string())
    }
}
impl From<Percent> for Shown {
    fn from(percent: Percent) -> Self {
        Self::Amount(percent.to_string())
    }
}
impl From<Date> for Shown {
    fn from(date: Date) -> Self {
        Self::Date(date.to_string())
    }
}
impl<T: Into<Self>> From<Option<T>> for Shown {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}
