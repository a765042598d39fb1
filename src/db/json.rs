//! Cells as JSON, written as bytes with nothing in between: every answer and every entry of the history is made of them.

use std::io::Write as _;

use super::Cell;

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
