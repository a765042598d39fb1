//! `{data, message, meta}` around an answer, for clients that expect every body so. The one place that wraps: nothing else knows.

use hyper::body::Bytes;
use poem::{
    Body, Request, Response,
    http::{HeaderValue, Method, StatusCode, Uri, header},
};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json, value::RawValue};

use crate::engine::{
    query::{Pages, Parameters, page_size},
    table::CSV,
};

/// The media type by which a client asks for it.
pub const MEDIA_TYPE: &str = "application/vnd.studio.envelope+json";
/// Tells the `ETag` of a wrapped answer from that of the plain one (RFC 9110, 8.8.3: they are two representations).
const MARK: &str = "-e\"";

/// What a request says about the shape of its answer.
pub struct Wish {
    /// It asks for the envelope, or for the plain body; `None` leaves it to the business and the settings.
    asks: Option<bool>,
    /// By media type: then the answer has that type.
    by_type: bool,
    method: Method,
    uri: Uri,
}

impl Wish {
    /// Reads the wish off a request. The validators that a wrapped answer was given with are brought to their plain form.
    pub fn of(request: &mut Request) -> Self {
        let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let by_type = text("accept").is_some_and(|accept| accept.contains(MEDIA_TYPE));
        let by_name = text("x-response-format").map(|name| name.eq_ignore_ascii_case("standard"));
        let plain =
            text("if-none-match").filter(|tags| tags.contains(MARK)).and_then(|tags| HeaderValue::from_str(&tags.replace(MARK, "\"")).ok());
        let wish = Self {
            asks: if by_type { Some(true) } else { by_name },
            by_type,
            method: request.method().clone(),
            uri: request.uri().clone(),
        };
        if let Some(plain) = plain {
            request.headers_mut().insert(header::IF_NONE_MATCH, plain);
        }
        wish
    }

    /// The answer in the form that is wanted: of this request, else of the business or the settings.
    pub async fn fulfil(&self, response: Response, by_default: bool, pages: Pages) -> Response {
        // A file is kept as it is, and may be longer than the memory.
        let is_file = response.headers().contains_key(header::CONTENT_DISPOSITION);
        let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let is_empty = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        // The document of the API is nobody's data.
        let is_data = self.uri.path().starts_with("/api/") && !self.uri.path().starts_with("/api/schema");
        if !self.asks.unwrap_or(by_default) || !is_data || is_file || !(is_json || is_empty) {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        if let Some(tag) = parts.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).and_then(|tag| tag.strip_suffix('"'))
            && let Ok(tag) = HeaderValue::from_str(&format!("{tag}{MARK}"))
        {
            parts.headers.insert(header::ETAG, tag);
        }
        if parts.status == StatusCode::NOT_MODIFIED {
            return Response::from_parts(parts, body);
        }
        // A body says what was done, so that there is one.
        if parts.status == StatusCode::NO_CONTENT {
            parts.status = StatusCode::OK;
        }
        let Ok(body) = body.into_bytes().await else { return Response::from_parts(parts, Body::empty()) };
        let wrapped = if parts.status.is_success() { self.success(parts.status, &body, pages) } else { failure(&body) };
        let kind = if self.by_type { MEDIA_TYPE } else { "application/json" };
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        Response::from_parts(parts, wrapped.into())
    }

    fn message(&self, status: StatusCode) -> &'static str {
        let path = self.uri.path().trim_end_matches('/');
        match (&self.method, status.as_u16()) {
            (_, 201) => "Created successfully",
            (&Method::PUT | &Method::PATCH, _) => "Updated successfully",
            (&Method::DELETE, _) => "Deleted successfully",
            (&Method::POST, _) if path.ends_with("/login") => "Login successful",
            (&Method::POST, _) if path.ends_with("/logout") => "Successfully logged out",
            _ => "Success",
        }
    }

    /// The body goes in as it is; only a page is taken apart.
    fn success(&self, status: StatusCode, body: &Bytes, pages: Pages) -> Vec<u8> {
        let page: Option<Page<'_>> = serde_json::from_slice(body).ok();
        let (data, meta) = match &page {
            Some(page) => (page.results.get().as_bytes(), json!({"pagination": self.pagination(page, pages)})),
            None if body.is_empty() => (b"null".as_slice(), json!({})),
            None => (&body[..], json!({})),
        };
        let mut out = b"{\"data\":".to_vec();
        out.extend_from_slice(data);
        out.extend_from_slice(format!(",\"message\":\"{}\",\"meta\":{meta}}}", self.message(status)).as_bytes());
        out
    }

    fn pagination(&self, page: &Page<'_>, pages: Pages) -> Json {
        let query = form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes());
        let parameters: Parameters = query.into_owned().collect();
        // The neighbours tell where the page is, whatever the request called it.
        let neighbour = |link: &Option<String>| {
            let query = link.as_deref()?.split_once('?').map_or("", |(_, query)| query);
            let number = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "page").map(|(_, number)| number.into_owned());
            Some(number.and_then(|number| number.parse::<u64>().ok()).unwrap_or(1))
        };
        let number = neighbour(&page.next).map(|next| next - 1).or_else(|| neighbour(&page.previous).map(|previous| previous + 1));
        json!({
            "count": page.count,
            "page": number.unwrap_or(1),
            "page_size": page_size(&parameters, pages),
            "next": page.next,
            "previous": page.previous,
        })
    }
}

/// A page of a list; any other body is none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page<'a> {
    count: u64,
    next: Option<String>,
    previous: Option<String>,
    #[serde(borrow)]
    results: &'a RawValue,
}

/// A refusal: the words for people, and what is wrong by field.
fn failure(body: &Bytes) -> Vec<u8> {
    let sent: Json = serde_json::from_slice(body).unwrap_or_default();
    let (mut errors, mut meta) = (Map::new(), Map::new());
    let message = match sent {
        Json::Object(mut sent) if sent.get("detail").is_some_and(Json::is_string) => {
            let detail = sent.shift_remove("detail").unwrap_or_default();
            meta = sent;
            detail.as_str().unwrap_or_default().to_owned()
        }
        Json::Object(by_field) => {
            errors = by_field;
            first(&errors)
        }
        Json::Array(texts) => {
            errors.insert("non_field_errors".into(), Json::Array(texts));
            first(&errors)
        }
        _ => String::new(),
    };
    json!({"data": null, "message": message, "errors": errors, "meta": meta}).to_string().into_bytes()
}

/// The first problem in words: one of the whole record, or one of a field with its name.
fn first(errors: &Map<String, Json>) -> String {
    let text = |value: &Json| value.get(0).and_then(Json::as_str).map(str::to_owned);
    let whole = errors.get("non_field_errors").and_then(text);
    let by_field = || errors.iter().find_map(|(field, value)| Some(format!("{field}: {}", text(value)?)));
    whole.or_else(by_field).unwrap_or_else(|| "Some rows are wrong.".into())
}

/// Adds the envelope to the document: a second media type of every JSON answer.
pub fn describe(document: &mut Json) {
    let components = document["components"]["schemas"].clone();
    let is_file = |answer: &Json| answer["content"].get(CSV).is_some();
    let plain = |answer: &Json| answer["content"].get("application/json").filter(|_| !is_file(answer)).map(|media| media["schema"].clone());
    let operations =
        document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut).filter_map(Json::as_object_mut).flat_map(Map::values_mut);
    for (status, answer) in operations.filter_map(|operation| operation["responses"].as_object_mut()).flatten() {
        let Some(schema) = plain(answer).filter(|_| status.starts_with('2')) else { continue };
        let component = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
        let rows = components[component]["properties"].get("results").filter(|_| component.starts_with("Paginated")).cloned();
        let around = if rows.is_some() { "EnvelopePage" } else { "Envelope" };
        let data = json!({"type": "object", "properties": {"data": rows.unwrap_or(schema)}, "required": ["data"]});
        let wrapped = json!({"allOf": [{"$ref": format!("#/components/schemas/{around}")}, data]});
        answer["content"][MEDIA_TYPE] = json!({"schema": wrapped});
    }
    for answer in document["components"]["responses"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        if plain(answer).is_some() {
            answer["content"][MEDIA_TYPE] = json!({"schema": {"$ref": "#/components/schemas/EnvelopeError"}});
        }
    }
    let message = json!({"type": "string", "description": "What happened, in words."});
    let object = |properties: Json, required: Json, description: &str| json!({"type": "object", "description": description, "properties": properties, "required": required});
    let link = json!({"type": "string", "format": "uri", "nullable": true});
    let pagination = object(
        json!({
            "count": {"type": "integer", "description": "How many records there are on all pages."},
            "page": {"type": "integer", "description": "The page's number, from 1."},
            "page_size": {"type": "integer", "description": "How many records a page has at most."},
            "next": link,
            "previous": link,
        }),
        json!(["count", "page", "page_size", "next", "previous"]),
        "Where a page is in its list.",
    );
    let schemas = &mut document["components"]["schemas"];
    schemas["Pagination"] = pagination;
    schemas["Envelope"] = object(
        json!({"message": message, "meta": {"type": "object", "description": "Nothing, so far."}}),
        json!(["message", "meta"]),
        "What is around the data of an answer.",
    );
    let meta =
        json!({"type": "object", "properties": {"pagination": {"$ref": "#/components/schemas/Pagination"}}, "required": ["pagination"]});
    schemas["EnvelopePage"] =
        object(json!({"message": message, "meta": meta}), json!(["message", "meta"]), "What is around the records of a page.");
    schemas["EnvelopeError"] = object(
        json!({
            "data": {"type": "object", "nullable": true, "description": "Nothing."},
            "message": message,
            "errors": {"type": "object", "additionalProperties": true, "description": "What is wrong, by field."},
            "meta": {"type": "object", "properties": {"code": {"type": "string", "description": "What is wrong, for programs."}}},
        }),
        json!(["data", "message", "errors", "meta"]),
        "Why a request was refused.",
    );
}
