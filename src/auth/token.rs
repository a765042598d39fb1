//! Signed tokens: JWT (RFC 7519) with HMAC-SHA256 (HS256, RFC 7518, 3.2) and nothing else.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::hs256::install;
use crate::{
    error::{Error, Result},
    kit::hex::{hex, unhex},
};

/// The longest token that is looked at, in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// What a token says, in the order in which it is written.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Claims {
    /// `access` or `refresh`.
    pub token_type: String,
    /// When it ends, in seconds since 1970 (RFC 7519, 4.1.4): at that second it is over.
    pub exp: i64,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// The token's own id ([`random_id`]), by which it can be revoked.
    pub jti: String,
    /// The user's id.
    pub user_id: String,
    /// The business the user works for, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub biz: Option<i64>,
    /// The user's role when the token was issued.
    pub role: String,
    /// `full` or `citizen`.
    pub scope: String,
    /// The user's generation of tokens: the user's number goes up to end all of them. -1, which is nobody's, in a token that has none.
    pub epoch: i64,
    /// The session: the family of refresh tokens that one login began.
    pub sid: String,
}

/// The claims as they come: what is not there is told apart from what cannot be read.
#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    token_type: String,
    exp: i64,
    nbf: Option<i64>,
    aud: Option<Value>,
    iss: Option<Value>,
    #[serde(default)]
    iat: i64,
    jti: Option<String>,
    user_id: Option<Value>,
    biz: Option<i64>,
    #[serde(default)]
    role: String,
    #[serde(default)]
    scope: String,
    #[serde(default = "nobodys")]
    epoch: i64,
    #[serde(default)]
    sid: String,
}

fn nobodys() -> i64 {
    -1
}

/// Why a token is not taken. The first that applies, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// Not a token of ours: its form, its algorithm, its signature, or the types of its claims.
    Invalid,
    /// Ours, and over.
    Expired,
    /// Ours, without a `jti`.
    NoId,
    /// Ours, without a `user_id`.
    NoUser,
}

/// Signs and reads tokens. It has no `Debug`, so that no key can end up in a log.
///
/// There is one key, and for a while after a rotation the one before it, which reads and does not sign. A token names its key (`kid`).
pub struct Tokens {
    ring: RwLock<Ring>,
    validation: Validation,
}

struct Ring {
    current: Key,
    /// The key before, and when it is taken no more.
    retiring: Option<(Key, Timestamp)>,
}

struct Key {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    mac: Hmac<Sha256>,
}

impl Key {
    fn new(secret: &[u8]) -> Self {
        let id = hex(&Sha256::new().chain_update("studio kid").chain_update(secret).finalize()[..4]);
        let mac = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
        Self { id, encoding: EncodingKey::from_secret(secret), decoding: DecodingKey::from_secret(secret), mac }
    }

    /// The purpose keeps texts apart from tokens, in which no space ever stands, and from each other.
    fn mac(&self, purpose: &str, text: &str) -> Hmac<Sha256> {
        self.mac.clone().chain_update("studio ").chain_update(purpose).chain_update([0]).chain_update(text)
    }
}

impl Tokens {
    /// The key is the shared secret of HS256; [`super::keys::Keys`] sees to it that it has at least 32 bytes.
    pub fn new(key: &[u8]) -> Self {
        Self::with_retiring(key, None)
    }

    /// With the key before it, which is taken until then.
    pub fn with_retiring(key: &[u8], retiring: Option<(&[u8], Timestamp)>) -> Self {
        install();
        // Only the signature and the algorithm: `exp` is held against our own clock, in `read`.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.leeway = 0;
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        let ring = Ring { current: Key::new(key), retiring: retiring.map(|(key, until)| (Key::new(key), until)) };
        Self { ring: RwLock::new(ring), validation }
    }

    fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on these are the keys.
    pub fn replace(&self, key: &[u8], retiring: Option<(&[u8], Timestamp)>) {
        let ring = Ring { current: Key::new(key), retiring: retiring.map(|(key, until)| (Key::new(key), until)) };
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
    }

    /// The token for these claims, as a JWS in compact form (RFC 7515, 7.1) under the header `{"typ":"JWT","alg":"HS256","kid":...}`.
    ///
    /// # Errors
    /// [`Error::Internal`] when the claims cannot be written as JSON, which does not happen.
    pub fn sign(&self, claims: &Claims) -> Result<String> {
        let ring = self.ring();
        let header = Header { kid: Some(ring.current.id.clone()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, claims, &ring.current.encoding)
            .map_err(|error| Error::internal(format!("A token could not be signed: {error}.")))
    }

    /// The signature of a text that is no token, in hex digits.
    pub fn sign_text(&self, purpose: &str, text: &str) -> String {
        hex(&self.ring().current.mac(purpose, text).finalize().into_bytes())
    }

    /// Is this our signature of the text, for the same purpose?
    pub fn has_signed(&self, purpose: &str, text: &str, signature: &str, now: Timestamp) -> bool {
        let Some(signature) = unhex(signature) else { return false };
        let ring = self.ring();
        let fits = |key: &Key| key.mac(purpose, text).verify_slice(&signature).is_ok();
        fits(&ring.current) || ring.retiring.as_ref().is_some_and(|(key, until)| now < *until && fits(key))
    }

    /// The claims of a token whose signature is that of a key of ours.
    fn verified(&self, token: &str, now: Timestamp) -> Option<Read> {
        let ring = self.ring();
        let retiring = ring.retiring.as_ref().filter(|(_, until)| now < *until).map(|(key, _)| key);
        // A token of no named key may be of either.
        let mut keys = std::iter::once(&ring.current).chain(retiring);
        keys.find_map(|key| {
            let read = jsonwebtoken::decode::<Read>(token, &key.decoding, &self.validation).ok()?;
            // RFC 7515, 4.1.11: extensions that must be understood, of which we understand none.
            let ours = read.header.crit.is_none() && read.header.kid.is_none_or(|id| id == key.id);
            ours.then_some(read.claims)
        })
    }

    /// What a token says, if it was signed with our key and has not ended by `now`; there is no leeway. Claims other than `exp`, `jti` and
    /// `user_id` (a string or an integer) are left empty when they are missing: the caller compares `token_type`, `scope` and `epoch`.
    ///
    /// # Errors
    /// See [`Bad`]. Over 8 KiB is [`Bad::Invalid`] before any work.
    pub fn read(&self, token: &str, now: Timestamp) -> Result<Claims, Bad> {
        if token.len() > MAX_BYTES {
            return Err(Bad::Invalid);
        }
        let claims = self.verified(token, now).ok_or(Bad::Invalid)?;
        let Read { token_type, exp, nbf, aud, iss, iat, jti, user_id, biz, role, scope, epoch, sid } = claims;
        // RFC 7519, 4.1.1, 4.1.3, 4.1.5: ours name no issuer and no audience, and hold from the start.
        if iss.is_some() || aud.is_some() || nbf.is_some_and(|start| start > now.as_second()) {
            return Err(Bad::Invalid);
        }
        let user_id = match user_id {
            None => None,
            Some(Value::String(id)) => Some(id).filter(|id| !id.is_empty()),
            Some(Value::Number(id)) if !id.is_f64() => Some(id.to_string()),
            Some(_) => return Err(Bad::Invalid),
        };
        if exp <= now.as_second() {
            return Err(Bad::Expired);
        }
        let jti = jti.filter(|id| !id.is_empty()).ok_or(Bad::NoId)?;
        let user_id = user_id.ok_or(Bad::NoUser)?;
        Ok(Claims { token_type, exp, iat, jti, user_id, biz, role, scope, epoch, sid })
    }
}

/// A new id of 128 random bits as 32 hex digits, for a token's `jti` and a session's `sid`.
///
/// # Panics
/// When the operating system has no random bytes, which it does not say of itself once it has started.
pub fn random_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("a running system has random bytes");
    hex(&bytes)
}

#[cfg(test)]
mod tests {
    use super::{super::hs256::PROVIDER, *};

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn claims() -> Claims {
        Claims {
            token_type: "access".into(),
            exp: 1_800_000_300,
            iat: 1_800_000_000,
            jti: "00112233445566778899aabbccddeeff".into(),
            user_id: "7".into(),
            biz: Some(3),
            role: "owner".into(),
            scope: "full".into(),
            epoch: 2,
            sid: "ffeeddccbbaa99887766554433221100".into(),
        }
    }

    /// The same claims with python's hmac and base64: see the vector's header and payload in clear below.
    const VECTOR: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiIsImtpZCI6IjRkZDdkYTlhIn0.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwiZXhwIjoxODAwMDAwMzAwLCJpYXQiOjE4MDAwMDAwMDAsImp0aSI6IjAwMTEyMjMzNDQ1NTY2Nzc4ODk5YWFiYmNjZGRlZWZmIiwidXNlcl9pZCI6IjciLCJiaXoiOjMsInJvbGUiOiJvd25lciIsInNjb3BlIjoiZnVsbCIsImVwb2NoIjoyLCJzaWQiOiJmZmVlZGRjY2JiYWE5OTg4Nzc2NjU1NDQzMzIyMTEwMCJ9.PDSuQyfNGYMW_NESFuXhgdYxI3p0ffrEnj_YiAM6NQA";

    fn b64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
            text.extend((0..=chunk.len()).map(|i| char::from(DIGITS[(bits >> (18 - 6 * i) & 63) as usize])));
        }
        text
    }

    /// A token with any header and payload, signed with the key.
    fn forge(header: &str, payload: &str) -> String {
        let message = format!("{}.{}", b64(header.as_bytes()), b64(payload.as_bytes()));
        let signature = Hmac::<Sha256>::new_from_slice(KEY).unwrap().chain_update(&message).finalize().into_bytes();
        format!("{message}.{}", b64(&signature))
    }

    const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

    #[test]
    fn signs_as_python_does() {
        let tokens = Tokens::new(KEY);
        assert_eq!(tokens.sign(&claims()).unwrap(), VECTOR);
        let payload = r#"{"token_type":"access","exp":1800000300,"iat":1800000000,"jti":"00112233445566778899aabbccddeeff","user_id":"7","biz":3,"role":"owner","scope":"full","epoch":2,"sid":"ffeeddccbbaa99887766554433221100"}"#;
        assert_eq!(forge(r#"{"typ":"JWT","alg":"HS256","kid":"4dd7da9a"}"#, payload), VECTOR);
        let read = tokens.read(VECTOR, at(1_800_000_299)).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), payload);
        let alone = Claims { biz: None, ..claims() };
        assert!(!serde_json::to_string(&alone).unwrap().contains("biz"));
        assert_eq!(tokens.read(&tokens.sign(&alone).unwrap(), at(0)).unwrap().biz, None);
    }

    #[test]
    fn rfc_7515_a_1() {
        let key = [
            3, 35, 53, 75, 43, 15, 165, 188, 131, 126, 6, 101, 119, 123, 166, 143, 90, 179, 40, 230, 240, 84, 201, 40, 169, 15, 132, 178,
            210, 80, 46, 191, 211, 251, 90, 146, 210, 6, 71, 239, 150, 138, 180, 195, 119, 98, 61, 34, 61, 46, 33, 114, 5, 46, 79, 8, 192,
            205, 154, 245, 103, 208, 128, 163,
        ];
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let tokens = Tokens::new(&key);
        // The signature is good; the issuer is another.
        assert!(tokens.verified(token, at(0)).is_some() && Tokens::new(KEY).verified(token, at(0)).is_none());
        assert_eq!(tokens.read(token, at(0)).unwrap_err(), Bad::Invalid);
        assert_eq!(Tokens::new(KEY).read(token, at(0)).unwrap_err(), Bad::Invalid);
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let tokens = Tokens::new(KEY);
        let read = |token: &str| tokens.read(token, at(1_800_000_000)).err();
        assert_eq!(read(VECTOR), None);
        let payload = serde_json::to_string(&claims()).unwrap();
        assert_eq!(read(&forge(HEADER, &payload)), None);
        for header in [
            r#"{"typ":"JWT","alg":"none"}"#,
            r#"{"typ":"JWT","alg":"None"}"#,
            r#"{"typ":"JWT","alg":"hs256"}"#,
            r#"{"typ":"JWT","alg":"HS384"}"#,
            r#"{"typ":"JWT","alg":"HS512"}"#,
            r#"{"typ":"JWT","alg":"RS256"}"#,
            r#"{"typ":"JWT","alg":"EdDSA"}"#,
            r#"{"typ":"JWT"}"#,
            r#"{"typ":"JWT","alg":"HS256","crit":["exp"]}"#,
            "[]",
            "",
        ] {
            let token = forge(header, &payload);
            assert_eq!(read(&token), Some(Bad::Invalid), "{header}");
            let unsigned = &token[..=token.rfind('.').unwrap()];
            assert_eq!(read(unsigned), Some(Bad::Invalid), "{header} without a signature");
        }
        for end in 0..VECTOR.len() {
            assert_eq!(read(&VECTOR[..end]), Some(Bad::Invalid), "the first {end} bytes");
        }
        // Every single byte counts, and nothing may be added. Over the last one, four of whose six bits are used, decoding is strict.
        for position in 0..VECTOR.len() {
            let mut bytes = VECTOR.as_bytes().to_vec();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            assert_eq!(read(std::str::from_utf8(&bytes).unwrap()), Some(Bad::Invalid), "another byte at {position}");
        }
        for token in
            ["", ".", "..", "...", "a.b.c", "\0", "ключ.ключ.ключ", &format!("{VECTOR}="), &format!("{VECTOR}.e30"), &format!(" {VECTOR}")]
        {
            assert_eq!(read(token), Some(Bad::Invalid), "{token:?}");
        }
        assert_eq!(Tokens::new(b"0123456789abcdef0123456789abcdeF").read(VECTOR, at(0)).unwrap_err(), Bad::Invalid);
        // Well signed, and over 8 KiB.
        let long = Claims { role: "x".repeat(MAX_BYTES), ..claims() };
        assert_eq!(read(&tokens.sign(&long).unwrap()), Some(Bad::Invalid));
    }

    #[test]
    fn claims_are_read_leniently() {
        let tokens = Tokens::new(KEY);
        let read = |payload: &str| tokens.read(&forge(HEADER, payload), at(1000));
        let fails = |payload: &str| read(payload).err();
        assert_eq!(read(r#"{"exp":1001,"jti":"a","user_id":12}"#).unwrap().user_id, "12");
        let bare = read(r#"{"exp":1001,"jti":"a","user_id":"u","biz":null,"nbf":1000,"more":1}"#).unwrap();
        assert_eq!((bare.epoch, bare.scope.as_str(), bare.token_type.as_str()), (-1, "", ""));
        for (payload, bad) in [
            (r#"{"exp":1000,"jti":"a","user_id":1}"#, Bad::Expired),
            (r#"{"exp":-1}"#, Bad::Expired),
            (r#"{"exp":1001,"user_id":1}"#, Bad::NoId),
            (r#"{"exp":1001,"jti":null,"user_id":1}"#, Bad::NoId),
            (r#"{"exp":1001,"jti":""}"#, Bad::NoId),
            (r#"{"exp":1001,"jti":"a"}"#, Bad::NoUser),
            (r#"{"exp":1001,"jti":"a","user_id":null}"#, Bad::NoUser),
            (r#"{"exp":1001,"jti":"a","user_id":""}"#, Bad::NoUser),
            (r#"{"exp":1001,"jti":"a","user_id":1.5}"#, Bad::Invalid),
            (r#"{"exp":1001,"jti":"a","user_id":true}"#, Bad::Invalid),
            (r#"{"exp":1001,"jti":7,"user_id":1}"#, Bad::Invalid),
            (r#"{"exp":1001,"exp":2000,"jti":"a","user_id":1}"#, Bad::Invalid),
            (r#"{"exp":"1001","jti":"a","user_id":1}"#, Bad::Invalid),
            (r#"{"exp":1e300,"jti":"a","user_id":1}"#, Bad::Invalid),
            (r#"{"exp":2000,"nbf":1001,"jti":"a","user_id":1}"#, Bad::Invalid),
            (r#"{"exp":2000,"aud":"x","jti":"a","user_id":1}"#, Bad::Invalid),
            (r#"{"exp":2000,"iss":["y"],"jti":"a","user_id":1}"#, Bad::Invalid),
            (r#"{"jti":"a","user_id":1}"#, Bad::Invalid),
            ("[]", Bad::Invalid),
            ("null", Bad::Invalid),
            ("", Bad::Invalid),
        ] {
            assert_eq!(fails(payload), Some(bad), "{payload}");
        }
    }

    #[test]
    fn a_key_that_was_replaced_is_taken_for_a_while() {
        let (old, new) = (KEY, b"fedcba9876543210fedcba9876543210");
        let tokens = Tokens::new(old);
        let (token, text) = (tokens.sign(&claims()).unwrap(), tokens.sign_text("device", "7"));
        let unnamed = forge(HEADER, &serde_json::to_string(&claims()).unwrap());
        tokens.replace(new, Some((old, at(1_800_000_200))));
        for token in [&token, &unnamed] {
            assert!(tokens.read(token, at(1_800_000_199)).is_ok());
            assert_eq!(tokens.read(token, at(1_800_000_200)).unwrap_err(), Bad::Invalid);
        }
        assert!(tokens.has_signed("device", "7", &text, at(1_800_000_199)) && !tokens.has_signed("device", "7", &text, at(1_800_000_200)));
        assert!(!tokens.has_signed("other", "7", &text, at(0)) && !tokens.has_signed("device", "8", &text, at(0)));
        let newer = tokens.sign(&claims()).unwrap();
        assert!(Tokens::new(new).read(&newer, at(0)).is_ok() && Tokens::new(old).read(&newer, at(0)).is_err());
        tokens.replace(new, None);
        assert!(tokens.read(&token, at(0)).is_err() && tokens.read(&newer, at(0)).is_ok());
        // Well signed under the name of another key.
        let misnamed = forge(r#"{"typ":"JWT","alg":"HS256","kid":"../../etc/passwd"}"#, &serde_json::to_string(&claims()).unwrap());
        assert_eq!(Tokens::new(old).read(&misnamed, at(0)).unwrap_err(), Bad::Invalid);
    }

    #[test]
    fn other_algorithms_have_no_signer() {
        let tokens = Tokens::new(KEY);
        for algorithm in [Algorithm::HS384, Algorithm::HS512, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
            let ring = tokens.ring();
            assert!(jsonwebtoken::encode(&Header::new(algorithm), &claims(), &ring.current.encoding).is_err());
            assert!((PROVIDER.verifier_factory)(&algorithm, &ring.current.decoding).is_err());
        }
    }

    #[test]
    fn ids_are_32_hex_digits_and_never_the_same() {
        let ids: std::collections::HashSet<String> = (0..1000).map(|_| random_id()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))));
    }
}
