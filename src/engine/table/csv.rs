//! Comma-separated values (RFC 4180).
//!
//! Programs take a cell that begins with `=` and the like for a formula, so such texts get an apostrophe before them. A text that
//! would look like one of those gets one more: what is read is always what was written.

use csv::{ReaderBuilder, StringRecord, Terminator, WriterBuilder};

use super::{
    cell::Shown,
    grid::{Grid, Line, MOST_LINES},
};
use crate::error::{Error, Result};

/// What may begin a formula.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\0', '＝', '＋', '－', '＠'];
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];
pub const BOM: &str = "\u{feff}";

/// Is this a text that begins a formula, or one behind apostrophes?
fn is_risky(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA)
}

/// A text that no program takes for a formula.
pub fn guarded(text: &str) -> String {
    if is_risky(text) { format!("'{text}") } else { text.to_owned() }
}

/// The text that was guarded.
pub fn unguarded(text: &str) -> &str {
    text.strip_prefix('\'').filter(|_| is_risky(text)).unwrap_or(text)
}

// ------------------------------------------------------------------------------------------------ writing

/// Adds rows to a file.
pub fn write<'a>(out: &mut Vec<u8>, rows: impl Iterator<Item = &'a [Shown]>) -> Result<()> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
    for row in rows {
        writer.write_record(row.iter().map(text)).map_err(Error::internal)?;
    }
    writer.flush().map_err(Error::internal)
}

/// Headings as a row.
pub fn headings<'a>(headings: impl Iterator<Item = &'a str>) -> Vec<Shown> {
    headings.map(|heading| Shown::Text(heading.to_owned())).collect()
}

fn text(shown: &Shown) -> String {
    match shown {
        Shown::Empty => String::new(),
        Shown::Text(text) => guarded(text),
        Shown::Integer(number) => number.to_string(),
        Shown::Real(number) => number.to_string(),
        Shown::Amount(text) | Shown::Date(text) => text.clone(),
        Shown::Bool(flag) => flag.to_string(),
    }
}

// ------------------------------------------------------------------------------------------------ reading

/// Reads a file whose first line is the headings. Commas, semicolons and tabs are told apart by it.
///
/// # Errors
/// 400 with the line: bytes that are no UTF-8, quotes that are not closed.
pub fn read(bytes: &[u8], most_columns: usize) -> Result<Grid> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + newlines(&bytes[..error.valid_up_to()]);
        Error::Malformed(format!("The file is not UTF-8: line {line} holds other bytes. Save it as \"CSV UTF-8\"."))
    })?;
    let text = text.strip_prefix(BOM).unwrap_or(text);
    let separator = separator(text);
    check_quotes(text, separator)?;
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(text.as_bytes());
    let (mut grid, mut record) = (Grid::default(), StringRecord::new());
    let (mut number, mut counted) = (1, 0);
    while reader.read_record(&mut record).map_err(|error| Error::Malformed(format!("The file is no CSV: {error}")))? {
        // The record starts behind the empty lines that the reader skipped.
        let at = record.position().map_or(0, |position| usize::try_from(position.byte()).unwrap_or(usize::MAX)).min(text.len());
        let start = at + text.as_bytes()[at..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        number += newlines(&text.as_bytes()[counted..start]);
        counted = start;
        let cells: StringRecord = record.iter().map(unguarded).collect();
        let line = Line::new(number, cells, vec![]);
        if line.is_empty() {
            continue;
        }
        if line.width() > most_columns {
            return Err(Error::Malformed(format!("Line {number} has more than {most_columns} cells.")));
        }
        if grid.headings.is_empty() {
            grid.headings = (0..line.width()).map(|column| line.cell(column).to_owned()).collect();
        } else if grid.lines.len() + 1 >= MOST_LINES {
            return Err(Error::Malformed(format!("A file has {MOST_LINES} lines at most.")));
        } else {
            grid.lines.push(line);
        }
    }
    Ok(grid)
}

/// Ends of lines: of `\r\n` only the second counts.
fn newlines(bytes: &[u8]) -> u64 {
    let end = |at: usize| bytes[at] == b'\n' || bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
    (0..bytes.len()).filter(|at| end(*at)).count() as u64
}

/// Whichever stands most often in the first line, outside quotes.
fn separator(text: &str) -> u8 {
    let (mut counts, mut quoted) = ([0; SEPARATORS.len()], false);
    for byte in text.trim_start_matches(['\r', '\n']).bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\r' | b'\n' if !quoted => break,
            byte if !quoted => SEPARATORS.iter().zip(&mut counts).filter(|(one, _)| **one == byte).for_each(|(_, count)| *count += 1),
            _ => {}
        }
    }
    // The first of those that are as many.
    let most = counts.iter().max().copied().unwrap_or_default();
    SEPARATORS.iter().zip(counts).find(|(_, count)| *count == most).map_or(b',', |(separator, _)| *separator)
}

/// The reader takes any quotes for what they may have meant; a file that is damaged is refused instead.
fn check_quotes(text: &str, separator: u8) -> Result<()> {
    #[derive(Clone, Copy, PartialEq)]
    enum At {
        Start,
        Plain,
        Quoted,
        /// Behind a quote in a quoted cell: its end, or the first of two.
        Quote,
    }
    let (mut at, mut opened) = (At::Start, 0);
    let line = |byte: usize| 1 + newlines(&text.as_bytes()[..byte]);
    for (index, byte) in text.bytes().enumerate() {
        at = match (at, byte) {
            (At::Start, b'"') => {
                opened = index;
                At::Quoted
            }
            (At::Quoted, b'"') => At::Quote,
            (At::Quoted, _) | (At::Quote, b'"') => At::Quoted,
            (_, b'\r' | b'\n') => At::Start,
            (_, byte) if byte == separator => At::Start,
            (At::Quote, _) => {
                return Err(Error::Malformed(format!("Line {}: something follows the closing quote of a cell.", line(index))));
            }
            (At::Start | At::Plain, _) => At::Plain,
        };
    }
    if at == At::Quoted { Err(Error::Malformed(format!("Line {}: a quote is opened and not closed.", line(opened)))) } else { Ok(()) }
}
