//! What a file is, by its bytes. What its sender says of it counts for nothing, but that a text called `.csv` is a table.

use crate::error::{Error, Result};

/// What would be run or shown as a page is kept as this, which nothing opens.
const BYTES: &str = "application/octet-stream";

/// The types that are told by how a file begins: offset, bytes, type.
const BEGINNINGS: [(usize, &[u8], &str); 17] = [
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBPVP8", "image/webp"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (4, b"ftypM4A ", "audio/mp4"),
    (4, b"ftypM4B ", "audio/mp4"),
    (4, b"ftypisom", "video/mp4"),
    (4, b"ftypiso2", "video/mp4"),
    (4, b"ftypmp41", "video/mp4"),
    (4, b"ftypmp42", "video/mp4"),
    (4, b"ftypavc1", "video/mp4"),
];

/// How programs begin: Windows, Linux, macOS (and Java), WebAssembly, Android, scripts, shortcuts.
const PROGRAMS: [&[u8]; 11] = [
    b"MZ",
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\0asm",
    b"dex\n",
    b"#!",
    b"L\0\0\0\x01\x14\x02\0",
];

/// The packages that are documents: what is in them, and their type. The first is their `mimetype`, or a part that they always have.
const PACKAGES: [(&[u8], &str); 5] = [
    (b"word/document.xml", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/workbook.xml", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/presentation.xml", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    (b"mimetypeapplication/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
    (b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.spreadsheet"),
];

/// The type of a file: by its beginning, its end, and whether all of it is text.
///
/// # Errors
/// Programs, and whatever is not known to be harmless, are refused by the field `file`.
pub fn content_type(head: &[u8], tail: &[u8], is_text: bool, filename: &str) -> Result<&'static str> {
    if PROGRAMS.iter().any(|beginning| head.starts_with(beginning)) {
        return Err(Error::field("file", "Programs cannot be stored here."));
    }
    let begins = |at: usize, bytes: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(bytes));
    let is_webp = |kind: &str| kind != "image/webp" || begins(0, b"RIFF");
    if let Some((.., kind)) = BEGINNINGS.iter().find(|(at, bytes, kind)| begins(*at, bytes) && is_webp(kind)) {
        return Ok(kind);
    }
    if begins(0, b"PK\x03\x04") || begins(0, b"PK\x05\x06") {
        return Ok(package(head, tail));
    }
    if begins(0, b"\x1a\x45\xdf\xa3") && holds(&head[..head.len().min(64)], b"webm") {
        return Ok("video/webm");
    }
    if is_text {
        return Ok(match () {
            () if is_markup(head) => BYTES,
            () if filename.to_lowercase().ends_with(".csv") => "text/csv",
            () => "text/plain",
        });
    }
    let taken = "Files of this type are not taken. Taken are pictures (PNG, JPEG, GIF, WebP), PDF, documents (docx, xlsx, pptx, odt, ods), \
                 zip, plain text, CSV, mp3, m4a, mp4 and webm.";
    Err(Error::field("file", taken))
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The directory of a zip stands at its end; an OpenDocument says in its first file what it is.
fn package(head: &[u8], tail: &[u8]) -> &'static str {
    let is = |part: &[u8]| if part.starts_with(b"mimetype") { holds(&head[..head.len().min(128)], part) } else { holds(tail, part) };
    let is_document = holds(tail, b"[Content_Types].xml") || holds(&head[..head.len().min(128)], b"mimetype");
    PACKAGES.iter().find(|(part, _)| is_document && is(part)).map_or("application/zip", |(_, kind)| kind)
}

/// HTML, SVG and other XML, which a browser would run: whatever begins with a bracket, or has one of its marks near the beginning.
fn is_markup(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let begins = head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<');
    let lower = head[..head.len().min(4096)].to_ascii_lowercase();
    let marks: [&[u8]; 6] = [b"<!doctype", b"<html", b"<script", b"<svg", b"<?xml", b"<iframe"];
    begins || marks.iter().any(|mark| holds(&lower, mark))
}

/// Whether all that was read is text: UTF-8 without a null character.
#[derive(Default)]
pub struct Text {
    /// The beginning of a character whose rest has not arrived.
    begun: Vec<u8>,
    broken: bool,
}

impl Text {
    pub fn read(&mut self, bytes: &[u8]) {
        if self.broken || bytes.contains(&0) {
            self.broken = true;
            return;
        }
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        if let Err(error) = std::str::from_utf8(&all) {
            self.broken = error.error_len().is_some();
            self.begun = all.split_off(error.valid_up_to());
        }
    }

    pub fn is_text(&self) -> bool {
        !self.broken && self.begun.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Text, content_type};

    fn of(bytes: &[u8], name: &str) -> Option<&'static str> {
        let mut text = Text::default();
        // In pieces that cut characters in two.
        bytes.chunks(3).for_each(|piece| text.read(piece));
        content_type(bytes, bytes, text.is_text(), name).ok()
    }

    #[test]
    fn files_are_told_by_their_bytes() {
        let cases: [(&[u8], &str, Option<&str>); 21] = [
            (b"\x89PNG\r\n\x1a\n....", "x.exe", Some("image/png")),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "x", Some("image/webp")),
            (b"....\x10\0\0\0WEBPVP8 \0", "x", None),
            (b"%PDF-1.7\n\0", "x.txt", Some("application/pdf")),
            (b"MZ\x90\0", "photo.png", None),
            (b"MZ is how this text begins", "x.txt", None),
            (b"\x7fELF\x02", "x.pdf", None),
            (b"#!/bin/sh\nrm -rf /", "x.txt", None),
            (b"\xca\xfe\xba\xbe\0", "x", None),
            ("a,b\n1,ü€😀".as_bytes(), "x.CSV", Some("text/csv")),
            ("grüße €😀".as_bytes(), "x.html", Some("text/plain")),
            ("grüße €😀".as_bytes(), "x.png", Some("text/plain")),
            (b"gr\xfc\xdfe", "x.txt", None),
            ("half a character \u{20ac}".as_bytes().split_last().expect("bytes").1, "x.txt", None),
            (b"text\0more", "x.txt", None),
            (b"\xef\xbb\xbf <svg onload=alert(1)>", "x.txt", Some("application/octet-stream")),
            (b"a: <SCRIPT>alert(1)</SCRIPT>", "x.txt", Some("application/octet-stream")),
            (
                b"PK\x03\x04\0\0[Content_Types].xml word/document.xml",
                "x.zip",
                Some("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            ),
            (b"PK\x03\x04\0\0hello.txt", "x.docx", Some("application/zip")),
            (b"\0\0\0\x18ftypisom\0", "x", Some("video/mp4")),
            (b"\x1a\x45\xdf\xa3\x42\x82\x84webm\0", "x", Some("video/webm")),
        ];
        for (bytes, name, wanted) in cases {
            assert_eq!(of(bytes, name), wanted, "{} called {name}", String::from_utf8_lossy(bytes));
        }
    }
}
