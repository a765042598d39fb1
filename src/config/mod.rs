//! The settings: what the shipped `config.toml` says, then the operator's file, the environment and the command line.

mod load;
mod messages;
mod rate;
mod warnings;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use serde::Deserialize;

pub use self::{
    load::{Loaded, Origin, Setting, load},
    messages::{Email, Otp, Outbound, Sms, Tls, header, mailbox},
    rate::{MaybeRate, Rate, Step},
};
use crate::actor::Role;

/// Every setting, checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Development mode; only ever on a loopback address.
    pub dev: bool,
    /// Listening and the limits on connections.
    pub server: Server,
    /// Where everything is kept.
    pub data: Data,
    /// SQLite: its connections and its writer.
    pub database: Database,
    /// What is attached to records.
    pub files: Files,
    /// Lists and the API's documentation.
    pub api: Api,
    /// The admin panel.
    pub panel: Panel,
    /// The change feed.
    pub events: Events,
    /// Tokens, passwords, cookies and registration.
    pub auth: Auth,
    /// What is logged and how.
    pub log: Log,
    /// One-time codes.
    pub otp: Otp,
    /// Mail.
    pub email: Email,
    /// Short messages.
    pub sms: Sms,
    /// What may be called from here.
    pub outbound: Outbound,
    /// How often somebody may guess.
    pub throttle: Throttle,
    /// How much is asked at all.
    pub limits: Limits,
    /// Second factors, and what asks for a new proof.
    pub factors: Factors,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where to listen.
    pub address: SocketAddr,
    /// What links start with, without a slash at the end; empty takes it from the Host header.
    pub base_url: String,
    /// The most connections open at once.
    pub max_connections: usize,
    /// The most connections open at once from one address; 0 is no limit.
    pub max_connections_per_address: usize,
    /// Seconds a new connection may stay silent.
    pub first_byte_seconds: u64,
    /// Seconds a request's headers may take.
    pub header_seconds: u64,
    /// Seconds a request's body may take.
    pub body_seconds: u64,
    /// Seconds a connection may stay open between two requests.
    pub idle_seconds: u64,
    /// The largest request body, in bytes; files to import may have more.
    pub body_limit_bytes: usize,
    /// Seconds that requests under way are given when the server stops.
    pub shutdown_seconds: u64,
    /// Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Origins whose pages may call the API, exactly as browsers send them.
    pub cors_origins: Vec<String>,
}

impl Server {
    /// What links in messages start with: never what a request says of itself.
    pub fn public_url(&self) -> String {
        if !self.base_url.is_empty() {
            return self.base_url.clone();
        }
        if self.address.ip().is_unspecified() {
            return format!("http://localhost:{}", self.address.port());
        }
        format!("http://{}", self.address)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// The folder of the database and everything else that is kept.
    pub folder: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Connections that read at once.
    pub readers: u32,
    /// The most writes that wait for the writer.
    pub writer_queue: usize,
    /// The most writes in one transaction.
    pub batch: usize,
    /// The most milliseconds that one transaction goes on taking in writes.
    pub batch_milliseconds: u64,
    /// Seconds a statement may run.
    pub statement_seconds: u64,
    /// Requests that may scan tables at once.
    pub scan_permits: usize,
    /// The page cache, in MiB.
    pub cache_mib: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// The largest file, in bytes.
    pub max_bytes: usize,
    /// What the files of one business take up at most, in MiB.
    pub quota_mib: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Records on a page when the request does not say.
    pub page_size: u32,
    /// The most records on a page.
    pub max_page_size: u32,
    /// Whether the documentation pages are served.
    pub docs: bool,
    /// Whether answers come as {data, message, meta} unless the request says otherwise.
    pub envelope: bool,
    /// The API's name in its documentation.
    pub title: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// Milliseconds that the page of a list waits for the number of its rows.
    pub count_milliseconds: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// Feeds of one person at once.
    pub per_person: usize,
    /// Feeds of all at once.
    pub total: usize,
    /// Seconds after which a silent feed sends a comment.
    pub heartbeat_seconds: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// What tokens are signed with; empty is the key kept in the data folder.
    pub jwt_key: Secret,
    /// Seconds an access token is good for.
    pub access_seconds: u64,
    /// Seconds a refresh token is good for.
    pub refresh_seconds: u64,
    /// Seconds a refresh token is good for when the user is to be remembered.
    pub remember_seconds: u64,
    /// Seconds an exchanged refresh token is still taken.
    pub rotation_grace_seconds: u64,
    /// Sign-ins of one person at once.
    pub sessions_per_person: usize,
    /// Who may sign up.
    pub registration: Registration,
    /// Whether anybody who is signed in may create businesses; superusers always may.
    pub create_business: bool,
    /// Passwords hashed at once; 0 is one per core.
    pub hash_threads: usize,
    /// The most passwords that wait to be hashed.
    pub hash_queue: usize,
    /// Milliseconds after which, or a multiple of which, is answered what must not tell by its time who has an account; 0 is at once.
    pub answer_milliseconds: u64,
    /// Whether cookies are marked Secure.
    pub cookie_secure: CookieSecure,
    /// The SameSite mark of cookies.
    pub cookie_same_site: SameSite,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The least important messages that are logged.
    pub level: Level,
    /// How lines are written.
    pub format: Format,
    /// Whether each request is logged.
    pub requests: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// Waiting between wrong passwords for one account, by how many there were since midnight UTC; after the last step, none until then.
    pub account: Vec<Step>,
    /// The most attempts at one account, whatever the steps say.
    pub account_rate: MaybeRate,
    /// The most failed attempts from one address.
    pub address: Vec<Rate>,
    /// So many different failed attempts from one address within 3 hours close it; 0 is off.
    pub spray: u32,
    /// Seconds that it is closed for the first time; twice as long each time after that, up to a day.
    pub spray_seconds: u32,
    /// More failed attempts than this in each second of a minute, whoever's, raise an alarm and halve the budgets of addresses; 0 is off.
    pub alarm: u32,
    /// The most attempts on a device that the person signed in on before, whatever became of the other budgets.
    pub device: MaybeRate,
    /// The most accounts made from one address.
    pub register: MaybeRate,
    /// The most times that somebody asks to be called what somebody else is called already.
    pub names: MaybeRate,
    /// The most invitations that a business sends.
    pub invite: MaybeRate,
    /// The most invitations sent to one address or number.
    pub invite_recipient: MaybeRate,
    /// Whether attempts from this machine itself count by address.
    pub loopback: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests of nobody in particular, from one address.
    pub anonymous: MaybeRate,
    /// Requests of one person.
    pub user: MaybeRate,
    /// Sign-ins from one address, also good ones.
    pub login: MaybeRate,
    /// One-time codes asked for and tried from one address.
    pub otp: MaybeRate,
    /// Exports of one person.
    pub export: MaybeRate,
    /// Questions of one person to assistants.
    pub assistants: MaybeRate,
    /// Whether requests from this machine itself count.
    pub loopback: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factors {
    /// Roles that must have a second factor, in every business.
    pub require_2fa: Vec<Role>,
    /// Seconds for which a proof is new enough for what is sensitive.
    pub fresh_seconds: u64,
}

/// Who may sign up without an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    Customer,
    Off,
}

/// Whether cookies are marked Secure; `Auto` marks them unless listening on a loopback address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CookieSecure {
    Auto,
    Always,
    Never,
}

/// The SameSite mark of cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SameSite {
    Lax,
    Strict,
    None,
}

/// The least important messages that are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How log lines are written; `Auto` is text on a terminal and json otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Auto,
    Text,
    Json,
}

/// A text that does not print.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
