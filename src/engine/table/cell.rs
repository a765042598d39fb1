//! What stands in one cell of a table.

use serde_json::Value as Json;

/// A value as a table shows it: a spreadsheet gets its type, a text file its text.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    Empty,
    Text(String),
    Integer(i64),
    Real(f64),
    /// A decimal number as text: money.
    Amount(String),
    Bool(bool),
    /// `2026-03-02`.
    Date(String),
}

/// A list of texts in one cell: joined by `; `, or JSON where that could not be taken apart again.
pub fn join(items: &[String]) -> String {
    let joined = items.join("; ");
    if split(&joined).is_some_and(|again| again == items) { joined } else { Json::from(items).to_string() }
}

/// The texts of a cell. `None`: it begins like JSON, and is none.
pub fn split(cell: &str) -> Option<Vec<String>> {
    if cell.trim_start().starts_with('[') {
        return serde_json::from_str(cell).ok();
    }
    Some(cell.split(';').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect())
}
