//! Where a request with a cookie comes from, and whether cookies may travel without https.

use poem::{
    Request,
    http::{HeaderMap, header},
};

use super::gate::info;
use crate::{
    config::{Config, CookieSecure, Server},
    error::Error,
};

/// Cookies are `Secure` unless this is a server for this machine alone that nobody reached by https.
pub fn is_secure(config: &Config, request: &Request) -> bool {
    match config.auth.cookie_secure {
        CookieSecure::Always => true,
        CookieSecure::Never => false,
        CookieSecure::Auto => !config.server.address.ip().is_loopback() || info(request).origin.starts_with("https://"),
    }
}

/// Refuses what a cookie was sent with because the page of somebody else asked for it.
///
/// A browser says where a request comes from: `Sec-Fetch-Site`, which no page can set, `Origin`, or at least `Referer`. What says
/// nothing of the kind is no browser, and whoever made it has the cookie in their own hands.
///
/// # Errors
/// 403 when it is neither one of our own pages nor one of an origin that is listed.
pub fn refuse_foreign_page(server: &Server, listed: &[String], request: &Request) -> Result<(), Error> {
    let refused = || Err(Error::Forbidden { detail: "CSRF Failed: the request comes from another site.".into(), code: "csrf_failed" });
    let headers = request.headers();
    let text = |name: header::HeaderName| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("null")).next();
    let origin = text(header::ORIGIN);
    let ours = |origin: &str| is_own(server, headers, &info(request).origin, origin) || listed.iter().any(|one| one == origin);
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
fn is_own(server: &Server, headers: &HeaderMap, own: &str, origin: &str) -> bool {
    let host = |origin: &str| origin.split_once("://").map(|(_, host)| host.to_owned());
    let asked = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    origin == own || server.base_url.is_empty() && asked.is_some() && host(origin).as_deref() == asked
}

/// `https://example.org` of `https://example.org/page`.
fn origin_of(url: &str) -> Option<&str> {
    let host = url.find("://")? + 3;
    Some(&url[..url[host..].find(['/', '?', '#']).map_or(url.len(), |end| host + end)])
}
