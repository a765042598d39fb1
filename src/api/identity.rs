//! Signing in by password, refreshing, signing out, and one's own profile, on every path that front ends know. The operations
//! exist once; only the form of an answer differs by path.

use std::{collections::HashMap, sync::Arc};

use poem::{Request, Result, endpoint::BoxEndpoint, http::Method};
use poem_openapi::{
    Object, OpenApi,
    registry::{MetaApi, Registry},
    types::Password,
};
use serde_json::{Value as Json, json};

use crate::{
    actor::{Actor, Role},
    app::App,
    auth::{
        account::{self, NewUser},
        gate::{Caller, info},
        password,
        session::{Opening, Pair},
    },
    config::{CookieSecure, Registration, SameSite},
    db::{Reader, Row, Value, Writer},
    engine::{
        body::{Body, FormInput},
        descriptor::{Record, fields},
        reply::Reply,
        validate,
    },
    error::{Error, Problems},
    kit::Json as AnyJson,
};

const COOKIE: &str = "refresh_token";

/// How a path answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `/api/auth/`: both tokens in the body.
    Auth,
    /// `/api/users/`: the refresh token only in a cookie.
    Users,
    /// `/api/v1/accounts/`: no rotation, the person's fields beside the tokens.
    V1,
}

const FORMS: [(Form, &str); 3] = [(Form::Auth, "/auth"), (Form::Users, "/users"), (Form::V1, "/v1/accounts")];

/// A sign-in by password. The person is named by whichever of the keys the client knows.
#[derive(Object)]
pub struct Login {
    /// User name; an e-mail address or a phone number does as well.
    pub username: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Phone number, as other clients call it.
    pub phone_number: Option<String>,
    /// User name, e-mail address or phone number.
    pub identifier: Option<String>,
    /// The password, exactly as it was set.
    pub password: Option<Password>,
    /// Stay signed in for 30 days instead of one.
    #[oai(default)]
    pub remember_me: bool,
}

/// Tokens, and who they are for.
#[derive(Object)]
pub struct LoginResponse {
    /// The access token: `Authorization: Bearer ...`, good for 15 minutes.
    pub access: String,
    /// The refresh token, where the path answers it in the body.
    pub refresh: Option<String>,
    /// Who signed in.
    pub user: Option<AnyJson>,
}

/// Both tokens.
#[derive(Object)]
pub struct TokenPair {
    /// The refresh token.
    pub refresh: String,
    /// The access token.
    pub access: String,
}

/// A refresh token.
#[derive(Object)]
pub struct TokenRefresh {
    /// The refresh token; left out when it is in the cookie.
    pub refresh: Option<String>,
}

/// New tokens.
#[derive(Object)]
pub struct TokenRefreshResponse {
    /// A new access token.
    pub access: String,
    /// A new refresh token, where it came in the body and rotates.
    pub refresh: Option<String>,
}

/// A token of either kind.
#[derive(Object)]
pub struct TokenVerify {
    /// The token.
    pub token: String,
}

/// A refresh token to end.
#[derive(Object)]
pub struct TokenBlacklist {
    /// The refresh token.
    pub refresh: String,
}

/// Nothing.
#[derive(Object)]
pub struct Empty {}

/// What happened, in words.
#[derive(Object)]
pub struct Message {
    /// In words.
    pub detail: String,
}

/// A person who joins. At least one of user name, e-mail and phone is needed; a role is never taken from the client.
#[derive(Object)]
pub struct Register {
    /// User name: letters, digits and @/./+/-/_.
    #[oai(validator(max_length = 150))]
    pub username: Option<String>,
    /// E-mail address.
    #[oai(validator(max_length = 254))]
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Phone number, as other clients call it.
    pub phone_number: Option<String>,
    /// The whole name.
    #[oai(validator(max_length = 150))]
    pub full_name: Option<String>,
    /// First name, where it is asked for apart.
    #[oai(validator(max_length = 75))]
    pub first_name: Option<String>,
    /// Last name, where it is asked for apart.
    #[oai(validator(max_length = 74))]
    pub last_name: Option<String>,
    /// At least 8 characters, not a common one, not like the person's own names. Required.
    pub password: Option<Password>,
}

/// What people may change of themselves.
#[derive(Object)]
pub struct Profile {
    /// User name: letters, digits and @/./+/-/_.
    #[oai(validator(max_length = 150))]
    pub username: Option<String>,
    /// E-mail address.
    #[oai(validator(max_length = 254))]
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Phone number, as other clients call it.
    pub phone_number: Option<String>,
    /// The whole name.
    #[oai(validator(max_length = 150))]
    pub full_name: Option<String>,
    /// First name, where it is asked for apart.
    #[oai(validator(max_length = 75))]
    pub first_name: Option<String>,
    /// Last name, where it is asked for apart.
    #[oai(validator(max_length = 74))]
    pub last_name: Option<String>,
    /// The part of town they live in.
    #[oai(validator(max_length = 120))]
    pub neighborhood: Option<String>,
    /// Where they are.
    #[oai(validator(max_length = 255))]
    pub location: Option<String>,
    /// About themselves.
    #[oai(validator(max_length = 1000))]
    pub bio: Option<String>,
    /// Language, as a code (ISO 639): `en`.
    #[oai(validator(max_length = 10))]
    pub language: Option<String>,
    /// Time zone (IANA); none means the business's.
    #[oai(validator(max_length = 50))]
    pub timezone: Option<String>,
    /// Settings of the front end.
    pub preferences: Option<AnyJson>,
}

/// One path's operations.
pub struct Identity {
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
    /// By user name, e-mail or phone, and password. A wrong password and an unknown person get the same answer.
    #[oai(path = "/login", method = "post")]
    async fn login(&self, request: &Request, body: FormInput<Login>) -> Result<Reply<LoginResponse>> {
        let (user, pair) = self.sign_in(request, body.0, self.form != Form::V1).await?;
        let person = self.person(user)?;
        Ok(match self.form {
            Form::V1 => Reply::json(&v1_tokens(&pair, person)),
            Form::Auth => self.with_cookie(Reply::json(&json!({"access": pair.access, "refresh": pair.refresh, "user": person})), &pair),
            Form::Users => self.with_cookie(Reply::json(&json!({"access": pair.access, "user": person})), &pair),
        })
    }

    /// Get a pair of tokens
    ///
    /// As signing in, with both tokens in the body.
    #[oai(path = "/token", method = "post")]
    async fn token(&self, request: &Request, body: FormInput<Login>) -> Result<Reply<TokenPair>> {
        let (user, pair) = self.sign_in(request, body.0, self.form != Form::V1).await?;
        Ok(match self.form {
            Form::V1 => Reply::json(&v1_tokens(&pair, self.person(user)?)),
            _ => Reply::json(&json!({"refresh": pair.refresh, "access": pair.access})),
        })
    }

    /// Refresh the access token
    ///
    /// The refresh token comes from the cookie or the body. It is exchanged for a new one; presenting an old one again later
    /// than 30 seconds ends the session.
    #[oai(path = "/token/refresh", method = "post")]
    async fn refresh(&self, request: &Request, body: FormInput<TokenRefresh>) -> Result<Reply<TokenRefreshResponse>> {
        let in_cookie = cookie(request).filter(|_| self.form != Form::V1);
        let by_cookie = in_cookie.is_some();
        let token = in_cookie.or(body.0.refresh).ok_or_else(|| Error::field("refresh", "This field is required."))?;
        let pair = match self.app.sessions.refresh(actor(request), &token).await {
            Ok(pair) => pair,
            Err(error) if by_cookie => return Err(self.clearing(error)),
            Err(error) => return Err(error.into()),
        };
        Ok(match (by_cookie, &pair.refresh) {
            (true, _) => self.with_cookie(Reply::json(&json!({"access": pair.access})), &pair),
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
        let token = cookie(request).or(body.0.refresh);
        if self.form == Form::V1 {
            let token = token.ok_or_else(|| Error::field("refresh", "This field is required."))?;
            let ended = self.app.sessions.blacklist(actor(request), &token).await;
            ended.map_err(|_| Error::Malformed("Invalid token".into()))?;
            return Ok(Reply::json(&json!({"detail": "Logout successful"})).with_status(205));
        }
        match token {
            // Signing out twice is signed out.
            Some(token) => drop(self.app.sessions.blacklist(actor(request), &token).await),
            None => {
                if let Some(session) = self.app.gate.caller(request).ok().and_then(|caller| caller.session) {
                    self.app.sessions.end(actor(request), session).await?;
                }
            }
        }
        let said = json!({"success": true, "message": "Successfully logged out", "detail": "Successfully logged out"});
        Ok(Reply::json(&said).header("Set-Cookie", self.cookie_text("", 0)))
    }

    /// Read oneself
    #[oai(path = "/me", method = "get")]
    async fn me(&self, caller: Caller) -> Result<Reply<AnyJson>> {
        Ok(Reply::json(&describe(&caller)?))
    }

    /// Change oneself
    #[oai(path = "/me", method = "patch")]
    async fn change_me(&self, caller: Caller, body: Body<Profile>) -> Result<Reply<AnyJson>> {
        Ok(self.change(caller, body.0?).await?)
    }

    /// Replace oneself
    #[oai(path = "/me", method = "put")]
    async fn replace_me(&self, caller: Caller, body: Body<Profile>) -> Result<Reply<AnyJson>> {
        let body = body.0?;
        if body.get("username").is_none_or(|name| name.as_str().is_none_or(str::is_empty)) {
            return Err(Error::field("username", "This field is required.").into());
        }
        Ok(self.change(caller, body).await?)
    }

    /// Read one's profile
    #[oai(path = "/profile", method = "get")]
    async fn profile(&self, caller: Caller) -> Result<Reply<AnyJson>> {
        Ok(Reply::json(&describe(&caller)?))
    }

    /// Change one's profile
    #[oai(path = "/profile", method = "patch")]
    async fn change_profile(&self, caller: Caller, body: Body<Profile>) -> Result<Reply<AnyJson>> {
        Ok(self.change(caller, body.0?).await?)
    }
}

// ------------------------------------------------------------------------------------------------ signing in

/// The caller before anybody is known.
fn actor(request: &Request) -> Actor {
    let info = info(request);
    let mut actor = Actor::system(info.now);
    actor.request_id = info.id;
    actor.ip = info.ip.map(|ip| ip.to_string());
    actor
}

fn cookie(request: &Request) -> Option<String> {
    let cookies = request.headers().get_all("cookie").iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == COOKIE && !value.is_empty()).map(|(_, value)| value.to_owned())
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
    async fn sign_in(&self, request: &Request, login: Login, rotates: bool) -> Result<(i64, Pair), Error> {
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
        let user = found.filter(|found| fits && found.is_active).map(|found| found.id);
        let user = user.ok_or_else(|| Error::unauthenticated("no_active_account", "No active account found with the given credentials"))?;
        let mut actor = actor(request);
        actor.user_id = Some(user);
        let (sessions, how) = (self.app.sessions.clone(), Opening { rotates, remember: login.remember_me, citizen: false });
        let pair = self.app.db.write(Arc::new(actor), move |tx| sessions.open(tx, user, how)).await?;
        Ok((user, pair))
    }

    /// A person as their own `me` shows them.
    fn person(&self, user: i64) -> Result<Json, Error> {
        self.app.db.read(|reader| describe_in(reader, user, None))
    }

    fn with_cookie<S, const STATUS: u16>(&self, reply: Reply<S, STATUS>, pair: &Pair) -> Reply<S, STATUS> {
        match &pair.refresh {
            Some(refresh) => reply.header("Set-Cookie", self.cookie_text(refresh, pair.refresh_life)),
            None => reply,
        }
    }

    /// A refusal that takes the useless cookie away.
    fn clearing(&self, error: Error) -> poem::Error {
        let mut response = poem::IntoResponse::into_response(error);
        if let Ok(value) = self.cookie_text("", 0).parse() {
            response.headers_mut().insert("set-cookie", value);
        }
        poem::Error::from_response(response)
    }

    fn cookie_text(&self, value: &str, seconds: i64) -> String {
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

    // -------------------------------------------------------------------------------------------- accounts

    async fn create_account(&self, request: &Request, register: Register) -> Result<Reply<AnyJson, 201>, Error> {
        if self.app.config.auth.registration == Registration::Off {
            return Err(Error::Forbidden { detail: "Registration is closed.".into(), code: "registration_closed" });
        }
        let names = [register.first_name, register.last_name].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let full_name = register.full_name.or(Some(names)).filter(|name| !name.is_empty());
        let number = register.phone.or(register.phone_number);
        let (mut problems, phone) = self.check_names(register.username.as_deref(), register.email.as_deref(), number.as_deref(), None)?;
        if register.username.is_none() && register.email.is_none() && number.is_none() {
            problems.add(if self.form == Form::V1 { "email" } else { "username" }, "This field is required.");
        }
        let own = [
            ("username", register.username.as_deref()),
            ("email address", register.email.as_deref()),
            ("full name", full_name.as_deref()),
            ("phone number", number.as_deref()),
        ];
        let own: Vec<(&str, &str)> = own.into_iter().filter_map(|(what, name)| Some((what, name?))).collect();
        let password = register.password.map(|password| password.0).unwrap_or_default();
        match password.as_str() {
            "" => problems.add("password", "This field is required."),
            password => password::check(password, &own).into_iter().for_each(|text| problems.add("password", text)),
        }
        problems.or_ok()?;
        let password_hash = self.app.hasher.hash(password).await?;
        let user = NewUser { username: register.username, email: register.email, phone, full_name, password_hash, is_superuser: false };
        let id = self.app.db.write(Arc::new(actor(request)), move |tx| {
            let business = account::default_business(tx)?.ok_or(Error::Unavailable(60))?;
            account::create(tx, user.clone(), business, Role::Customer)
        });
        let id = id.await?;
        let mut person = self.person(id)?;
        if self.form == Form::V1 {
            person["message"] = "User registered successfully".into();
        }
        Ok(Reply::json(&person))
    }

    /// Nobody needs a token here, but one that is sent must be good.
    fn refuse_bad_token(&self, request: &Request) -> Result<(), Error> {
        match self.app.gate.caller(request) {
            Err(error) if error.code() != Some("not_authenticated") => Err(error),
            _ => Ok(()),
        }
    }

    /// What is wrong with somebody's names, and the phone number in its one form.
    fn check_names(
        &self,
        username: Option<&str>,
        email: Option<&str>,
        number: Option<&str>,
        except: Option<i64>,
    ) -> Result<(Problems, Option<String>), Error> {
        let mut problems = Problems::default();
        if let Some(text) = username.and_then(account::check_username) {
            problems.add("username", text);
        }
        if let Some(text) = email.and_then(account::check_email) {
            problems.add("email", text);
        }
        self.app.db.read(|reader| {
            let phone = number.map(|number| account::phone(reader, number)).transpose()?.flatten();
            if number.is_some() && phone.is_none() {
                problems.add("phone", "Enter a valid phone number.");
            }
            if problems.is_empty() {
                problems = account::taken(reader, username, email, phone.as_deref(), except)?;
            }
            Ok((problems, phone))
        })
    }

    async fn change(&self, caller: Caller, body: Record) -> Result<Reply<AnyJson>, Error> {
        let user = caller.actor.user_id.ok_or_else(Error::forbidden)?;
        let sent = validate::object(&fields::<Profile>(), body, None, &caller.actor)?;
        let text = |name: &str| sent.get(name).and_then(Json::as_str);
        let number = text("phone").or(text("phone_number"));
        let (mut problems, phone) = self.check_names(text("username"), text("email"), number, Some(user))?;
        if let Some(zone) = text("timezone").filter(|zone| jiff::tz::TimeZone::get(zone).is_err()) {
            problems.add("timezone", format!("\"{zone}\" is not a valid choice."));
        }
        problems.or_ok()?;
        let mut values: Vec<(&'static str, Value)> = vec![];
        for name in ["username", "email", "neighborhood", "location", "bio", "language", "timezone"] {
            if let Some(value) = sent.get(name) {
                values.push((name, value.as_str().into()));
            }
        }
        if sent.contains_key("phone") || sent.contains_key("phone_number") {
            values.push(("phone", phone.into()));
        }
        if let Some(preferences) = sent.get("preferences").filter(|preferences| preferences.is_object()) {
            values.push(("preferences", preferences.to_string().into()));
        }
        let part = |name: &str| sent.get(name).map(|part| part.as_str().unwrap_or_default().to_owned());
        let (first, last) = (part("first_name"), part("last_name"));
        let full_name = sent.get("full_name").map(|name| name.as_str().map(str::to_owned));
        let work = move |tx: &mut Writer<'_>| {
            let mut values = values.clone();
            if let Some(name) = full_name.clone() {
                values.push(("full_name", name.into()));
            }
            tx.update("users", user, values).map(drop)
        };
        let work = join_names(work, user, first, last);
        caller.write(work).await?;
        Ok(Reply::json(&describe(&caller)?))
    }
}

/// First and last name are parts of the whole: the one that is not sent stays.
fn join_names(
    mut rest: impl FnMut(&mut Writer<'_>) -> Result<(), Error> + Send + 'static,
    user: i64,
    first: Option<String>,
    last: Option<String>,
) -> impl FnMut(&mut Writer<'_>) -> Result<(), Error> + Send + 'static {
    move |tx| {
        rest(tx)?;
        if first.is_none() && last.is_none() {
            return Ok(());
        }
        let whole: Option<String> = tx.one::<Option<String>>("SELECT full_name FROM users WHERE id = ?1", &[user.into()])?.flatten();
        let whole = whole.unwrap_or_default();
        let (old_first, old_last) = whole.split_once(' ').unwrap_or((&whole, ""));
        let name = format!("{} {}", first.as_deref().unwrap_or(old_first), last.as_deref().unwrap_or(old_last));
        tx.update("users", user, vec![("full_name", name.trim().into())]).map(drop)
    }
}

fn describe(caller: &Caller) -> Result<Json, Error> {
    let user = caller.actor.user_id.ok_or_else(Error::forbidden)?;
    let mut person = caller.db.read(|reader| describe_in(reader, user, caller.actor.business_id()))?;
    // A token from a one-time code gives a citizen's rights, and says so.
    person["role"] = caller.actor.role.name().into();
    person["is_staff"] = (caller.actor.is_superuser || caller.actor.role.is_staff()).into();
    Ok(person)
}

/// A person as `me` shows them; in their first business when none is given.
fn describe_in(reader: &Reader<'_>, user: i64, business: Option<i64>) -> Result<Json, Error> {
    let sql = "SELECT u.uuid, u.username, u.email, u.phone, u.full_name, u.email_verified_at IS NOT NULL OR u.phone_verified_at IS NOT NULL,
                      u.bio, u.neighborhood, u.location, u.language, u.timezone, u.preferences, u.last_seen_at, u.is_superuser, u.created_at,
                      m.role, m.capabilities, b.id, b.uuid, b.name, b.currency, b.timezone,
                      (SELECT json_object('id', p.id, 'uuid', p.uuid, 'department', d.name, 'department_id', d.uuid, 'designation', g.name,
                                          'branch', r.name, 'status', p.status, 'work_phone', p.work_phone)
                       FROM staff_profiles AS p LEFT JOIN departments AS d ON d.id = p.department_id
                       LEFT JOIN designations AS g ON g.id = p.designation_id LEFT JOIN branches AS r ON r.id = p.branch_id
                       WHERE p.user_id = u.id AND p.business_id = b.id AND p.deleted_at IS NULL),
                      (SELECT json_object('id', c.id, 'uuid', c.uuid, 'referred_by', c.referred_by_id)
                       FROM customer_profiles AS c WHERE c.user_id = u.id AND c.business_id = b.id AND c.deleted_at IS NULL)
               FROM users AS u
               LEFT JOIN memberships AS m ON m.id = (SELECT id FROM memberships WHERE user_id = u.id AND status = 'active' AND (?2 IS NULL OR business_id = ?2)
                                                     ORDER BY business_id LIMIT 1)
               LEFT JOIN businesses AS b ON b.id = coalesce(m.business_id, ?2)
               WHERE u.id = ?1";
    let read = |row: &Row<'_>| {
        let full_name: Option<String> = row.get(4)?;
        let (first, last) = full_name.as_deref().map_or(("", ""), |name| name.split_once(' ').unwrap_or((name, "")));
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str::<Json>(&text).ok()).unwrap_or(Json::Null);
        let is_superuser: bool = row.get(13)?;
        let role = row.get::<Option<String>>(15)?.and_then(|name| Role::parse(&name));
        let role = if is_superuser { Role::Admin } else { role.unwrap_or(Role::Citizen) };
        let (staff, customer) = (json(row.get(22)?), json(row.get(23)?));
        let business = row.get::<Option<i64>>(17)?.map(|id| {
            Ok::<_, Error>(json!({"id": id, "uuid": row.get::<String>(18)?, "name": row.get::<String>(19)?,
                                  "currency": row.get::<String>(20)?, "timezone": row.get::<String>(21)?}))
        });
        Ok(json!({
            "id": user,
            "uuid": row.get::<String>(0)?,
            "username": row.get::<Option<String>>(1)?,
            "email": row.get::<Option<String>>(2)?,
            "phone": row.get::<Option<String>>(3)?,
            "phone_number": row.get::<Option<String>>(3)?,
            "full_name": full_name,
            "first_name": first,
            "last_name": last,
            "is_verified": row.get::<bool>(5)?,
            "bio": row.get::<Option<String>>(6)?,
            "neighborhood": row.get::<Option<String>>(7)?,
            "location": row.get::<Option<String>>(8)?,
            "role": role.name(),
            "language": row.get::<String>(9)?,
            "timezone": row.get::<Option<String>>(10)?,
            "last_seen": row.get::<Option<String>>(12)?,
            "preferences": json(row.get(11)?),
            "is_superuser": is_superuser,
            "is_staff": is_superuser || role.is_staff(),
            "capabilities": json(row.get(16)?),
            "business": business.transpose()?,
            "profile_type": profile_type(role, &staff, &customer),
            "staff_profile": staff,
            "customer_profile": customer,
            "created_at": row.get::<String>(14)?,
        }))
    };
    reader.row(sql, &[user.into(), business.into()], read)?.ok_or_else(|| Error::unauthenticated("user_not_found", "User not found"))
}

/// Which profile a person is to be shown with.
fn profile_type(role: Role, staff: &Json, customer: &Json) -> &'static str {
    match role {
        _ if staff.is_object() => "staff",
        Role::Student => "student",
        role if role.is_staff() => "staff",
        Role::Customer => "customer",
        _ if customer.is_object() => "customer",
        _ => "citizen",
    }
}

// ------------------------------------------------------------------------------------------------ on every path

/// The operations of `Identity` on each of the paths that front ends know.
pub struct Everywhere(pub App);

impl OpenApi for Everywhere {
    fn meta() -> Vec<MetaApi> {
        let at = |prefix: &'static str| {
            let mut apis = Identity::meta();
            apis.iter_mut().flat_map(|api| &mut api.paths).for_each(|path| path.path.insert_str(0, prefix));
            apis
        };
        FORMS.into_iter().flat_map(|(_, prefix)| at(prefix)).collect()
    }

    fn register(registry: &mut Registry) {
        <Identity as OpenApi>::register(registry);
    }

    fn add_routes(self, table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        for (form, prefix) in FORMS {
            let mut routes = HashMap::new();
            Identity { app: self.0.clone(), form }.add_routes(&mut routes);
            table.extend(routes.into_iter().map(|(path, methods)| (format!("{prefix}{path}"), methods)));
        }
    }
}
