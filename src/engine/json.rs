//! A row's cells as JSON bytes, with no map and no struct in between.

use std::io::Write as _;

use super::descriptor::{Column, Shape, Write};
use crate::{
    db::{Cell, Reader, Row, Value},
    error::Result,
    kit::{Money, exponent, money::print_scaled},
};

/// The rows of a query as JSON, with commas between them.
pub fn write_rows(reader: &Reader<'_>, shape: &Shape, sql: &str, args: &[Value], out: &mut Vec<u8>) -> Result<()> {
    let mut separator: &[u8] = b"";
    reader.each(sql, args, |row| {
        out.extend_from_slice(separator);
        separator = b",";
        write_row(out, shape, row)
    })
}

/// A row as a JSON object.
pub fn write_row(out: &mut Vec<u8>, shape: &Shape, row: &Row<'_>) -> Result<()> {
    for (index, column) in shape.columns.iter().enumerate() {
        out.extend_from_slice(&column.key);
        write_column(out, column, row, index)?;
    }
    out.push(b'}');
    Ok(())
}

/// A row as a JSON object of some of its columns.
pub fn write_members(out: &mut Vec<u8>, shape: &Shape, members: &[usize], row: &Row<'_>) -> Result<()> {
    for (place, index) in members.iter().enumerate() {
        let column = &shape.columns[*index];
        out.push(if place == 0 { b'{' } else { b',' });
        // The key is written as `,"name":` or `{"name":`.
        out.extend_from_slice(&column.key[1..]);
        write_column(out, column, row, *index)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_column(out: &mut Vec<u8>, column: &Column, row: &Row<'_>, index: usize) -> Result<()> {
    match (column.write, row.cell(index)?) {
        (Write::Bool, Cell::Int(flag)) => out.extend_from_slice(if flag == 0 { b"false" } else { b"true" }),
        (Write::Raw, Cell::Text(json)) => out.extend_from_slice(json.as_bytes()),
        (Write::Money(currency), Cell::Int(minor)) => {
            let exponent = match row.cell(currency)? {
                Cell::Text(code) => exponent(code),
                _ => 2,
            };
            let _ = write!(out, "\"{}\"", Money { minor, exponent });
        }
        (Write::Decimal(places), Cell::Int(units)) => drop(write!(out, "\"{}\"", print_scaled(units, places))),
        (_, cell) => write_cell(out, cell),
    }
    Ok(())
}

/// A cell as the JSON that it is.
pub fn write_cell(out: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Int(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        Cell::Real(number) => write_real(out, number),
        Cell::Text(text) => write_text(out, text),
    }
}

fn write_real(out: &mut Vec<u8>, number: f64) {
    match serde_json::Number::from_f64(number) {
        Some(number) => drop(write!(out, "{number}")),
        None => out.extend_from_slice(b"null"),
    }
}

/// A JSON string (RFC 8259): only quotes, backslashes and control characters are escaped.
fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    // Looked at without stopping half-way, which the processor does many bytes at a time; most texts need no more.
    let special = text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'));
    if special {
        escape(out, text.as_bytes())
    } else {
        out.extend_from_slice(text.as_bytes())
    }
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0c => b"\\f",
            0..0x20 => b"",
            _ => continue,
        };
        out.extend_from_slice(&bytes[start..at]);
        match escape {
            b"" => drop(write!(out, "\\u{byte:04x}")),
            escape => out.extend_from_slice(escape),
        }
        start = at + 1;
    }
    out.extend_from_slice(&bytes[start..]);
}
