//! What of the settings deserves a look, though the program runs with it.

use super::{Config, Tls};
use crate::actor::Role;

impl Config {
    /// A sentence for each; without anything that is secret.
    pub fn warnings(&self) -> Vec<String> {
        let mut all = vec![];
        let mut warn = |is_so: bool, words: &str| {
            if is_so {
                all.push(words.to_owned());
            }
        };
        warn(self.dev, "The server is in development mode (dev): codes and links stand in its log.");
        let url = self.server.public_url();
        warn(
            self.server.base_url.is_empty(),
            &format!("Links in messages begin with {url}, as server.base_url is not set: nobody elsewhere can follow them."),
        );
        let is_local = ["http://localhost", "http://127.", "http://[::1]"].iter().any(|begin| url.starts_with(begin));
        warn(
            url.starts_with("http://") && !is_local,
            &format!("Links in messages begin with {url}: passwords and sessions travel unencrypted."),
        );
        warn(
            self.email.host.is_empty(),
            "There is no mail server (email.host): the server's own mail is written to the log, and to nobody.",
        );
        warn(!self.email.host.is_empty() && self.email.tls == Tls::None, "Mail goes to the mail server unencrypted (email.tls).");
        warn(
            self.sms.url.is_empty(),
            "There is no provider of short messages (sms.url): the server's own codes are written to the log, and to nobody.",
        );
        let hosts = self.outbound.allowed_hosts.join(", ");
        warn(!hosts.is_empty(), &format!("These hosts may be called unencrypted and in this network (outbound.allowed_hosts): {hosts}."));
        warn(
            !self.factors.require_2fa.contains(&Role::Admin),
            "Administrators need no second factor (factors.require_2fa): a stolen password is enough.",
        );
        warn(self.auth.answer_milliseconds == 0, "How long answers take may tell who has an account (auth.answer_milliseconds).");
        warn(
            self.throttle.account.is_empty() && self.throttle.account_rate.0.is_none(),
            "Guessing passwords is not slowed down (throttle.account).",
        );
        all
    }
}
