//! What SQL can call besides SQLite's own functions.

use rusqlite::{
    Connection,
    functions::{Context, FunctionFlags},
    types::ValueRef,
};

use crate::kit::{
    Money, exponent, fold,
    money::{EXPONENTS, print_scaled},
};

/// `distance_m(lat, lon, lat, lon)`; `by_decimals(currency, ...)`, the argument for as many decimals as it has; `money_text(minor, currency)` and `decimal_text(units, places)` as JSON shows them; `holds(text, term)` and `begins_word(text, term)`, whose terms are folded.
pub fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("holds", 2, flags, |call| compare(call, fold::holds))?;
    connection.create_scalar_function("begins_word", 2, flags, |call| compare(call, fold::begins_word))?;
    connection.create_scalar_function("money_text", 2, flags, |call| {
        let minor: Option<i64> = call.get(0)?;
        let decimals = call.get_raw(1).as_str().map_or(2, exponent);
        Ok(minor.map(|minor| Money { minor, exponent: decimals }.to_string()))
    })?;
    connection.create_scalar_function("by_decimals", 5, flags, |call| {
        let decimals = call.get_raw(0).as_str().map_or(2, exponent);
        let place = EXPONENTS.iter().position(|known| *known == decimals).unwrap_or(1);
        call.get::<Option<i64>>(1 + place)
    })?;
    connection.create_scalar_function("decimal_text", 2, flags, |call| {
        let (units, places): (Option<i64>, u8) = (call.get(0)?, call.get(1)?);
        Ok(units.map(|units| print_scaled(units, places)))
    })?;
    connection.create_scalar_function("distance_m", 4, flags, |call| {
        let coordinate = |index| call.get::<Option<f64>>(index);
        let (Some(lat1), Some(lon1), Some(lat2), Some(lon2)) = (coordinate(0)?, coordinate(1)?, coordinate(2)?, coordinate(3)?) else {
            return Ok(None);
        };
        Ok(Some(distance_m(lat1, lon1, lat2, lon2)))
    })
}

/// Compares a value as text with a folded term.
fn compare(call: &Context<'_>, test: fn(&str, &str) -> bool) -> rusqlite::Result<bool> {
    let term = call.get_raw(1).as_str().unwrap_or_default();
    Ok(match call.get_raw(0) {
        ValueRef::Text(text) => std::str::from_utf8(text).is_ok_and(|text| test(text, term)),
        ValueRef::Integer(number) => test(&number.to_string(), term),
        ValueRef::Real(number) => test(&number.to_string(), term),
        ValueRef::Null | ValueRef::Blob(_) => false,
    })
}

/// Metres between two positions in degrees along the sphere (haversine; mean radius of the earth, IUGG).
fn distance_m(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> f64 {
    const RADIUS_M: f64 = 6_371_008.8;
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let chord = half(lat2 - lat1) + lat1.to_radians().cos() * lat2.to_radians().cos() * half(lon2 - lon1);
    2.0 * RADIUS_M * chord.min(1.0).sqrt().asin()
}
