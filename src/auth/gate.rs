//! The gate: an operation that asks for a `Caller` cannot be reached without a valid access token.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use jiff::Timestamp;
use moka::sync::Cache;
use poem::{Request, RequestBody, http::Method};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};
use serde_json::json;

use super::{
    idempotency::{InFlight, Key, Underway},
    ticket::Tickets,
    token::{Bad, Claims, Tokens},
};
use crate::{
    actor::{Actor, Business, Capability, Role},
    db::{Db, Reader, Row, Value, Writer},
    error::{Error, Result},
};

/// The name of the security scheme in the OpenAPI document.
pub const SCHEME: &str = "jwtAuth";

/// What the gate needs to know a caller: shared by all requests.
pub struct Gate {
    pub db: Db,
    pub tokens: Tokens,
    /// Sessions that were ended while their access tokens were still good. Filled from the database at the start; entries
    /// outlive every token of the session, and nothing evicts them.
    pub revoked: Cache<String, ()>,
    /// Callers by their token, good as long as nothing was committed to the tables that say who they are.
    known: Cache<String, Arc<Known>>,
    in_flight: Arc<InFlight>,
    pub tickets: Tickets,
    /// Seconds that an access token lives at most, whatever it says: for so long revocations are known.
    life: i64,
}

/// A caller who was looked up.
struct Known {
    actor: Actor,
    session: String,
    /// When the token ends, in seconds since 1970.
    expires: i64,
    stamp: u64,
}

/// What a caller's rights depend on.
const TABLES: [&str; 3] = ["users", "memberships", "businesses"];

/// What is known of every request, put there before it is routed.
#[derive(Debug, Clone)]
pub struct RequestInfo {
    pub id: String,
    pub ip: Option<IpAddr>,
    pub now: Timestamp,
    /// `https://example.org`: for links.
    pub origin: String,
    /// Set once the caller is known: their business expects answers in the envelope.
    pub envelope: Arc<AtomicBool>,
}

/// The method that a request came with, where it is none that this server knows.
#[derive(Debug, Clone)]
pub struct OtherMethod(pub Method);

/// Whoever is calling. Holding one proves that the token was checked.
pub struct Caller {
    pub actor: Arc<Actor>,
    pub db: Db,
    /// Scheme and host for links in the answer.
    pub origin: String,
    /// What says that the request may have been carried out before.
    pub idempotency: Option<Underway>,
}

impl Caller {
    /// The person and the business, as a key is kept for them.
    fn who(&self) -> (i64, Option<i64>) {
        (self.actor.user_id.unwrap_or_default(), self.actor.business_id())
    }
    /// See `Db::write`.
    pub async fn write<T: Send + 'static>(&self, work: impl FnMut(&mut Writer<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        self.db.write(self.actor.clone(), work).await
    }
    /// See `Db::read`.
    pub fn read<T>(&self, work: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        self.db.read(work)
    }
    /// See `Db::scan`.
    pub async fn scan<T: Send + 'static>(&self, work: impl FnOnce(&Reader<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        self.db.scan(work).await
    }
}

impl Gate {
    pub fn new(db: Db, tokens: Tokens, access_life: Duration) -> Result<Self> {
        // Longer than any access token lives, so that a revoked one has expired when its entry goes.
        let revoked = Cache::builder().time_to_live(access_life + Duration::from_secs(60)).build();
        let gate = Self {
            db,
            tokens,
            revoked,
            known: Cache::new(10_000),
            in_flight: Arc::default(),
            tickets: Tickets::default(),
            life: i64::try_from(access_life.as_secs()).unwrap_or(i64::MAX),
        };
        // A revocation is stored with the time of its request, which may have waited.
        let since = gate.db.clock().now() - jiff::SignedDuration::from_secs(gate.life.saturating_add(60));
        let sql = "SELECT DISTINCT family FROM refresh_tokens WHERE revoked_at IS NOT NULL AND revoked_at >= ?1";
        let since = crate::kit::DateTime(since).to_string();
        let families: Vec<String> = gate.db.read(|reader| reader.rows(sql, &[since.into()], |row| row.get(0)))?;
        families.into_iter().for_each(|family| gate.revoked.insert(family, ()));
        Ok(gate)
    }

    /// Who sent this request.
    pub fn caller(&self, request: &Request) -> Result<Actor> {
        let (token, switch) = shown(request)?;
        let info = request.extensions().get::<RequestInfo>().ok_or_else(|| Error::internal("a request without its info"))?;
        let mut actor = self.actor(token, switch, info.now)?;
        info.envelope.fetch_or(actor.business.as_ref().is_some_and(|business| business.envelope), Relaxed);
        actor.request_id.clone_from(&info.id);
        actor.ip = info.ip.map(|ip| ip.to_string());
        Ok(actor)
    }

    /// Who has shown this: asked again as often as something is sent to somebody who stays.
    pub fn bearer(&self, credentials: &Credentials, now: Timestamp) -> Result<Actor> {
        self.actor(&credentials.token, credentials.switch.as_deref(), now)
    }

    fn actor(&self, token: &str, switch: Option<&str>, now: Timestamp) -> Result<Actor> {
        // Before the tables are read: what is kept under this stamp is then never older than it.
        let stamp = TABLES.iter().map(|table| self.db.generation(table)).sum();
        let mut actor = match self.known.get(token).filter(|known| switch.is_none() && self.is_good(known, stamp, now)) {
            Some(known) => known.actor.clone(),
            None => self.look_up(token, switch, now, stamp)?,
        };
        actor.now = now;
        Ok(actor)
    }

    fn is_good(&self, known: &Known, stamp: u64, now: Timestamp) -> bool {
        known.stamp == stamp && now.as_second() < known.expires && !self.revoked.contains_key(&known.session)
    }

    /// Checks the token and reads who it is for.
    fn look_up(&self, token: &str, switch: Option<&str>, now: Timestamp, stamp: u64) -> Result<Actor> {
        let claims = self.tokens.read(token, now).map_err(refuse)?;
        if claims.token_type != "access" {
            return Err(not_valid("Token has wrong type"));
        }
        if claims.iat.saturating_add(self.life) <= now.as_second() {
            return Err(not_valid("Token is expired"));
        }
        if self.revoked.contains_key(&claims.sid) {
            return Err(not_valid("Token is blacklisted"));
        }
        let actor = self.db.read(|reader| known(reader, &claims, switch, now))?;
        if switch.is_none() {
            let known =
                Known { actor: actor.clone(), session: claims.sid, expires: claims.exp.min(claims.iat.saturating_add(self.life)), stamp };
            self.known.insert(token.to_owned(), Arc::new(known));
        }
        Ok(actor)
    }
}

/// The token of a request, and the business that it is to act in.
fn shown(request: &Request) -> Result<(&str, Option<&str>)> {
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = header.split_ascii_whitespace();
    if parts.next() != Some("Bearer") {
        return Err(Error::unauthenticated("not_authenticated", "Authentication credentials were not provided."));
    }
    let (Some(token), None) = (parts.next(), parts.next()) else {
        return Err(Error::unauthenticated("bad_authorization_header", "Authorization header must contain two space-delimited values"));
    };
    Ok((token, request.headers().get("x-business-id").map(|value| value.to_str().unwrap_or("none"))))
}

/// What somebody has shown, kept for asking again who they are. No `Debug`: it holds a token.
#[derive(Clone)]
pub struct Credentials {
    token: String,
    switch: Option<String>,
}

impl Credentials {
    /// Those of a request.
    pub fn of(request: &Request) -> Result<Self> {
        shown(request).map(|(token, switch)| Self { token: token.to_owned(), switch: switch.map(str::to_owned) })
    }
}

fn refuse(bad: Bad) -> Error {
    match bad {
        Bad::Invalid => not_valid("Token is invalid"),
        Bad::Expired => not_valid("Token is expired"),
        Bad::NoId => not_valid("Token has no id"),
        Bad::NoUser => Error::unauthenticated("token_not_valid", "Token contained no recognizable user identification"),
    }
}

fn not_valid(message: &str) -> Error {
    Error::Unauthenticated {
        detail: "Given token not valid for any token type".into(),
        code: "token_not_valid",
        messages: Some(json!([{"token_class": "AccessToken", "token_type": "access", "message": message}])),
    }
}

/// The request's time, address and id.
pub fn info(request: &Request) -> RequestInfo {
    request.extensions().get::<RequestInfo>().cloned().unwrap_or_else(|| RequestInfo {
        id: String::new(),
        ip: None,
        now: Timestamp::UNIX_EPOCH,
        origin: String::new(),
        envelope: Arc::default(),
    })
}

/// Looks the caller up: a change of role or a revocation holds from the next request on.
fn known(reader: &Reader<'_>, claims: &Claims, switch: Option<&str>, now: Timestamp) -> Result<Actor> {
    let user: i64 = claims.user_id.parse().map_err(|_| refuse(Bad::NoUser))?;
    let business: Value = match switch {
        None => claims.biz.into(),
        Some(key) => match key.trim().parse::<i64>() {
            Ok(id) => id.into(),
            Err(_) => reader.one::<i64>("SELECT id FROM businesses WHERE uuid = ?1", &[key.trim().to_ascii_lowercase().into()])?.into(),
        },
    };
    let sql =
        "SELECT u.is_active, u.is_superuser, u.token_epoch, m.role, m.capabilities, m.branch_id, b.id, b.currency, b.timezone, b.country,
                      b.response_format
               FROM users AS u
               LEFT JOIN businesses AS b ON b.id = ?2 AND b.is_active = 1 AND b.deleted_at IS NULL
               LEFT JOIN memberships AS m ON m.business_id = b.id AND m.user_id = u.id AND m.status = 'active'
               WHERE u.id = ?1 AND u.deleted_at IS NULL";
    let found = reader.row(sql, &[user.into(), business], |row| person(row, claims, user, now))?;
    let actor = found.ok_or_else(|| Error::unauthenticated("user_not_found", "User not found"))??;
    if switch.is_some() && actor.business.is_none() {
        return Err(Error::forbidden());
    }
    Ok(actor)
}

fn person(row: &Row<'_>, claims: &Claims, user: i64, now: Timestamp) -> Result<Result<Actor>> {
    if !row.get::<bool>(0)? {
        return Ok(Err(Error::unauthenticated("user_inactive", "User is inactive")));
    }
    if row.get::<i64>(2)? != claims.epoch {
        return Ok(Err(Error::unauthenticated("password_changed", "The user's password has been changed.")));
    }
    let mut actor = Actor::system(now);
    actor.user_id = Some(user);
    actor.session = Some(claims.sid.clone());
    let is_superuser: bool = row.get(1)?;
    let role: Option<String> = row.get(3)?;
    let role = role.as_deref().and_then(Role::parse);
    let belongs = role.is_some() || is_superuser && claims.scope != "citizen";
    if let (Some(id), true) = (row.get::<Option<i64>>(6)?, belongs) {
        let business = Business::new(id, row.get(7)?, &row.get::<String>(8)?, row.get(9)?);
        actor.business = Some(Arc::new(Business { envelope: row.get::<String>(10)? == "standard", ..business }));
    }
    // A one-time code proves a phone, not a password: its tokens give a citizen's rights whatever the account may do.
    if claims.scope == "citizen" {
        return Ok(Ok(actor));
    }
    actor.is_superuser = is_superuser;
    actor.role = if is_superuser { Role::Admin } else { role.unwrap_or(Role::Citizen) };
    let capabilities: Option<String> = row.get(4)?;
    for name in capabilities.and_then(|list| serde_json::from_str::<Vec<String>>(&list).ok()).unwrap_or_default() {
        if let Some(capability) = Capability::parse(&name) {
            actor.grant(capability);
        }
    }
    actor.branch_id = row.get(5)?;
    Ok(Ok(actor))
}

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme(
            SCHEME,
            MetaSecurityScheme {
                ty: "http",
                description: Some("The access token that signing in answers."),
                name: None,
                key_in: None,
                scheme: Some("bearer"),
                bearer_format: Some("JWT"),
                flows: None,
                openid_connect_url: None,
            },
        );
    }
    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
    }
    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let (gate, mut caller) = called(request)?;
        caller.idempotency = Key::of(request, body, caller.who(), &gate.in_flight).await?;
        Ok(caller)
    }
}

/// Whoever sent the request, with nothing of its body read.
fn called(request: &Request) -> Result<(&Gate, Caller)> {
    let gate = request.data::<Arc<Gate>>().ok_or_else(|| Error::internal("a route without the gate"))?;
    let actor = Arc::new(gate.caller(request)?);
    Ok((gate, Caller { actor, db: gate.db.clone(), origin: info(request).origin, idempotency: None }))
}

/// Whoever sends a file: a caller whose request has a body that is read as it arrives.
pub struct Uploader {
    pub caller: Caller,
    key: Option<Underway>,
}

impl Uploader {
    /// The caller, once the body has arrived: `body` tells it from every other.
    pub fn arrived(self, body: &str) -> Caller {
        Caller { idempotency: self.key.map(|key| key.arrived(body)), ..self.caller }
    }
}

impl<'a> ApiExtractor<'a> for Uploader {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Caller::register(registry);
    }
    fn security_schemes() -> Vec<&'static str> {
        Caller::security_schemes()
    }
    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let (gate, caller) = called(request)?;
        let key = Key::of_upload(request, caller.who(), &gate.in_flight)?;
        Ok(Self { caller, key })
    }
}
