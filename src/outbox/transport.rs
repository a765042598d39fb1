//! How messages leave the program.

use std::{future::Future, pin::Pin};

use serde_json::{Map, Value as Json};

use super::{Channel, breaker::Provider, template};
use crate::error::{Error, Result as Fallible};

/// A message on its way.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub id: i64,
    /// The same with every attempt: what a receiver tells doubles by.
    pub message_id: String,
    /// The sender's name for it, if it has one.
    pub key: Option<String>,
    pub channel: Channel,
    pub recipient: String,
    pub template: String,
    pub payload: Map<String, Json>,
    /// Which attempt this is, from 1. It also tells this attempt from a later one of somebody else.
    pub attempt: i64,
    /// Whose it is; nobody's when it is the server's own, such as a code for signing in.
    pub business: Option<i64>,
}

/// Why a message could not be delivered. The text is stored and shown to operators: no secrets in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Undelivered {
    /// It may go better later.
    Later(String),
    /// It never will.
    Never(String),
}

/// What comes of a delivery.
pub type Delivery<'a> = Pin<Box<dyn Future<Output = Result<(), Undelivered>> + Send + 'a>>;

impl From<Error> for Undelivered {
    fn from(error: Error) -> Self {
        Self::Later(error.to_string())
    }
}

/// Takes messages to their receivers.
pub trait Transport: Send + Sync {
    /// Who takes the messages of a kind.
    ///
    /// # Errors
    /// What the database refuses.
    fn provider(&self, channel: Channel, business: Option<i64>, _template: &str) -> Fallible<Provider> {
        Ok(Provider { channel, business })
    }

    fn deliver<'a>(&'a self, message: &'a Outgoing) -> Delivery<'a>;
}

/// Writes mail and short messages to the log; what stands there as long as no provider is set up. Secrets and whole addresses are
/// only shown in development.
pub struct Console {
    pub dev: bool,
}

impl Transport for Console {
    fn deliver<'a>(&'a self, message: &'a Outgoing) -> Delivery<'a> {
        Box::pin(async move {
            let channel = message.channel.name();
            if message.channel == Channel::Webhook {
                return Err(Undelivered::Never("no transport for webhooks".to_owned()));
            }
            let (text, covered) =
                template::render(&message.template, &message.payload).map_err(|error| Undelivered::Never(error.to_string()))?;
            let (text, to) = if self.dev { (text, message.recipient.clone()) } else { (covered, masked(&message.recipient)) };
            tracing::info!(channel, to, message_id = message.message_id, subject = text.subject, text = text.body, "message");
            Ok(())
        })
    }
}

/// A receiver as operators see them: enough to recognise, too little to use.
pub fn masked(recipient: &str) -> String {
    let first = |text: &str, count: usize| text.chars().take(count).collect::<String>();
    if let Some((scheme, rest)) = recipient.split_once("://") {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // Without what may stand before the host: a name and a password.
        return format!("{scheme}://{}/***", host.rsplit('@').next().unwrap_or_default());
    }
    match recipient.rsplit_once('@') {
        Some((name, domain)) => format!("{}***@{domain}", first(name, 1)),
        None => format!("{}***", first(recipient, recipient.chars().count().saturating_sub(6).min(4))),
    }
}
