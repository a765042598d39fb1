//! The settings of codes and messages: one-time codes, mail, short messages, and what may be called from here.

use std::{ops::RangeInclusive, path::PathBuf};

use serde::Deserialize;
use toml::Value;

use super::Secret;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Otp {
    /// Digits of a code.
    pub digits: u32,
    /// Seconds a code is good for.
    pub valid_seconds: u64,
    /// Seconds between two codes for one number.
    pub resend_seconds: u64,
    /// Guesses at one code.
    pub tries: u32,
    /// Codes for one number in 24 hours.
    pub per_number_a_day: u32,
    /// Numbers that one address may ask codes for within an hour.
    pub numbers_per_address_an_hour: u32,
    /// Codes for all numbers in 24 hours.
    pub per_day: u32,
    /// Codes guessed at in vain, within 24 hours, that lock a number.
    pub burned_codes: u32,
    /// Seconds a number stays locked.
    pub lock_seconds: u64,
    /// Countries (ISO 3166) whose numbers get codes; none is all.
    pub countries: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// The SMTP server; empty writes mail to the log.
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// The account at the SMTP server; empty signs in to none.
    pub username: String,
    pub password: Secret,
    /// Whom mail is from.
    pub from: String,
    /// Mails with links that one address may be sent within an hour.
    pub links_per_recipient_an_hour: u32,
    /// Recipients that one network address may have links sent to within an hour.
    pub recipients_per_address_an_hour: u32,
    /// Where links point, if a front end has pages of its own: `{uid}` and `{token}` are put in.
    pub verify_link: String,
    pub reset_link: String,
    pub change_link: String,
    pub invite_link: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sms {
    /// The provider's URL; empty writes short messages to the log.
    pub url: String,
    pub method: String,
    /// Headers of the request, as `Name: value`.
    pub headers: Vec<String>,
    /// What `{secret}` stands for in the URL, the headers and the body.
    pub secret: Secret,
    /// The JSON body, in which `{to}`, `{text}` and `{id}` are put in.
    pub body: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbound {
    /// Hosts, as `name:port`, that may be called without TLS and at addresses that are not public.
    pub allowed_hosts: Vec<String>,
    /// A PEM file of the authorities that are trusted; empty is those of the web.
    pub ca_file: PathBuf,
}

/// How mail is encrypted on its way to the SMTP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// From the first byte.
    Tls,
    /// After a plain beginning, and not without.
    Starttls,
    /// Not at all.
    None,
}

/// Whether `key` takes this value, and what it takes, in words; `None` for keys of other sections.
pub(super) fn takes(key: &str, value: &Value) -> Option<(bool, &'static str)> {
    let text = value.as_str().unwrap_or_default();
    let texts = || value.as_array().into_iter().flatten().filter_map(Value::as_str);
    let is_url = |url: &str| url.starts_with("https://") || url.starts_with("http://");
    Some(match key {
        "otp.countries" => (
            texts().all(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())),
            "a list of country codes such as \"UG\"",
        ),
        "email.tls" => (value.clone().try_into::<Tls>().is_ok(), "tls, starttls or none"),
        "email.host" => (!text.contains(|c: char| c.is_whitespace() || "/:@".contains(c)), "the name of a host"),
        "email.from" => (mailbox(text).is_some(), "an e-mail address, or a name and one: \"Studio <office@example.org>\""),
        "email.verify_link" | "email.reset_link" | "email.change_link" | "email.invite_link" => (
            text.is_empty() || (is_url(text) && text.contains("{uid}") && text.contains("{token}")),
            "empty, or a URL with {uid} and {token} in it",
        ),
        "sms.url" => (text.is_empty() || is_url(text), "empty, or begin with http:// or https://"),
        "sms.method" => (["POST", "PUT", "PATCH"].contains(&text), "POST, PUT or PATCH"),
        "sms.headers" => (texts().all(|line| header(line).is_some()), "a list of headers such as \"Authorization: Bearer {secret}\""),
        "sms.body" => (serde_json::from_str::<serde_json::Value>(text).is_ok(), "JSON, with {to} and {text} in its texts"),
        "outbound.allowed_hosts" => (
            texts().all(|host| host.rsplit_once(':').is_some_and(|(name, port)| !name.is_empty() && port.parse::<u16>().is_ok())),
            "a list of hosts with ports, such as \"127.0.0.1:9000\"",
        ),
        _ => return None,
    })
}

/// The least and the most a number may be; `None` for keys of other sections.
pub(super) fn range(key: &str) -> Option<RangeInclusive<i64>> {
    Some(match key {
        "otp.digits" => 4..=8,
        "otp.tries" => 1..=20,
        "otp.valid_seconds" => 30..=3600,
        "otp.burned_codes" => 1..=100,
        "email.port" => 1..=65_535,
        _ => return None,
    })
}

/// The name, if there is one, and the address of `Name <address>`.
pub fn mailbox(text: &str) -> Option<(&str, &str)> {
    let (name, address) = match text.strip_suffix('>') {
        Some(text) => text.split_once('<')?,
        None => ("", text),
    };
    let name = name.trim();
    // No dot is asked for behind the `@`: mail may stay within a network.
    let (local, domain) = address.rsplit_once('@')?;
    let plain = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>,;\"@".contains(c));
    (plain(local) && plain(domain) && !name.contains(|c: char| c.is_control() || "<>\"".contains(c))).then_some((name, address))
}

/// The name and the value of a header line.
pub fn header(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let token = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    (!name.is_empty() && name.chars().all(token) && !value.contains(char::is_control)).then_some((name, value.trim()))
}
