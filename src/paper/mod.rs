//! Documents on paper: text, tables and rules on pages, written as PDF.
//!
//! What is drawn depends on nothing but what is to be drawn: the same document is the same bytes.

mod face;
mod file;
mod sheet;
mod table;

pub use self::{
    face::Face,
    sheet::{Sheet, Style, Tone},
    table::{Cell, Column, Table},
};

/// A number with its thousands apart, as it is printed: `12 500 000.00`. The space is a narrow one that does not break.
pub fn grouped(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let digits = whole.trim_start_matches('-');
    let mut out = whole[..whole.len() - digits.len()].to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out + rest
}
