//! Signing in and out, and one's own profile, on every path that front ends know: the same operations, answered as the path does.

mod account;
mod address;
mod code;
mod cookies;
mod factors;
mod mail;
pub(super) mod page;
mod passkeys;
mod person;
pub(super) mod sessions;
mod shapes;
mod sign_in;

use std::collections::HashMap;

use poem::{Request, Result, endpoint::BoxEndpoint, http::Method};
use poem_openapi::{
    OpenApi,
    registry::{MetaApi, Registry},
};
use serde_json::json;

use self::{
    code::ByCode,
    cookies::Jar,
    factors::Factors,
    mail::ByMail,
    passkeys::Passkeys,
    person::describe,
    sessions::OwnSessions,
    shapes::{
        Empty, Login, LoginResponse, Message, Profile, Register, TokenBlacklist, TokenPair, TokenRefresh, TokenRefreshResponse, TokenVerify,
    },
    sign_in::{Operation, actor},
};
use crate::{
    app::App,
    auth::{gate::Caller, proof::Person, session::Pair},
    engine::{
        body::{Body, FormInput},
        reply::Reply,
    },
    error::Error,
    kit::Json as AnyJson,
};

/// How a path answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `/api/auth/`: both tokens in the body.
    Auth,
    /// `/api/users/`: the refresh token only in a cookie.
    Users,
    /// `/api/v1/accounts/`: no rotation, the person's fields beside the tokens.
    V1,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Users => "users",
            Self::V1 => "v1",
        }
    }
}

const FORMS: [(Form, &str); 3] = [(Form::Auth, "/auth"), (Form::Users, "/users"), (Form::V1, "/v1/accounts")];

/// One path's operations.
#[derive(Clone)]
struct Identity {
    app: App,
    form: Form,
}

#[OpenApi]
impl Identity {
    /// Register
    ///
    /// Makes an account, as a customer of the first business.
    #[oai(path = "/register", method = "post")]
    async fn register(&self, request: &Request, body: FormInput<Register>) -> Result<Reply<AnyJson, 201>> {
        self.refuse_bad_token(request)?;
        Ok(self.create_account(request, body.0).await?)
    }

    /// Sign in
    ///
    /// By user name, e-mail or phone, and password. A wrong password and an unknown person get the same answer. Whoever has a second
    /// factor gets 401 `totp_required` with a `challenge`, which `2fa/verify` answers as this would have, by one of the `methods`.
    #[oai(path = "/login", method = "post")]
    async fn login(&self, request: &Request, body: FormInput<Login>) -> Result<Reply<LoginResponse>> {
        let (user, pair) = self.sign_in(request, body.0, Operation::Login).await?;
        Ok(self.answer(request, Operation::Login, user, &pair)?)
    }

    /// Get a pair of tokens
    ///
    /// As signing in, with both tokens in the body.
    #[oai(path = "/token", method = "post")]
    async fn token(&self, request: &Request, body: FormInput<Login>) -> Result<Reply<TokenPair>> {
        let (user, pair) = self.sign_in(request, body.0, Operation::Token).await?;
        Ok(self.answer(request, Operation::Token, user, &pair)?)
    }

    /// Refresh the access token
    ///
    /// The refresh token comes from the cookie or the body. It is exchanged for a new one; presenting an old one again later
    /// than the grace (30 seconds by default) ends the session. The cookie is not taken from the pages of other sites.
    #[oai(path = "/token/refresh", method = "post")]
    async fn refresh(&self, request: &Request, body: FormInput<TokenRefresh>) -> Result<Reply<TokenRefreshResponse>> {
        let in_cookie = if self.form == Form::V1 { None } else { self.cookie(request)? };
        let by_cookie = in_cookie.is_some();
        let token = in_cookie.or(body.0.refresh).ok_or_else(|| Error::field("refresh", "This field is required."))?;
        let pair = match self.app.sessions.refresh(actor(request), &token).await {
            Ok(pair) => pair,
            // Only a useless cookie is taken away: a busy server signs nobody out.
            Err(error @ Error::Unauthenticated { .. }) if by_cookie => return Err(self.clearing(request, error)),
            Err(error) => return Err(error.into()),
        };
        Ok(match (by_cookie, &pair.refresh) {
            (true, _) => self.with_cookie(request, Reply::json(&json!({"access": pair.access})), &pair),
            (false, None) => Reply::json(&json!({"access": pair.access})),
            (false, Some(refresh)) => Reply::json(&json!({"access": pair.access, "refresh": refresh})),
        })
    }

    /// Verify a token
    ///
    /// Answers nothing when it is good.
    #[oai(path = "/token/verify", method = "post")]
    async fn verify(&self, request: &Request, body: FormInput<TokenVerify>) -> Result<Reply<Empty>> {
        self.app.sessions.verify(&body.0.token, &actor(request))?;
        Ok(Reply::json(&json!({})))
    }

    /// End a refresh token
    ///
    /// And with it the session it belongs to.
    #[oai(path = "/token/blacklist", method = "post")]
    async fn blacklist(&self, request: &Request, body: FormInput<TokenBlacklist>) -> Result<Reply<Empty>> {
        self.app.sessions.blacklist(actor(request), &body.0.refresh).await?;
        Ok(Reply::json(&json!({})))
    }

    /// Sign out
    ///
    /// Ends the session of the refresh token (cookie or body) or else of the access token.
    #[oai(path = "/logout", method = "post")]
    async fn logout(&self, request: &Request, body: FormInput<TokenRefresh>) -> Result<Reply<Message>> {
        let token = self.cookie(request)?.or(body.0.refresh);
        if self.form == Form::V1 {
            let token = token.ok_or_else(|| Error::field("refresh", "This field is required."))?;
            let ended = self.app.sessions.blacklist(actor(request), &token).await;
            ended.map_err(|error| match error {
                Error::Unauthenticated { .. } => Error::Malformed("Invalid token".into()),
                other => other,
            })?;
            return Ok(cookies::leaving(Reply::json(&json!({"detail": "Logout successful"})).with_status(205)));
        }
        let ended = match token {
            Some(token) => self.app.sessions.blacklist(actor(request), &token).await,
            None => Err(Error::unauthenticated("token_not_valid", "Token is invalid")),
        };
        match ended {
            Ok(()) => {}
            // No good refresh token, so the session of the access token is meant. Signing out twice is signed out.
            Err(Error::Unauthenticated { .. }) => {
                if let Some(session) = self.app.gate.caller(request).ok().and_then(|caller| caller.session) {
                    self.app.sessions.end(actor(request), session).await?;
                }
            }
            Err(other) => return Err(other.into()),
        }
        let said = json!({"success": true, "message": "Successfully logged out", "detail": "Successfully logged out"});
        Ok(cookies::forgetting(Reply::json(&said), &Jar::new(&self.app, request)))
    }

    /// Read oneself
    #[oai(path = "/me", method = "get")]
    async fn me(&self, caller: Person) -> Result<Reply<AnyJson>> {
        Ok(Reply::json(&describe(&caller)?))
    }

    /// Change oneself
    #[oai(path = "/me", method = "patch")]
    async fn change_me(&self, request: &Request, caller: Caller, body: Body<Profile>) -> Result<Reply<AnyJson>> {
        Ok(self.change(request, caller, body.0?).await?)
    }

    /// Replace oneself
    #[oai(path = "/me", method = "put")]
    async fn replace_me(&self, request: &Request, caller: Caller, body: Body<Profile>) -> Result<Reply<AnyJson>> {
        let body = body.0?;
        if body.get("username").is_none_or(|name| name.as_str().is_none_or(str::is_empty)) {
            return Err(Error::field("username", "This field is required.").into());
        }
        Ok(self.change(request, caller, body).await?)
    }

    /// Read one's profile
    #[oai(path = "/profile", method = "get")]
    async fn profile(&self, caller: Caller) -> Result<Reply<AnyJson>> {
        Ok(Reply::json(&describe(&caller)?))
    }

    /// Change one's profile
    #[oai(path = "/profile", method = "patch")]
    async fn change_profile(&self, request: &Request, caller: Caller, body: Body<Profile>) -> Result<Reply<AnyJson>> {
        Ok(self.change(request, caller, body.0?).await?)
    }
}

/// What is served on each path.
type Served = (Identity, ByCode, ByMail, Factors, Passkeys, OwnSessions);

/// Puts new tokens into the cookie of a browser that keeps them there.
pub(super) fn keep_in_cookie<S, const STATUS: u16>(app: &App, request: &Request, reply: Reply<S, STATUS>, pair: &Pair) -> Reply<S, STATUS> {
    let identity = Identity { app: app.clone(), form: Form::Users };
    if cookies::sent_refresh(request).is_some() { identity.with_cookie(request, reply, pair) } else { reply }
}

/// The operations of `Served` on each of the paths that front ends know.
pub(super) struct Everywhere(pub App);

impl OpenApi for Everywhere {
    fn meta() -> Vec<MetaApi> {
        let at = |prefix: &'static str| {
            let mut apis = Served::meta();
            apis.iter_mut().flat_map(|api| &mut api.paths).for_each(|path| path.path.insert_str(0, prefix));
            apis
        };
        FORMS.into_iter().flat_map(|(_, prefix)| at(prefix)).collect()
    }

    fn register(registry: &mut Registry) {
        Served::register(registry);
    }

    fn add_routes(self, table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        for (form, prefix) in FORMS {
            let mut routes = HashMap::new();
            let identity = Identity { app: self.0.clone(), form };
            let sessions = OwnSessions { app: self.0.clone() };
            let (by_code, by_mail, factors) = (ByCode(identity.clone()), ByMail(identity.clone()), Factors(identity.clone()));
            let passkeys = Passkeys(identity.clone());
            (identity, by_code, by_mail, factors, passkeys, sessions).add_routes(&mut routes);
            table.extend(routes.into_iter().map(|(path, methods)| (format!("{prefix}{path}"), methods)));
        }
    }
}
