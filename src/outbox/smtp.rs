//! Mail by SMTP (RFC 5321), as text and HTML at once.

use std::{net::IpAddr, time::Duration};

use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error as Failure,
        authentication::{Credentials, Mechanism},
        client::AsyncSmtpConnection,
        extension::ClientId,
    },
};
use tokio::time::timeout;

use super::{
    line::{self, Line},
    template::Text,
    transport::{Outgoing, Undelivered},
    trust::Trust,
};
use crate::{
    config::{self, mailbox},
    error::{Error, Result},
};

/// How long it may take in all: shorter than what the runner gives a delivery, so that it hears the reason.
const WHOLE: Duration = Duration::from_secs(55);
/// How long the server may take to say goodbye; by then it has taken the mail.
const GOODBYE: Duration = Duration::from_secs(2);
/// The server does not take our name and password: what to do about it is the operator's.
const NOT_ADMITTED: [u16; 4] = [530, 534, 535, 538];

/// The SMTP server that mail is handed to.
pub struct Smtp {
    host: String,
    address: Option<IpAddr>,
    port: u16,
    tls: config::Tls,
    credentials: Option<Credentials>,
    from: Mailbox,
    trust: Trust,
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
    pub fn new(settings: &config::Email, trust: &Trust) -> Result<Option<Self>> {
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
        let smtp = Self::of(&account, None, trust);
        smtp.map(Some).map_err(|error| Error::internal(format!("the settings of [email]: {error}")))
    }

    /// A server that shows that it is the account's host, connected to at `address` if there is one.
    ///
    /// # Errors
    /// What does not fit together.
    pub fn of(account: &Account<'_>, address: Option<IpAddr>, trust: &Trust) -> Result<Self, String> {
        let (name, from) = mailbox(account.from).ok_or("the sender is no address")?;
        let from: Address = from.parse().map_err(|error| format!("the sender: {error}"))?;
        let name = (!name.is_empty()).then(|| name.to_owned());
        let (username, password) = (account.username.to_owned(), account.password.to_owned());
        let credentials = (!username.is_empty()).then(|| Credentials::new(username, password));
        let (host, from) = (account.host.to_owned(), Mailbox::new(name, from));
        Ok(Self { host, address, port: account.port, tls: account.tls, credentials, from, trust: trust.clone() })
    }

    /// Hands a mail over.
    pub async fn send(&self, message: &Outgoing, text: &Text) -> Result<(), Undelivered> {
        let mail = self.written(message, text).map_err(Undelivered::Never)?;
        let late = |_| Err(Undelivered::Later("it took too long".to_owned()));
        let mut connection = match timeout(WHOLE, self.hand_over(&mail)).await.unwrap_or_else(late)? {
            Ok(connection) => connection,
            Err(error) => {
                let admitted = error.status().is_none_or(|code| !NOT_ADMITTED.contains(&u16::from(code)));
                return Err(if error.is_permanent() && admitted { Undelivered::Never(error.to_string()) } else { later(&error) });
            }
        };
        // It has the mail, whatever it says now.
        drop(timeout(GOODBYE, connection.quit()).await);
        Ok(())
    }

    /// The conversation up to where the server has taken the mail. What it says against us, and not against the mail, may change.
    async fn hand_over(&self, mail: &Message) -> Result<Result<AsyncSmtpConnection, Failure>, Undelivered> {
        let place = line::Place { host: &self.host, address: self.address, port: self.port, tls: self.tls };
        let hello = ClientId::Domain(self.from.email.domain().to_owned());
        let line = Line::open(&place, &self.trust, self.from.email.domain()).await?;
        let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(line), &hello).await.map_err(|error| later(&error))?;
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await.map_err(|error| later(&error))?;
        }
        Ok(connection.send(mail.envelope(), &mail.formatted()).await.map(|_| connection))
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

fn later(error: &Failure) -> Undelivered {
    let words = error.to_string();
    // Between two answers, and in the middle of an encrypted line.
    let is_gone = words.ends_with("incomplete response") || words.contains("close_notify");
    Undelivered::Later(if is_gone { "the mail server hung up".to_owned() } else { words })
}
