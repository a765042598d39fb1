//! Reading a sheet of a spreadsheet (ECMA-376).

use std::io::{Cursor, Read as _, copy, sink};

use calamine::{DataRef, ExcelDateTime, Reader as _, Xlsx, XlsxError};
use csv::StringRecord;
use hyper::body::Bytes;

use super::grid::{Grid, Line, MOST_LINES};
use crate::error::{Error, Result};

/// What every archive begins with.
pub const MAGIC: &[u8] = b"PK\x03\x04";
/// A file unpacks to so many bytes: a sheet of a million rows fits, an archive made to fill the memory does not.
const MOST_BYTES: u64 = 1 << 30;
/// The texts that cells share are kept in memory.
const MOST_SHARED_BYTES: u64 = 128 << 20;
const MOST_PARTS: usize = 1000;

fn cannot(error: XlsxError) -> Error {
    Error::Malformed(format!("The file is no XLSX that can be read: {error}"))
}

fn no_archive(error: impl std::fmt::Display) -> Error {
    Error::Malformed(format!("The file is no XLSX that can be read: {error}"))
}

/// Reads the first sheet, whose first row is the headings.
pub fn read(bytes: &Bytes, most_columns: usize) -> Result<Grid> {
    check_size(bytes)?;
    let mut workbook = Xlsx::new(Cursor::new(bytes.clone())).map_err(cannot)?;
    let name = workbook.sheet_names().into_iter().next().ok_or_else(|| no_archive("it has no sheet"))?;
    let mut cells = workbook.worksheet_cells_reader(&name).map_err(cannot)?;
    let (mut grid, mut row) = (Grid::default(), Row::default());
    while let Some(cell) = cells.next_cell().map_err(cannot)? {
        let (number, column) = cell.get_position();
        if number != row.number {
            row.end(&mut grid)?;
            // Cells come in order; one that does not would stand in the wrong row.
            if number < row.number {
                return Err(no_archive("its rows are out of order"));
            }
            row.number = number;
        }
        row.put(usize::try_from(column).unwrap_or(usize::MAX), cell.get_value(), most_columns)?;
    }
    row.end(&mut grid)?;
    Ok(grid)
}

/// The row that is being read.
#[derive(Default)]
struct Row {
    /// Counted from 0.
    number: u32,
    cells: Vec<String>,
    faults: Vec<(usize, String)>,
}

impl Row {
    fn put(&mut self, column: usize, value: &DataRef<'_>, most_columns: usize) -> Result<()> {
        let text = match value {
            DataRef::Empty => return Ok(()),
            DataRef::Int(number) => number.to_string(),
            DataRef::Float(number) => number.to_string(),
            DataRef::String(text) => text.clone(),
            DataRef::SharedString(text) => (*text).to_owned(),
            DataRef::Bool(flag) => flag.to_string(),
            DataRef::DateTime(time) => time_text(time),
            DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
            DataRef::Error(error) => {
                self.faults.push((column, error.to_string()));
                return Ok(());
            }
        };
        if text.trim().is_empty() {
            return Ok(());
        }
        if column >= most_columns {
            return Err(Error::Malformed(format!("Line {} has more than {most_columns} cells.", self.number + 1)));
        }
        if self.cells.len() <= column {
            self.cells.resize(column + 1, String::new());
        }
        self.cells[column] = text;
        Ok(())
    }

    /// Hands the row over.
    fn end(&mut self, grid: &mut Grid) -> Result<()> {
        let cells: StringRecord = self.cells.drain(..).collect();
        let line = Line::new(u64::from(self.number) + 1, cells, std::mem::take(&mut self.faults));
        if line.is_empty() {
            return Ok(());
        }
        if grid.headings.is_empty() {
            grid.headings = (0..line.width()).map(|column| line.cell(column).to_owned()).collect();
        } else if grid.lines.len() + 1 >= MOST_LINES {
            return Err(Error::Malformed(format!("A file has {MOST_LINES} lines at most.")));
        } else {
            grid.lines.push(line);
        }
        Ok(())
    }
}

/// A date, a time of day, or both; without a zone, which spreadsheets do not know.
fn time_text(time: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
    let clock = match (hour, minute, second, milli) {
        (_, _, 0, 0) => format!("{hour:02}:{minute:02}"),
        (_, _, _, 0) => format!("{hour:02}:{minute:02}:{second:02}"),
        _ => format!("{hour:02}:{minute:02}:{second:02}.{milli:03}"),
    };
    match (hour, minute, second, milli) {
        _ if time.as_f64() < 1.0 => clock,
        (0, 0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:04}-{month:02}-{day:02}T{clock}"),
    }
}

/// Unpacks each part to nowhere, for what an archive says of its own size need not be true.
fn check_size(bytes: &Bytes) -> Result<()> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes.clone())).map_err(no_archive)?;
    if archive.len() > MOST_PARTS {
        return Err(no_archive("it has too many parts"));
    }
    let mut left = MOST_BYTES;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(no_archive)?;
        let most = if part.name().to_ascii_lowercase().contains("sheets/") { left } else { left.min(MOST_SHARED_BYTES) };
        let size = copy(&mut part.take(most + 1), &mut sink()).map_err(no_archive)?;
        if size > most {
            return Err(Error::Malformed("The file unpacks to more than can be read.".into()));
        }
        left -= size;
    }
    Ok(())
}
