//! A request that carries a file, read as it arrives.

use futures_util::StreamExt;
use serde_json::{Map, Value as Json};

use crate::{
    engine::{descriptor::Record, upload::Upload},
    error::{Error, Result},
    resources::shared::plain_name,
    storage::{Incoming, Kept, Storage},
};

/// What a form takes beside its file: boundaries, headers and short parts.
const FORM: usize = 64 * 1024;
/// A part of a form that is no file has so many bytes at most.
const LONGEST_PART: usize = 4096;

/// A file that has arrived. Dropped before it is kept, it leaves nothing behind.
pub struct Arrived {
    incoming: Incoming,
    filename: String,
    purpose: String,
}

impl Arrived {
    /// How many bytes it has.
    pub fn size(&self) -> i64 {
        i64::try_from(self.incoming.size()).unwrap_or(i64::MAX)
    }

    /// Looks at it and keeps it.
    pub async fn keep(self) -> Result<Received> {
        let Self { incoming, filename, purpose } = self;
        let kept = incoming.keep(filename.clone()).await?;
        Ok(Received { kept, filename, purpose })
    }
}

/// A file that is kept; its row is yet to be written.
pub struct Received {
    pub kept: Kept,
    pub filename: String,
    pub purpose: String,
}

impl Received {
    /// What the row holds.
    pub fn record(&self) -> Record {
        let (width, height) = self.kept.dimensions.unzip();
        let fields: [(&str, Json); 7] = [
            ("filename", self.filename.as_str().into()),
            ("purpose", self.purpose.as_str().into()),
            ("content_type", self.kept.content_type.into()),
            ("size", self.kept.size.into()),
            ("sha256", self.kept.sha256.as_str().into()),
            ("width", width.into()),
            ("height", height.into()),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>()
    }
}

/// Reads a file from a request.
pub async fn receive(storage: &Storage, upload: Upload) -> Result<Arrived> {
    upload.expect(storage.max_bytes() + FORM);
    let media = upload.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media == "multipart/form-data" {
        return form(storage, upload).await;
    }
    let mut incoming = Incoming::new(storage).await?;
    let mut stream = upload.body.into_bytes_stream();
    while let Some(bytes) = stream.next().await {
        incoming.write(&bytes.map_err(|error| Error::unreadable(&error))?).await?;
    }
    arrived(incoming, upload.disposition.as_deref().and_then(name_in), String::new())
}

/// A form with one part `file`, and perhaps `purpose`.
async fn form(storage: &Storage, upload: Upload) -> Result<Arrived> {
    let boundary = multer::parse_boundary(&upload.content_type).map_err(unreadable)?;
    let mut form = multer::Multipart::new(upload.body.into_bytes_stream(), boundary);
    let (mut file, mut purpose) = (None, String::new());
    while let Some(mut field) = form.next_field().await.map_err(unreadable)? {
        match field.name().unwrap_or_default() {
            "file" if file.is_some() => return Err(Error::field("file", "Send one file at a time.")),
            "file" => {
                let name = field.file_name().map(str::to_owned);
                let mut incoming = Incoming::new(storage).await?;
                while let Some(bytes) = field.chunk().await.map_err(unreadable)? {
                    incoming.write(&bytes).await?;
                }
                file = Some((incoming, name));
            }
            name => {
                let is_purpose = name == "purpose";
                let mut part = vec![];
                while let Some(bytes) = field.chunk().await.map_err(unreadable)? {
                    part.extend_from_slice(&bytes);
                    if part.len() > LONGEST_PART {
                        return Err(Error::TooLarge);
                    }
                }
                if is_purpose {
                    purpose = String::from_utf8(part).map_err(|_| Error::field("purpose", "Not a valid string."))?;
                }
            }
        }
    }
    let (incoming, name) = file.ok_or_else(|| Error::field("file", "No file was submitted."))?;
    arrived(incoming, name, purpose)
}

fn arrived(incoming: Incoming, name: Option<String>, purpose: String) -> Result<Arrived> {
    if purpose.trim().chars().count() > 30 {
        return Err(Error::field("purpose", "Ensure this field has no more than 30 characters."));
    }
    if purpose.contains('\0') {
        return Err(Error::field("purpose", "Null characters are not allowed."));
    }
    let filename = name.as_deref().and_then(plain_name).unwrap_or_else(|| "file".to_owned());
    Ok(Arrived { incoming, filename, purpose })
}

fn unreadable(error: multer::Error) -> Error {
    match Error::unreadable(&error) {
        Error::Malformed(_) => Error::Malformed(format!("Multipart form parse error - {error}")),
        limit => limit,
    }
}

/// The file name in a `Content-Disposition` (RFC 6266): `filename*` before `filename`.
fn name_in(header: &str) -> Option<String> {
    let extended = parameter(header, "filename*").and_then(|value| {
        let (charset, rest) = value.split_once('\'')?;
        let (_, encoded) = rest.split_once('\'')?;
        charset.eq_ignore_ascii_case("utf-8").then(|| decoded(encoded)).flatten()
    });
    extended.or_else(|| parameter(header, "filename"))
}

/// A parameter of a header, quotes taken off.
fn parameter(header: &str, name: &str) -> Option<String> {
    let mut rest = header;
    while let Some(at) = rest.find(';') {
        rest = rest[at + 1..].trim_start();
        let (key, value) = rest.split_once('=')?;
        let mine = key.trim().eq_ignore_ascii_case(name);
        let value = value.trim_start();
        let text = match value.strip_prefix('"') {
            Some(quoted) => {
                let (text, length) = unquoted(quoted);
                rest = &quoted[length..];
                text
            }
            None => {
                let end = value.find(';').unwrap_or(value.len());
                rest = &value[end..];
                value[..end].trim().to_owned()
            }
        };
        if mine {
            return Some(text);
        }
    }
    None
}

/// What stands before the closing quote, and how much was read.
fn unquoted(quoted: &str) -> (String, usize) {
    let (mut text, mut escaped) = (String::new(), false);
    for (at, c) in quoted.char_indices() {
        match c {
            c if escaped => {
                text.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (text, at + 1),
            c => text.push(c),
        }
    }
    (text, quoted.len())
}

/// Percent-encoded UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = vec![];
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::name_in;

    #[test]
    fn names_are_read_off_the_header() {
        for (header, name) in [
            ("attachment; filename=plan.pdf", Some("plan.pdf")),
            ("attachment; filename=\"a \\\"b\\\"; c.pdf\"; size=3", Some("a \"b\"; c.pdf")),
            ("attachment; filename=\"x.pdf\"; filename*=UTF-8''%C3%9Cbung%20%E2%82%AC.pdf", Some("Übung €.pdf")),
            ("attachment; filename*=UTF-8''%zz; filename=y.pdf", Some("y.pdf")),
            ("attachment; name=\"filename=no\"", None),
            ("attachment", None),
        ] {
            assert_eq!(name_in(header).as_deref(), name, "{header}");
        }
    }
}
