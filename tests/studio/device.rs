//! A device with passkeys, in place of a browser and its authenticator: it makes them and signs with them as WebAuthn says, or not quite.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const PRESENT: u8 = 1;
pub const VERIFIED: u8 = 4;
pub const CAN_SYNC: u8 = 8;
pub const SYNCED: u8 = 16;
const CREDENTIAL: u8 = 64;

enum Key {
    Es256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// One passkey, and what is said when it is used.
pub struct Device {
    key: Key,
    pub id: Vec<u8>,
    /// Whose it is; none says nothing of it.
    pub handle: Option<String>,
    /// How often it was used; at 0, it does not count.
    pub count: u32,
    pub flags: u8,
    pub origin: String,
    /// In place of the site that asks.
    pub rp_id: Option<String>,
    /// In place of the type that it should be.
    pub kind: Option<&'static str>,
    pub cross_origin: bool,
    /// In place of `none`.
    pub format: Option<&'static str>,
}

pub fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn head(kind: u8, number: usize) -> Vec<u8> {
    let kind = kind << 5;
    match u16::try_from(number).expect("small") {
        small @ 0..=23 => vec![kind | small.to_le_bytes()[0]],
        byte @ 24..=255 => vec![kind | 24, byte.to_le_bytes()[0]],
        more => [vec![kind | 25], more.to_be_bytes().to_vec()].concat(),
    }
}

fn bytes(given: &[u8]) -> Vec<u8> {
    [head(2, given.len()), given.to_vec()].concat()
}

fn words(given: &str) -> Vec<u8> {
    [head(3, given.len()), given.as_bytes().to_vec()].concat()
}

fn map(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let all: Vec<u8> = pairs.iter().flat_map(|(key, value)| [key.clone(), value.clone()].concat()).collect();
    [head(5, pairs.len()), all].concat()
}

impl Device {
    pub fn new(origin: &str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).expect("a key");
        Self::with(Key::Es256(key), origin)
    }

    pub fn ed25519(origin: &str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self::with(Key::Ed25519(Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key")), origin)
    }

    fn with(key: Key, origin: &str) -> Self {
        let mut id = vec![0; 32];
        SystemRandom::new().fill(&mut id).expect("random bytes");
        let origin = origin.to_owned();
        let flags = PRESENT | VERIFIED;
        Self { key, id, handle: None, count: 0, flags, origin, rp_id: None, kind: None, cross_origin: false, format: None }
    }

    fn cose(&self) -> Vec<u8> {
        // Negative numbers: 0x20 is -1.
        let (kind, algorithm, rest) = match &self.key {
            Key::Es256(key) => {
                let point = key.public_key().as_ref();
                (2, vec![0x26], vec![(vec![0x20], vec![1]), (vec![0x21], bytes(&point[1..33])), (vec![0x22], bytes(&point[33..]))])
            }
            Key::Ed25519(key) => (1, vec![0x27], vec![(vec![0x20], vec![6]), (vec![0x21], bytes(key.public_key().as_ref()))]),
        };
        map(&[vec![(vec![1], vec![kind]), (vec![3], algorithm)], rest].concat())
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.key {
            Key::Es256(key) => key.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec(),
            Key::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    fn page(&self, kind: &str, options: &Value) -> Vec<u8> {
        let kind = self.kind.unwrap_or(kind);
        let page = json!({"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": self.cross_origin});
        page.to_string().into_bytes()
    }

    fn said(&self, rp_id: &Value, flags: u8) -> Vec<u8> {
        let rp_id = self.rp_id.as_deref().or(rp_id.as_str()).expect("a site");
        [Sha256::digest(rp_id).to_vec(), vec![flags], self.count.to_be_bytes().to_vec()].concat()
    }

    /// `navigator.credentials.create`.
    pub fn create(&mut self, options: &Value) -> Value {
        self.handle = options["user"]["id"].as_str().map(str::to_owned);
        let id = [u16::try_from(self.id.len()).expect("short").to_be_bytes().to_vec(), self.id.clone()].concat();
        let said = [self.said(&options["rp"]["id"], self.flags | CREDENTIAL), vec![0; 16], id, self.cose()].concat();
        let page = self.page("webauthn.create", options);
        let statement = match self.format {
            Some("packed") => {
                let signature = self.sign(&[said.as_slice(), Sha256::digest(&page).as_slice()].concat());
                map(&[(words("alg"), vec![0x26]), (words("sig"), bytes(&signature))])
            }
            _ => map(&[]),
        };
        let object =
            map(&[(words("fmt"), words(self.format.unwrap_or("none"))), (words("attStmt"), statement), (words("authData"), bytes(&said))]);
        json!({"id": text(&self.id), "rawId": text(&self.id), "type": "public-key", "clientExtensionResults": {},
            "response": {"clientDataJSON": text(&page), "attestationObject": text(&object), "transports": ["internal", "hybrid", "made-up"]}})
    }

    /// `navigator.credentials.get`.
    pub fn get(&mut self, options: &Value) -> Value {
        if self.count > 0 {
            self.count += 1;
        }
        let (page, said) = (self.page("webauthn.get", options), self.said(&options["rpId"], self.flags));
        let signature = self.sign(&[said.as_slice(), Sha256::digest(&page).as_slice()].concat());
        json!({"id": text(&self.id), "rawId": text(&self.id), "type": "public-key", "clientExtensionResults": {},
            "response": {"clientDataJSON": text(&page), "authenticatorData": text(&said), "signature": text(&signature),
                "userHandle": self.handle}})
    }
}
