//! What browsers answer, looked at: a new passkey (WebAuthn, section 7.1), and what one has signed (section 7.2).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::{
    cbor::{self, Item},
    ceremony::Ceremony,
    cose::Key,
    data::{Page, Said},
};
use crate::{
    db::{Reader, Row},
    error::{Error, Result},
};

/// The longest part of an answer, in characters of base64url.
const LONGEST: usize = 20_000;
/// The ways to reach a device that there are names for (WebAuthn, section 5.8.4).
const TRANSPORTS: [&str; 6] = ["ble", "hybrid", "internal", "nfc", "smart-card", "usb"];

/// What a browser answers (`PublicKeyCredential`, as JSON): of a new passkey, or of one that was asked.
#[derive(Debug, Clone)]
pub struct Given {
    /// The id of the credential, in base64url.
    pub id: String,
    client: Vec<u8>,
    page_challenge: String,
    attestation: Vec<u8>,
    authenticator: Vec<u8>,
    signature: Vec<u8>,
    handle: Option<Vec<u8>>,
    transports: Vec<&'static str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    attestation_object: Option<String>,
    authenticator_data: Option<String>,
    signature: Option<String>,
    user_handle: Option<String>,
    transports: Option<Vec<String>>,
}

/// The refusal of an answer that is not written as browsers write them, or not of what was begun.
pub fn malformed() -> Error {
    Error::field("credential", "This is not what a browser answers for a passkey.")
}

fn bytes(text: &str) -> Result<Vec<u8>> {
    let text = text.trim_end_matches('=');
    if text.len() > LONGEST {
        return Err(malformed());
    }
    URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())
}

impl Given {
    /// # Errors
    /// 400 for what is nothing of the kind.
    pub fn read(sent: &Json) -> Result<Self> {
        // Forms have texts only.
        let sent: Result<Sent, _> = match sent {
            Json::String(text) => serde_json::from_str(text),
            other => Sent::deserialize(other),
        };
        let sent = sent.map_err(|_| malformed())?;
        let all = &sent.response;
        let part = |text: &Option<String>| text.as_deref().map_or(Ok(vec![]), bytes);
        let client = bytes(&all.client_data)?;
        let page_challenge = Page::read(&client).ok_or_else(malformed)?.challenge;
        let id = URL_SAFE_NO_PAD.encode(bytes(&sent.id)?);
        if sent.kind != "public-key" || id.is_empty() {
            return Err(malformed());
        }
        let named = |name: &&str| all.transports.as_ref().is_some_and(|all| all.iter().any(|one| one == *name));
        Ok(Self {
            id,
            page_challenge,
            client,
            attestation: part(&all.attestation_object)?,
            authenticator: part(&all.authenticator_data)?,
            signature: part(&all.signature)?,
            handle: all.user_handle.as_deref().filter(|text| !text.is_empty()).map(bytes).transpose()?,
            transports: TRANSPORTS.into_iter().filter(named).collect(),
        })
    }

    /// The challenge that it says it answers.
    pub fn challenge(&self) -> &str {
        &self.page_challenge
    }

    /// Does it say whose it is?
    pub fn names_person(&self) -> bool {
        self.handle.is_some()
    }

    fn is_from(&self, ceremony: &Ceremony, kind: &str) -> bool {
        let page = Page::read(&self.client);
        page.is_some_and(|page| page.is_of(&ceremony.site, kind) && page.challenge == ceremony.challenge)
    }
}

/// A new passkey, looked at.
#[derive(Debug, Clone)]
pub struct New {
    pub(super) credential: String,
    pub(super) key: String,
    pub(super) count: u32,
    pub(super) can_sync: bool,
    pub(super) is_synced: bool,
    pub(super) transports: String,
}

impl New {
    /// # Errors
    /// 400 for what cannot be a passkey of this site.
    pub fn verified(given: &Given, ceremony: &Ceremony) -> Result<Self> {
        if !given.is_from(ceremony, "webauthn.create") {
            return Err(malformed());
        }
        let (object, rest) = cbor::read(&given.attestation).ok_or_else(malformed)?;
        let authenticator = object.named("authData").and_then(Item::bytes).filter(|_| rest.is_empty()).ok_or_else(malformed)?;
        let said = Said::read(authenticator).ok_or_else(malformed)?;
        let fresh = said.credential.as_ref().filter(|_| said.is_for(&ceremony.site) && said.knows_person()).ok_or_else(malformed)?;
        // Who made the device is not asked; some sign with the new key itself all the same, which says nothing, but must be right.
        let statement = object.named("attStmt").ok_or_else(malformed)?;
        let is_right = match object.named("fmt").and_then(Item::text) {
            Some("none") => *statement == Item::Map(vec![]),
            Some("packed") if fresh.is_anonymous && statement.named("x5c").is_none() => {
                let signed = [authenticator, Sha256::digest(&given.client).as_slice()].concat();
                let algorithm = statement.named("alg").and_then(Item::int);
                let signature = statement.named("sig").and_then(Item::bytes).unwrap_or_default();
                algorithm == Some(fresh.key.algorithm()) && fresh.key.has_signed(&signed, signature)
            }
            _ => false,
        };
        let credential = URL_SAFE_NO_PAD.encode(fresh.id);
        if !is_right || credential != given.id {
            return Err(malformed());
        }
        Ok(Self {
            credential,
            key: URL_SAFE_NO_PAD.encode(fresh.cose),
            count: said.count,
            can_sync: said.can_sync(),
            is_synced: said.is_synced(),
            transports: json!(given.transports).to_string(),
        })
    }
}

/// A passkey that has signed, as far as it can be known without using it up.
#[derive(Debug, Clone)]
pub struct Shown {
    pub(super) id: i64,
    pub user: i64,
    pub(super) count: u32,
    pub(super) is_synced: bool,
    /// Did the device look who the person is? Then this is more than the possession of it.
    pub knows_person: bool,
}

/// Looks at what a passkey has signed. `None`: it is nobody's, or not right.
pub fn verified(reader: &Reader<'_>, given: &Given, ceremony: &Ceremony) -> Result<Option<Shown>> {
    let sql = "SELECT p.id, p.user_id, p.public_key, p.can_sync, u.uuid FROM passkeys AS p JOIN users AS u ON u.id = p.user_id
               WHERE p.credential_id = ?1";
    let read =
        |row: &Row<'_>| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?, row.get::<String>(2)?, row.get::<bool>(3)?, row.get::<String>(4)?));
    let Some((id, user, key, can_sync, uuid)) = reader.row(sql, &[given.id.as_str().into()], read)? else { return Ok(None) };
    let key = URL_SAFE_NO_PAD.decode(key).map_err(Error::internal)?;
    let (map, _) = cbor::read(&key).ok_or_else(|| Error::internal("a key of a passkey that cannot be read"))?;
    let key = Key::of(&map).ok_or_else(|| Error::internal("a key of a passkey that is none"))?;
    let Some(said) = Said::read(&given.authenticator) else { return Ok(None) };
    let signed = [given.authenticator.as_slice(), Sha256::digest(&given.client).as_slice()].concat();
    let is_theirs = given.handle.as_ref().is_none_or(|handle| *handle == uuid.as_bytes());
    let is_right = given.is_from(ceremony, "webauthn.get")
        && said.is_for(&ceremony.site)
        && said.can_sync() == can_sync
        && is_theirs
        && key.has_signed(&signed, &given.signature);
    Ok(is_right.then(|| Shown { id, user, count: said.count, is_synced: said.is_synced(), knows_person: said.knows_person() }))
}
