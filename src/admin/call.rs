//! Calling the API from inside: the same operations that clients call, for the same person, without a network between.

use std::time::Duration;

use poem::{
    Body, Request, Response,
    http::{HeaderMap, Method, Request as Parts, header},
    web::{LocalAddr, RemoteAddr},
};
use serde_json::Value as Json;

use super::{Panel, session::Visit};
use crate::{
    auth::gate::Inside,
    engine::{upload::BodyLimit, verbs::Patience},
    error::Error,
};

/// So often a second click looks whether the first is done, and waits so long each time.
const TRIES: usize = 100;
const WAIT: Duration = Duration::from_millis(100);

/// What the API answered.
pub(super) struct Answer {
    pub status: u16,
    pub body: Json,
    pub headers: HeaderMap,
}

/// A refusal: the status and the body of it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: u16,
    pub body: Json,
    pub retry: Option<u64>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        if let Error::Internal(text) = &error {
            tracing::error!(error = text, "a page could not be made");
        }
        let retry = match &error {
            Error::TooMany(seconds) | Error::Unavailable(seconds) => Some(*seconds),
            Error::Throttled(budget) => Some(budget.retry),
            _ => None,
        };
        Self { status: error.status().as_u16(), body: error.body(), retry }
    }
}

impl Answer {
    /// The body, if it was done.
    pub fn done(self) -> Result<Json, Refusal> {
        if self.status < 400 { Ok(self.body) } else { Err(self.refusal()) }
    }

    pub fn refusal(self) -> Refusal {
        let retry = self.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Refusal { status: self.status, body: self.body, retry }
    }
}

/// What is asked of the API.
#[derive(Clone)]
pub(super) struct Ask<'a> {
    pub method: Method,
    /// Below `/api/`, with a slash at the end.
    pub path: &'a str,
    pub query: Vec<(&'a str, &'a str)>,
    pub body: Option<&'a Json>,
    pub if_match: Option<&'a str>,
    /// What is known already: unchanged, the answer is 304.
    pub if_none_match: Option<&'a str>,
    /// What makes the same request twice one.
    pub idempotency: Option<&'a str>,
    /// How long the rows of a list are counted.
    pub patience: Option<Patience>,
}

impl<'a> Ask<'a> {
    pub fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            query: vec![],
            body: None,
            if_match: None,
            if_none_match: None,
            idempotency: None,
            patience: None,
        }
    }
    pub fn post(path: &'a str, body: &'a Json) -> Self {
        Self { method: Method::POST, body: Some(body), ..Self::get(path) }
    }
    pub fn patch(path: &'a str, body: &'a Json) -> Self {
        Self { method: Method::PATCH, body: Some(body), ..Self::get(path) }
    }
    pub fn delete(path: &'a str) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }
    pub fn with(mut self, name: &'a str, value: &'a str) -> Self {
        self.query.push((name, value));
        self
    }
    pub fn with_all(mut self, query: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        self.query.extend(query);
        self
    }
}

/// `?a=b&c=d` of parameters; nothing of none.
pub(super) fn query_of<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    if text.is_empty() { text } else { format!("?{text}") }
}

impl Visit<'_> {
    /// Asks the API and takes its answer as it is: a file, for instance.
    pub async fn fetch(&self, ask: Ask<'_>) -> Result<Response, Refusal> {
        let body = ask.body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let json = ask.body.is_some().then_some("application/json");
        self.forward_with(&ask, json, body, None).await
    }

    /// The same with a body that is no JSON, which may be as large as the operation lets it be.
    pub async fn forward_with(
        &self,
        ask: &Ask<'_>,
        content_type: Option<&str>,
        body: Body,
        limit: Option<BodyLimit>,
    ) -> Result<Response, Refusal> {
        // Before anybody is known, an address may ask for so much: from outside, the front counts it.
        let uri = format!("/api/{}{}", ask.path, query_of(ask.query.iter().copied()));
        if self.signed.is_none() {
            self.panel.app.gate.limits.admit_address(&ask.method, &format!("/api/{}", ask.path), true, self.info.ip, self.info.now)?;
        }
        let mut parts = Parts::builder().method(ask.method.clone()).uri(uri).header("accept", "*/*");
        for name in ["user-agent", "cookie", "host"] {
            // The cookies tell the device; the API's own are not sent to the panel.
            if let Some(value) = self.headers.get(name) {
                parts = parts.header(name, value);
            }
        }
        if let Some(signed) = &self.signed {
            parts = parts.header("authorization", format!("Bearer {}", signed.access));
        }
        if let Some(content_type) = content_type {
            parts = parts.header("content-type", content_type);
        }
        let headers = [("if-match", ask.if_match), ("if-none-match", ask.if_none_match), ("idempotency-key", ask.idempotency)];
        for (name, value) in headers {
            if let Some(value) = value {
                parts = parts.header(name, value);
            }
        }
        let (parts, ()) = parts.body(()).map_err(Error::internal)?.into_parts();
        let parts = (parts, LocalAddr::default(), RemoteAddr::default(), poem::http::uri::Scheme::HTTP);
        let mut request = Request::from_parts(parts.into(), body);
        let mut info = self.info.clone();
        // Whatever shape the business prefers for its clients is not asked here.
        info.envelope = Default::default();
        request.extensions_mut().insert(info);
        request.extensions_mut().insert(Inside);
        if let Some(patience) = ask.patience {
            request.extensions_mut().insert(patience);
        }
        if let Some(limit) = limit {
            request.extensions_mut().insert(limit);
        }
        request.set_data(self.panel.app.gate.clone());
        Ok(match self.panel.api.call(request).await {
            Ok(response) => response,
            Err(error) => error.into_response(),
        })
    }

    /// Asks the API.
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Answer, Refusal> {
        let (parts, body) = self.fetch(ask).await?.into_parts();
        let bytes = body.into_bytes().await.map_err(Error::internal)?;
        let body = match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            Err(_) if bytes.is_empty() => Json::Null,
            Err(_) => Json::String(String::from_utf8_lossy(&bytes).into_owned()),
        };
        Ok(Answer { status: parts.status.as_u16(), body, headers: parts.headers })
    }

    /// Asks for something to be made, once for each form, however often its button is clicked: the second click waits for the first.
    pub async fn ask_once(&self, ask: Ask<'_>) -> Result<Answer, Refusal> {
        let key = self.given("idempotency_key").filter(|key| !key.is_empty());
        for _ in 0..TRIES {
            let answer = self.ask(Ask { idempotency: key, ..ask.clone() }).await?;
            if answer.body["code"] != "idempotency_key_in_flight" {
                return Ok(answer);
            }
            tokio::time::sleep(WAIT).await;
        }
        Err(Error::Unavailable(1).into())
    }

    /// Reads something that is there, and may be read.
    pub async fn get(&self, path: &str) -> Result<Json, Refusal> {
        self.ask(Ask::get(path)).await?.done()
    }
}

impl Panel {
    /// An amount of records that is asked for at most at once, as the API is set up.
    pub(super) fn most(&self) -> u32 {
        self.app.config.api.max_page_size
    }
}
