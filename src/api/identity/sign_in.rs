//! Who signs in.

use std::sync::Arc;

use jiff::Timestamp;
use poem::Request;
use serde_json::{Value as Json, json};

use super::{
    Form, Identity, code,
    cookies::{self, Jar},
    shapes::Login,
};
pub(super) use crate::auth::device::visitor as actor;
use crate::{
    auth::{
        account, challenge, factor,
        gate::{Inside, info},
        origin,
        session::{Opening, Pair},
        throttle::Kind,
    },
    db::Writer,
    engine::reply::Reply,
    error::{Error, Problems},
};

/// What signs somebody in with a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Login,
    Token,
    StaffLogin,
}

impl Operation {
    pub(super) const ALL: [Self; 3] = [Self::Login, Self::Token, Self::StaffLogin];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Token => "token",
            Self::StaffLogin => "staff-login",
        }
    }
}

fn v1_tokens(pair: &Pair, person: Json) -> Json {
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
    /// Compares the password. Whoever has a second factor is refused with a challenge, which the answer to this operation waits for.
    pub(super) async fn sign_in(&self, request: &Request, login: Login, operation: Operation) -> Result<(i64, Pair), Error> {
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
        let taken = self.app.throttle.take(Kind::Password(password), identifier, request).await?;
        let found = self.app.db.read(|reader| account::find(reader, identifier))?;
        let hash = found.as_ref().and_then(|found| found.password_hash.clone());
        // Also for an unknown person: the answer must take as long.
        let fits = match self.app.hasher.verify(password.clone(), hash).await {
            Ok(fits) => fits,
            // Too many sign in at once; this one was not looked at.
            Err(busy) => return taken.unused().await.and(Err(busy)),
        };
        let known = found.as_ref().map(|found| found.id);
        let Some(found) = found.filter(|found| fits && found.is_active) else {
            if let Some(user) = known {
                taken.failed(user, actor(request));
            }
            tracing::info!(target: "security", event = "login_failed", request_id = info(request).id);
            return Err(Error::unauthenticated("no_active_account", "No active account found with the given credentials"));
        };
        let mut actor = actor(request);
        let user = found.id;
        actor.user_id = Some(user);
        let mut how = Opening {
            rotates: self.rotates(request, operation),
            remember: login.remember_me,
            epoch: Some(found.epoch),
            ..Opening::default()
        };
        if let Err(refusal) = self.admit(user, &mut how, operation, actor.now) {
            // The password was right all the same.
            return taken.succeeded().await.and(Err(refusal));
        }
        let (sessions, success) = (self.app.sessions.clone(), taken.success());
        let work = move |tx: &mut Writer<'_>| {
            success.record(tx)?;
            sessions.open(tx, user, how)
        };
        let pair = self.app.db.write(Arc::new(actor), work).await?;
        Ok((user, pair))
    }

    /// Is the refresh token of a new session exchanged? The panel keeps one for as long as the session lasts: its pages come several at
    /// once.
    pub(super) fn rotates(&self, request: &Request, operation: Operation) -> bool {
        let inside = request.extensions().get::<Inside>().is_some();
        (self.form != Form::V1 || operation == Operation::StaffLogin) && !inside
    }

    /// What is asked of somebody beyond a right password.
    ///
    /// # Errors
    /// 403 for who is none of the staff and signs in as one; 401 `totp_required` with a challenge for who has a second factor.
    fn admit(&self, user: i64, how: &mut Opening, operation: Operation, now: Timestamp) -> Result<(), Error> {
        if operation == Operation::StaffLogin {
            how.business = Some(self.app.db.read(|reader| code::staff(reader, user))?.business);
        }
        let methods = self.app.db.read(|reader| factor::methods(reader, user))?;
        if methods.is_empty() {
            return Ok(());
        }
        let challenge = self.app.challenges.issue(user, *how, format!("{}/{}", self.form.name(), operation.name()), now)?;
        Err(Error::SecondFactor { challenge, seconds: challenge::LIFE, methods })
    }

    /// What an operation answers once somebody is signed in.
    pub(super) fn answer<S>(&self, request: &Request, operation: Operation, user: i64, pair: &Pair) -> Result<Reply<S>, Error> {
        let person = || self.person(user);
        let with_cookie = |said: Json| self.with_cookie(request, Reply::json(&said), pair);
        Ok(match (operation, self.form) {
            (Operation::StaffLogin, _) => with_cookie(self.app.db.read(|reader| code::staff(reader, user))?.tokens(pair)),
            (_, Form::V1) => Reply::json(&v1_tokens(pair, person()?)),
            (Operation::Login, Form::Auth) => with_cookie(json!({"access": pair.access, "refresh": pair.refresh, "user": person()?})),
            (Operation::Login, Form::Users) => with_cookie(json!({"access": pair.access, "user": person()?})),
            (Operation::Token, _) => Reply::json(&json!({"refresh": pair.refresh, "access": pair.access})),
        })
    }

    /// Is this the password of the account that somebody is signed in to? Guesses are counted: the session may be stolen.
    pub(super) async fn is_own_password(&self, request: &Request, user: i64, password: &str) -> Result<bool, Error> {
        let taken = self.app.throttle.take(Kind::Confirm(password), &user.to_string(), request).await?;
        let hash = self.app.db.read(|reader| account::password_hash(reader, user))?;
        match self.app.hasher.verify(password.to_owned(), hash).await {
            Ok(false) => {
                taken.failed(user, actor(request));
                Ok(false)
            }
            Ok(true) => taken.succeeded().await.map(|()| true),
            // It was not looked at.
            Err(busy) => taken.unused().await.and(Err(busy)),
        }
    }

    /// Nobody needs a token here, but one that is sent must be good.
    pub(super) fn refuse_bad_token(&self, request: &Request) -> Result<(), Error> {
        match self.app.gate.caller(request) {
            Err(error) if error.code() != Some("not_authenticated") => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn with_cookie<S, const STATUS: u16>(&self, request: &Request, reply: Reply<S, STATUS>, pair: &Pair) -> Reply<S, STATUS> {
        Jar::new(&self.app, request).fill(reply, pair)
    }

    /// A refusal that takes the useless cookie away.
    pub(super) fn clearing(&self, request: &Request, error: Error) -> poem::Error {
        let mut response = poem::IntoResponse::into_response(error);
        if let Ok(value) = Jar::new(&self.app, request).refresh("", 0).parse() {
            response.headers_mut().insert("set-cookie", value);
        }
        poem::Error::from_response(response)
    }

    /// The refresh token of the cookie, if it may be used.
    pub(super) fn cookie(&self, request: &Request) -> Result<Option<String>, Error> {
        let token = cookies::sent_refresh(request);
        if token.is_some() {
            let server = &self.app.config.server;
            origin::refuse_foreign_page(server, &server.cors_origins, request)?;
        }
        Ok(token)
    }
}
