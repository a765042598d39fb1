//! What an authenticator signs: the data of its own (WebAuthn, section 6.1), and that of the browser (section 5.8.1).

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{
    cbor::{self, Item},
    cose::Key,
    site::Site,
};

/// The longest id of a credential, in bytes.
const LONGEST_ID: usize = 1023;

/// What an authenticator says.
#[derive(Debug)]
pub struct Said<'a> {
    rp_hash: &'a [u8],
    flags: u8,
    pub count: u32,
    /// Of a new credential.
    pub credential: Option<Fresh<'a>>,
}

/// A new credential.
#[derive(Debug)]
pub struct Fresh<'a> {
    pub id: &'a [u8],
    /// The key as it was written.
    pub cose: &'a [u8],
    pub key: Key<'a>,
    /// Does the authenticator not say what kind it is?
    pub is_anonymous: bool,
}

impl<'a> Said<'a> {
    /// Reads all of the bytes; `None`: they are not written as they must be.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (rp_hash, rest) = bytes.split_at_checked(32)?;
        let (&flags, rest) = rest.split_first()?;
        let (count, mut rest) = rest.split_at_checked(4)?;
        let count = u32::from_be_bytes(count.try_into().ok()?);
        let mut credential = None;
        if flags & 0x40 != 0 {
            let (kind, after) = rest.split_at_checked(16)?;
            let (length, after) = after.split_at_checked(2)?;
            let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
            let (id, after) = after.split_at_checked(length).filter(|_| (1..=LONGEST_ID).contains(&length))?;
            let (map, left) = cbor::read(after)?;
            let cose = &after[..after.len() - left.len()];
            credential = Some(Fresh { id, cose, key: Key::of(&map)?, is_anonymous: kind.iter().all(|byte| *byte == 0) });
            rest = left;
        }
        if flags & 0x80 != 0 {
            let (extensions, left) = cbor::read(rest)?;
            matches!(extensions, Item::Map(_)).then_some(())?;
            rest = left;
        }
        let said = Self { rp_hash, flags, count, credential };
        // What cannot be synced is not.
        (rest.is_empty() && (said.can_sync() || !said.is_synced())).then_some(said)
    }

    /// Was it asked by pages of this site, and was a person there?
    pub fn is_for(&self, site: &Site) -> bool {
        self.rp_hash == Sha256::digest(&site.rp_id).as_slice() && self.flags & 1 != 0
    }

    /// Did it look who the person is, by a finger, a face or a PIN?
    pub fn knows_person(&self) -> bool {
        self.flags & 4 != 0
    }

    pub fn can_sync(&self) -> bool {
        self.flags & 8 != 0
    }

    pub fn is_synced(&self) -> bool {
        self.flags & 16 != 0
    }
}

/// What the browser says of the page that asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    #[serde(rename = "type")]
    kind: String,
    /// In base64url, as it was given.
    pub challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    #[serde(default)]
    top_origin: Option<String>,
}

impl Page {
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Is it a page of this site, not framed by another's, that asked for this?
    pub fn is_of(&self, site: &Site, kind: &str) -> bool {
        self.kind == kind && site.origins.contains(&self.origin) && !self.cross_origin && self.top_origin.is_none()
    }
}
