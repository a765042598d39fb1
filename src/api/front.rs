//! What every request passes first and every answer last: its id, its log line, security headers, CORS, JSON errors.

use std::{
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use futures_util::FutureExt;
use poem::{
    Addr, Endpoint, EndpointExt, IntoEndpoint, IntoResponse, Request, Response,
    endpoint::BoxEndpoint,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
};

use super::envelope::Wish;
use crate::{
    app::App,
    auth::gate::{Gate, OtherMethod, RequestInfo},
    clock::Clock,
    engine::query::Pages,
    error::Error,
};

/// On every answer; a page of documents brings its own policy. `same-origin` and not `no-referrer`: under that, browsers say `Origin: null`
/// for forms of our own pages.
const HEADERS: [(HeaderName, &str); 8] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()",
    ),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Where https is spoken, by this server's public address or by a trusted proxy: for two years nothing else.
const TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// So long a part of a path may be a secret; ids are shorter.
const SECRET: usize = 40;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The outermost endpoint.
pub struct Front {
    inner: BoxEndpoint<'static>,
    gate: Arc<Gate>,
    clock: Clock,
    base_url: String,
    proxies: Vec<IpAddr>,
    origins: Vec<String>,
    logs: bool,
    /// Answers come in the envelope unless a request says otherwise.
    envelope: bool,
    pages: Pages,
    boot: u64,
    count: AtomicU64,
}

impl Front {
    pub fn new(app: &App, inner: impl IntoEndpoint<Endpoint = BoxEndpoint<'static>>) -> Self {
        Self {
            inner: inner.into_endpoint().map_to_response().boxed(),
            gate: app.gate.clone(),
            clock: app.db.clock().clone(),
            base_url: app.config.server.base_url.trim_end_matches('/').to_owned(),
            proxies: app.config.server.trusted_proxies.clone(),
            origins: app.config.server.cors_origins.clone(),
            logs: app.config.log.requests,
            envelope: app.config.api.envelope,
            pages: app.pages(),
            boot: app.db.boot(),
            count: AtomicU64::new(0),
        }
    }

    fn info(&self, request: &Request) -> RequestInfo {
        let peer = match &request.remote_addr().0 {
            Addr::SocketAddr(address) => Some(address.ip()),
            _ => None,
        };
        let trusted = peer.is_some_and(|peer| self.proxies.contains(&peer));
        let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        // The rightmost address that is not one of our proxies is the client's; what stands left of it anybody can write.
        let forwarded =
            || text("x-forwarded-for")?.rsplit(',').filter_map(|part| part.trim().parse().ok()).find(|ip| !self.proxies.contains(ip));
        let origin = if self.base_url.is_empty() {
            let scheme = text("x-forwarded-proto").filter(|scheme| trusted && matches!(*scheme, "http" | "https")).unwrap_or("http");
            format!("{scheme}://{}", text("host").unwrap_or("localhost"))
        } else {
            self.base_url.clone()
        };
        RequestInfo {
            id: text("x-request-id").filter(|id| trusted && is_plain(id)).map_or_else(|| self.next_id(), str::to_owned),
            ip: if trusted { forwarded().or(peer) } else { peer },
            now: self.clock.now(),
            origin,
            envelope: Arc::new(AtomicBool::new(self.envelope)),
        }
    }

    /// Unique over starts and requests; not a secret.
    fn next_id(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}-{count:x}", self.boot)
    }

    /// The origin of the page that asks, if it is one of those that may.
    fn allowed_origin(&self, request: &Request) -> Option<HeaderValue> {
        let origin = request.headers().get(header::ORIGIN)?;
        self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }

    /// What an address may ask for before anybody is known; who shows a token is asked at the gate.
    fn admit(&self, request: &Request) -> Result<(), Error> {
        let anonymous = !request.headers().contains_key(header::AUTHORIZATION);
        let Some(RequestInfo { ip, now, .. }) = request.extensions().get().filter(|_| anonymous) else { return Ok(()) };
        self.gate.limits.admit_address(request.method(), request.uri().path(), anonymous, *ip, *now)
    }

    async fn answer(&self, request: Request, origin: Option<&HeaderValue>) -> Response {
        let preflight = request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if preflight && origin.is_some() {
            return Response::builder()
                .header("access-control-allow-methods", "DELETE, GET, OPTIONS, PATCH, POST, PUT")
                .header(
                    "access-control-allow-headers",
                    "accept, authorization, content-disposition, content-type, idempotency-key, if-match, if-none-match, last-event-id, range, user-agent, x-business-id, x-csrftoken, x-requested-with, x-response-format",
                )
                .header("access-control-max-age", "600")
                .finish();
        }
        if let Some(refusal) = not_acceptable(&request) {
            return refusal.into_response();
        }
        if let Err(refusal) = self.admit(&request) {
            return refusal.into_response();
        }
        let method = request.method().clone();
        let called = AssertUnwindSafe(self.inner.call(request)).catch_unwind().await;
        let response = match called {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => error.into_response(),
            Err(_) => Error::Internal("panic in a handler".into()).into_response(),
        };
        as_json(response, &method)
    }
}

/// Answers are JSON; a client that takes nothing of the kind is told before anything else. Browsers, which ask for HTML, get JSON too.
fn not_acceptable(request: &Request) -> Option<Error> {
    let accept = request.headers().get(header::ACCEPT)?.to_str().ok()?;
    let takes = ["*/*", "json", "text/csv", "spreadsheetml", "html", "application/*", "yaml", "event-stream", "text/css", "image/"]
        .iter()
        .any(|kind| accept.contains(kind));
    (!takes && !accept.trim().is_empty() && request.uri().path().starts_with("/api")).then_some(Error::NotAcceptable)
}

/// Methods of other protocols are refused like TRACE, by the name that the client used.
fn known_method(request: &mut Request) {
    let known = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::TRACE, Method::CONNECT];
    if request.method() == Method::HEAD {
        // hyper keeps the length and leaves the body out.
        request.set_method(Method::GET);
    } else if !known.contains(request.method()) {
        let name = request.method().clone();
        request.extensions_mut().insert(OtherMethod(name));
        request.set_method(Method::TRACE);
    }
}

/// An error that the router or an extractor made is plain text; clients get JSON, but for pages for people.
fn as_json(response: Response, method: &Method) -> Response {
    let status = response.status();
    let media = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if status.as_u16() < 400 || media.starts_with(b"application/json") || media.starts_with(b"text/html") {
        return response;
    }
    let error = match status {
        StatusCode::NOT_FOUND => Error::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => Error::MethodNotAllowed(method.to_string()),
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge,
        StatusCode::UNAUTHORIZED => Error::unauthenticated("not_authenticated", "Authentication credentials were not provided."),
        StatusCode::FORBIDDEN => Error::forbidden(),
        status if status.is_client_error() => Error::Malformed("Malformed request.".into()),
        status => Error::Internal(format!("a handler answered {status}")),
    };
    error.into_response()
}

/// What every answer tells browsers not to do.
pub fn protect(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl Endpoint for Front {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let start = Instant::now();
        let info = self.info(&request);
        let id = info.id.clone();
        let origin = self.allowed_origin(&request);
        let https = info.origin.starts_with("https://");
        let line = self.logs.then(|| (request.method().clone(), request.uri().path().to_owned(), info.ip));
        known_method(&mut request);
        let (wish, by_default) = (Wish::of(&mut request), info.envelope.clone());
        request.extensions_mut().insert(info);
        request.set_data(self.gate.clone());
        let response = self.answer(request, origin.as_ref()).await;
        let mut response = wish.fulfil(response, by_default.load(Ordering::Relaxed), self.pages).await;
        let headers = response.headers_mut();
        protect(headers);
        if https {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, TRANSPORT);
        }
        if let Ok(value) = HeaderValue::from_str(&id) {
            headers.insert(REQUEST_ID, value);
        }
        headers.append(header::VARY, HeaderValue::from_static(if self.origins.is_empty() { "Accept" } else { "Accept, Origin" }));
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(
                    "content-disposition, content-range, etag, idempotent-replayed, location, ratelimit, ratelimit-policy, retry-after, x-request-id",
                ),
            );
        }
        if let Some((method, path, ip)) = line {
            let status = response.status().as_u16();
            let ms = start.elapsed().as_micros() as f64 / 1000.0;
            let path = told(&path);
            tracing::info!(target: "request", request_id = %id, %method, %path, status, ms, ip = ip.map(tracing::field::display));
        }
        Ok(response)
    }
}

/// A path as it stands in the log: without what is as long as a secret, such as the token of a link.
fn told(path: &str) -> String {
    path.split('/').map(|part| if part.len() >= SECRET { "***" } else { part }).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn the_log_does_not_tell_links() {
        let token = "_mh5CewQVLGYoJwkBbMQXkT_7MAT8xA6OS38dPjLED4";
        assert_eq!(told(&format!("/p/{token}/pdf/")), "/p/***/pdf/");
        assert_eq!(
            told("/api/field/leads/01a203f3-d92a-7172-acd4-7499f828d1f2/"),
            "/api/field/leads/01a203f3-d92a-7172-acd4-7499f828d1f2/"
        );
        assert_eq!(told("/"), "/");
    }
}
