//! Short messages by a provider's HTTP interface, as the settings describe it.

use serde_json::Value as Json;
use tokio::task::spawn_blocking;

use super::{
    http::{Call, Client},
    template::Text,
    transport::{Outgoing, Undelivered},
};
use crate::config::{self, header};

/// A provider.
#[derive(Clone)]
pub struct Gateway {
    settings: config::Sms,
    body: Json,
    client: Client,
}

impl Gateway {
    /// The provider of the settings, if they name one.
    pub fn new(settings: &config::Sms, client: Client) -> Option<Self> {
        let body = serde_json::from_str(&settings.body).ok()?;
        (!settings.url.is_empty()).then(|| Self { settings: settings.clone(), body, client })
    }

    /// Hands a message over.
    pub async fn send(&self, message: &Outgoing, text: Text) -> Result<(), Undelivered> {
        let lost = |_| Undelivered::Later("the delivery ended without an outcome".to_owned());
        let (gateway, message) = (self.clone(), message.clone());
        spawn_blocking(move || gateway.call(&message, &text)).await.map_err(lost)?
    }

    /// Blocks, but not for longer than the client does.
    fn call(&self, message: &Outgoing, text: &Text) -> Result<(), Undelivered> {
        let secret = self.settings.secret.expose();
        let values = [("to", message.recipient.as_str()), ("text", &text.body), ("id", &message.message_id), ("secret", secret)];
        let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        headers.extend(self.settings.headers.iter().filter_map(|line| {
            let (name, value) = header(line)?;
            Some((name.to_owned(), fill(value, &values[3..])))
        }));
        let mut body = self.body.clone();
        fill_json(&mut body, &values);
        let url = fill(&self.settings.url, &values[3..]);
        let call = Call { method: &self.settings.method, url: &url, headers, body: body.to_string().into_bytes() };
        self.client.call(call).map(drop)
    }
}

/// Puts values in place of `{names}`. What a value says is not read again.
fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out += before;
        let known = values.iter().find_map(|(name, value)| Some((*value, from[1..].strip_prefix(name)?.strip_prefix('}')?)));
        rest = if let Some((value, after)) = known {
            out += value;
            after
        } else {
            out.push('{');
            &from[1..]
        };
    }
    out + rest
}

fn fill_json(json: &mut Json, values: &[(&str, &str)]) {
    match json {
        Json::String(text) => *text = fill(text, values),
        Json::Array(items) => items.iter_mut().for_each(|item| fill_json(item, values)),
        Json::Object(members) => members.values_mut().for_each(|member| fill_json(member, values)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_put_in_once_and_cannot_leave_their_text() {
        let mut body = json!({"to": ["{to}"], "message": {"text": "Studio: {text}", "n": 1}, "brace": "{ {unknown}"});
        fill_json(&mut body, &[("to", "+1"), ("text", "\"}, {to}\n")]);
        assert_eq!(body, json!({"to": ["+1"], "message": {"text": "Studio: \"}, {to}\n", "n": 1}, "brace": "{ {unknown}"}));
    }
}
