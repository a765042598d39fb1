//! Who takes which message: the provider of the business that sends it, else the one that the settings name, else the log.

use super::{
    Channel,
    breaker::Provider,
    http::Client,
    own::Own,
    sms::Gateway,
    smtp::Smtp,
    template,
    transport::{Console, Delivery, Outgoing, Transport},
    trust::Trust,
};
use crate::{config::Config, db::Db, error::Result, secrets::vault::Vault};

/// The providers of the businesses, and of the settings.
pub struct Providers {
    own: Own,
    smtp: Option<Smtp>,
    gateway: Option<Gateway>,
    console: Console,
}

impl Providers {
    /// # Errors
    /// The settings of a provider do not fit together.
    pub fn new(config: &Config, db: &Db, vault: &Vault, trust: &Trust) -> Result<Self> {
        let client = Client::new(&config.outbound.allowed_hosts, trust);
        Ok(Self {
            own: Own::new(config, db, vault, trust),
            smtp: Smtp::new(&config.email, trust)?,
            gateway: Gateway::new(&config.sms, client),
            console: Console { dev: config.dev },
        })
    }

    /// Has the server a provider of its own?
    fn has(&self, channel: Channel) -> bool {
        match channel {
            Channel::Email => self.smtp.is_some(),
            Channel::Sms => self.gateway.is_some(),
            Channel::Webhook => false,
        }
    }
}

impl Transport for Providers {
    fn provider(&self, channel: Channel, business: Option<i64>, template: &str) -> Result<Provider> {
        let own = self.own.way(channel, business, template, self.has(channel))?;
        Ok(Provider { channel, business: business.filter(|_| own.is_some()) })
    }

    fn deliver<'a>(&'a self, message: &'a Outgoing) -> Delivery<'a> {
        Box::pin(async move {
            if let Some(way) = self.own.way(message.channel, message.business, &message.template, self.has(message.channel))? {
                return self.own.send(way, message).await;
            }
            match (message.channel, &self.smtp, &self.gateway) {
                (Channel::Email, Some(smtp), _) => smtp.send(message, &template::text(message)?).await,
                (Channel::Sms, _, Some(gateway)) => gateway.send(message, template::text(message)?).await,
                _ => self.console.deliver(message).await,
            }
        })
    }
}
