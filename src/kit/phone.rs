//! Phone numbers.

use phonenumber::Mode;

/// A number in E.164 (`+256700123456`), or `None` when it is not a possible number. Without a country code it is read as a
/// number of `country` (ISO 3166 alpha-2).
pub fn normalize(number: &str, country: Option<&str>) -> Option<String> {
    let country = country.and_then(|code| code.parse().ok());
    let parsed = phonenumber::parse(country, number).ok()?;
    let text = parsed.format().mode(Mode::E164).to_string();
    (8..=16).contains(&text.len()).then_some(text)
}

/// The country (ISO 3166 alpha-2) of a number in E.164.
pub fn country(number: &str) -> Option<String> {
    let parsed = phonenumber::parse(None, number).ok()?;
    parsed.country().id().map(|id| id.as_ref().to_owned())
}
