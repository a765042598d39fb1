//! The secrets of integrations, which go in and never come out, and trying an integration out.

use poem::Result;
use poem_openapi::{Object, OpenApi, param::Path, types::Password};
use serde_json::{Map, json};

use crate::{
    actor::Actor,
    auth::{gate::Caller, proof},
    db::{Reader, Writer},
    engine::{READ, UPDATE, body::Input, reply::Reply, verbs},
    error::{self, Error},
    outbox::{
        Channel, Outgoing,
        own::{self, Own},
    },
    resources::integration::{Integration, IntegrationKind},
    secrets::vault::{self, Vault},
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
    /// An e-mail address or a telephone number, as the kind of the integration needs. One's own when left out.
    #[oai(validator(max_length = 2000))]
    pub to: Option<String>,
}

/// What became of a test.
#[derive(Object)]
pub struct TestSent {
    /// Whether the provider has taken it.
    pub sent: bool,
    /// What came of it, in words.
    pub detail: String,
}

pub struct Integrations(pub Own, pub Vault);

#[OpenApi]
impl Integrations {
    /// Set the secret of an integration
    ///
    /// It is sealed before it is stored, and never answered: only whether there is one, and its last four characters. Needs
    /// a sign-in, or a confirmed password, that is minutes old.
    #[oai(path = "/integrations/:id/secret", method = "put")]
    async fn set_secret(&self, caller: Caller, id: Path<String>, body: Input<SetSecret>) -> Result<Reply<Integration>> {
        let vault = self.1.clone();
        Ok(verbs::act_on::<Integration>(&caller, move |tx| keep(tx, &vault, &id.0, &body)).await?)
    }

    /// Try an integration out
    ///
    /// Sends a test mail or short message by it, at once and not by way of the outbox, and says what its provider answered. For others than
    /// the caller's own address `to` names one.
    #[oai(path = "/integrations/:id/test", method = "post")]
    async fn test(&self, caller: Caller, id: Path<String>, body: Input<TestIntegration>) -> Result<Reply<TestSent>> {
        let (integration, message) = caller.read(|reader| prepared(reader, &caller.actor, &id.0, &body))?;
        // Written down before: what was sent by whom is known, whatever becomes of it.
        caller.write(move |tx| tx.note("integrations", integration, "test", None, None)).await?;
        let outcome = self.0.try_out(integration, message).await?;
        Ok(Reply::json(&own::in_words(&outcome)))
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

/// What is sent to try an integration out, and by which; who may not do that hears it first.
fn prepared(reader: &Reader<'_>, actor: &Actor, key: &str, body: &Input<TestIntegration>) -> error::Result<(i64, Outgoing)> {
    let id = verbs::find::<Integration>(reader, actor, key, READ)?;
    let to = body.get()?.to.clone().filter(|to| !to.trim().is_empty());
    let integration = verbs::load::<Integration>(reader, id)?;
    let own = |column: &str| -> error::Result<Option<String>> {
        let sql = format!("SELECT {column} FROM users WHERE id = ?1");
        Ok(reader.one::<Option<String>>(&sql, &[actor.user_id.into()])?.flatten())
    };
    let country = actor.business.as_ref().and_then(|business| business.country.clone());
    let (channel, recipient) = match integration.kind {
        IntegrationKind::Smtp => {
            let to = to.map_or_else(|| own("email"), |to| Ok(Some(to)))?;
            (Channel::Email, to.filter(|to| crate::kit::Email::parse(to).is_some()))
        }
        IntegrationKind::Sms => {
            let to = to.map_or_else(|| own("phone"), |to| Ok(Some(to)))?;
            (Channel::Sms, to.and_then(|to| crate::kit::normalize_phone(&to, country.as_deref())))
        }
        IntegrationKind::Llm | IntegrationKind::Webhook => {
            return Err(Error::conflict("not_testable", "An integration of this kind is tried out by using it."));
        }
    };
    let recipient = recipient.ok_or_else(|| Error::field("to", "Enter an address that the integration can send to."))?;
    let payload = Map::from_iter([
        ("subject".to_owned(), json!("A test")),
        ("text".to_owned(), json!(format!("This is a test of {}. It works.", integration.name))),
    ]);
    let message_id = uuid::Uuid::now_v7().to_string();
    let template = "message".to_owned();
    let business = actor.business_id();
    Ok((id, Outgoing { id: 0, message_id, key: None, channel, recipient, template, payload, attempt: 1, business }))
}
