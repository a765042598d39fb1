//! Pages as the objects of a PDF file (ISO 32000-1).

use std::{collections::BTreeMap, io::Write};

use flate2::{Compression, write::ZlibEncoder};
use pdf_writer::{
    Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr,
    types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap},
};
use subsetter::GlyphRemapper;

use super::{
    Face, Style,
    sheet::{HEIGHT, Mark, WIDTH},
};
use crate::error::{Error, Result};

const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const INFO: Ref = Ref::new(3);
/// Each face takes five objects, each page two; the faces come first.
const FIRST: i32 = 4;
const OF_FACE: i32 = 5;
const INFO_OF: SystemInfo<'static> = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// The glyphs of a face that a document uses, and what each stands for.
struct Used {
    face: Face,
    glyphs: GlyphRemapper,
    characters: BTreeMap<u16, char>,
}

impl Used {
    fn new(face: Face) -> Self {
        Self { face, glyphs: GlyphRemapper::new(), characters: BTreeMap::new() }
    }

    /// A text as the numbers of its glyphs.
    fn encode(&mut self, text: &str) -> Vec<u8> {
        let number = |character: char| {
            let glyph = self.face.glyph(character);
            let number = self.glyphs.remap(glyph);
            if glyph != 0 {
                self.characters.entry(number).or_insert(character);
            }
            number.to_be_bytes()
        };
        text.chars().flat_map(number).collect()
    }

    fn key(&self) -> Name<'static> {
        match self.face {
            Face::Regular => Name(b"Regular"),
            Face::Bold => Name(b"Bold"),
        }
    }

    fn object(&self, place: i32) -> Ref {
        Ref::new(FIRST + OF_FACE * self.face as i32 + place)
    }
}

/// Writes a document.
pub(super) fn write(pages: &[Vec<Mark>], title: &str) -> Result<Vec<u8>> {
    let mut faces = Face::ALL.map(Used::new);
    let contents: Vec<Vec<u8>> = pages.iter().map(|page| content(page, &mut faces)).collect();
    let mut pdf = Pdf::new();
    let first_page = FIRST + OF_FACE * i32::try_from(Face::ALL.len()).map_err(Error::internal)?;
    let ids: Vec<(Ref, Ref)> = (first_page..).step_by(2).map(|id| (Ref::new(id), Ref::new(id + 1))).take(contents.len()).collect();
    let mut catalog = pdf.catalog(CATALOG);
    catalog.pages(PAGES).lang(TextStr("en"));
    catalog.viewer_preferences().display_doc_title(true);
    catalog.finish();
    pdf.document_info(INFO).title(TextStr(title)).producer(TextStr("studio"));
    let count = i32::try_from(ids.len()).map_err(Error::internal)?;
    pdf.pages(PAGES).kids(ids.iter().map(|(page, _)| *page)).count(count);
    for ((page, stream), content) in ids.into_iter().zip(contents) {
        let mut object = pdf.page(page);
        object.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(PAGES).contents(stream);
        let mut resources = object.resources();
        let mut fonts = resources.fonts();
        for face in &faces {
            fonts.pair(face.key(), face.object(0));
        }
        fonts.finish();
        resources.finish();
        object.finish();
        pdf.stream(stream, &packed(&content)?).filter(Filter::FlateDecode);
    }
    for face in &faces {
        font(&mut pdf, face)?;
    }
    Ok(pdf.finish())
}

/// What is drawn on a page.
fn content(page: &[Mark], faces: &mut [Used; 2]) -> Vec<u8> {
    let mut content = Content::new();
    for mark in page {
        match mark {
            Mark::Text { x, y, style: Style { face, size, tone }, text } => {
                let [r, g, b] = tone.rgb();
                let used = &mut faces[*face as usize];
                let encoded = used.encode(text);
                content.set_fill_rgb(r, g, b).begin_text().set_font(used.key(), *size);
                content.next_line(rounded(*x), rounded(HEIGHT - y)).show(Str(&encoded)).end_text();
            }
            Mark::Rule { from, to, y, thick, tone } => {
                let ([r, g, b], y) = (tone.rgb(), rounded(HEIGHT - y));
                content.set_stroke_rgb(r, g, b).set_line_width(*thick);
                content.move_to(rounded(*from), y).line_to(rounded(*to), y).stroke();
            }
            Mark::Frame { x, y, width, height, tone } => {
                let [r, g, b] = tone.rgb();
                content.set_stroke_rgb(r, g, b).set_line_width(1.2);
                content.rect(rounded(*x), rounded(HEIGHT - y - height), rounded(*width), *height).stroke();
            }
        }
    }
    content.finish().to_vec()
}

/// A hundredth of a point is finer than any printer.
fn rounded(points: f32) -> f32 {
    (points * 100.0).round() / 100.0
}

/// A face as far as it is used, with what turns its glyphs back into text.
fn font(pdf: &mut Pdf, used: &Used) -> Result<()> {
    let [font, cid, descriptor, file, unicode] = [0, 1, 2, 3, 4].map(|place| used.object(place));
    // Six letters tell subsets of one font apart (9.6.4).
    let name = [if used.face == Face::Bold { b"STUDIB+" } else { b"STUDIO+" }.as_slice(), used.face.name()].concat();
    let name = Name(&name);
    pdf.type0_font(font).base_font(name).encoding_predefined(Name(b"Identity-H")).descendant_font(cid).to_unicode(unicode);
    let mut object = pdf.cid_font(cid);
    object.subtype(CidFontType::Type2).base_font(name).system_info(INFO_OF).font_descriptor(descriptor).default_width(0.0);
    let widths = used.glyphs.remapped_gids().map(|glyph| used.face.advance(glyph).round());
    object.widths().consecutive(0, widths);
    object.cid_to_gid_map_predefined(Name(b"Identity"));
    object.finish();
    let metrics = used.face.metrics();
    let [left, bottom, right, top] = metrics.bbox;
    pdf.font_descriptor(descriptor)
        .name(name)
        .flags(FontFlags::SYMBOLIC)
        .bbox(Rect::new(left, bottom, right, top))
        .italic_angle(0.0)
        .ascent(metrics.ascent)
        .descent(metrics.descent)
        .cap_height(metrics.cap_height)
        .stem_v(if used.face == Face::Bold { 140.0 } else { 80.0 })
        .font_file2(file);
    let mut map = UnicodeCmap::new(used.key(), INFO_OF);
    used.characters.iter().for_each(|(number, character)| map.pair(*number, *character));
    pdf.stream(unicode, &packed(&map.finish())?).filter(Filter::FlateDecode);
    let data = used.face.subset(&used.glyphs)?;
    let length = i32::try_from(data.len()).map_err(Error::internal)?;
    let packed = packed(&data)?;
    let mut stream = pdf.stream(file, &packed);
    stream.filter(Filter::FlateDecode).pair(Name(b"Length1"), length);
    stream.finish();
    Ok(())
}

fn packed(data: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).and_then(|()| encoder.finish()).map_err(Error::internal)
}
