//! The cookies of signing in, and which pages may have them sent: a browser sends cookies whoever made it ask.

use poem::{
    Request,
    http::{HeaderMap, header},
};

use crate::{
    app::App,
    auth::{device, gate::info, session::Pair},
    config::{Auth, CookieSecure, SameSite},
    engine::reply::Reply,
    error::Error,
};

/// The refresh token. Sent to the API alone, which all its documented paths are part of.
const REFRESH: &str = "refresh_token";
const PATH: &str = "/api/";

/// How cookies are written.
pub(super) struct Jar {
    secure: bool,
    same_site: &'static str,
}

impl Jar {
    /// Cookies are `Secure` unless this is a server for this machine alone that nobody reached by https.
    pub fn new(app: &App, request: &Request) -> Self {
        let Auth { cookie_secure, cookie_same_site, .. } = app.config.auth;
        let secure = match cookie_secure {
            CookieSecure::Always => true,
            CookieSecure::Never => false,
            CookieSecure::Auto => !app.config.server.address.ip().is_loopback() || info(request).origin.starts_with("https://"),
        };
        let same_site = match cookie_same_site {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
            SameSite::None => "None",
        };
        Self { secure, same_site }
    }

    fn line(&self, name: &str, value: &str, seconds: i64, path: &str) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{name}={value}; HttpOnly; Max-Age={seconds}; Path={path}; SameSite={}{secure}", self.same_site)
    }

    /// The cookie with a refresh token; with none and no seconds, it goes.
    pub fn refresh(&self, token: &str, seconds: i64) -> String {
        self.line(REFRESH, token, seconds, PATH)
    }

    fn device(&self, mark: &str) -> String {
        let name = if self.secure { format!("{}{}", device::HOST_PREFIX, device::COOKIE) } else { device::COOKIE.to_owned() };
        self.line(&name, mark, device::LIFE.as_secs(), "/")
    }

    /// An answer with the cookies that a sign-in leaves.
    pub fn fill<S, const STATUS: u16>(&self, reply: Reply<S, STATUS>, pair: &Pair) -> Reply<S, STATUS> {
        let reply = match &pair.refresh {
            Some(refresh) => reply.header("Set-Cookie", self.refresh(refresh, pair.refresh_life)),
            None => reply,
        };
        match &pair.device {
            Some(mark) => reply.header("Set-Cookie", self.device(mark)),
            None => reply,
        }
    }
}

/// An answer after which the browser keeps nothing of the session. The device stays known, so not all cookies go.
pub(super) fn forgetting<S, const STATUS: u16>(reply: Reply<S, STATUS>, jar: &Jar) -> Reply<S, STATUS> {
    leaving(reply).header("Set-Cookie", jar.refresh("", 0))
}

/// The same where there are no cookies.
pub(super) fn leaving<S, const STATUS: u16>(reply: Reply<S, STATUS>) -> Reply<S, STATUS> {
    reply.header("Clear-Site-Data", "\"cache\", \"storage\"".to_owned())
}

/// The refresh token that came in the cookie.
pub(super) fn sent_refresh(request: &Request) -> Option<String> {
    device::cookies(request, REFRESH).next().map(str::to_owned)
}

/// Refuses what a cookie was sent with because the page of somebody else asked for it.
///
/// A browser says where a request comes from: `Sec-Fetch-Site`, which no page can set, `Origin`, or at least `Referer`. What says
/// nothing of the kind is no browser, and whoever made it has the cookie in their own hands.
///
/// # Errors
/// 403 when it is neither one of our own pages nor one of an origin that is listed.
pub(super) fn refuse_foreign_page(app: &App, request: &Request) -> Result<(), Error> {
    let refused = || Err(Error::Forbidden { detail: "CSRF Failed: the request comes from another site.".into(), code: "csrf_failed" });
    let headers = request.headers();
    let text = |name: header::HeaderName| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("null")).next();
    let origin = text(header::ORIGIN);
    let ours = |origin: &str| {
        is_own(app, headers, &info(request).origin, origin) || app.config.server.cors_origins.iter().any(|one| one == origin)
    };
    match (text(header::HeaderName::from_static("sec-fetch-site")), origin) {
        (Some("same-origin"), None) => Ok(()),
        (Some("same-origin"), Some(origin)) if origin != "null" => Ok(()),
        (_, Some(origin)) if ours(origin) => Ok(()),
        (Some("none"), None) => Ok(()),
        (Some(_), _) | (None, Some(_)) => refused(),
        (None, None) => match text(header::REFERER) {
            None => Ok(()),
            Some(page) if origin_of(page).is_some_and(ours) => Ok(()),
            Some(_) => refused(),
        },
    }
}

/// Is this origin the server's own? Where no public address is set, the host that was asked for is the server; a proxy may have
/// taken the `s` from the scheme.
fn is_own(app: &App, headers: &HeaderMap, own: &str, origin: &str) -> bool {
    let host = |origin: &str| origin.split_once("://").map(|(_, host)| host.to_owned());
    let asked = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    origin == own || app.config.server.base_url.is_empty() && asked.is_some() && host(origin).as_deref() == asked
}

/// `https://example.org` of `https://example.org/page`.
fn origin_of(url: &str) -> Option<&str> {
    let host = url.find("://")? + 3;
    Some(&url[..url[host..].find(['/', '?', '#']).map_or(url.len(), |end| host + end)])
}
