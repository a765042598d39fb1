//! Mail by SMTP (RFC 5321), as text and HTML at once.

use std::time::Duration;

use lettre::{
    Address, Message, SmtpTransport, Transport as _,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
        extension::ClientId,
    },
};

use super::{
    template::Text,
    transport::{Outgoing, Undelivered},
};
use crate::{
    config::{self, mailbox},
    error::{Error, Result},
};

/// How long the server may take to answer a command.
const PATIENCE: Duration = Duration::from_secs(20);
/// The server does not take our name and password: what to do about it is the operator's.
const NOT_ADMITTED: [u16; 4] = [530, 534, 535, 538];

/// The SMTP server that mail is handed to. Cheap to clone.
#[derive(Clone)]
pub struct Smtp {
    transport: SmtpTransport,
    from: Mailbox,
}

/// What a mail server is reached by.
pub struct Account<'a> {
    pub host: &'a str,
    pub port: u16,
    pub tls: config::Tls,
    /// Empty signs in to none.
    pub username: &'a str,
    pub password: &'a str,
    /// Whom mail is from.
    pub from: &'a str,
}

impl Smtp {
    /// The server of the settings, if they name one.
    ///
    /// # Errors
    /// They do not fit together.
    pub fn new(settings: &config::Email) -> Result<Option<Self>> {
        if settings.host.is_empty() {
            return Ok(None);
        }
        let account = Account {
            host: &settings.host,
            port: settings.port,
            tls: settings.tls,
            username: &settings.username,
            password: settings.password.expose(),
            from: &settings.from,
        };
        let smtp = Self::of(&account, &settings.host);
        smtp.map(Some).map_err(|error| Error::internal(format!("the settings of [email]: {error}")))
    }

    /// A server that is connected to at `address`, and shows that it is the account's host.
    ///
    /// # Errors
    /// What does not fit together.
    pub fn of(account: &Account<'_>, address: &str) -> Result<Self, String> {
        let (name, from) = mailbox(account.from).ok_or("the sender is no address")?;
        let from: Address = from.parse().map_err(|error| format!("the sender: {error}"))?;
        let parameters = || TlsParameters::new_rustls(account.host.to_owned()).map_err(|error| format!("the host: {error}"));
        let tls = match account.tls {
            config::Tls::Tls => Tls::Wrapper(parameters()?),
            config::Tls::Starttls => Tls::Required(parameters()?),
            config::Tls::None => Tls::None,
        };
        let hello = ClientId::Domain(from.domain().to_owned());
        let mut transport = SmtpTransport::builder_dangerous(address).port(account.port).tls(tls).timeout(Some(PATIENCE)).hello_name(hello);
        if !account.username.is_empty() {
            transport = transport.credentials(Credentials::new(account.username.to_owned(), account.password.to_owned()));
        }
        let name = (!name.is_empty()).then(|| name.to_owned());
        Ok(Self { transport: transport.build(), from: Mailbox::new(name, from) })
    }

    /// Hands a mail over. Blocks.
    pub fn send(&self, message: &Outgoing, text: &Text) -> Result<(), Undelivered> {
        let mail = self.written(message, text).map_err(Undelivered::Never)?;
        let Err(error) = self.transport.send(&mail) else { return Ok(()) };
        let admitted = error.status().is_none_or(|code| !NOT_ADMITTED.contains(&u16::from(code)));
        let words = error.to_string();
        Err(if error.is_permanent() && admitted { Undelivered::Never(words) } else { Undelivered::Later(words) })
    }

    /// The mail as it goes over the line.
    fn written(&self, message: &Outgoing, text: &Text) -> Result<Message, String> {
        let to: Address = message.recipient.parse().map_err(|error| format!("the address: {error}"))?;
        // RFC 3834: nobody's holiday is announced to a program.
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(text.subject.clone())
            .message_id(Some(format!("<{}@{}>", message.message_id, self.from.email.domain())))
            .raw_header(automatic)
            .multipart(MultiPart::alternative_plain_html(text.body.clone(), text.html()))
            .map_err(|error| error.to_string())
    }
}
