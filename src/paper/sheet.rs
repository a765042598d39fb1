//! Pages that are filled from the top.

use super::{Face, file};
use crate::error::Result;

/// A4, in points.
pub(super) const WIDTH: f32 = 595.28;
pub(super) const HEIGHT: f32 = 841.89;
/// What stays empty at the sides, at the top and at the bottom.
const MARGIN: f32 = 51.0;
const TOP: f32 = 54.0;
const BOTTOM: f32 = 66.0;
/// Where the line at the foot of each page stands, from below.
const FOOT: f32 = 36.0;

/// A colour, by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// What is read.
    Ink,
    /// What stands beside it.
    Quiet,
    /// Rules.
    Line,
    /// What must not be overlooked.
    Warning,
    /// What is well.
    Good,
}

impl Tone {
    pub(super) fn rgb(self) -> [f32; 3] {
        match self {
            Self::Ink => [0.094, 0.094, 0.106],
            Self::Quiet => [0.40, 0.40, 0.44],
            Self::Line => [0.83, 0.83, 0.85],
            Self::Warning => [0.725, 0.11, 0.11],
            Self::Good => [0.08, 0.40, 0.20],
        }
    }
}

/// How a text is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    pub face: Face,
    pub size: f32,
    pub tone: Tone,
}

impl Style {
    pub const BODY: Self = Self { face: Face::Regular, size: 9.5, tone: Tone::Ink };
    pub const STRONG: Self = Self { face: Face::Bold, ..Self::BODY };
    pub const QUIET: Self = Self { size: 8.5, tone: Tone::Quiet, ..Self::BODY };
    pub const TITLE: Self = Self { face: Face::Bold, size: 20.0, tone: Tone::Ink };

    /// From one line to the next.
    pub fn leading(self) -> f32 {
        self.size * 1.36
    }
}

/// Something on a page. Heights are from the top.
pub(super) enum Mark {
    Text { x: f32, y: f32, style: Style, text: String },
    Rule { from: f32, to: f32, y: f32, thick: f32, tone: Tone },
    Frame { x: f32, y: f32, width: f32, height: f32, tone: Tone },
}

/// The pages of a document.
pub struct Sheet {
    pub(super) pages: Vec<Vec<Mark>>,
    /// How far the page is filled.
    y: f32,
}

impl Default for Sheet {
    fn default() -> Self {
        Self { pages: vec![vec![]], y: TOP }
    }
}

impl Sheet {
    /// Where the text begins and ends.
    pub const LEFT: f32 = MARGIN;
    pub const RIGHT: f32 = WIDTH - MARGIN;

    /// How far the page is filled.
    pub fn y(&self) -> f32 {
        self.y
    }

    /// Goes on at this height.
    pub fn go_to(&mut self, y: f32) {
        self.y = y;
    }

    pub fn down(&mut self, by: f32) {
        self.y += by;
    }

    /// Is there so much room on this page?
    pub fn fits(&self, height: f32) -> bool {
        self.y + height <= HEIGHT - BOTTOM
    }

    /// Would it fit on a page of its own?
    pub fn fits_on_any(&self, height: f32) -> bool {
        TOP + height <= HEIGHT - BOTTOM
    }

    pub fn break_page(&mut self) {
        self.pages.push(vec![]);
        self.y = TOP;
    }

    /// Begins a page unless there is so much room on this one.
    pub fn keep(&mut self, height: f32) {
        if !self.fits(height) && self.fits_on_any(height) {
            self.break_page();
        }
    }

    pub(super) fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    /// A line of text that begins at `x`, its top at the present height.
    pub fn text(&mut self, x: f32, style: Style, text: &str) {
        let y = self.y + style.size;
        self.mark(Mark::Text { x, y, style, text: text.to_owned() });
    }

    /// A line of text that ends at `x`.
    pub fn text_to(&mut self, x: f32, style: Style, text: &str) {
        self.text(x - style.face.width(text, style.size), style, text);
    }

    /// A text over as many lines and pages as it takes.
    pub fn paragraph(&mut self, x: f32, width: f32, style: Style, text: &str) {
        for line in style.face.lines(text, style.size, width) {
            if !self.fits(style.leading()) {
                self.break_page();
            }
            self.text(x, style, &line);
            self.y += style.leading();
        }
    }

    /// A rule from side to side of what `from` and `to` say.
    pub fn rule(&mut self, from: f32, to: f32, thick: f32, tone: Tone) {
        let y = self.y;
        self.mark(Mark::Rule { from, to, y, thick, tone });
    }

    /// A word in a frame that ends at `x`: how the document stands.
    pub fn stamp(&mut self, x: f32, tone: Tone, text: &str) {
        let style = Style { face: Face::Bold, size: 11.0, tone };
        let width = style.face.width(text, style.size) + 16.0;
        let y = self.y;
        self.mark(Mark::Frame { x: x - width, y, width, height: 20.0, tone });
        self.mark(Mark::Text { x: x - width + 8.0, y: y + 14.0, style, text: text.to_owned() });
    }

    /// The document as a PDF file. Each page says at its foot of what it is a part.
    ///
    /// # Errors
    /// The typeface that is part of the program cannot be read.
    pub fn into_pdf(mut self, title: &str) -> Result<Vec<u8>> {
        let count = self.pages.len();
        let style = Style::QUIET;
        for (index, page) in self.pages.iter_mut().enumerate() {
            let (y, number) = (HEIGHT - FOOT, format!("Page {} of {count}", index + 1));
            let x = Self::RIGHT - style.face.width(&number, style.size);
            let title = style.face.lines(title, style.size, x - Self::LEFT - 12.0).into_iter().next().unwrap_or_default();
            page.push(Mark::Text { x: Self::LEFT, y, style, text: title });
            page.push(Mark::Text { x, y, style, text: number });
        }
        file::write(&self.pages, title)
    }
}
