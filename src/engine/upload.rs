//! Files in request bodies: they are larger than all other bodies, and are read only once the caller's rights were looked at.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use hyper::body::Bytes;
use poem::{Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry},
};

use super::{
    body::{FORM, bad_form, form_parts, media_of},
    table::{CSV, XLSX, xlsx_read},
};
use crate::error::{Error, Result};

/// How large the body of a request may be, in bytes. The server reads no more; an operation that takes larger bodies than all others
/// raises it before it reads, once it knows that the caller may send one.
#[derive(Clone)]
pub struct BodyLimit(Arc<AtomicUsize>);

impl BodyLimit {
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }
    pub fn raise(&self, bytes: usize) {
        self.0.fetch_max(bytes, Ordering::Relaxed);
    }
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A file as it arrives: a form with one part `file`, or the bytes themselves, called what `Content-Disposition` says.
pub struct Upload {
    pub body: poem::Body,
    pub content_type: String,
    pub disposition: Option<String>,
    limit: Option<BodyLimit>,
}

impl Upload {
    /// Takes a body of so many bytes, whatever the limit is for others.
    pub fn expect(&self, bytes: usize) {
        self.limit.iter().for_each(|limit| limit.raise(bytes));
    }
}

impl<'a> ApiExtractor<'a> for Upload {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(_: &mut Registry) {}
    fn request_meta() -> Option<MetaRequest> {
        let described =
            |schema: MetaSchema, description| MetaSchemaRef::Inline(Box::new(MetaSchema { description: Some(description), ..schema }));
        let binary = || MetaSchema::new_with_format("string", "binary");
        let purpose = MetaSchema { max_length: Some(30), ..MetaSchema::new("string") };
        let form = MetaSchema {
            properties: vec![
                ("file", described(binary(), "The file.")),
                ("purpose", described(purpose, "What it is for, in a word or two.")),
            ],
            required: vec!["file"],
            ..MetaSchema::new("object")
        };
        let content = vec![
            MetaMediaType { content_type: "multipart/form-data", schema: MetaSchemaRef::Inline(Box::new(form)) },
            MetaMediaType { content_type: "application/octet-stream", schema: MetaSchemaRef::Inline(Box::new(binary())) },
        ];
        Some(MetaRequest { description: None, content, required: true })
    }
    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let text = |name: &str| request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Ok(Self {
            body: body.take()?,
            content_type: text("content-type").unwrap_or_default(),
            disposition: text("content-disposition"),
            limit: request.extensions().get::<BodyLimit>().cloned(),
        })
    }
}

/// A table in a file: the body itself, or the part `file` of a form. It is read when it is asked for, after the caller's rights were
/// looked at.
pub struct Sheet {
    content_type: String,
    body: Result<poem::Body>,
    limit: Option<BodyLimit>,
}

impl Sheet {
    /// The file's bytes, at most so many, whatever the limit is for others.
    pub async fn read(self, most: usize) -> Result<Bytes> {
        self.limit.iter().for_each(|limit| limit.raise(most));
        let media = media_of(&self.content_type);
        if ![CSV, XLSX, FORM].contains(&media.as_str()) {
            return Err(Error::UnsupportedMedia(self.content_type));
        }
        let bytes = self.body?.into_bytes().await.map_err(|error| Error::unreadable(&error))?;
        if media == XLSX && !bytes.starts_with(xlsx_read::MAGIC) {
            return Err(Error::Malformed("The file is no XLSX that can be read: it is no archive.".into()));
        }
        if media != FORM {
            return Ok(bytes);
        }
        let mut form = form_parts(&self.content_type, bytes.to_vec()).await?;
        while let Some(part) = form.next_field().await.map_err(|error| bad_form(error.into()))? {
            if part.name() == Some("file") {
                return part.bytes().await.map(Bytes::from).map_err(|error| bad_form(error.into()));
            }
        }
        Err(Error::field("file", "No file was submitted."))
    }
}

impl<'a> ApiExtractor<'a> for Sheet {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(_: &mut Registry) {}
    fn request_meta() -> Option<MetaRequest> {
        let inline = |schema: MetaSchema| MetaSchemaRef::Inline(Box::new(schema));
        let binary = || inline(MetaSchema::new_with_format("string", "binary"));
        let form = MetaSchema { properties: vec![("file", binary())], required: vec!["file"], ..MetaSchema::new("object") };
        let content = vec![
            MetaMediaType { content_type: CSV, schema: inline(MetaSchema::new("string")) },
            MetaMediaType { content_type: XLSX, schema: binary() },
            MetaMediaType { content_type: FORM, schema: inline(form) },
        ];
        Some(MetaRequest { description: Some("At most 50 MiB."), content, required: true })
    }
    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let content_type = request.content_type().unwrap_or_default().to_owned();
        Ok(Self { content_type, body: body.take().map_err(Error::internal), limit: request.extensions().get::<BodyLimit>().cloned() })
    }
}
