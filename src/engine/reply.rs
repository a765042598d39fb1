//! What endpoints answer: ready bytes, with the schema they follow.

use std::{borrow::Cow, io, marker::PhantomData};

use futures_util::Stream;
use hyper::body::Bytes;
use poem::{
    Body, IntoResponse, Response,
    http::{HeaderValue, StatusCode},
};
use poem_openapi::{
    ApiResponse,
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};
use serde_json::Value as Json;

use super::table::{CSV, Format, NDJSON, XLSX};

const PDF: &str = "application/pdf";

/// An answer whose JSON is written already; `S` is its schema. `STATUS` is 200 unless it says otherwise.
pub struct Reply<S, const STATUS: u16 = 200> {
    pub body: Bytes,
    /// The `ETag` of the answer (RFC 9110, 8.8.3), quotes included.
    pub etag: Option<String>,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// A status other than `STATUS`.
    pub status: Option<u16>,
    media: &'static str,
    schema: PhantomData<fn() -> S>,
}

impl<S, const STATUS: u16> Reply<S, STATUS> {
    pub fn bytes(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), etag: None, headers: vec![], status: None, media: "application/json", schema: PhantomData }
    }

    /// A page instead, for somebody who came by a link.
    pub fn html(page: String) -> Self {
        Self { media: "text/html; charset=utf-8", ..Self::bytes(page) }
    }

    pub fn json(body: &Json) -> Self {
        Self::bytes(body.to_string().into_bytes())
    }

    pub fn with_etag(mut self, etag: String) -> Self {
        self.etag = Some(etag);
        self
    }

    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    pub fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The client has this already.
    pub fn unchanged(etag: String) -> Self {
        Self::bytes(vec![]).with_etag(etag).with_status(304)
    }
}

impl<S: Send, const STATUS: u16> IntoResponse for Reply<S, STATUS> {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status.unwrap_or(STATUS)).unwrap_or(StatusCode::OK);
        let mut response = Response::builder().status(status);
        if let Some(etag) = &self.etag {
            response = response.header("ETag", etag);
        }
        for (name, value) in &self.headers {
            response = response.header(*name, value);
        }
        if status == StatusCode::NOT_MODIFIED { response.finish() } else { response.content_type(self.media).body(self.body) }
    }
}

impl<S: Type, const STATUS: u16> ApiResponse for Reply<S, STATUS> {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: "application/json", schema: S::schema_ref() }];
        MetaResponses {
            responses: vec![MetaResponse { description: "", status: Some(STATUS), status_range: None, content, headers: vec![] }],
        }
    }
    fn register(registry: &mut Registry) {
        S::register(registry);
    }
}

/// Server-sent events (WHATWG HTML, 9.2), for as long as there are any; `S` is the schema of their data.
pub struct EventStream<S>(Body, PhantomData<fn() -> S>);

impl<S> EventStream<S> {
    pub fn new(events: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self(Body::from_bytes_stream(events), PhantomData)
    }
}

impl<S: Send> IntoResponse for EventStream<S> {
    fn into_response(self) -> Response {
        // The second is for proxies that would wait for more.
        Response::builder().content_type("text/event-stream").header("X-Accel-Buffering", "no").body(self.0)
    }
}

impl<S: Type> ApiResponse for EventStream<S> {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: "text/event-stream", schema: S::schema_ref() }];
        MetaResponses { responses: vec![MetaResponse { description: "", status: Some(200), status_range: None, content, headers: vec![] }] }
    }
    fn register(registry: &mut Registry) {
        S::register(registry);
    }
}

/// The bytes of a file, or of a part of it.
pub struct Download(pub Response);

impl Download {
    /// The answers, for the document: `content_types` are what the bytes may be.
    fn answers(content_types: &[&'static str]) -> MetaResponses {
        let binary = || MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "binary")));
        let content = || content_types.iter().map(|content_type| MetaMediaType { content_type, schema: binary() }).collect::<Vec<_>>();
        let answer =
            |status, description, content| MetaResponse { description, status: Some(status), status_range: None, content, headers: vec![] };
        let refusal = vec![MetaMediaType { content_type: "application/json", schema: MetaSchemaRef::Reference("Error".into()) }];
        MetaResponses {
            responses: vec![
                answer(200, "The bytes.", content()),
                answer(206, "The part of the bytes that `Range` asks for.", content()),
                answer(416, "There is no such part.", refusal),
            ],
        }
    }
}

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for Download {
    fn meta() -> MetaResponses {
        Self::answers(&["application/octet-stream"])
    }
    fn register(_: &mut Registry) {}
}

/// A small picture of one.
pub struct Picture(pub Response);

impl IntoResponse for Picture {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for Picture {
    fn meta() -> MetaResponses {
        let mut answers = Download::answers(&["image/png", "image/jpeg"]);
        answers.responses.truncate(1);
        answers
    }
    fn register(_: &mut Registry) {}
}

/// A document on paper, shown by whatever shows PDF.
pub struct PdfFile {
    pub bytes: Vec<u8>,
    /// What it is called, without the ending.
    pub title: String,
}

impl IntoResponse for PdfFile {
    fn into_response(self) -> Response {
        let name = disposition("inline", &format!("{}.pdf", self.title.replace(['/', '\\'], "-")));
        Response::builder().content_type(PDF).header("Content-Disposition", name).body(self.bytes)
    }
}

impl ApiResponse for PdfFile {
    fn meta() -> MetaResponses {
        file_of(vec![media(PDF, Some("binary"))])
    }
    fn register(_: &mut Registry) {}
}

/// `Content-Disposition` (RFC 6266): the name in ASCII for old clients, and as it is.
pub fn disposition(kind: &str, filename: &str) -> HeaderValue {
    let plain: String =
        filename.chars().map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ' { c } else { '_' }).collect();
    let mut encoded = String::new();
    for byte in filename.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    let text = format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("attachment"))
}

/// 204, and nothing to say.
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        Response::builder().status(StatusCode::NO_CONTENT).finish()
    }
}

impl ApiResponse for NoContent {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "No response body",
                status: Some(204),
                status_range: None,
                content: vec![],
                headers: vec![],
            }],
        }
    }
    fn register(_: &mut Registry) {}
}

/// An answer that may be given before the work is done: 202, with the place where its end can be awaited.
pub struct Begun<S>(pub Reply<S>);

impl<S: Send> IntoResponse for Begun<S> {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl<S: Type> ApiResponse for Begun<S> {
    fn meta() -> MetaResponses {
        let mut responses = Reply::<S, 200>::meta().responses;
        let begun = Reply::<S, 202>::meta().responses.into_iter();
        let description = "Under way; `Location` says where to ask how far it is.";
        responses.extend(begun.map(|response| MetaResponse { description, ..response }));
        MetaResponses { responses }
    }
    fn register(registry: &mut Registry) {
        S::register(registry);
    }
}

/// A file, sent as it is made.
pub struct ExportFile {
    pub format: Format,
    /// Its name, without the ending.
    pub name: String,
    pub body: poem::Body,
}

impl IntoResponse for ExportFile {
    fn into_response(self) -> Response {
        // Names of tables and dates: nothing to escape (RFC 6266, 4.3).
        let file = format!("{}.{}", self.name, self.format.name());
        let disposition = format!("attachment; filename=\"{file}\"; filename*=UTF-8''{file}");
        Response::builder().content_type(self.format.media()).header("Content-Disposition", disposition).body(self.body)
    }
}

/// A report: JSON, or the same as a file with one table.
pub enum Report<S> {
    Json(Reply<S>),
    File(ExportFile),
}

impl<S: Send> IntoResponse for Report<S> {
    fn into_response(self) -> Response {
        match self {
            Self::Json(reply) => reply.into_response(),
            Self::File(file) => file.into_response(),
        }
    }
}

impl<S: Type> ApiResponse for Report<S> {
    fn meta() -> MetaResponses {
        let mut responses = Reply::<S>::meta();
        responses.responses.iter_mut().for_each(|response| response.content.push(media(CSV, None)));
        responses
    }
    fn register(registry: &mut Registry) {
        S::register(registry);
    }
}

fn file_of(content: Vec<MetaMediaType>) -> MetaResponses {
    MetaResponses {
        responses: vec![MetaResponse { description: "The file.", status: Some(200), status_range: None, content, headers: vec![] }],
    }
}

fn media(content_type: &'static str, format: Option<&'static str>) -> MetaMediaType {
    let schema = MetaSchema { format, ..MetaSchema::new("string") };
    MetaMediaType { content_type, schema: MetaSchemaRef::Inline(Box::new(schema)) }
}

impl ApiResponse for ExportFile {
    fn meta() -> MetaResponses {
        let json = MetaMediaType { content_type: "application/json", schema: AnyExport::schema_ref() };
        file_of(vec![media(CSV, None), json, media(NDJSON, None), media(XLSX, Some("binary"))])
    }
    fn register(_: &mut Registry) {}
}

/// A table without rows, to be filled in.
pub struct Template(pub ExportFile);

impl IntoResponse for Template {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl ApiResponse for Template {
    fn meta() -> MetaResponses {
        file_of(vec![media(CSV, None), media(XLSX, Some("binary"))])
    }
    fn register(_: &mut Registry) {}
}

/// A schema that is only a name in the document.
macro_rules! named_schema {
    ($(#[$doc:meta])* $type:ident $(<$parameter:ident>)?, $name:expr) => {
        $(#[$doc])*
        pub struct $type $(<$parameter>(PhantomData<fn() -> $parameter>))?;

        impl $(<$parameter: Type>)? Type for $type $(<$parameter>)? {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;
            fn name() -> Cow<'static, str> {
                $name.into()
            }
            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Reference($name.into())
            }
            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }
            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }
    };
}

named_schema!(
    /// The read form of a resource: references expanded.
    Read<R>,
    format!("{}Read", R::name())
);
named_schema!(
    /// A record of whatever resource an endpoint is stamped for, in the written form.
    AnyRecord,
    "Record"
);
named_schema!(
    /// The same in the read form.
    AnyRecordRead,
    "RecordRead"
);
named_schema!(
    /// A part of it: what PATCH takes.
    AnyPatch,
    "PatchedRecord"
);
named_schema!(
    /// Many new records.
    AnyBulkCreate,
    "RecordBulkCreate"
);
named_schema!(
    /// Changes of many records.
    AnyBulkUpdate,
    "RecordBulkUpdate"
);
named_schema!(
    /// A page of records in the read form.
    AnyPage,
    "PaginatedRecordReadList"
);
named_schema!(
    /// A page of a resource's records in the read form.
    PageOf<R>,
    format!("Paginated{}ReadList", R::name())
);
named_schema!(
    /// All records of a list in the read form.
    AnyExport,
    "RecordReadExport"
);
named_schema!(
    /// A page of ids and labels.
    MinimalPage,
    "PaginatedMinimalList"
);
named_schema!(
    /// A page of a record's history.
    HistoryPage,
    "PaginatedHistoryList"
);
