//! Tables: rows with cells that wrap, over as many pages as they take, each of which begins with the headings.

use super::{Sheet, Style, Tone};

/// Between the text of two columns.
const GAP: f32 = 10.0;
/// Above and below the text of a row.
const PADDING: f32 = 4.5;

/// A column of a table.
pub struct Column {
    pub title: &'static str,
    pub width: f32,
    /// Numbers end where the column ends.
    pub right: bool,
}

/// What stands in a row below a heading.
#[derive(Default)]
pub struct Cell {
    pub text: String,
    /// More about it, in small letters.
    pub more: String,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, more: String::new() }
    }
}

pub struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
}

type Lines = Vec<(Style, String)>;

impl Table {
    /// Where each column begins and ends, and which it is.
    fn places(&self) -> Vec<(f32, f32, &Column)> {
        let mut x = Sheet::LEFT;
        let place = |column| {
            let from = x;
            x += Column::width(column);
            (from, x - GAP, column)
        };
        let mut places: Vec<_> = self.columns.iter().map(place).collect();
        // Nothing follows the last one.
        if let Some((_, to, _)) = places.last_mut() {
            *to += GAP;
        }
        places
    }

    /// Draws the table, from the present height on.
    pub fn draw(&self, sheet: &mut Sheet) {
        let places = self.places();
        let row_height = |lines: &[Lines]| 2.0 * PADDING + lines.iter().map(height).fold(0.0, f32::max);
        self.headings(sheet, &places);
        for row in &self.rows {
            let lines: Vec<Lines> = row.iter().zip(&places).map(|(cell, (from, to, _))| lines(cell, to - from)).collect();
            let whole = row_height(&lines);
            // A row stays on one page, if there is any page for it.
            if !sheet.fits(whole) && (sheet.fits_on_any(whole + 30.0) || !sheet.fits(60.0)) {
                sheet.break_page();
                self.headings(sheet, &places);
            }
            sheet.down(PADDING);
            for index in 0..lines.iter().map(Vec::len).max().unwrap_or(0) {
                let set: Vec<_> = lines.iter().zip(&places).filter_map(|(lines, place)| Some((lines.get(index)?, place))).collect();
                let leading = set.iter().map(|((style, _), _)| style.leading()).fold(0.0, f32::max);
                if !sheet.fits(leading) {
                    sheet.break_page();
                    self.headings(sheet, &places);
                    sheet.down(PADDING);
                }
                for ((style, text), (from, to, column)) in set {
                    match column.right {
                        true => sheet.text_to(*to, *style, text),
                        false => sheet.text(*from, *style, text),
                    }
                }
                sheet.down(leading);
            }
            sheet.down(PADDING);
            sheet.rule(Sheet::LEFT, Sheet::RIGHT, 0.5, Tone::Line);
        }
    }

    fn headings(&self, sheet: &mut Sheet, places: &[(f32, f32, &Column)]) {
        let style = Style { face: super::Face::Bold, ..Style::QUIET };
        for (from, to, column) in places {
            match column.right {
                true => sheet.text_to(*to, style, column.title),
                false => sheet.text(*from, style, column.title),
            }
        }
        sheet.down(style.leading() + 3.0);
        sheet.rule(Sheet::LEFT, Sheet::RIGHT, 1.0, Tone::Ink);
    }
}

impl Column {
    fn width(&self) -> f32 {
        self.width
    }
}

fn lines(cell: &Cell, width: f32) -> Lines {
    let set =
        |style: Style, text: &str| style.face.lines(text, style.size, width).into_iter().map(move |line| (style, line)).collect::<Vec<_>>();
    let mut lines = set(Style::BODY, &cell.text);
    lines.extend(set(Style::QUIET, &cell.more));
    lines
}

fn height(lines: &Lines) -> f32 {
    lines.iter().map(|(style, _)| style.leading()).sum()
}
