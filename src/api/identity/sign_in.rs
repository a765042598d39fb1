//! Who signs in, and the cookie that carries the refresh token.

use std::sync::Arc;

use poem::Request;
use serde_json::{Value as Json, json};

use super::{Form, Identity, shapes::Login};
use crate::{
    actor::Actor,
    auth::{
        account,
        gate::info,
        session::{Opening, Pair},
    },
    config::{CookieSecure, SameSite},
    db::{Reader, Writer},
    engine::reply::Reply,
    error::{Error, Problems},
};

const COOKIE: &str = "refresh_token";

/// The caller before anybody is known.
pub(super) fn actor(request: &Request) -> Actor {
    let info = info(request);
    let mut actor = Actor::system(info.now);
    actor.request_id = info.id;
    actor.ip = info.ip.map(|ip| ip.to_string());
    actor
}

pub(super) fn cookie(request: &Request) -> Option<String> {
    let cookies = request.headers().get_all("cookie").iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == COOKIE && !value.is_empty()).map(|(_, value)| value.to_owned())
}

pub(super) fn v1_tokens(pair: &Pair, person: Json) -> Json {
    json!({
        "refresh": pair.refresh,
        "access": pair.access,
        "email": person["email"],
        "full_name": person["full_name"],
        "is_staff": person["is_staff"],
        "is_superuser": person["is_superuser"],
        "user": person,
    })
}

impl Identity {
    pub(super) async fn sign_in(&self, request: &Request, login: Login, rotates: bool) -> Result<(i64, Pair), Error> {
        self.sign_in_as(request, login, rotates, |_, _| Ok(None)).await
    }

    /// Signs somebody in to the business that `place` names for them; it may refuse them, once their password is known to be right.
    pub(super) async fn sign_in_as(
        &self,
        request: &Request,
        login: Login,
        rotates: bool,
        place: fn(&Reader<'_>, i64) -> Result<Option<i64>, Error>,
    ) -> Result<(i64, Pair), Error> {
        let identifier = [login.username, login.email, login.phone, login.phone_number, login.identifier]
            .into_iter()
            .flatten()
            .find(|name| !name.is_empty());
        let password = login.password.map(|password| password.0).filter(|password| !password.is_empty());
        let (Some(identifier), Some(password)) = (&identifier, &password) else {
            let mut problems = Problems::default();
            if identifier.is_none() {
                problems.add(if self.form == Form::V1 { "email" } else { "username" }, "This field is required.");
            }
            if password.is_none() {
                problems.add("password", "This field is required.");
            }
            return Err(Error::Invalid(problems));
        };
        let found = self.app.db.read(|reader| account::find(reader, identifier))?;
        let hash = found.as_ref().and_then(|found| found.password_hash.clone());
        // Also for an unknown person: the answer must take as long.
        let fits = self.app.hasher.verify(password.clone(), hash).await?;
        let found = found.filter(|found| fits && found.is_active);
        let found =
            found.ok_or_else(|| Error::unauthenticated("no_active_account", "No active account found with the given credentials"))?;
        let mut actor = actor(request);
        let user = found.id;
        actor.user_id = Some(user);
        let how = Opening { rotates, remember: login.remember_me, epoch: Some(found.epoch), ..Opening::default() };
        let sessions = self.app.sessions.clone();
        let work = move |tx: &mut Writer<'_>| {
            let business = place(tx, user)?;
            sessions.open(tx, user, Opening { business, ..how })
        };
        let pair = self.app.db.write(Arc::new(actor), work).await?;
        Ok((user, pair))
    }

    /// Nobody needs a token here, but one that is sent must be good.
    pub(super) fn refuse_bad_token(&self, request: &Request) -> Result<(), Error> {
        match self.app.gate.caller(request) {
            Err(error) if error.code() != Some("not_authenticated") => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn with_cookie<S, const STATUS: u16>(&self, reply: Reply<S, STATUS>, pair: &Pair) -> Reply<S, STATUS> {
        match &pair.refresh {
            Some(refresh) => reply.header("Set-Cookie", self.cookie_text(refresh, pair.refresh_life)),
            None => reply,
        }
    }

    /// A refusal that takes the useless cookie away.
    pub(super) fn clearing(&self, error: Error) -> poem::Error {
        let mut response = poem::IntoResponse::into_response(error);
        if let Ok(value) = self.cookie_text("", 0).parse() {
            response.headers_mut().insert("set-cookie", value);
        }
        poem::Error::from_response(response)
    }

    pub(super) fn cookie_text(&self, value: &str, seconds: i64) -> String {
        let auth = &self.app.config.auth;
        let secure = match auth.cookie_secure {
            CookieSecure::Always => true,
            CookieSecure::Never => false,
            CookieSecure::Auto => !self.app.config.server.address.ip().is_loopback(),
        };
        let same_site = match auth.cookie_same_site {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
            SameSite::None => "None",
        };
        let secure = if secure { "; Secure" } else { "" };
        format!("{COOKIE}={value}; HttpOnly; Max-Age={seconds}; Path=/; SameSite={same_site}{secure}")
    }
}
