//! A table that was read, whatever file it came in.

use csv::StringRecord;

/// A table as texts: numbers and dates of a spreadsheet in the form that fields take them.
#[derive(Debug, Default)]
pub struct Grid {
    /// The cells of the first line.
    pub headings: Vec<String>,
    /// All lines with anything in them.
    pub lines: Vec<Line>,
}

/// One line below the headings.
#[derive(Debug)]
pub struct Line {
    /// Its number in the file as a person counts: the headings are in line 1.
    pub number: u64,
    cells: StringRecord,
    /// Cells that cannot be read, with what they hold.
    pub faults: Vec<(usize, String)>,
}

/// So many lines, as a sheet of a spreadsheet has.
pub const MOST_LINES: usize = 1_048_576;

impl Line {
    pub fn new(number: u64, cells: StringRecord, faults: Vec<(usize, String)>) -> Self {
        Self { number, cells, faults }
    }

    /// A cell, without the space around it; empty where there is none.
    pub fn cell(&self, column: usize) -> &str {
        self.cells.get(column).unwrap_or_default().trim()
    }

    /// A cell as it stands in the file.
    pub fn raw(&self, column: usize) -> &str {
        self.cells.get(column).unwrap_or_default()
    }

    /// The last cell that holds anything, counted from 1.
    pub fn width(&self) -> usize {
        (0..self.cells.len()).rev().find(|at| !self.cell(*at).is_empty()).map_or(0, |at| at + 1)
    }

    pub fn is_empty(&self) -> bool {
        self.width() == 0 && self.faults.is_empty()
    }
}
