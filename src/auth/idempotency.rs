//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that is sent again is answered again, not carried out again.
//!
//! The answer is stored in the transaction of what the request did, so there is no moment at which one is there without the other.
//! Only what was carried out is kept: a refused request may be mended and sent again under its key.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use jiff::SignedDuration;
use poem::{Request, RequestBody};
use sha2::{Digest, Sha256};

use crate::{
    db::{Reader, Row, Value, Writer},
    error::{Error, Result},
    kit::{DateTime, hex::hex},
};

/// Answers are kept for so long.
const LIFE: SignedDuration = SignedDuration::from_hours(24);
const LONGEST_KEY: usize = 255;

/// Requests with a key that are being carried out: person, business and key.
#[derive(Default)]
pub struct InFlight(Mutex<HashSet<Place>>);

type Place = (i64, Option<i64>, String);

/// The key of a request.
pub struct Key {
    place: Place,
    request_hash: String,
}

/// A request with a key that is being carried out. While it exists, another with the same key is refused.
pub struct Underway {
    pub key: Arc<Key>,
    in_flight: Arc<InFlight>,
}

/// An answer that was given before.
pub struct Given {
    pub status: u16,
    pub etag: Option<String>,
    pub body: String,
}

impl Underway {
    /// The body of an upload has arrived: this is its hash, and what else came with it.
    pub fn arrived(mut self, body: &str) -> Self {
        let request_hash = hex(&Sha256::new().chain_update(&self.key.request_hash).chain_update(body).finalize());
        self.key = Arc::new(Key { place: self.key.place.clone(), request_hash });
        self
    }
}

impl Key {
    /// The key of a POST, if it has one. Reads the body, and leaves it as it was.
    ///
    /// # Errors
    /// 400 for a key that is none; 409 while a request with the same key is under way.
    pub async fn of(
        request: &Request,
        body: &mut RequestBody,
        (user, business, api_key): (i64, Option<i64>, Option<i64>),
        in_flight: &Arc<InFlight>,
    ) -> Result<Option<Underway>> {
        let Some(key) = sent(request)? else { return Ok(None) };
        let bytes = body.take().map_err(Error::internal)?.into_bytes().await.map_err(|error| Error::unreadable(&error))?;
        let request_hash = hash_of(request, api_key, &bytes);
        *body = RequestBody::new(bytes.into());
        Self::take((user, business, key), request_hash, in_flight).map(Some)
    }

    /// The key of a POST whose body is yet to arrive, and too large to be kept: `arrived` tells what it was.
    pub fn of_upload(
        request: &Request,
        (user, business, api_key): (i64, Option<i64>, Option<i64>),
        in_flight: &Arc<InFlight>,
    ) -> Result<Option<Underway>> {
        let Some(key) = sent(request)? else { return Ok(None) };
        Self::take((user, business, key), hash_of(request, api_key, &[]), in_flight).map(Some)
    }

    fn take(place: Place, request_hash: String, in_flight: &Arc<InFlight>) -> Result<Underway> {
        if !in_flight.0.lock().map_err(Error::internal)?.insert(place.clone()) {
            return Err(Error::conflict("idempotency_key_in_flight", "A request with this Idempotency-Key is being carried out."));
        }
        Ok(Underway { key: Arc::new(Self { place, request_hash }), in_flight: in_flight.clone() })
    }

    /// What was answered to the request before.
    ///
    /// # Errors
    /// 422 when it was another request.
    pub fn given(&self, reader: &Reader<'_>, now: DateTime) -> Result<Option<Given>> {
        let sql = "SELECT request_hash, status, etag, body FROM idempotency_keys \
                   WHERE user_id = ?1 AND coalesce(business_id, 0) = coalesce(?2, 0) AND key = ?3 AND expires_at > ?4";
        let read = |row: &Row<'_>| {
            let status = u16::try_from(row.get::<i64>(1)?).unwrap_or(200);
            Ok((row.get::<String>(0)?, Given { status, etag: row.get(2)?, body: row.get(3)? }))
        };
        let (user, business, key) = &self.place;
        match reader.row(sql, &[(*user).into(), (*business).into(), key.as_str().into(), now.to_string().into()], read)? {
            Some((hash, _)) if hash != self.request_hash => Err(Error::KeyReused),
            found => Ok(found.map(|(_, given)| given)),
        }
    }

    /// Stores an answer with what the request did, and forgets those of yesterday.
    pub fn keep(&self, tx: &mut Writer<'_>, given: Given) -> Result<()> {
        let now = tx.now();
        tx.clear("idempotency_keys", "expires_at <= ?1", &[now.to_string().into()])?;
        let (user, business, key) = &self.place;
        let expires_at = DateTime(now.0.checked_add(LIFE).map_err(Error::internal)?);
        let values: Vec<(&str, Value)> = vec![
            ("business_id", (*business).into()),
            ("user_id", (*user).into()),
            ("key", key.as_str().into()),
            ("request_hash", self.request_hash.as_str().into()),
            ("status", i64::from(given.status).into()),
            ("etag", given.etag.into()),
            ("body", given.body.into()),
            ("expires_at", expires_at.to_string().into()),
        ];
        tx.insert("idempotency_keys", values).map(drop)
    }
}

/// The key that a POST was sent with.
fn sent(request: &Request) -> Result<Option<String>> {
    let Some(header) = request.headers().get("idempotency-key").filter(|_| request.method() == "POST") else { return Ok(None) };
    let key = header.to_str().map(str::trim).unwrap_or_default();
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(Error::Malformed(format!("An Idempotency-Key has 1 to {LONGEST_KEY} visible ASCII characters.")));
    }
    Ok(Some(key.to_owned()))
}

/// What is sent with a machine's key is another request: it is not answered what its maker was, nor the other way round.
fn hash_of(request: &Request, api_key: Option<i64>, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    if let Some(id) = api_key {
        hash.update(id.to_be_bytes());
        hash.update([0]);
    }
    hash.update(request.original_uri().path().trim_end_matches('/'));
    hash.update([0]);
    hash.update(request.original_uri().query().unwrap_or_default());
    hash.update([0]);
    hash.update(body);
    hex(&hash.finalize())
}

impl Drop for Underway {
    fn drop(&mut self) {
        if let Ok(mut places) = self.in_flight.0.lock() {
            places.remove(&self.key.place);
        }
    }
}
