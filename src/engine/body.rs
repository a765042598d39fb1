//! Request bodies: read after the caller is known, and refused in DRF's words.

use std::marker::PhantomData;

use poem::{Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, Registry},
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
const JSON_OR_FORM: &[&str] = &["application/json", "application/x-www-form-urlencoded", FORM];
pub(super) const FORM: &str = "multipart/form-data";

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
    let media = media_of(content_type);
    if !accepted.contains(&media.as_str()) {
        return Err(Error::UnsupportedMedia(content_type.to_owned()));
    }
    match media.as_str() {
        "application/x-www-form-urlencoded" => Ok(form(&bytes)),
        FORM => multipart(content_type, bytes.to_vec()).await,
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

/// A content type without its parameters.
pub(super) fn media_of(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

pub(super) fn bad_form(error: poem::Error) -> Error {
    Error::Malformed(format!("Multipart form parse error - {error}"))
}

/// The parts of `multipart/form-data` (RFC 7578).
/// The parts of a form that was sent with files.
pub async fn form_parts(content_type: &str, bytes: Vec<u8>) -> Result<poem::web::Multipart> {
    let request = Request::builder().content_type(content_type).body(bytes);
    let (request, mut body) = request.split();
    <poem::web::Multipart as poem::FromRequest>::from_request(&request, &mut body).await.map_err(bad_form)
}

async fn multipart(content_type: &str, bytes: Vec<u8>) -> Result<Record> {
    let mut form = form_parts(content_type, bytes).await?;
    let mut record = Record::new();
    while let Some(field) = form.next_field().await.map_err(|error| bad_form(error.into()))? {
        let name = field.name().unwrap_or_default().to_owned();
        let text = field.text().await.map_err(|error| bad_form(error.into()))?;
        record.insert(name, Json::String(text));
    }
    Ok(record)
}
