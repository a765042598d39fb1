//! Tickets: good once and for seconds, for a browser's `EventSource`, which can send no header. A token has no place in an address,
//! which ends up in logs and histories.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
};

use jiff::{SignedDuration, Timestamp};
use poem::{Request, RequestBody, http::Method};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::{
    gate::{Caller, Credentials, Gate, info},
    token::random_id,
};
use crate::{
    actor::Actor,
    error::{Error, Result},
};

/// A ticket is good for so many seconds.
pub const LIFE: i64 = 30;
/// Tickets of all that are good at once, and of one session.
const MOST: usize = 10_000;
const MOST_PER_SESSION: usize = 20;

/// The tickets that are good. Not a cache: nothing makes room for another but time.
#[derive(Default)]
pub struct Tickets(Mutex<HashMap<String, Ticket>>);

struct Ticket {
    credentials: Credentials,
    session: Option<String>,
    until: Timestamp,
}

impl Tickets {
    /// A new ticket for whoever has shown this, in the business that they have shown it for.
    ///
    /// # Errors
    /// 429 when the session has too many; 503 when all have.
    pub fn issue(&self, credentials: Credentials, actor: &Actor) -> Result<String> {
        let mut tickets = self.0.lock().map_err(Error::internal)?;
        tickets.retain(|_, ticket| ticket.until > actor.now);
        if tickets.values().filter(|ticket| ticket.session == actor.session).count() >= MOST_PER_SESSION {
            return Err(Error::TooMany(LIFE.unsigned_abs()));
        }
        if tickets.len() >= MOST {
            return Err(Error::Unavailable(LIFE.unsigned_abs()));
        }
        let (name, until) = (random_id(), actor.now + SignedDuration::from_secs(LIFE));
        tickets.insert(name.clone(), Ticket { credentials, session: actor.session.clone(), until });
        Ok(name)
    }

    /// What was shown for a ticket, which is used up with it.
    fn redeem(&self, name: &str, now: Timestamp) -> Result<Credentials> {
        let ticket = self.0.lock().map_err(Error::internal)?.remove(name).filter(|ticket| ticket.until > now);
        let ticket = ticket.ok_or_else(|| Error::unauthenticated("ticket_not_valid", "The ticket was used before, or is too old."))?;
        Ok(ticket.credentials)
    }
}

/// Whoever stays: known by a token or, to read, by a `ticket=`, and known anew whenever they are sent something.
pub struct Listener {
    gate: Arc<Gate>,
    pub credentials: Credentials,
    /// Who they were when they came.
    pub actor: Actor,
}

impl Listener {
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Who they are now.
    ///
    /// # Errors
    /// 401 when the session was ended, the token is too old or the account was closed.
    pub fn now(&self) -> Result<Actor> {
        self.gate.bearer(&self.credentials, self.gate.db.clock().now())
    }
}

impl<'a> ApiExtractor<'a> for Listener {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn security_schemes() -> Vec<&'static str> {
        Caller::security_schemes()
    }
    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let gate = request.data::<Arc<Gate>>().ok_or_else(|| Error::internal("a route without the gate"))?.clone();
        let query = request.original_uri().query().unwrap_or_default();
        let ticket = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "ticket").map(|(_, ticket)| ticket);
        let credentials = match ticket.filter(|_| request.method() == Method::GET && !request.headers().contains_key("authorization")) {
            Some(ticket) => gate.tickets.redeem(&ticket, info(request).now)?,
            None => Credentials::of(request)?,
        };
        let actor = gate.bearer(&credentials, info(request).now)?;
        gate.admit(&actor, request)?;
        info(request).envelope.fetch_or(actor.business.as_ref().is_some_and(|business| business.envelope), Relaxed);
        Ok(Self { gate, credentials, actor })
    }
}
