//! Devices: the mark that tells a browser somebody signed in on from any other, and what a `User-Agent` says in words.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use poem::{Request, http::HeaderMap};

use super::{
    gate::info,
    token::{Tokens, random_id},
};
use crate::{
    actor::{Actor, Agent},
    outbox::Language,
};

/// A mark is good for so long.
pub const LIFE: SignedDuration = SignedDuration::from_hours(180 * 24);
/// What marks are signed for: the signature of anything else is none of theirs.
const PURPOSE: &str = "device";

/// A device that a person signed in on before.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    pub user: i64,
    pub id: String,
}

/// A mark for a device that this person has just signed in on.
pub fn mark(tokens: &Tokens, user: i64, now: Timestamp) -> String {
    let said = format!("{user}.{}.{}", now.as_second(), random_id());
    let signature = tokens.sign_text(PURPOSE, &said);
    format!("{said}.{signature}")
}

/// The device that a mark is of, if the mark is ours and not too old.
pub fn known(tokens: &Tokens, mark: &str, now: Timestamp) -> Option<Device> {
    let (said, signature) = mark.rsplit_once('.')?;
    if !tokens.has_signed(PURPOSE, said, signature, now) {
        return None;
    }
    let mut parts = said.split('.');
    let (user, issued, id) = (parts.next()?.parse().ok()?, parts.next()?.parse::<i64>().ok()?, parts.next()?);
    (now.as_second() < issued.saturating_add(LIFE.as_secs())).then(|| Device { user, id: id.to_owned() })
}

/// The cookie of the mark. The prefix has browsers refuse it from anybody but this host; they take it with `Secure` only.
pub const COOKIE: &str = "studio_dev";
pub const HOST_PREFIX: &str = "__Host-";

/// The values of the cookies of a name that a request came with.
pub fn cookies<'a>(request: &'a Request, wanted: &'a str) -> impl Iterator<Item = &'a str> {
    cookies_in(request.headers(), wanted)
}

/// The same of the headers of a request.
pub fn cookies_in<'a>(headers: &'a HeaderMap, wanted: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all("cookie").iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(name, value)| *name == wanted && !value.is_empty()).map(|(_, value)| value)
}

/// The mark that a request came with, not checked.
pub fn sent(request: &Request) -> Option<String> {
    let prefixed = format!("{HOST_PREFIX}{COOKIE}");
    let mark = cookies(request, &prefixed).next().map(str::to_owned);
    mark.or_else(|| cookies(request, COOKIE).next().map(str::to_owned))
}

/// The caller before anybody is known.
pub fn visitor(request: &Request) -> Actor {
    let info = info(request);
    let mut actor = Actor::system(info.now);
    actor.request_id = info.id;
    actor.ip = info.ip.map(|ip| ip.to_string());
    let user_agent = request.headers().get("user-agent").and_then(|value| value.to_str().ok()).map(str::to_owned);
    actor.agent = Some(Arc::new(Agent { user_agent, device: sent(request) }));
    actor
}

/// Programs by what only they say of themselves; the first that fits, so those that pretend to be others come before them.
const PROGRAMS: [(&str, &str); 18] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("YaBrowser", "Yandex Browser"),
    ("Vivaldi", "Vivaldi"),
    ("CriOS", "Chrome"),
    ("FxiOS", "Firefox"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
    ("okhttp", "an app"),
    ("Dart", "an app"),
    ("CFNetwork", "an app"),
    ("curl", "curl"),
    ("PostmanRuntime", "Postman"),
    ("python", "Python"),
    ("axios", "Node.js"),
    ("node", "Node.js"),
];

const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Darwin", "macOS"),
    ("Linux", "Linux"),
];

/// A `User-Agent` in words: `Firefox on Windows`.
pub fn in_words(user_agent: Option<&str>, language: Language) -> String {
    let text = user_agent.unwrap_or_default();
    let find = |names: &[(&'static str, &'static str)]| names.iter().find(|(sign, _)| text.contains(sign)).map(|(_, name)| *name);
    match (find(&PROGRAMS), find(&SYSTEMS)) {
        (Some(program), Some(system)) => language.say("{program} on {system}", &[("program", program), ("system", system)]),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => language.words("an unknown device").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_in_words() {
        let said = [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Windows"),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
                "Safari on macOS",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", "Chrome on Linux"),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1",
                "Chrome on iPhone",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            ("curl/8.5.0", "curl"),
            ("okhttp/4.12.0", "an app"),
            ("something/1.0", "an unknown device"),
            ("", "an unknown device"),
        ];
        for (agent, words) in said {
            assert_eq!(in_words(Some(agent), Language::English), words);
        }
        assert_eq!(in_words(None, Language::English), "an unknown device");
        assert_eq!(in_words(Some(said[0].0), Language::French), "Firefox sur Windows");
    }

    #[test]
    fn marks_are_ours_and_of_one_person() {
        let tokens = Tokens::new(b"0123456789abcdef0123456789abcdef");
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let made = mark(&tokens, 7, now);
        assert_eq!(known(&tokens, &made, now).map(|device| device.user), Some(7));
        assert_eq!(known(&tokens, &made, now + LIFE - SignedDuration::from_secs(1)).map(|device| device.user), Some(7));
        assert_eq!(known(&tokens, &made, now + LIFE), None);
        for forged in [made.replacen('7', "8", 1), made[..made.len() - 1].to_owned(), format!("{made}0"), String::new(), "...".to_owned()] {
            assert_eq!(known(&tokens, &forged, now), None, "{forged}");
        }
        assert_eq!(known(&Tokens::new(b"another key of thirty-two bytes!"), &made, now), None);
    }
}
