//! What can go wrong, as a handful of meanings, and the one table from each to its status and body.

use std::{borrow::Cow, fmt, io};

use poem::{IntoResponse, Response, http::StatusCode};
use poem_openapi::{
    ApiResponse,
    registry::{MetaResponses, Registry},
};
use serde_json::{Map, Value, json};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request, or a command, was not carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// 400: what is wrong, by field, all of it at once.
    Invalid(Problems),
    /// 400: the request could not be read at all.
    Malformed(String),
    /// 400: refused as a whole, in words that clients know.
    Refused { detail: Cow<'static, str>, code: &'static str },
    /// 401: who is calling is not known. `messages` as SimpleJWT sends them for a bad token.
    Unauthenticated { detail: Cow<'static, str>, code: &'static str, messages: Option<Value> },
    /// 401: the password is right, and a second factor is to follow: with this, within so many seconds, by one of these.
    SecondFactor { challenge: String, seconds: i64, methods: Vec<&'static str> },
    /// 403: known, and not allowed.
    Forbidden { detail: Cow<'static, str>, code: &'static str },
    /// 404: not there, or not in the caller's scope.
    NotFound(Cow<'static, str>),
    /// 405: the path does not take this method.
    MethodNotAllowed(String),
    /// 406: the client takes nothing that is offered.
    NotAcceptable,
    /// 409: a rule on the state of things refuses it.
    Conflict { detail: Cow<'static, str>, code: &'static str },
    /// 409: things stand in the way, so many of each.
    Blocked { detail: Cow<'static, str>, code: &'static str, counts: Vec<(String, i64)> },
    /// 412: somebody changed the record since the caller read it.
    Stale,
    /// 413: the body is over the limit.
    TooLarge,
    /// 415: the body's media type is not taken here.
    UnsupportedMedia(String),
    /// 408: the body did not arrive in time.
    Timeout,
    /// 422: the `Idempotency-Key` was used with another request.
    KeyReused,
    /// 429: too many requests; try again after so many seconds.
    TooMany(u64),
    /// 429: a budget is used up.
    Throttled(Budget),
    /// 503: cannot be done now; try again after so many seconds.
    Unavailable(u64),
    /// 500: our fault. The text is for the log and never for the client.
    Internal(String),
}

/// A budget of requests that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub name: &'static str,
    /// So many ...
    pub count: u32,
    /// ... in so many seconds.
    pub seconds: u32,
    /// Seconds until there is some of it again.
    pub retry: u64,
}

impl Error {
    /// A problem of one field.
    pub fn field(field: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Invalid(Problems::one(field, text))
    }
    /// A problem of the whole record.
    pub fn whole(text: impl Into<String>) -> Self {
        Self::field("non_field_errors", text)
    }
    /// The session is good, and what it is to be used for asks for a proof that is newer.
    pub fn stale_proof() -> Self {
        Self::Forbidden { detail: "Confirm your password first.".into(), code: "reauthentication_required" }
    }
    pub fn forbidden() -> Self {
        Self::Forbidden { detail: "You do not have permission to perform this action.".into(), code: "permission_denied" }
    }
    pub fn not_found() -> Self {
        Self::NotFound("Not found.".into())
    }
    pub fn conflict(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Conflict { detail: detail.into(), code }
    }
    pub fn unauthenticated(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Unauthenticated { detail: detail.into(), code, messages: None }
    }
    pub fn internal(text: impl fmt::Display) -> Self {
        Self::Internal(text.to_string())
    }

    /// Why a body could not be read: the server's limits end its stream with an error that says so.
    pub fn unreadable(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            let io = error.downcast_ref::<io::Error>();
            match io.map(io::Error::kind) {
                Some(io::ErrorKind::FileTooLarge) => return Self::TooLarge,
                Some(io::ErrorKind::TimedOut) => return Self::Timeout,
                // An `io::Error` does not count what it wraps among its sources.
                _ => cause = io.and_then(io::Error::get_ref).map(|inner| inner as _).or_else(|| error.source()),
            }
        }
        Self::Malformed(format!("The request body could not be read: {error}"))
    }

    pub fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) | Self::Malformed(_) | Self::Refused { .. } => StatusCode::BAD_REQUEST,
            Self::Unauthenticated { .. } | Self::SecondFactor { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict { .. } | Self::Blocked { .. } => StatusCode::CONFLICT,
            Self::Stale => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMedia(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany(_) | Self::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The machine-readable name of the refusal; field problems have none, as in DRF.
    pub fn code(&self) -> Option<&'static str> {
        Some(match self {
            Self::Invalid(_) => return None,
            Self::Malformed(_) => "parse_error",
            Self::SecondFactor { .. } => "totp_required",
            Self::Refused { code, .. }
            | Self::Unauthenticated { code, .. }
            | Self::Forbidden { code, .. }
            | Self::Conflict { code, .. }
            | Self::Blocked { code, .. } => code,
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::NotAcceptable => "not_acceptable",
            Self::Timeout => "timeout",
            Self::Stale => "precondition_failed",
            Self::TooLarge => "too_large",
            Self::UnsupportedMedia(_) => "unsupported_media_type",
            Self::KeyReused => "idempotency_key_reused",
            Self::TooMany(_) | Self::Throttled(_) => "throttled",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "error",
        })
    }

    /// The words for the client.
    pub fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Invalid(problems) => problems.to_string().into(),
            Self::Refused { detail, .. }
            | Self::Unauthenticated { detail, .. }
            | Self::Forbidden { detail, .. }
            | Self::Conflict { detail, .. }
            | Self::Blocked { detail, .. }
            | Self::NotFound(detail) => detail.clone(),
            Self::Malformed(text) => text.clone().into(),
            Self::SecondFactor { methods, .. } if !methods.contains(&"totp") => "Use your passkey.".into(),
            Self::SecondFactor { .. } => "Enter the code of your authenticator app.".into(),
            Self::MethodNotAllowed(method) => format!("Method \"{method}\" not allowed.").into(),
            Self::NotAcceptable => "Could not satisfy the request Accept header.".into(),
            Self::Timeout => "The request body did not arrive in time.".into(),
            Self::Stale => "The record was changed since you read it.".into(),
            Self::TooLarge => "The request body is too large.".into(),
            Self::UnsupportedMedia(media) => format!("Unsupported media type \"{media}\" in request.").into(),
            Self::KeyReused => "This Idempotency-Key was used with another request.".into(),
            Self::Throttled(budget) => Self::TooMany(budget.retry).detail(),
            Self::TooMany(1) => "Request was throttled. Expected available in 1 second.".into(),
            Self::TooMany(seconds) => format!("Request was throttled. Expected available in {seconds} seconds.").into(),
            Self::Unavailable(_) => "Service temporarily unavailable, try again later.".into(),
            Self::Internal(_) => "A server error occurred.".into(),
        }
    }

    /// The JSON body: DRF's, with `code` beside `detail`.
    pub fn body(&self) -> Value {
        match (self, self.code()) {
            (Self::Invalid(problems), _) => problems.to_json(),
            (Self::Unauthenticated { messages: Some(messages), .. }, Some(code)) => {
                json!({"detail": self.detail(), "code": code, "messages": messages})
            }
            (Self::SecondFactor { challenge, seconds, methods }, code) => {
                json!({"detail": self.detail(), "code": code, "challenge": challenge, "expires_in": seconds, "methods": methods})
            }
            (Self::Blocked { counts, .. }, code) => {
                let counts: Map<String, Value> = counts.iter().map(|(what, count)| (what.clone(), (*count).into())).collect();
                json!({"detail": self.detail(), "code": code, "counts": counts})
            }
            (_, code) => json!({"detail": self.detail(), "code": code}),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internal(text) => f.write_str(text),
            other => f.write_str(&other.detail()),
        }
    }
}

impl std::error::Error for Error {}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Self::Internal(text) = &self {
            tracing::error!(error = %text, "request failed");
        }
        let mut response = Response::builder().status(self.status()).content_type("application/json");
        match &self {
            Self::Unauthenticated { .. } | Self::SecondFactor { .. } => {
                response = response.header("WWW-Authenticate", "Bearer realm=\"api\"");
            }
            // The fields of draft-ietf-httpapi-ratelimit-headers.
            Self::Throttled(Budget { name, count, seconds, retry }) => {
                response = response
                    .header("Retry-After", retry.to_string())
                    .header("RateLimit", format!("\"{name}\";r=0;t={retry}"))
                    .header("RateLimit-Policy", format!("\"{name}\";q={count};w={seconds}"));
            }
            Self::TooMany(seconds) | Self::Unavailable(seconds) => response = response.header("Retry-After", seconds.to_string()),
            _ => {}
        }
        response.body(self.body().to_string())
    }
}

/// Refusals are documented once for all operations, not by each.
impl ApiResponse for Error {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![] }
    }
    fn register(_: &mut Registry) {}
}

impl From<Error> for poem::Error {
    fn from(error: Error) -> Self {
        let status = error.status();
        let mut wrapped = Self::from_response(error.clone().into_response());
        wrapped.set_error_message(format!("{status}: {error}"));
        wrapped
    }
}

/// What is wrong with a record: texts by field, in the order of the fields.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Problems(Vec<(String, Problem)>);

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    /// One or more sentences.
    Texts(Vec<String>),
    /// One entry for each row of a nested list; empty where the row is fine.
    Rows(Vec<Problems>),
}

impl Problems {
    pub fn one(field: impl Into<String>, text: impl Into<String>) -> Self {
        let mut problems = Self::default();
        problems.add(field, text);
        problems
    }

    pub fn add(&mut self, field: impl Into<String>, text: impl Into<String>) {
        let (field, text) = (field.into(), text.into());
        match self.0.iter_mut().find(|(name, _)| *name == field) {
            Some((_, Problem::Texts(texts))) => texts.push(text),
            Some((_, Problem::Rows(_))) => {}
            None => self.0.push((field, Problem::Texts(vec![text]))),
        }
    }

    pub fn rows(&mut self, field: impl Into<String>, rows: Vec<Problems>) {
        self.0.push((field.into(), Problem::Rows(rows)));
    }

    /// The rows of the only entry, if it is about rows.
    pub fn into_rows(self) -> Option<Vec<Self>> {
        match self.0.into_iter().next() {
            Some((_, Problem::Rows(rows))) => Some(rows),
            _ => None,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Does this field have a problem already?
    pub fn has(&self, field: &str) -> bool {
        self.0.iter().any(|(name, _)| name == field)
    }

    /// `Ok` when there is none.
    pub fn or_ok(self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(Error::Invalid(self)) }
    }

    /// DRF's body. A problem of no field at all is a bare list, as the originals answer it.
    pub fn to_json(&self) -> Value {
        if let [(field, Problem::Texts(texts))] = self.0.as_slice()
            && field.is_empty()
        {
            return json!(texts);
        }
        let mut map = Map::new();
        for (field, problem) in &self.0 {
            let value = match problem {
                Problem::Texts(texts) => json!(texts),
                Problem::Rows(rows) => Value::Array(rows.iter().map(Self::to_json).collect()),
            };
            map.insert(field.clone(), value);
        }
        Value::Object(map)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (field, problem) in &self.0 {
            f.write_str(separator)?;
            separator = " ";
            match problem {
                Problem::Texts(texts) if field == "non_field_errors" => write!(f, "{}", texts.join(" "))?,
                Problem::Texts(texts) => write!(f, "{field}: {}", texts.join(" "))?,
                Problem::Rows(rows) => write!(f, "{field}: {}", rows.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))?,
            }
        }
        Ok(())
    }
}
