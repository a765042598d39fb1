//! The gate: an operation that asks for a `Caller` cannot be reached without a valid access token.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
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
    api_key::{self, Doors},
    idempotency::{InFlight, Key, Underway},
    limits::Limits,
    ticket::Tickets,
    token::{Bad, Tokens},
    who::{Rules, machine, person},
};
use crate::{
    actor::Actor,
    db::{Db, Reader, Writer},
    error::{Error, Result},
};

/// The name of the security scheme in the OpenAPI document.
pub const SCHEME: &str = "jwtAuth";
/// Those of the keys of machines: in a header of their own, or where a token would be.
pub const KEY_SCHEMES: [&str; 2] = ["apiKeyAuth", "apiKeyBearer"];

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
    pub limits: Limits,
    /// Seconds that an access token lives at most, whatever it says: for so long revocations are known.
    life: i64,
    rules: Rules,
    doors: Doors,
}

/// A caller who was looked up.
struct Known {
    actor: Actor,
    session: String,
    /// When the token or key ends, in seconds since 1970.
    expires: i64,
    stamp: u64,
    /// When the use of a key was last written down.
    used: AtomicI64,
}

/// What a caller's rights depend on.
const TABLES: [&str; 6] = ["users", "memberships", "businesses", "second_factors", "passkeys", "api_keys"];
/// The use of a key is written down so often at most, in seconds.
const USE: i64 = 3600;

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

/// A request that the program makes itself, for a person whose own request was admitted and counted already: the admin panel's. Nothing
/// that arrives from outside has it.
#[derive(Debug, Clone, Copy)]
pub struct Inside;

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
    /// The same caller, acting as they do somewhere else.
    pub fn acting_as(self, actor: Actor) -> Self {
        Self { actor: Arc::new(actor), ..self }
    }
    /// The person, the business and the machine's key, as an `Idempotency-Key` is kept for them.
    fn who(&self) -> (i64, Option<i64>, Option<i64>) {
        (self.actor.user_id.unwrap_or_default(), self.actor.business_id(), self.actor.api_key.as_ref().map(|(id, _)| *id))
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
    pub fn new(db: Db, tokens: Tokens, limits: Limits, access_life: Duration, rules: Rules, doors: Doors) -> Result<Self> {
        // Longer than any access token lives, so that a revoked one has expired when its entry goes.
        let revoked = Cache::builder().time_to_live(access_life + Duration::from_secs(60)).build();
        let gate = Self {
            db,
            tokens,
            revoked,
            known: Cache::new(10_000),
            in_flight: Arc::default(),
            tickets: Tickets::default(),
            limits,
            life: i64::try_from(access_life.as_secs()).unwrap_or(i64::MAX),
            rules,
            doors,
        };
        // A revocation is stored with the time of its request, which may have waited.
        let since = gate.db.clock().now() - jiff::SignedDuration::from_secs(gate.life.saturating_add(60));
        let sql = "SELECT DISTINCT family FROM refresh_tokens WHERE revoked_at IS NOT NULL AND revoked_at >= ?1";
        let since = crate::kit::DateTime(since).to_string();
        let families: Vec<String> = gate.db.read(|reader| reader.rows(sql, &[since.into()], |row| row.get(0)))?;
        families.into_iter().for_each(|family| gate.revoked.insert(family, ()));
        Ok(gate)
    }

    /// Other keys from now on, also for callers who are known.
    pub fn rekey(&self, key: &[u8], retiring: Option<(&[u8], Timestamp)>) {
        self.tokens.replace(key, retiring);
        self.known.invalidate_all();
    }

    /// Who sent this request.
    pub fn caller(&self, request: &Request) -> Result<Actor> {
        let (token, switch) = shown(request)?;
        let info = request.extensions().get::<RequestInfo>().ok_or_else(|| Error::internal("a request without its info"))?;
        let mut actor = self.actor(token, switch, info.now)?;
        info.envelope.fetch_or(actor.business.as_ref().is_some_and(|business| business.envelope), Relaxed);
        actor.request_id.clone_from(&info.id);
        actor.ip = info.ip.map(|ip| ip.to_string());
        // The one place where a module that the business does without is not there.
        let path = request.original_uri().path();
        if actor.has(path.strip_prefix("/api").unwrap_or(path)) { Ok(actor) } else { Err(Error::not_found()) }
    }

    /// The caller as they are in a business, whichever they act in otherwise.
    ///
    /// # Errors
    /// 404 for one that they do not belong to.
    pub fn caller_in(&self, caller: &Caller, request: &Request, business: &str) -> Result<Actor> {
        let (token, _) = shown(request)?;
        let mut found = self.actor(token, Some(business), caller.actor.now).map_err(|error| match error {
            Error::Forbidden { .. } => Error::not_found(),
            other => other,
        })?;
        found.request_id.clone_from(&caller.actor.request_id);
        found.ip.clone_from(&caller.actor.ip);
        Ok(found)
    }

    /// Who has shown this: asked again as often as something is sent to somebody who stays.
    pub fn bearer(&self, credentials: &Credentials, now: Timestamp) -> Result<Actor> {
        self.actor(&credentials.token, credentials.switch.as_deref(), now)
    }

    fn actor(&self, token: &str, switch: Option<&str>, now: Timestamp) -> Result<Actor> {
        // Before the tables are read: what is kept under this stamp is then never older than it.
        let stamp = TABLES.iter().map(|table| self.db.generation(table)).sum();
        let known = match self.known.get(token).filter(|known| switch.is_none() && self.is_good(known, stamp, now)) {
            Some(known) => known,
            None => {
                let known = Arc::new(self.look_up(token, switch, now, stamp)?);
                if switch.is_none() {
                    self.known.insert(token.to_owned(), known.clone());
                }
                known
            }
        };
        self.note_use(&known, now);
        let mut actor = known.actor.clone();
        actor.now = now;
        Ok(actor)
    }

    /// Writes down that a key is used, now and then and while the request goes on.
    fn note_use(&self, known: &Known, now: Timestamp) {
        let (Some((id, _)), second) = (&known.actor.api_key, now.as_second()) else { return };
        let before = known.used.load(Relaxed);
        if second - before < USE || known.used.compare_exchange(before, second, Relaxed, Relaxed).is_err() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (db, id) = (self.db.clone(), *id);
            runtime.spawn(async move { db.write(Arc::new(Actor::system(now)), move |tx| api_key::note_use(tx, id)).await });
        }
    }

    /// May they do anything at all here?
    pub fn admit(&self, actor: &Actor, request: &Request) -> Result<()> {
        if let Some(scopes) = actor.scopes()
            && !self.doors.open(scopes, request.original_uri().path(), api_key::only_reads(request.method()))
        {
            return Err(Error::Forbidden { detail: "The API key is not for this.".into(), code: "api_key_scope" });
        }
        if actor.needs_second_factor {
            return Err(Error::Forbidden { detail: "Set up two-factor authentication first.".into(), code: "2fa_setup_required" });
        }
        Ok(())
    }

    fn is_good(&self, known: &Known, stamp: u64, now: Timestamp) -> bool {
        known.stamp == stamp && now.as_second() < known.expires && !self.revoked.contains_key(&known.session)
    }

    /// Checks the token or key and reads who it is for.
    fn look_up(&self, token: &str, switch: Option<&str>, now: Timestamp, stamp: u64) -> Result<Known> {
        if api_key::is_one(token) {
            let (actor, expires, used) = self.db.read(|reader| machine(reader, token, switch, &self.rules, now))?;
            return Ok(Known { actor, session: String::new(), expires, stamp, used: used.into() });
        }
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
        let user = claims.user_id.parse().map_err(|_| refuse(Bad::NoUser))?;
        let actor = self.db.read(|reader| person(reader, user, &claims, switch, &self.rules, now))?;
        let expires = claims.exp.min(claims.iat.saturating_add(self.life));
        Ok(Known { actor, session: claims.sid, expires, stamp, used: i64::MAX.into() })
    }
}

/// The token of a request, and the business that it is to act in.
fn shown(request: &Request) -> Result<(&str, Option<&str>)> {
    let switch = request.headers().get("x-business-id").map(|value| value.to_str().unwrap_or("none"));
    let mut keys = request.headers().get_all("x-api-key").iter();
    if let Some(key) = keys.next() {
        if keys.next().is_some() || request.headers().contains_key("authorization") {
            let detail = "Send one of Authorization and X-Api-Key, and that once.";
            return Err(Error::unauthenticated("bad_authorization_header", detail));
        }
        return Ok((key.to_str().ok().filter(|key| api_key::is_one(key)).ok_or_else(api_key::refused)?, switch));
    }
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = header.split_ascii_whitespace();
    if parts.next() != Some("Bearer") {
        return Err(Error::unauthenticated("not_authenticated", "Authentication credentials were not provided."));
    }
    let (Some(token), None) = (parts.next(), parts.next()) else {
        return Err(Error::unauthenticated("bad_authorization_header", "Authorization header must contain two space-delimited values"));
    };
    Ok((token, switch))
}

/// What somebody has shown, kept for asking again who they are. No `Debug`: it holds a token.
#[derive(Clone)]
pub struct Credentials {
    token: String,
    switch: Option<String>,
}

impl Credentials {
    /// An access token.
    pub fn bearer(token: &str) -> Self {
        Self { token: token.to_owned(), switch: None }
    }

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

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let bearer = |description, format| MetaSecurityScheme {
            ty: "http",
            description: Some(description),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: Some(format),
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(SCHEME, bearer("The access token that signing in answers.", "JWT"));
        let [alone, in_place] = KEY_SCHEMES;
        let header = bearer("The key of a program (`sk_...`), within its scopes.", "sk");
        let header = MetaSecurityScheme { ty: "apiKey", name: Some("X-Api-Key"), key_in: Some("header"), scheme: None, ..header };
        registry.create_security_scheme(alone, MetaSecurityScheme { bearer_format: None, ..header });
        registry.create_security_scheme(in_place, bearer("The key of a program in place of a token.", "sk_..."));
    }
    fn security_schemes() -> Vec<&'static str> {
        std::iter::once(SCHEME).chain(KEY_SCHEMES).collect()
    }
    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let (gate, mut caller) = called(request)?;
        caller.idempotency = Key::of(request, body, caller.who(), &gate.in_flight).await?;
        Ok(caller)
    }
}

/// Whoever sent the request, with nothing of its body read.
fn called(request: &Request) -> Result<(&Gate, Caller)> {
    let (gate, caller) = recognized(request)?;
    gate.admit(&caller.actor, request)?;
    Ok((gate, caller))
}

/// Whoever sent the request, whether or not they may do anything yet.
pub(super) fn recognized(request: &Request) -> Result<(&Gate, Caller)> {
    let gate = request.data::<Arc<Gate>>().ok_or_else(|| Error::internal("a route without the gate"))?;
    let actor = Arc::new(gate.caller(request)?);
    let inside = request.extensions().get::<Inside>().is_some();
    if let (Some(user), Some(RequestInfo { ip, now, .. }), false) = (actor.user_id, request.extensions().get(), inside) {
        gate.limits.admit_user(user, request.method(), request.original_uri().path(), *ip, *now)?;
    }
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
