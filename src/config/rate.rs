//! Rates as they are written: `60/minute`, and steps of waiting: `9:3`.

use serde::Deserialize;

/// So many in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Rate {
    pub count: u32,
    pub seconds: u32,
}

/// A rate, or none where the text is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MaybeRate(pub Option<Rate>);

/// Until so many have failed, each next one waits so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Step {
    pub failures: u32,
    pub seconds: u32,
}

impl TryFrom<String> for Rate {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let parsed = || {
            let (count, period) = text.split_once('/')?;
            let seconds = match period {
                "second" => 1,
                "minute" => 60,
                "hour" => 3600,
                "day" => 86_400,
                _ => return None,
            };
            Some(Self { count: count.parse().ok().filter(|count| *count > 0)?, seconds })
        };
        parsed().ok_or_else(|| format!("{text:?} is no rate such as \"60/minute\""))
    }
}

impl TryFrom<String> for MaybeRate {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() { Ok(Self(None)) } else { Rate::try_from(text).map(|rate| Self(Some(rate))) }
    }
}

impl TryFrom<String> for Step {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(failures, seconds)| {
            Some(Self { failures: failures.parse().ok().filter(|failures| *failures > 0)?, seconds: seconds.parse().ok()? })
        });
        parsed.ok_or_else(|| format!("{text:?} is no step such as \"9:3\""))
    }
}
