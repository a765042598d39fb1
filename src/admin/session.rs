//! Who is signed in to the panel, and whether a form is one of its own.
//!
//! The cookie holds a refresh token that is not exchanged: a session like any other, which its owner sees and ends among theirs. With it
//! the panel gets access tokens for its own calls, and each request goes through the gate, so that whatever ends a session, or takes a
//! right, counts from the next click on.

use poem::{
    Request, Response,
    http::{HeaderMap, Method, header},
};

use super::{Panel, call::Refusal, languages::Language};
use crate::{
    actor::Actor,
    auth::{
        device,
        gate::{Credentials, RequestInfo},
        origin,
    },
    engine::query::Parameters,
    error::Error,
};

pub(super) const COOKIE: &str = "studio_admin";
/// What a form's token is made for.
const PURPOSE: &str = "form of the panel";
/// An access token that ends so soon is not used any more, in seconds.
const SPARE: i64 = 20;

/// An access token.
pub(super) struct Access {
    token: String,
    until: i64,
}

/// Who is signed in.
pub(super) struct Signed {
    pub cookie: String,
    /// A later one to go on with, and the seconds that it lives.
    pub renewed: Option<(String, i64)>,
    pub access: String,
    pub actor: Actor,
}

/// A request to the panel.
pub(super) struct Visit<'p> {
    pub panel: &'p Panel,
    pub info: RequestInfo,
    pub method: Method,
    /// Below `/admin/`.
    pub path: String,
    pub query: Parameters,
    pub form: Parameters,
    pub headers: HeaderMap,
    pub language: &'static Language,
    pub secure: bool,
    pub signed: Option<Signed>,
}

impl Visit<'_> {
    /// Whoever is signed in.
    ///
    /// # Errors
    /// 401 for nobody.
    pub fn signed(&self) -> Result<&Signed, Refusal> {
        let nobody = || Error::unauthenticated("not_authenticated", "Sign in first.").into();
        self.signed.as_ref().ok_or_else(nobody)
    }

    pub fn actor(&self) -> Result<&Actor, Refusal> {
        self.signed().map(|signed| &signed.actor)
    }

    pub fn is_post(&self) -> bool {
        self.method == Method::POST
    }

    /// The last value of a field of the form.
    pub fn given(&self, name: &str) -> Option<&str> {
        crate::engine::query::parameter(&self.form, name)
    }

    /// The last value of a query parameter, if it is not empty.
    pub fn asked(&self, name: &str) -> Option<&str> {
        crate::engine::query::parameter(&self.query, name).filter(|value| !value.is_empty())
    }

    /// A cookie of the panel.
    pub fn cookie(&self, name: &str, value: &str, seconds: i64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{name}={value}; HttpOnly; Max-Age={seconds}; Path=/admin/; SameSite=Lax{secure}")
    }

    /// Is a form, or another change, one that this server's own page has sent, and this session's?
    pub fn check_origin(&self, request: &Request) -> Result<(), Refusal> {
        Ok(origin::refuse_foreign_page(&self.panel.app.config.server, &[], request)?)
    }

    /// The token in the form must be this session's.
    pub fn check_token(&self, token: Option<&str>) -> Result<(), Refusal> {
        let Some(signed) = &self.signed else { return Ok(()) };
        let tokens = &self.panel.app.gate.tokens;
        let fits = said(&signed.actor).zip(token).is_some_and(|(said, token)| tokens.has_signed(PURPOSE, &said, token, self.info.now));
        let detail = self.t("This form is no longer good. Go back, load the page again and send it once more.");
        if fits { Ok(()) } else { Err(Error::Forbidden { detail: detail.into(), code: "csrf_failed" }.into()) }
    }
}

/// What the token in the forms of a session says: the session, which goes on when its cookie is renewed, and the business, so that a form
/// of one is none of another.
fn said(actor: &Actor) -> Option<String> {
    Some(format!("{}.{}", actor.session.as_deref()?, actor.business_id().unwrap_or_default()))
}

impl Signed {
    /// What the forms of the session carry: nobody but the server can make it.
    pub fn form_token(&self, panel: &Panel) -> String {
        said(&self.actor).map(|said| panel.app.gate.tokens.sign_text(PURPOSE, &said)).unwrap_or_default()
    }
}

impl Panel {
    /// Who sent a request, if they are signed in.
    pub(super) async fn signed(&self, request: &Request, info: &RequestInfo) -> Result<Option<Signed>, Error> {
        let Some(cookie) = device::cookies(request, COOKIE).next() else { return Ok(None) };
        let Some((access, renewed)) = self.access_of(request, info, cookie).await? else { return Ok(None) };
        match self.gate_of(&access, info) {
            Ok(actor) => {
                if let Some(user) = actor.user_id {
                    self.app.gate.limits.admit_user(user, request.method(), request.uri().path(), info.ip, info.now)?;
                }
                Ok(Some(Signed { cookie: cookie.to_owned(), renewed, access, actor }))
            }
            Err(Error::Unauthenticated { .. }) => {
                self.access.invalidate(cookie);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn gate_of(&self, access: &str, info: &RequestInfo) -> Result<Actor, Error> {
        let mut actor = self.app.gate.bearer(&Credentials::bearer(access), info.now)?;
        actor.request_id.clone_from(&info.id);
        actor.ip = info.ip.map(|ip| ip.to_string());
        Ok(actor)
    }

    /// An access token for a cookie: the one that there is, or a new one, with a later cookie when the one that came is getting old.
    /// `None`: the cookie opens nothing.
    async fn access_of(
        &self,
        request: &Request,
        info: &RequestInfo,
        cookie: &str,
    ) -> Result<Option<(String, Option<(String, i64)>)>, Error> {
        let now = info.now.as_second();
        if let Some(known) = self.access.get(cookie).filter(|known| now + SPARE < known.until) {
            return Ok(Some((known.token.clone(), None)));
        }
        match self.app.sessions.refresh(device::visitor(request), cookie).await {
            // One that is exchanged is an API client's, and none of the panel's.
            Ok(pair) if pair.refresh.is_none() => {
                let until = now + self.app.sessions.lives.access;
                self.access.insert(cookie.to_owned(), Access { token: pair.access.clone(), until }.into());
                let renewed = self.app.sessions.prolong(device::visitor(request), cookie).await?;
                Ok(Some((pair.access, renewed)))
            }
            Ok(_) | Err(Error::Unauthenticated { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Has the browser ask again after so many seconds.
pub(super) fn with_refresh(mut response: Response, seconds: u8) -> Response {
    response.headers_mut().insert(header::REFRESH, header::HeaderValue::from(u16::from(seconds)));
    response
}

/// Adds a cookie to an answer.
pub(super) fn with_cookie(mut response: Response, line: &str) -> Response {
    if let Ok(value) = line.parse() {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
