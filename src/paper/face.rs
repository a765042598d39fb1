//! The typeface of documents: Liberation Sans, which has Latin, Greek, Cyrillic and Hebrew. Its licence (OFL) lies beside it.

use std::{borrow::Cow, sync::OnceLock};

use subsetter::GlyphRemapper;

use crate::error::{Error, Result};

static REGULAR: &[u8] = include_bytes!("fonts/LiberationSans-Regular.ttf");
static BOLD: &[u8] = include_bytes!("fonts/LiberationSans-Bold.ttf");

/// A weight of the typeface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    Regular,
    Bold,
}

/// What a document has to say of a face.
pub(super) struct Metrics {
    pub ascent: f32,
    pub descent: f32,
    pub cap_height: f32,
    pub bbox: [f32; 4],
}

/// A face as it was read.
type Parsed = Option<ttf_parser::Face<'static>>;

impl Face {
    pub(super) const ALL: [Self; 2] = [Self::Regular, Self::Bold];

    /// Its name in PDF.
    pub(super) fn name(self) -> &'static [u8] {
        match self {
            Self::Regular => b"LiberationSans",
            Self::Bold => b"LiberationSans-Bold",
        }
    }

    fn data(self) -> &'static [u8] {
        match self {
            Self::Regular => REGULAR,
            Self::Bold => BOLD,
        }
    }

    fn parsed(self) -> Option<&'static ttf_parser::Face<'static>> {
        static PARSED: [OnceLock<Parsed>; 2] = [const { OnceLock::new() }; 2];
        PARSED[self as usize].get_or_init(|| ttf_parser::Face::parse(self.data(), 0).ok()).as_ref()
    }

    /// The picture of a character; 0 is an empty box, for those that it does not have.
    pub(super) fn glyph(self, character: char) -> u16 {
        self.parsed().and_then(|face| face.glyph_index(character)).map_or(0, |glyph| glyph.0)
    }

    /// How wide a glyph is, in thousandths of the size.
    pub(super) fn advance(self, glyph: u16) -> f32 {
        let Some(face) = self.parsed() else { return 0.0 };
        f32::from(face.glyph_hor_advance(ttf_parser::GlyphId(glyph)).unwrap_or(0)) * 1000.0 / f32::from(face.units_per_em())
    }

    pub(super) fn metrics(self) -> Metrics {
        let Some(face) = self.parsed() else { return Metrics { ascent: 0.0, descent: 0.0, cap_height: 0.0, bbox: [0.0; 4] } };
        let scaled = |units: i16| f32::from(units) * 1000.0 / f32::from(face.units_per_em());
        let all = face.global_bounding_box();
        Metrics {
            ascent: scaled(face.ascender()),
            descent: scaled(face.descender()),
            cap_height: scaled(face.capital_height().unwrap_or(face.ascender())),
            bbox: [all.x_min, all.y_min, all.x_max, all.y_max].map(scaled),
        }
    }

    /// The face as a font file, with nothing but these glyphs.
    pub(super) fn subset(self, glyphs: &GlyphRemapper) -> Result<Vec<u8>> {
        subsetter::subset(self.data(), 0, glyphs).map_err(|error| Error::internal(format_args!("a font cannot be cut down: {error}")))
    }

    /// How wide a text is in a size.
    pub fn width(self, text: &str, size: f32) -> f32 {
        text.chars().map(|character| self.advance(self.glyph(character))).sum::<f32>() * size / 1000.0
    }

    /// The lines of a text that are no wider than `width`. Words that are wider by themselves are broken.
    pub fn lines(self, text: &str, size: f32, width: f32) -> Vec<String> {
        text.lines().flat_map(|line| self.wrapped(&plain(line), size, width)).collect()
    }

    fn wrapped(self, text: &str, size: f32, width: f32) -> Vec<String> {
        let (mut lines, mut line, mut taken) = (vec![], String::new(), 0.0);
        let space = self.width(" ", size);
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let wide = self.width(word, size);
            if !line.is_empty() && taken + space + wide > width {
                lines.push(std::mem::take(&mut line));
                taken = 0.0;
            }
            if !line.is_empty() {
                line.push(' ');
                taken += space;
            }
            if wide <= width {
                line.push_str(word);
                taken += wide;
                continue;
            }
            for character in word.chars() {
                let wide = self.advance(self.glyph(character)) * size / 1000.0;
                if !line.is_empty() && taken + wide > width {
                    lines.push(std::mem::take(&mut line));
                    taken = 0.0;
                }
                line.push(character);
                taken += wide;
            }
        }
        lines.push(line);
        lines
    }
}

/// A text without what cannot be seen: tabs are spaces, other control characters nothing.
fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    text.chars().map(|character| if character == '\t' { ' ' } else { character }).filter(|character| !character.is_control()).collect()
}
