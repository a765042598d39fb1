//! The providers of a business: what it sends leaves by its own mail server or short message gateway, where it has set one up
//! (`resources::integration`), and by the server's otherwise. What is found is looked up for each message by the business that sends it,
//! so that no business's ever carries another's, and a change counts from the next message on. What has no business, such as a code for
//! signing in, and what proves who somebody is, leaves by the server's.
//!
//! Whoever administers a business is not who runs the server, so what they name is called with care. Mail servers are reached at their
//! usual ports (25, 465, 587 and 2525), with TLS; gateways by `https` at port 443; both at public addresses only, which are looked at
//! before anything is connected to, and again for every message. Whoever runs the server can allow more by name and port
//! (`outbound.allowed_hosts`): those may be in this network, at any port, and without TLS.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use tokio::time::timeout;

use super::{
    Channel,
    http::{Client, address_of},
    sms::Gateway,
    smtp::{Account, Smtp},
    template,
    transport::{Outgoing, Undelivered},
    trust::Trust,
};
use crate::{
    config::{self, Config, Tls, header, mailbox},
    db::{Db, Row},
    error::Result,
    secrets::vault::{self, Vault},
};

/// Where mail servers listen.
const MAIL_PORTS: [u16; 4] = [25, 465, 587, 2525];
/// How long somebody waits for what came of a test.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a gateway is sent unless the business says otherwise.
const BODY: &str = "{\"to\": \"{to}\", \"text\": \"{text}\"}";

/// What a setting of an integration takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    Text,
    Number,
    Choice(&'static [&'static str]),
    /// A list of texts.
    Lines,
    /// Any JSON.
    Json,
}

/// A member of an integration's `config`.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    pub help: &'static str,
    pub takes: Takes,
    /// Nothing is sent without it.
    pub needed: bool,
}

const fn setting((name, title): (&'static str, &'static str), takes: Takes, needed: bool, help: &'static str) -> Setting {
    Setting { name, title, help, takes, needed }
}

/// The settings of each kind.
const SETTINGS: [(&str, &[Setting]); 4] = [
    (
        "smtp",
        &[
            setting(("host", "Host"), Takes::Text, true, "The name of the mail server: smtp.example.org."),
            setting(("port", "Port"), Takes::Number, false, "587 unless it says otherwise."),
            setting(
                ("tls", "Encryption"),
                Takes::Choice(&["starttls", "tls"]),
                false,
                "How the way there is encrypted: starttls at port 587, tls at port 465.",
            ),
            setting(("from", "Sender"), Takes::Text, true, "Whom mail is from: an address, or \"Our office <office@example.org>\"."),
            setting(
                ("username", "User name"),
                Takes::Text,
                false,
                "The account at the mail server, if it asks for one; its password is the secret.",
            ),
        ],
    ),
    (
        "sms",
        &[
            setting(("url", "Address"), Takes::Text, true, "The address of the provider, with https; {secret} is put in."),
            setting(("method", "Method"), Takes::Choice(&["POST", "PUT", "PATCH"]), false, "POST unless it says otherwise."),
            setting(("headers", "Headers"), Takes::Lines, false, "Headers of the request, one a line: Authorization: Bearer {secret}."),
            setting(
                ("body", "Body"),
                Takes::Json,
                false,
                "What is sent, with {to}, {text}, {id} and {secret} in its texts; a `to` and a `text` unless it says otherwise.",
            ),
        ],
    ),
    (
        "llm",
        &[
            setting(("base_url", "Address"), Takes::Text, false, "The address of the provider, with https."),
            setting(("model", "Model"), Takes::Text, false, "The name of the model."),
        ],
    ),
    ("webhook", &[setting(("url", "Address"), Takes::Text, false, "The address that is told, with https.")]),
];

/// The settings of a kind of integration.
pub fn settings(kind: &str) -> &'static [Setting] {
    SETTINGS.iter().find(|(name, _)| *name == kind).map_or(&[], |(_, settings)| settings)
}

/// What is wrong with the settings of an integration, by name.
pub fn problems(kind: &str, config: &Map<String, Json>) -> Vec<(&'static str, String)> {
    let given = settings(kind).iter().filter_map(|setting| Some((setting, config.get(setting.name).filter(|value| !value.is_null())?)));
    given.filter_map(|(setting, value)| Some((setting.name, wrong(setting, value)?))).collect()
}

fn wrong(setting: &Setting, value: &Json) -> Option<String> {
    let text = value.as_str().unwrap_or_default();
    let fits = match setting.takes {
        Takes::Text => value.is_string() && text.len() <= 500,
        Takes::Number => value.as_i64().is_some_and(|port| (1..=65_535).contains(&port)),
        // Not encrypted at all is for hosts that whoever runs the server allows.
        Takes::Choice(names) => names.contains(&text) || setting.name == "tls" && text == "none",
        Takes::Lines => {
            value.as_array().is_some_and(|lines| lines.iter().all(|line| line.as_str().is_some_and(|line| header(line).is_some())))
        }
        Takes::Json => true,
    };
    if !fits {
        return Some(match setting.takes {
            Takes::Number => "Enter a port: a number between 1 and 65535.".to_owned(),
            Takes::Choice(_) => format!("\"{text}\" is not a valid choice."),
            Takes::Lines => "Write headers such as \"Authorization: Bearer {secret}\".".to_owned(),
            Takes::Text | Takes::Json => "Enter a text.".to_owned(),
        });
    }
    match setting.name {
        "host" if !text.is_empty() && text.contains(|c: char| c.is_whitespace() || "/:@".contains(c)) => {
            Some("Enter the name of a host.".to_owned())
        }
        "from" if !text.is_empty() && mailbox(text).is_none() => {
            Some("Enter an e-mail address, or a name and one: \"Our office <office@example.org>\".".to_owned())
        }
        "body" if !text.is_empty() && serde_json::from_str::<Json>(text).is_err() => Some("This is no JSON.".to_owned()),
        _ => None,
    }
}

/// The first setting that an integration lacks: nothing is sent by it yet.
pub fn lacks(kind: &str, config: &Map<String, Json>) -> Option<&'static str> {
    let is_there = |name: &str| config.get(name).and_then(Json::as_str).is_some_and(|text| !text.is_empty());
    settings(kind).iter().find(|setting| setting.needed && !is_there(setting.name)).map(|setting| setting.name)
}

/// An integration as it is stored, its secret opened. No `Debug`: it holds that.
struct Stored {
    kind: String,
    config: Map<String, Json>,
    secret: String,
}

impl Stored {
    fn text(&self, name: &str) -> &str {
        self.config.get(name).and_then(Json::as_str).unwrap_or_default()
    }
}

/// A way that a business has set up.
pub struct Way(Result<Stored, Undelivered>);

/// Takes messages of businesses to their own providers. Cheap to clone.
#[derive(Clone)]
pub struct Own {
    db: Db,
    vault: Vault,
    client: Client,
    allowed: Vec<String>,
    trust: Trust,
}

impl Own {
    pub fn new(config: &Config, db: &Db, vault: &Vault, trust: &Trust) -> Self {
        let allowed = &config.outbound.allowed_hosts;
        let client = Client::for_businesses(allowed, trust);
        Self { db: db.clone(), vault: vault.clone(), client, allowed: allowed.clone(), trust: trust.clone() }
    }

    /// The way that a business has set up for messages of a template; `None`: it has none, and the server's is taken.
    ///
    /// What proves who somebody is, a code or a link, is the server's affair if it has a way of its own (`server_sends`), or several
    /// businesses: whoever administers one could read it on its way, and be anybody whose address they know.
    pub fn way(&self, channel: Channel, business: Option<i64>, template: &str, server_sends: bool) -> Result<Option<Way>> {
        let kind = match channel {
            Channel::Email => "smtp",
            Channel::Sms => "sms",
            Channel::Webhook => return Ok(None),
        };
        let Some(business) = business else { return Ok(None) };
        if template::proves(template) && (server_sends || self.has_several()?) {
            return Ok(None);
        }
        let sql = "SELECT id, kind, config, secret_enc FROM integrations
                   WHERE business_id = ?1 AND kind = ?2 AND is_active = 1 AND deleted_at IS NULL ORDER BY id DESC";
        let all = self.db.read(|reader| reader.rows(sql, &[business.into(), kind.into()], |row| Ok(self.stored(row))))?;
        // Of several, the one that was made last; one that is not set up yet counts for nothing.
        let set_up = all.into_iter().find(|one| one.as_ref().map_or(true, |one| lacks(&one.kind, &one.config).is_none()));
        Ok(set_up.map(Way))
    }

    fn has_several(&self) -> Result<bool> {
        self.db.read(|reader| reader.exists("SELECT 1 FROM businesses WHERE deleted_at IS NULL LIMIT 1 OFFSET 1", &[]))
    }

    /// Sends a message by one integration, whether or not it is the one that messages go by.
    pub async fn try_out(&self, integration: i64, message: Outgoing) -> Result<Result<(), Undelivered>> {
        let sql = "SELECT id, kind, config, secret_enc FROM integrations WHERE business_id = ?1 AND id = ?2 AND deleted_at IS NULL";
        let found = self.db.read(|reader| reader.row(sql, &[message.business.into(), integration.into()], |row| Ok(self.stored(row))))?;
        let found = found.ok_or_else(crate::error::Error::not_found)?;
        if let Some(name) = found.as_ref().ok().and_then(|one| lacks(&one.kind, &one.config)) {
            return Ok(Err(Undelivered::Never(format!("it is not set up yet: {name} is missing"))));
        }
        let late = |_| Err(Undelivered::Later("it took too long".to_owned()));
        Ok(timeout(PATIENCE, self.send(Way(found), &message)).await.unwrap_or_else(late))
    }

    /// Reads an integration; a secret that cannot be opened keeps it from being used, and from nothing else.
    fn stored(&self, row: &Row<'_>) -> Result<Stored, Undelivered> {
        let broken = |_| Undelivered::Later("the integration cannot be read".to_owned());
        let id: i64 = row.get(0).map_err(broken)?;
        let kind: String = row.get(1).map_err(broken)?;
        let config: String = row.get(2).map_err(broken)?;
        let sealed: Option<String> = row.get(3).map_err(broken)?;
        let secret = sealed.map(|sealed| self.vault.open(&vault::context("integrations", id, "secret_enc"), &sealed)).transpose();
        let secret = secret.map_err(|_| Undelivered::Later("the secret of the integration cannot be opened: set it again".to_owned()))?;
        let secret = String::from_utf8(secret.unwrap_or_default()).unwrap_or_default();
        Ok(Stored { kind, config: serde_json::from_str(&config).unwrap_or_default(), secret })
    }

    /// Sends a message by a way that was found for it.
    pub async fn send(&self, way: Way, message: &Outgoing) -> Result<(), Undelivered> {
        let stored = way.0?;
        let text = template::text(message)?;
        let sent = if stored.kind == "smtp" { self.mail(&stored, message, &text).await } else { self.short(&stored, message, text).await };
        // Whatever the other side says is stored and shown: not what it may have been told.
        let hidden = |words: String| if stored.secret.len() < 4 { words } else { words.replace(&stored.secret, "***") };
        sent.map_err(|why| match why {
            Undelivered::Later(words) => Undelivered::Later(hidden(words)),
            Undelivered::Never(words) => Undelivered::Never(hidden(words)),
        })
    }

    async fn mail(&self, stored: &Stored, message: &Outgoing, text: &template::Text) -> Result<(), Undelivered> {
        let host = stored.text("host").to_lowercase();
        let port = stored.config.get("port").and_then(Json::as_u64).and_then(|port| u16::try_from(port).ok()).unwrap_or(587);
        let tls = match stored.text("tls") {
            "tls" => Tls::Tls,
            "none" => Tls::None,
            _ => Tls::Starttls,
        };
        let is_allowed = self.allowed.iter().any(|known| known.to_lowercase() == format!("{host}:{port}"));
        if !is_allowed && !MAIL_PORTS.contains(&port) {
            return Err(Undelivered::Never(format!("mail servers are reached at the ports {MAIL_PORTS:?}, not at {port}")));
        }
        if !is_allowed && tls == Tls::None {
            return Err(Undelivered::Never("the way to the mail server is not encrypted".to_owned()));
        }
        let address = address_of(&host, port, is_allowed).await?;
        let account =
            Account { host: &host, port, tls, username: stored.text("username"), password: &stored.secret, from: stored.text("from") };
        // Connected to is what was looked at; the name is what the certificate must be for.
        let smtp = Smtp::of(&account, Some(address), &self.trust).map_err(|error| Undelivered::Never(error.to_string()))?;
        smtp.send(message, text).await
    }

    async fn short(&self, stored: &Stored, message: &Outgoing, text: template::Text) -> Result<(), Undelivered> {
        let or = |text: &str, usual: &str| if text.is_empty() { usual.to_owned() } else { text.to_owned() };
        let lines = stored.config.get("headers").and_then(Json::as_array).into_iter().flatten();
        let body = match stored.config.get("body") {
            Some(Json::String(text)) => or(text, BODY),
            Some(Json::Null) | None => BODY.to_owned(),
            Some(body) => body.to_string(),
        };
        let settings = config::Sms {
            url: stored.text("url").to_owned(),
            method: or(stored.text("method"), "POST"),
            headers: lines.filter_map(Json::as_str).map(str::to_owned).collect(),
            secret: stored.secret.clone().into(),
            body,
        };
        let gateway = Gateway::new(&settings, self.client.clone());
        let gateway = gateway.ok_or_else(|| Undelivered::Never("the body of the integration is no JSON".to_owned()))?;
        gateway.send(message, text).await
    }
}

/// What came of a test, for whoever set the provider up.
pub fn in_words(outcome: &Result<(), Undelivered>) -> Json {
    let (Err(Undelivered::Later(why)) | Err(Undelivered::Never(why))) = outcome else {
        return json!({"sent": true, "detail": "The provider has taken the test. Look whether it arrives."});
    };
    let says = |words: &[&str]| words.iter().any(|words| why.contains(words));
    let hint = match () {
        () if says(&["(535)", "(534)", "(530)", "(538)", "answered 401", "answered 403"]) => {
            "The provider does not accept the account or the secret."
        }
        () if says(&["(550)", "(553)", "(551)"]) => "The provider does not take mail from or to this address.",
        () if says(&["not public"]) => "Only servers at public addresses are called.",
        () if says(&["lookup", "host was not found", "resolve"]) => "There is no host of this name.",
        () if says(&["refused"]) => "Nothing answers at this host and port.",
        () if says(&["too long", "timed out", "timeout"]) => "There was no answer in time: look at host and port.",
        () if says(&["TLS", "tls", "certificate", "STARTTLS"]) => {
            "The way there could not be encrypted: look at the port, and at how it is encrypted."
        }
        () if says(&["answered 404", "answered 405"]) => "There is nothing at this address.",
        () => "The test was not sent.",
    };
    json!({"sent": false, "detail": format!("{hint} What was said: {}", super::short(why))})
}
