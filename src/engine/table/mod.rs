//! Records as tables, and the files that tables travel in.
//!
//! `columns` says which columns a resource has and what its rows show in them, `tabular` is what else is shown as a table; `cell` is what
//! stands in one; `csv`, `xlsx_write` and `xlsx_read` are the formats; `grid` is a table that was read, whatever its format.

pub mod cell;
pub mod columns;
pub mod csv;
pub mod grid;
pub mod tabular;
pub mod xlsx_read;
pub mod xlsx_write;

use crate::error::{Error, Result};

/// The formats that records are exported in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Csv,
    Json,
    /// One JSON object per line.
    Ndjson,
    Xlsx,
}

pub const CSV: &str = "text/csv";
pub const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
pub const NDJSON: &str = "application/x-ndjson";

impl Format {
    pub const ALL: [Self; 4] = [Self::Csv, Self::Json, Self::Ndjson, Self::Xlsx];
    /// The formats of a table.
    pub const TABLES: [Self; 2] = [Self::Csv, Self::Xlsx];

    /// The formats of a report.
    pub const REPORTS: [Self; 2] = [Self::Json, Self::Csv];

    /// The name in `format=`, which is the ending of the file as well.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Xlsx => "xlsx",
        }
    }

    pub fn media(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
            Self::Ndjson => NDJSON,
            Self::Xlsx => XLSX,
        }
    }

    /// One of those that are offered; the first of them when none is named.
    pub fn parse(name: Option<&str>, offered: &[Self]) -> Result<Self> {
        let name = name.unwrap_or_default().trim();
        let found = if name.is_empty() { offered.first() } else { offered.iter().find(|format| format.name() == name) };
        found.copied().ok_or_else(|| Error::field("format", format!("Select a valid choice. {name} is not one of the available choices.")))
    }
}
