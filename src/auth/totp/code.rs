//! What an authenticator app computes: HOTP (RFC 4226) over time (RFC 6238), with SHA-1, six digits and steps of 30 seconds, which is what
//! all of them know.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::error::{Error, Result};

/// Seconds of a step.
pub const STEP: i64 = 30;
/// Length of a seed (RFC 4226, 4, R6).
pub const SEED_BYTES: usize = 20;
const DIGITS: u32 = 6;

/// The code of a step.
pub fn code(seed: &[u8], step: i64) -> Result<String> {
    let mac = Hmac::<Sha1>::new_from_slice(seed).map_err(Error::internal)?.chain_update(step.to_be_bytes()).finalize().into_bytes();
    Ok(truncated(&mac, DIGITS))
}

/// Dynamic truncation (RFC 4226, 5.3).
fn truncated(mac: &[u8], digits: u32) -> String {
    let offset = usize::from(mac.last().copied().unwrap_or_default() & 15);
    let number = mac.iter().skip(offset).take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) & 0x7fff_ffff;
    format!("{:0width$}", number % 10_u32.pow(digits), width = digits as usize)
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// Base32 without padding (RFC 4648, 6): how a seed is typed in.
pub fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::new();
    for chunk in bytes.chunks(5) {
        let bits = chunk.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte)) << (8 * (5 - chunk.len()));
        let used = (chunk.len() * 8).div_ceil(5);
        text.extend((0..used).map(|i| char::from(DIGITS[usize::try_from(bits >> (35 - 5 * i) & 31).unwrap_or_default()])));
    }
    text
}

/// The address that an authenticator app is set up by.
pub fn uri(issuer: &str, account: &str, seed: &[u8]) -> String {
    // A colon would end the issuer.
    let (issuer, account) = (escaped(&issuer.replace(':', " ")), escaped(&account.replace(':', " ")));
    format!("otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP}", base32(seed))
}

/// Percent-encoding of everything that is not unreserved (RFC 3986, 2.3): a `+` for a space would be shown as one.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// A text as a QR code, drawn in SVG.
pub fn qr_code(text: &str) -> Result<String> {
    const MARGIN: i32 = 4;
    let drawn = qrcodegen::QrCode::encode_text(text, qrcodegen::QrCodeEcc::Medium).map_err(Error::internal)?;
    let side = drawn.size() + 2 * MARGIN;
    let mut path = String::new();
    for y in 0..drawn.size() {
        for x in (0..drawn.size()).filter(|x| drawn.get_module(*x, y)) {
            let _ = write!(path, "M{},{}h1v1h-1z", x + MARGIN, y + MARGIN);
        }
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use sha2::{Sha256, Sha512};

    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn rfc_4226_appendix_d() {
        let codes = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (count, expected) in codes.iter().enumerate() {
            assert_eq!(code(SECRET, i64::try_from(count).unwrap()).unwrap(), *expected, "count {count}");
        }
    }

    #[test]
    fn rfc_6238_appendix_b() {
        let seed = |length: usize| SECRET.iter().copied().cycle().take(length).collect::<Vec<u8>>();
        for (second, sha1, sha256, sha512) in [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (1_111_111_111, "14050471", "67062674", "99943326"),
            (1_234_567_890, "89005924", "91819424", "93441116"),
            (2_000_000_000, "69279037", "90698825", "38618901"),
            (20_000_000_000_i64, "65353130", "77737706", "47863826"),
        ] {
            let step = (second / STEP).to_be_bytes();
            let one = Hmac::<Sha1>::new_from_slice(&seed(20)).unwrap().chain_update(step).finalize().into_bytes();
            let two = Hmac::<Sha256>::new_from_slice(&seed(32)).unwrap().chain_update(step).finalize().into_bytes();
            let five = Hmac::<Sha512>::new_from_slice(&seed(64)).unwrap().chain_update(step).finalize().into_bytes();
            assert_eq!([truncated(&one, 8), truncated(&two, 8), truncated(&five, 8)], [sha1, sha256, sha512], "second {second}");
            // Ours are the last six digits of the first.
            assert_eq!(code(SECRET, second / STEP).unwrap(), sha1[2..]);
        }
    }

    #[test]
    fn rfc_4648_base32() {
        for (bytes, text) in
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB"), ("foobar", "MZXW6YTBOI")]
        {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_address_is_one_whatever_names_say() {
        let text = uri("Rana: & Söhne", "rana@example.org", SECRET);
        let head = "otpauth://totp/Rana%20%20%26%20S%C3%B6hne:rana%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&";
        assert_eq!(text, format!("{head}issuer=Rana%20%20%26%20S%C3%B6hne&algorithm=SHA1&digits=6&period=30"));
        let svg = qr_code(&text).unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>") && svg.contains("M4,4h1v1h-1z"), "{svg}");
    }
}
