//! Who takes which message: the providers that the settings name, and the log for the rest.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{
    Channel,
    http::Client,
    sms::Gateway,
    smtp::Smtp,
    template,
    transport::{Console, Delivery, Outgoing, Transport, Undelivered},
};
use crate::{config::Config, error::Result};

/// The providers of the settings.
pub struct Providers {
    smtp: Option<Arc<Smtp>>,
    gateway: Option<Arc<Gateway>>,
    console: Console,
}

impl Providers {
    /// # Errors
    /// The settings of a provider do not fit together.
    pub fn new(config: &Config) -> Result<Self> {
        let client = Client::new(&config.outbound.allowed_hosts);
        Ok(Self {
            smtp: Smtp::new(&config.email)?.map(Arc::new),
            gateway: Gateway::new(&config.sms, client).map(Arc::new),
            console: Console { dev: config.dev },
        })
    }
}

impl Transport for Providers {
    fn deliver<'a>(&'a self, message: &'a Outgoing) -> Delivery<'a> {
        let blocking: Option<Box<dyn FnOnce() -> Result<(), Undelivered> + Send>> = match (message.channel, &self.smtp, &self.gateway) {
            (Channel::Email, Some(smtp), _) => {
                let (smtp, message) = (smtp.clone(), message.clone());
                Some(Box::new(move || smtp.send(&message, &template::text(&message)?)))
            }
            (Channel::Sms, _, Some(gateway)) => {
                let (gateway, message) = (gateway.clone(), message.clone());
                Some(Box::new(move || gateway.send(&message, &template::text(&message)?)))
            }
            _ => None,
        };
        match blocking {
            None => self.console.deliver(message),
            Some(work) => Box::pin(async move {
                let lost = |_| Undelivered::Later("the delivery ended without an outcome".to_owned());
                spawn_blocking(work).await.map_err(lost)?
            }),
        }
    }
}
