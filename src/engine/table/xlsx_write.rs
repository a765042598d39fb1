//! Writing a sheet of a spreadsheet (ECMA-376): row by row to a file, so that memory does not grow with the rows.

use std::{
    fs::File,
    io::{BufWriter, Seek},
    path::Path,
};

use rust_xlsxwriter::{ExcelDateTime, Format, Note, Workbook, XlsxError};

use super::cell::Shown;
use crate::error::{Error, Result};

/// So many rows below the headings.
pub const MOST_ROWS: usize = 1_048_575;
/// A cell holds so many characters, as UTF-16 counts them.
const LONGEST_TEXT: usize = 32_767;
/// A spreadsheet keeps so many digits of a number; longer ones are texts.
const DIGITS: usize = 15;
const WIDTH: f64 = 18.0;

/// A sheet that is being written.
pub struct Sheet {
    workbook: Workbook,
    headings: Vec<String>,
    next: u32,
    date: Format,
}

/// A column of a template.
pub struct Heading {
    pub text: String,
    pub required: bool,
    pub note: String,
}

fn cannot(error: XlsxError) -> Error {
    Error::Internal(format!("cannot write the sheet: {error}"))
}

impl Sheet {
    /// Begins a sheet with bold headings that stay in sight. What is written goes to a file in `folder` until it is done.
    pub fn begin(folder: &Path, headings: Vec<String>) -> Result<Self> {
        let mut workbook = Workbook::new();
        workbook.set_tempdir(folder).map_err(cannot)?;
        let sheet = workbook.add_worksheet_with_constant_memory().map_err(cannot)?;
        sheet.set_freeze_panes(1, 0).map_err(cannot)?;
        let bold = Format::new().set_bold();
        for (column, heading) in columns(&headings) {
            sheet.set_column_width(column, WIDTH).map_err(cannot)?;
            sheet.write_string_with_format(0, column, heading, &bold).map_err(cannot)?;
        }
        Ok(Self { workbook, headings, next: 1, date: Format::new().set_num_format("yyyy-mm-dd") })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// 400 for a text that no cell holds.
    pub fn row(&mut self, cells: &[Shown]) -> Result<()> {
        let (row, date) = (self.next, self.date.clone());
        let sheet = self.workbook.worksheet_from_index(0).map_err(cannot)?;
        for (column, cell) in columns(cells) {
            match cell {
                Shown::Empty => continue,
                Shown::Integer(number) if digits(&number.to_string()) <= DIGITS => sheet.write_number(row, column, *number as f64),
                Shown::Real(number) => sheet.write_number(row, column, *number),
                Shown::Amount(amount) => match amount.parse::<f64>() {
                    Ok(number) if digits(amount) <= DIGITS => {
                        let decimals = amount.split_once('.').map_or(0, |(_, decimals)| decimals.len());
                        let format = if decimals == 0 { "0".to_owned() } else { format!("0.{}", "0".repeat(decimals)) };
                        sheet.write_number_with_format(row, column, number, &Format::new().set_num_format(format))
                    }
                    _ => sheet.write_string(row, column, amount),
                },
                Shown::Bool(flag) => sheet.write_boolean(row, column, *flag),
                Shown::Date(text) => match day(text) {
                    Some(day) => sheet.write_datetime_with_format(row, column, &day, &date),
                    None => sheet.write_string(row, column, text),
                },
                Shown::Integer(number) => sheet.write_string(row, column, number.to_string()),
                Shown::Text(text) if text.encode_utf16().count() > LONGEST_TEXT => {
                    let heading = self.headings.get(usize::from(column)).map_or("", String::as_str);
                    return Err(Error::Malformed(format!(
                        "Row {}: {heading} has more than the {LONGEST_TEXT} characters that a cell of XLSX holds; take another format.",
                        row + 1
                    )));
                }
                Shown::Text(text) => sheet.write_string(row, column, text),
            }
            .map_err(cannot)?;
        }
        self.next += 1;
        Ok(())
    }

    /// Puts the sheet together in a file without a name, which is gone once it is closed.
    pub fn finish(mut self, folder: &Path) -> Result<File> {
        save(&mut self.workbook, folder)
    }
}

/// A sheet with headings alone: those that are required are bold, and each says what it takes.
pub fn template(folder: &Path, headings: &[Heading]) -> Result<File> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.set_freeze_panes(1, 0).map_err(cannot)?;
    let (bold, plain) = (Format::new().set_bold(), Format::new());
    for (column, heading) in columns(headings) {
        sheet.set_column_width(column, WIDTH).map_err(cannot)?;
        let format = if heading.required { &bold } else { &plain };
        sheet.write_string_with_format(0, column, &heading.text, format).map_err(cannot)?;
        let note = Note::new(&heading.note).add_author_prefix(false).set_width(300).set_height(120);
        sheet.insert_note(0, column, &note).map_err(cannot)?;
    }
    save(&mut workbook, folder)
}

fn save(workbook: &mut Workbook, folder: &Path) -> Result<File> {
    let mut file =
        tempfile::tempfile_in(folder).map_err(|error| Error::Internal(format!("cannot write in {}: {error}", folder.display())))?;
    workbook.save_to_writer(BufWriter::new(&mut file)).map_err(cannot)?;
    file.rewind().map_err(Error::internal)?;
    Ok(file)
}

/// Cells with the numbers of their columns.
fn columns<T>(cells: &[T]) -> impl Iterator<Item = (u16, &T)> {
    (0..u16::MAX).zip(cells)
}

fn digits(number: &str) -> usize {
    number.trim_start_matches(['-', '0', '.']).bytes().filter(u8::is_ascii_digit).count()
}

/// A day as spreadsheets count them: they believe that 1900 was a leap year, and know none before.
fn day(text: &str) -> Option<ExcelDateTime> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    if year <= 1900 { None } else { ExcelDateTime::from_ymd(year, month, day).ok() }
}
