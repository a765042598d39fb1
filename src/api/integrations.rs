//! The secrets of integrations, which go in and never come out, and trying an integration out.

use poem::Result;
use poem_openapi::{Object, OpenApi, param::Path, types::Password};
use serde_json::{Map, json};

use crate::{
    app::App,
    auth::{
        gate::Caller,
        proof,
        vault::{self, Vault},
    },
    db::Writer,
    engine::{READ, UPDATE, body::Input, reply::Reply, verbs},
    error::{self, Error},
    outbox::{self, Channel, Message},
    resources::integration::{Integration, IntegrationKind},
};

/// The longest secret, in bytes: a private key fits.
const LONGEST: usize = 4000;
/// Of a shorter secret nothing is shown: too much of it would be.
const SHORTEST_WITH_HINT: usize = 12;

/// A secret.
#[derive(Object)]
pub struct SetSecret {
    /// The password, key or token of the service; empty takes it away.
    pub secret: Option<Password>,
}

/// Where to send a test.
#[derive(Object)]
pub struct TestIntegration {
    /// An e-mail address, a telephone number or an `https` address, as the kind of the integration needs. One's own address when left out.
    #[oai(validator(max_length = 2000))]
    pub to: Option<String>,
}

/// What became of a test.
#[derive(Object)]
pub struct TestSent {
    /// In words.
    pub detail: String,
}

pub struct Integrations(pub App);

#[OpenApi]
impl Integrations {
    /// Set the secret of an integration
    ///
    /// It is sealed before it is stored, and never answered: only whether there is one, and its last four characters. Needs
    /// a sign-in, or a confirmed password, that is minutes old.
    #[oai(path = "/integrations/:id/secret", method = "put")]
    async fn set_secret(&self, caller: Caller, id: Path<String>, body: Input<SetSecret>) -> Result<Reply<Integration>> {
        let vault = self.0.vault.clone();
        Ok(verbs::act_on::<Integration>(&caller, move |tx| keep(tx, &vault, &id.0, &body)).await?)
    }

    /// Try an integration out
    ///
    /// Puts a message for the integration into the outbox, which sends it as any other.
    #[oai(path = "/integrations/:id/test", method = "post")]
    async fn test(&self, caller: Caller, id: Path<String>, body: Input<TestIntegration>) -> Result<Reply<TestSent>> {
        let answer =
            |_: &crate::db::Reader<'_>, _: &crate::actor::Actor, ()| Ok(Reply::json(&json!({"detail": "The test is on its way."})));
        Ok(verbs::act(&caller, move |tx| test(tx, &id.0, &body), answer).await?)
    }
}

fn keep(tx: &mut Writer<'_>, vault: &Vault, key: &str, body: &Input<SetSecret>) -> error::Result<i64> {
    let id = verbs::find::<Integration>(tx, tx.actor(), key, UPDATE)?;
    proof::expect_fresh(tx, tx.actor())?;
    let secret = body.get()?.secret.as_ref().map(|secret| secret.0.as_str()).filter(|secret| !secret.is_empty());
    if secret.is_some_and(|secret| secret.len() > LONGEST) {
        return Err(Error::field("secret", format!("Ensure this field has no more than {LONGEST} characters.")));
    }
    let place = vault::context("integrations", id, "secret_enc");
    let sealed = secret.map(|secret| vault.seal(&place, secret.as_bytes())).transpose()?;
    let hint = secret.filter(|secret| secret.chars().count() >= SHORTEST_WITH_HINT).map(|secret| {
        let skipped = secret.chars().count() - 4;
        secret.chars().skip(skipped).collect::<String>()
    });
    tx.act("set_secret");
    tx.update("integrations", id, vec![("secret_enc", sealed.into()), ("secret_hint", hint.into())])?;
    Ok(id)
}

fn test(tx: &mut Writer<'_>, key: &str, body: &Input<TestIntegration>) -> error::Result<()> {
    let id = verbs::find::<Integration>(tx, tx.actor(), key, READ)?;
    let to = body.get()?.to.clone().filter(|to| !to.trim().is_empty());
    let integration = verbs::load::<Integration>(tx, id)?;
    let own = |column: &str| -> error::Result<Option<String>> {
        let sql = format!("SELECT {column} FROM users WHERE id = ?1");
        Ok(tx.one::<Option<String>>(&sql, &[tx.actor().user_id.into()])?.flatten())
    };
    let country = tx.actor().business.as_ref().and_then(|business| business.country.clone());
    let (channel, recipient) = match integration.kind {
        IntegrationKind::Smtp => {
            let to = to.map_or_else(|| own("email"), |to| Ok(Some(to)))?;
            (Channel::Email, to.filter(|to| crate::kit::Email::parse(to).is_some()))
        }
        IntegrationKind::Sms => {
            let to = to.map_or_else(|| own("phone"), |to| Ok(Some(to)))?;
            (Channel::Sms, to.and_then(|to| crate::kit::normalize_phone(&to, country.as_deref())))
        }
        IntegrationKind::Webhook => {
            let to = to.or(integration.config.0["url"].as_str().map(str::to_owned));
            (Channel::Webhook, to.filter(|to| to.starts_with("https://")))
        }
        IntegrationKind::Llm => return Err(Error::conflict("not_testable", "An integration of this kind is tried out by using it.")),
    };
    let recipient = recipient.ok_or_else(|| Error::field("to", "Enter an address that the integration can send to."))?;
    let template = if channel == Channel::Webhook { "test" } else { "message" };
    let payload = Map::from_iter([
        ("subject".to_owned(), json!("A test")),
        ("text".to_owned(), json!(format!("This is a test of {}.", integration.name))),
        ("integration".to_owned(), json!(id)),
    ]);
    outbox::send(tx, Message { channel, recipient, template: template.to_owned(), payload, key: None, due_at: None })?;
    tx.note("integrations", id, "test", None, None)
}
