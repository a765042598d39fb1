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

impl Smtp {
    /// The server of the settings, if they name one.
    ///
    /// # Errors
    /// They do not fit together.
    pub fn new(settings: &config::Email) -> Result<Option<Self>> {
        let host = settings.host.as_str();
        if host.is_empty() {
            return Ok(None);
        }
        let (name, address) = mailbox(&settings.from).ok_or_else(|| Error::internal("email.from is no address"))?;
        let address: Address = address.parse().map_err(|error| Error::internal(format!("email.from: {error}")))?;
        let parameters = || TlsParameters::new_rustls(host.to_owned()).map_err(|error| Error::internal(format!("email.host: {error}")));
        let tls = match settings.tls {
            config::Tls::Tls => Tls::Wrapper(parameters()?),
            config::Tls::Starttls => Tls::Required(parameters()?),
            config::Tls::None => Tls::None,
        };
        let hello = ClientId::Domain(address.domain().to_owned());
        let mut transport = SmtpTransport::builder_dangerous(host).port(settings.port).tls(tls).timeout(Some(PATIENCE)).hello_name(hello);
        if !settings.username.is_empty() {
            transport = transport.credentials(Credentials::new(settings.username.clone(), settings.password.expose().to_owned()));
        }
        let name = (!name.is_empty()).then(|| name.to_owned());
        Ok(Some(Self { transport: transport.build(), from: Mailbox::new(name, address) }))
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
