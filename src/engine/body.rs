//! Request bodies: read after the caller is known, and refused in DRF's words.

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use poem::{Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry},
    types::{ParseFromJSON, Type},
};
use serde_json::Value as Json;

use super::{
    descriptor::{Record, fields},
    validate,
};
use crate::{
    actor::Actor,
    error::{Error, Problems, Result},
};

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

/// A JSON object, as yet unchecked; `S` is the schema it should follow. A body that cannot be read is refused by whoever opens it:
/// after the caller's rights were looked at.
pub struct Body<S>(pub Result<Record>, PhantomData<fn() -> S>);

/// A JSON object, checked and read as `T`; what is wrong with it is told to whoever opens it, as with `Body`.
pub struct Input<T>(Result<T>);

impl<T> Input<T> {
    /// What was sent. Ask after the caller's rights and the record were looked at: those are refused first.
    pub fn get(&self) -> Result<&T> {
        self.0.as_ref().map_err(Clone::clone)
    }
}

/// The same, from a form as well: sign-in.
pub struct FormInput<T>(pub T);

fn request_meta<S: Type>(media: &[&'static str]) -> Option<MetaRequest> {
    let content = media.iter().map(|content_type| MetaMediaType { content_type, schema: S::schema_ref() }).collect();
    Some(MetaRequest { description: None, content, required: true })
}

const JSON: &[&str] = &["application/json"];
const JSON_OR_FORM: &[&str] = &["application/json", "application/x-www-form-urlencoded", "multipart/form-data"];

impl<'a, S: Type> ApiExtractor<'a> for Body<S> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        S::register(registry);
    }
    fn request_meta() -> Option<MetaRequest> {
        request_meta::<S>(JSON)
    }
    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        Ok(Self(object(request, body, JSON).await, PhantomData))
    }
}

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for Input<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
    fn request_meta() -> Option<MetaRequest> {
        request_meta::<T>(JSON)
    }
    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        Ok(Self(object(request, body, JSON).await.and_then(typed)))
    }
}

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for FormInput<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
    fn request_meta() -> Option<MetaRequest> {
        request_meta::<T>(JSON_OR_FORM)
    }
    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        Ok(Self(typed(object(request, body, JSON_OR_FORM).await?)?))
    }
}

/// Checks an object against the fields of `T` and reads it.
fn typed<T: ParseFromJSON>(record: Record) -> Result<T> {
    let record = validate::object(&fields::<T>(), record, None, &Actor::system(jiff::Timestamp::UNIX_EPOCH))?;
    T::parse_from_json(Some(Json::Object(record))).map_err(|error| Error::whole(error.into_message()))
}

/// Reads the body as one object. No body counts as an empty one.
async fn object(request: &Request, body: &mut RequestBody, accepted: &[&str]) -> Result<Record> {
    let bytes = body.take().map_err(Error::internal)?.into_bytes().await.map_err(|error| Error::unreadable(&error))?;
    if bytes.is_empty() {
        return Ok(Record::new());
    }
    let content_type = request.content_type().unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !accepted.contains(&media.as_str()) {
        return Err(Error::UnsupportedMedia(content_type.to_owned()));
    }
    match media.as_str() {
        "application/x-www-form-urlencoded" => Ok(form(&bytes)),
        "multipart/form-data" => multipart(content_type, bytes.to_vec()).await,
        _ => json(&bytes),
    }
}

fn json(bytes: &[u8]) -> Result<Record> {
    if let Err(error) = std::str::from_utf8(bytes) {
        let at = error.valid_up_to();
        let byte = bytes.get(at).copied().unwrap_or_default();
        return Err(Error::Malformed(format!(
            "JSON parse error - 'utf-8' codec can't decode byte 0x{byte:02x} in position {at}: invalid start byte"
        )));
    }
    match serde_json::from_slice(bytes) {
        Ok(Json::Object(record)) => Ok(record),
        Ok(other) => Err(Error::Invalid(Problems::one("non_field_errors", validate::expected_dictionary(&other)))),
        Err(error) => Err(Error::Malformed(format!("JSON parse error - {error}"))),
    }
}

/// `application/x-www-form-urlencoded` (WHATWG URL, 5.1).
fn form(bytes: &[u8]) -> Record {
    form_urlencoded::parse(bytes).map(|(name, value)| (name.into_owned(), Json::String(value.into_owned()))).collect()
}

async fn multipart(content_type: &str, bytes: Vec<u8>) -> Result<Record> {
    let request = Request::builder().content_type(content_type).body(bytes);
    let (request, mut body) = request.split();
    let malformed = |error: poem::Error| Error::Malformed(format!("Multipart form parse error - {error}"));
    let mut form = <poem::web::Multipart as poem::FromRequest>::from_request(&request, &mut body).await.map_err(malformed)?;
    let mut record = Record::new();
    while let Some(field) = form.next_field().await.map_err(|error| malformed(error.into()))? {
        let name = field.name().unwrap_or_default().to_owned();
        let text = field.text().await.map_err(|error| malformed(error.into()))?;
        record.insert(name, Json::String(text));
    }
    Ok(record)
}
