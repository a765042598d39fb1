//! A row's cells as JSON bytes, with no map and no struct in between.

use std::io::Write as _;

use super::descriptor::{Column, Shape, Write};
use crate::{
    db::{Cell, Reader, Row, Value, write_cell},
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
