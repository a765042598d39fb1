//! Who takes which message: the provider of the business that sends it, else the one that the settings name, else the log.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{
    Channel,
    http::Client,
    own::Own,
    sms::Gateway,
    smtp::Smtp,
    template,
    transport::{Console, Delivery, Outgoing, Transport, Undelivered},
};
use crate::{auth::vault::Vault, config::Config, db::Db, error::Result};

/// The providers of the businesses, and of the settings.
pub struct Providers {
    own: Own,
    smtp: Option<Arc<Smtp>>,
    gateway: Option<Arc<Gateway>>,
    console: Console,
}

impl Providers {
    /// # Errors
    /// The settings of a provider do not fit together.
    pub fn new(config: &Config, db: &Db, vault: &Vault) -> Result<Self> {
        let client = Client::new(&config.outbound.allowed_hosts);
        Ok(Self {
            own: Own::new(config, db, vault),
            smtp: Smtp::new(&config.email)?.map(Arc::new),
            gateway: Gateway::new(&config.sms, client).map(Arc::new),
            console: Console { dev: config.dev },
        })
    }
}

impl Transport for Providers {
    fn deliver<'a>(&'a self, message: &'a Outgoing) -> Delivery<'a> {
        let server_sends = match message.channel {
            Channel::Email => self.smtp.is_some(),
            Channel::Sms => self.gateway.is_some(),
            Channel::Webhook => false,
        };
        let own = match self.own.way(message, server_sends) {
            Ok(own) => own,
            Err(error) => return Box::pin(async move { Err(Undelivered::Later(error.to_string())) }),
        };
        let blocking: Option<Box<dyn FnOnce() -> Result<(), Undelivered> + Send>> = match (message.channel, &self.smtp, &self.gateway) {
            _ if own.is_some() => own.map(|own| Box::new(own) as Box<_>),
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
