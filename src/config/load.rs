//! Loading: the sources laid over each other, where each value came from, and the refusal of what no setting takes.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{Config, CookieSecure, Format, Level, MaybeRate, Rate, Registration, SameSite, Step, Tls, messages};
use crate::actor::Role;

/// The documentation of every setting, which is also its default.
const SHIPPED: &str = include_str!("../../config.toml");

/// Settings whose values are never printed and may be read from a file that `STUDIO_SECTION__KEY_FILE` names.
const SECRET: &[&str] = &["auth.jwt_key", "email.password", "sms.secret"];

/// Variables that begin with `STUDIO_` and are not settings.
const RESERVED: &[&str] = &["STUDIO_CONFIG", "STUDIO_SUPERUSER_USERNAME", "STUDIO_SUPERUSER_EMAIL", "STUDIO_SUPERUSER_PASSWORD"];

/// The settings, and where each came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// In the order of the shipped file.
    pub settings: Vec<Setting>,
}

/// One setting as it is in force.
#[derive(Clone)]
pub struct Setting {
    /// Its section and name, such as `server.address`.
    pub key: String,
    /// Not for printing when `secret`; `shown` is.
    pub value: Value,
    pub origin: Origin,
    pub secret: bool,
    /// The comment above it in the shipped file.
    pub help: String,
}

impl Setting {
    /// The value as TOML writes it; of a secret, only whether there is one.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::String(text) if self.secret && !text.is_empty() => "(secret)".to_owned(),
            value => shown(value),
        }
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} from {}", self.key, self.shown(), self.origin)
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The shipped file.
    Default,
    /// The operator's file.
    File(PathBuf),
    /// The variable of this name.
    Environment(String),
    /// The command line, for this key.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the defaults"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(_) => f.write_str("the command line"),
        }
    }
}

/// The settings from the defaults, `file` (or `./config.toml`, if there is one), `environment` and `flags`, the later over the
/// earlier. An error is one sentence for the operator.
pub fn load(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>, flags: &[(&str, String)]) -> Result<Loaded, String> {
    merge(read(file)?, environment, flags)
}

/// The operator's file: one that was asked for has to be there.
fn read(file: Option<&Path>) -> Result<Option<(PathBuf, String)>, String> {
    let path = file.unwrap_or(Path::new("config.toml"));
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.to_owned(), text))),
        Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read the settings in {}: {error}", path.display())),
    }
}

fn merge(
    file: Option<(PathBuf, String)>,
    environment: impl Iterator<Item = (String, String)>,
    flags: &[(&str, String)],
) -> Result<Loaded, String> {
    let mut settings = defaults();
    if let Some((path, text)) = file {
        for (key, value) in flatten("", parse(&path, &text)?, &settings) {
            put(&mut settings, &key, Origin::File(path.clone()), |_| value)?;
        }
    }
    add_environment(&mut settings, environment)?;
    for (key, text) in flags {
        put(&mut settings, key, Origin::Flag((*key).to_owned()), |default| from_text(text, default))?;
    }
    let config = build(&settings)?;
    check_together(&config, &settings)?;
    Ok(Loaded { config, settings })
}

/// The shipped file as settings, in its order, each with the comment above it.
fn defaults() -> Vec<Setting> {
    let values: Table = SHIPPED.parse().expect("the shipped config.toml is TOML: a test reads it");
    let (mut settings, mut section, mut help) = (Vec::new(), None, Vec::new());
    for line in SHIPPED.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix('#') {
            help.push(comment.trim());
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = Some(name);
        } else if let Some((name, _)) = line.split_once('=') {
            let (table, name) = (section.map_or(Some(&values), |section| values[section].as_table()), name.trim());
            let value = table.expect("a section is a table")[name].clone();
            let key = section.map_or(name.to_owned(), |section| format!("{section}.{name}"));
            let secret = SECRET.contains(&key.as_str());
            settings.push(Setting { key, value, origin: Origin::Default, secret, help: help.join(" ") });
        }
        help.clear();
    }
    settings
}

/// Says the line and never quotes it: it may hold a secret.
fn parse(path: &Path, text: &str) -> Result<Table, String> {
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
        format!("{} line {line} is not TOML: {}", path.display(), error.message())
    })
}

/// The values of nested tables under dotted keys. An empty table stays, to be refused as unknown, unless it is a section.
fn flatten(prefix: &str, table: Table, known: &[Setting]) -> Vec<(String, Value)> {
    let nested = table.into_iter().flat_map(|(name, value)| {
        let key = format!("{prefix}{name}");
        let section = format!("{key}.");
        match value {
            Value::Table(inner) if !inner.is_empty() || known.iter().any(|setting| setting.key.starts_with(&section)) => {
                flatten(&section, inner, known)
            }
            value => vec![(key, value)],
        }
    });
    nested.collect()
}

/// `STUDIO_SECTION__KEY`, the variable of a setting.
fn variable(key: &str) -> String {
    format!("STUDIO_{}", key.to_uppercase().replace('.', "__"))
}

fn add_environment(settings: &mut [Setting], environment: impl Iterator<Item = (String, String)>) -> Result<(), String> {
    // Sorted, so that of several errors it is always the same one that is reported.
    let ours: BTreeMap<_, _> = environment.filter(|(name, _)| name.starts_with("STUDIO_") && !RESERVED.contains(&name.as_str())).collect();
    for (name, text) in &ours {
        let origin = Origin::Environment(name.clone());
        let by_file = name.strip_suffix("_FILE").and_then(|plain| settings.iter().find(|s| s.secret && variable(&s.key) == plain));
        if let Some(secret) = by_file {
            let (key, plain) = (secret.key.clone(), variable(&secret.key));
            if ours.contains_key(&plain) {
                return Err(format!("{plain} and {name} are both set; {key} takes only one of them"));
            }
            let text = read_secret(name, text)?;
            put(settings, &key, origin, |default| from_text(&text, default))?;
        } else {
            let key = settings.iter().map(|setting| &setting.key).find(|key| variable(key) == *name).cloned();
            let key = key.unwrap_or_else(|| name["STUDIO_".len()..].to_lowercase().replace("__", "."));
            put(settings, &key, origin, |default| from_text(text, default))?;
        }
    }
    Ok(())
}

/// The secret in the file that the variable `name` names. An empty one is a mistake, and would silently mean the default.
fn read_secret(name: &str, path: &str) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read {path}, which {name} names: {error}"))?;
    match text.trim() {
        "" => Err(format!("{path}, which {name} names, is empty")),
        text => Ok(text.to_owned()),
    }
}

/// A text from the environment or the command line as the type that the default has. What does not read as that type stays a
/// text, for `takes` to refuse.
fn from_text(text: &str, default: &Value) -> Value {
    let text = text.trim();
    let read = match default {
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(Value::Array(items.map(Value::from).collect()))
        }
        _ => None,
    };
    read.unwrap_or_else(|| text.into())
}

/// Replaces a setting's value with the one `read` makes, given the value so far.
fn put(settings: &mut [Setting], key: &str, origin: Origin, read: impl FnOnce(&Value) -> Value) -> Result<(), String> {
    let Some(at) = settings.iter().position(|setting| setting.key == key) else {
        return Err(unknown(settings, key, &origin));
    };
    let setting = &mut settings[at];
    let value = read(&setting.value);
    if let Err(takes) = takes(key, &value, &setting.value) {
        let instead = if setting.secret { String::new() } else { format!(", not {}", shown(&value)) };
        return Err(format!("{key} in {origin} must be {takes}{instead}"));
    }
    (setting.value, setting.origin) = (value, origin);
    Ok(())
}

/// The refusal of a key, with the nearest there is: by the whole key, or by its name in another section.
fn unknown(settings: &[Setting], key: &str, origin: &Origin) -> String {
    let name = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |known: &str| {
        let by_name = strsim::damerau_levenshtein(&name(known), &name(key)) + 1;
        strsim::damerau_levenshtein(known, key).min(by_name)
    };
    let nearest = settings.iter().map(|setting| setting.key.as_str()).min_by_key(|known| distance(known)).unwrap_or_default();
    let nearest = if matches!(origin, Origin::Environment(_)) { variable(nearest) } else { nearest.to_owned() };
    format!("unknown setting {key} in {origin}; did you mean {nearest}?")
}

/// Whether `value` is one that `key` takes, whose values are of the type of `like`; if not, what it takes, in words.
fn takes(key: &str, value: &Value, like: &Value) -> Result<(), String> {
    let kind = match like {
        Value::Boolean(_) => "true or false",
        Value::Integer(_) => "a whole number",
        Value::Array(_) => "a list of texts",
        _ => "a text",
    };
    let texts = value.as_array().is_none_or(|items| items.iter().all(Value::is_str));
    if !value.same_type(like) || !texts {
        return Err(kind.to_owned());
    }
    if let Some(number) = value.as_integer() {
        let range = range(key);
        return if range.contains(&number) { Ok(()) } else { Err(format!("between {} and {}", range.start(), range.end())) };
    }
    let text = value.as_str().unwrap_or_default();
    let (fits, what) = match key {
        "server.address" => (is::<SocketAddr>(value), "an IP address and a port, such as \"127.0.0.1:8000\""),
        "server.trusted_proxies" => (is::<Vec<IpAddr>>(value), "a list of IP addresses"),
        "server.base_url" => (
            text.is_empty() || (after_scheme(text).is_some() && !text.ends_with('/')),
            "empty or begin with http:// or https://, without a slash at the end",
        ),
        "server.cors_origins" => (
            value.as_array().is_some_and(|items| items.iter().filter_map(Value::as_str).all(is_origin)),
            "a list of origins such as \"https://app.example.org\", in lower case and without a path",
        ),
        "throttle.account" => (is::<Vec<Step>>(value), "a list of steps such as \"9:3\": until 9 failures, 3 seconds of waiting"),
        "throttle.address" => (is::<Vec<Rate>>(value), "a list of rates such as \"10/minute\""),
        key if value.is_str() && (key.starts_with("throttle.") || key.starts_with("limits.")) => {
            (is::<MaybeRate>(value), "empty or a rate per second, minute, hour or day, such as \"60/minute\"")
        }
        "data.folder" | "api.title" => (!text.is_empty(), "a text that is not empty"),
        "factors.require_2fa" => (is::<Vec<Role>>(value), "a list of roles, such as \"admin\""),
        "auth.registration" => (is::<Registration>(value), "customer or off"),
        "auth.cookie_secure" => (is::<CookieSecure>(value), "auto, always or never"),
        "auth.cookie_same_site" => (is::<SameSite>(value), "lax, strict or none"),
        "log.level" => (is::<Level>(value), "off, error, warn, info, debug or trace"),
        "log.format" => (is::<Format>(value), "auto, text or json"),
        key => messages::takes(key, value).unwrap_or((true, "")),
    };
    if fits { Ok(()) } else { Err(what.to_owned()) }
}

/// The least and the most a number may be. The upper ends only catch slips of the finger, such as a unit mistaken.
fn range(key: &str) -> RangeInclusive<i64> {
    const DAY: i64 = 86_400;
    if let Some(range) = messages::range(key) {
        return range;
    }
    match key {
        "server.body_limit_bytes" | "files.max_bytes" => 1..=1 << 30,
        "server.max_connections_per_address" => 0..=1_000_000,
        "server.shutdown_seconds" | "auth.rotation_grace_seconds" | "auth.answer_milliseconds" => 0..=3600,
        "database.readers" | "database.scan_permits" => 1..=256,
        "database.batch_milliseconds" | "panel.count_milliseconds" => 1..=10_000,
        "database.cache_mib" => 1..=65_536,
        "api.page_size" | "api.max_page_size" => 1..=10_000,
        "auth.access_seconds" | "auth.refresh_seconds" | "auth.remember_seconds" => 1..=3650 * DAY,
        "auth.hash_threads" => 0..=256,
        "auth.sessions_per_person" => 1..=1000,
        "throttle.spray" | "throttle.alarm" => 0..=1_000_000,
        _ if key.ends_with("_seconds") => 1..=DAY,
        _ => 1..=1_000_000,
    }
}

fn is<T: DeserializeOwned>(value: &Value) -> bool {
    value.clone().try_into::<T>().is_ok()
}

/// What follows http:// or https://, if anything does.
fn after_scheme(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    (!rest.is_empty() && !rest.contains(char::is_whitespace)).then_some(rest)
}

/// Browsers send origins in lower case and without a path; anything else would never match.
fn is_origin(text: &str) -> bool {
    after_scheme(text).is_some_and(|host| !host.contains(|c: char| "/?#@*".contains(c) || c.is_uppercase()))
}

/// A value as TOML writes it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Datetime(time) => time.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Table(_) => "a section".to_owned(),
    }
}

/// The settings as nested tables again, and from those the struct.
fn build(settings: &[Setting]) -> Result<Config, String> {
    let mut root = Table::new();
    for Setting { key, value, .. } in settings {
        let Some((section, name)) = key.split_once('.') else {
            root.insert(key.clone(), value.clone());
            continue;
        };
        if let Value::Table(table) = root.entry(section).or_insert_with(|| Table::new().into()) {
            table.insert(name.to_owned(), value.clone());
        }
    }
    root.try_into().map_err(|error: toml::de::Error| format!("the settings do not fit together: {}", error.message()))
}

/// What depends on more than one setting.
fn check_together(config: &Config, settings: &[Setting]) -> Result<(), String> {
    let said = |key: &str| settings.iter().find(|setting| setting.key == key).map_or(key.to_owned(), |setting| format!("{setting:?}"));
    if config.dev && !config.server.address.ip().to_canonical().is_loopback() {
        return Err(format!("{} needs a loopback address, which {} is not", said("dev"), said("server.address")));
    }
    if config.api.page_size > config.api.max_page_size {
        return Err(format!("{} must not be more than {}", said("api.page_size"), said("api.max_page_size")));
    }
    if config.auth.cookie_same_site == SameSite::None && config.auth.cookie_secure == CookieSecure::Never {
        return Err(format!("{} needs Secure cookies, and {}", said("auth.cookie_same_site"), said("auth.cookie_secure")));
    }
    let is_near = ["localhost", "127.0.0.1"].contains(&config.email.host.as_str());
    if config.email.tls == Tls::None && !config.email.password.expose().is_empty() && !is_near {
        return Err(format!("{} would send the password in the clear to {}", said("email.tls"), said("email.host")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, String> {
        let environment = environment.iter().map(|(name, text)| (name.to_string(), text.to_string()));
        let flags: Vec<_> = flags.iter().map(|(key, text)| (*key, text.to_string())).collect();
        merge(Some(("config.toml".into(), file.to_owned())), environment, &flags)
    }

    fn refusal(file: &str, environment: &[(&str, &str)]) -> String {
        merged(file, environment, &[]).expect_err("these settings are refused")
    }

    #[test]
    fn the_defaults_are_accepted_and_explained() {
        for setting in merged("", &[], &[]).expect("the defaults load").settings {
            assert_eq!(takes(&setting.key, &setting.value, &setting.value), Ok(()), "{}", setting.key);
            assert!(setting.help.ends_with('.'), "{} has no sentence of help", setting.key);
        }
    }

    #[test]
    fn the_later_source_wins_and_is_remembered() {
        let file = "[server]\nheader_seconds = 1\nbody_seconds = 1\nidle_seconds = 1";
        let environment = [("STUDIO_SERVER__BODY_SECONDS", "2"), ("STUDIO_SERVER__IDLE_SECONDS", "2"), ("STUDIO_CONFIG", "x")];
        let Loaded { config, settings } = merged(file, &environment, &[("server.idle_seconds", "3")]).expect("they load");
        assert_eq!((config.server.header_seconds, config.server.body_seconds, config.server.idle_seconds), (1, 2, 3));
        let origin = |key| settings.iter().find(|setting| setting.key == key).map(|setting| setting.origin.to_string());
        assert_eq!(origin("server.body_seconds").as_deref(), Some("environment variable STUDIO_SERVER__BODY_SECONDS"));
        assert_eq!(origin("server.idle_seconds").as_deref(), Some("the command line"));
    }

    #[test]
    fn an_unknown_setting_names_the_nearest() {
        let cases = [
            ("server.adress = 1", "unknown setting server.adress in config.toml; did you mean server.address?"),
            ("[server]\npage_size = 1", "unknown setting server.page_size in config.toml; did you mean api.page_size?"),
        ];
        for (file, text) in cases {
            assert_eq!(refusal(file, &[]), text);
        }
        let text = "unknown setting server_address in environment variable STUDIO_SERVER_ADDRESS; did you mean STUDIO_SERVER__ADDRESS?";
        assert_eq!(refusal("", &[("STUDIO_SERVER_ADDRESS", "x")]), text);
    }

    #[test]
    fn a_wrong_value_names_key_origin_and_what_is_taken() {
        let cases = [
            ("dev = 1", "dev in config.toml must be true or false, not 1"),
            ("api.page_size = 0", "api.page_size in config.toml must be between 1 and 10000, not 0"),
            ("log.format = 'xml'", "log.format in config.toml must be auto, text or json, not \"xml\""),
            ("auth.jwt_key = 17", "auth.jwt_key in config.toml must be a text"),
            ("api.page_size = 200", "api.page_size = 200 from config.toml must not be more than api.max_page_size = 100 from the defaults"),
        ];
        for (file, text) in cases {
            assert_eq!(refusal(file, &[]), text);
        }
        assert!(refusal("dev = true", &[("STUDIO_SERVER__ADDRESS", "0.0.0.0:80")]).contains("needs a loopback address"));
    }

    #[test]
    fn a_secret_comes_from_a_file_and_never_prints() {
        let path = std::env::temp_dir().join(format!("studio-config-{}", std::process::id()));
        fs::write(&path, "hush-hush\n").expect("the temporary folder takes a file");
        let loaded = merged("", &[("STUDIO_AUTH__JWT_KEY_FILE", &path.to_string_lossy())], &[]);
        fs::remove_file(&path).expect("the file is there");
        let loaded = loaded.expect("they load");
        assert_eq!(loaded.config.auth.jwt_key.expose(), "hush-hush");
        assert!(!format!("{loaded:?}").contains("hush"));
        assert!(refusal("[auth]\njwt_key = \"hush", &[]).starts_with("config.toml line 2 is not TOML"));
    }
}
