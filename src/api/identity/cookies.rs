//! The cookies of signing in, and which pages may have them sent: a browser sends cookies whoever made it ask.

use poem::Request;

use crate::{
    app::App,
    auth::{device, origin, session::Pair},
    config::SameSite,
    engine::reply::Reply,
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
        let secure = origin::is_secure(&app.config, request);
        let same_site = match app.config.auth.cookie_same_site {
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
