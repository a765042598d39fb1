//! Public keys as authenticators give them (COSE, RFC 9053), and the signatures made with the private ones.

use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};

use super::cbor::Item;

/// The algorithms that are taken, the one that is liked best first.
pub const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];
const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key<'a> {
    /// A point on P-256.
    Es256 {
        x: &'a [u8],
        y: &'a [u8],
    },
    Ed25519(&'a [u8]),
    Rs256 {
        n: &'a [u8],
        e: &'a [u8],
    },
}

impl<'a> Key<'a> {
    /// The key that a COSE map is; `None`: it is none that is taken.
    pub fn of(map: &Item<'a>) -> Option<Self> {
        let bytes = |at: i64| map.at(at).and_then(Item::bytes);
        let sized = |at: i64, length: usize| bytes(at).filter(|bytes| bytes.len() == length);
        let number = |at: i64| map.at(at).and_then(Item::int);
        match (number(1)?, number(3)?) {
            (2, ES256) if number(-1) == Some(1) => Some(Self::Es256 { x: sized(-2, 32)?, y: sized(-3, 32)? }),
            (1, EDDSA) if number(-1) == Some(6) => Some(Self::Ed25519(sized(-2, 32)?)),
            (3, RS256) => {
                let n = bytes(-1).filter(|n| (256..=1024).contains(&n.len()) && n[0] != 0)?;
                let e = bytes(-2).filter(|e| (1..=4).contains(&e.len()) && e[0] != 0)?;
                Some(Self::Rs256 { n, e })
            }
            _ => None,
        }
    }

    /// Its algorithm, by its number.
    pub fn algorithm(&self) -> i64 {
        match self {
            Self::Es256 { .. } => ES256,
            Self::Ed25519(_) => EDDSA,
            Self::Rs256 { .. } => RS256,
        }
    }

    /// Did its owner sign this?
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::Es256 { x, y } => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, [&[4], *x, *y].concat()).verify(message, signature),
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            Self::Rs256 { n, e } => RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
        };
        verified.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    const MODULUS: [&str; 3] = [
        "wS7-dkZGCebAtLxCjhJ9-GI9cE05NIKvP-ivuR09N9DBwyGPLH9Exd3zALan7KesaMn_V7RKvA3BC4OwgFHuK56seikiNffe1u0IX10-NUfl6vhAThLk",
        "Hbm4BE30Szt8hFNObP6Zh9tU7qORj-MeZZafiHnVaj_TsiyFyzQm_ZH2ptXTalTbA6WsSUqld2uex1TdTIKpgF1OhkFSoCMOWuEe_YwPI7NN7MoCnnKP",
        "-tdzkg7_HzuPn5R1Lj4k1cxIiIvPtRv5DQWDIIXztJeU1szaOzNTEEFr_FEq4OJfr8Kxh5ggi7tX_nZOok_P8TDYNe6Q9hRK4KCsxvkOpf4EhQ",
    ];
    const SIGNATURE: [&str; 3] = [
        "lyrNFEKsnYNhu1D26l0AcNM0HRlZ1OYWZ7FPIXJ3Bd4rB5OhRvX-UNV5vbgkPth26MHrr8FlQ4n226DauYgDm27_plNRRbLF5--SKGbzrXJTdTYimZaM",
        "BYGljrQlQIPoDk_LBM03E5V8GCVnb1VvB7wGCPndcxFjO6yjW1aXH7_TBvc6ecKKP38Mn0s4h7oPDWksDtOigQFliKs-deNQ4cqUFguxnVHB8d1bsQsB",
        "L54b3kWcLAjUY0nImN6sgXJOwgoO7_Ltk1Kp0zsDEHTW8SWGKREcZHTt3RYJpAXAQ-hBrQwUdGOSM9V2XoY3xSDI5wxbMoIbkb8elu7gSRUJYA",
    ];

    /// Of Windows Hello there are keys of this kind; the others are tested over HTTP.
    #[test]
    fn a_signature_by_rsa_is_looked_at() {
        let decode = |parts: &[&str]| URL_SAFE_NO_PAD.decode(parts.concat()).expect("base64url");
        let (n, signature) = (decode(&MODULUS), decode(&SIGNATURE));
        let map = |n: &'static [u8], algorithm: i64| {
            let pairs = [(1, Item::Int(3)), (3, Item::Int(algorithm)), (-1, Item::Bytes(n)), (-2, Item::Bytes(&[1, 0, 1]))];
            Item::Map(pairs.into_iter().map(|(at, value)| (Item::Int(at), value)).collect())
        };
        let n: &'static [u8] = n.leak();
        let key = map(n, RS256);
        let key = Key::of(&key).expect("a key");
        assert_eq!(key.algorithm(), -257);
        assert!(key.has_signed(b"signed by a device", &signature));
        assert!(!key.has_signed(b"signed by another", &signature) && !key.has_signed(b"signed by a device", &signature[1..]));
        assert_eq!((Key::of(&map(n, -65535)), Key::of(&map(&n[..128], RS256))), (None, None), "SHA-1, and 1024 bits");
    }
}
