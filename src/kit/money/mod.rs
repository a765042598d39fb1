//! Money: whole minor units of a currency, never a float.

pub mod compute;
mod decimal;
mod round;

use std::fmt;

pub use self::{
    decimal::{Decimal, Percent, Price, Quantity, WHOLE, print_scaled},
    round::{round, split},
};
use super::string_type;

/// The largest amount, in minor units: what a JSON number holds exactly (2^53 - 1).
pub const LARGEST: i64 = 9_007_199_254_740_991;

/// An amount as JSON shows it: a decimal string with exactly the currency's decimals, `"1000.00"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    /// The amount in minor units (cents).
    pub minor: i64,
    /// How many decimals the currency has.
    pub exponent: u8,
}

/// The code of a currency (ISO 4217), upper case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Currency(pub String);

/// The decimals that currencies have.
pub const EXPONENTS: [u8; 4] = [0, 2, 3, 4];

/// Why a text is not an amount.
#[derive(Debug, PartialEq, Eq)]
pub enum BadAmount {
    NotANumber,
    TooLarge,
    /// More decimals than the currency has.
    TooPrecise,
}

impl Money {
    /// Reads a plain decimal (`-12`, `12.5`, `12.50`); no exponent, no grouping. Trailing zeros beyond the currency's decimals are fine.
    pub fn parse(text: &str, exponent: u8) -> Result<Self, BadAmount> {
        parse_scaled(text, exponent).map(|minor| Self { minor, exponent })
    }

    /// Reads the form that `Display` writes, whatever the currency.
    fn read(text: &str) -> Option<Self> {
        let exponent = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        Self::parse(text, u8::try_from(exponent).ok()?).ok()
    }
}

/// Reads a plain decimal as a whole number of its smallest units, of which one is 10^-`places`.
pub fn parse_scaled(text: &str, places: u8) -> Result<i64, BadAmount> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return Err(BadAmount::NotANumber);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > usize::from(places) {
        return Err(BadAmount::TooPrecise);
    }
    let padding = usize::from(places) - fraction.len();
    let mut minor: i64 = 0;
    for digit in whole.bytes().chain(fraction.bytes()).map(|byte| i64::from(byte - b'0')).chain(std::iter::repeat_n(0, padding)) {
        minor = minor
            .checked_mul(10)
            .and_then(|minor| minor.checked_add(digit))
            .filter(|minor| *minor <= LARGEST)
            .ok_or(BadAmount::TooLarge)?;
    }
    Ok(if negative { -minor } else { minor })
}

/// The amounts in minor units between which a plain decimal lies, both included; one and the same when the currency has the decimals for
/// it. What is beyond all amounts is beyond the largest. `None`: it is no number.
pub fn around(text: &str, exponent: u8) -> Option<(i64, i64)> {
    let is_negative = text.starts_with('-');
    match parse_scaled(text, exponent) {
        Ok(minor) => Some((minor, minor)),
        Err(BadAmount::NotANumber) => None,
        Err(BadAmount::TooLarge) if is_negative => Some((-LARGEST - 1, -LARGEST - 1)),
        Err(BadAmount::TooLarge) => Some((LARGEST + 1, LARGEST + 1)),
        Err(BadAmount::TooPrecise) => {
            let (whole, fraction) = text.split_once('.')?;
            let (toward_zero, _) = around(&format!("{whole}.{}", &fraction[..usize::from(exponent)]), exponent)?;
            Some(if is_negative { (toward_zero - 1, toward_zero) } else { (toward_zero, toward_zero + 1) })
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_u64.pow(u32::from(self.exponent));
        let (sign, amount) = (if self.minor < 0 { "-" } else { "" }, self.minor.unsigned_abs());
        match self.exponent {
            0 => write!(f, "{sign}{amount}"),
            exponent => write!(f, "{sign}{}.{:0width$}", amount / unit, amount % unit, width = usize::from(exponent)),
        }
    }
}

/// How many decimals a currency has (ISO 4217): 2 unless it is one of the few that differ.
pub fn exponent(currency: &str) -> u8 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND" | "VUV" | "XAF" | "XOF"
        | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

impl Currency {
    /// Reads three letters, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic())).then(|| Self(text.to_ascii_uppercase()))
    }
}

string_type!(Money, "decimal", Money::read, ToString::to_string);
string_type!(Currency, "currency", Currency::parse, |currency| currency.0.clone());
