//! Integrations: the services that a business uses, each with a secret of its own that is written and never read (`api::integrations`).

use poem_openapi::{Enum, Object};
use serde_json::json;

use crate::{
    db::Writer,
    engine::{About, Access, Action, Change, Computed, LRCUD, Resource, all},
    error::{Error, Problems, Result},
    kit,
    outbox::own,
};

/// What a service does.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[oai(rename_all = "snake_case", rename = "IntegrationKindEnum")]
pub enum IntegrationKind {
    /// Sends e-mail.
    Smtp,
    /// Sends short messages.
    Sms,
    /// Writes for the assistants.
    Llm,
    /// Is told what happens.
    Webhook,
}

impl IntegrationKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Sms => "sms",
            Self::Llm => "llm",
            Self::Webhook => "webhook",
        }
    }
}

/// A service that the business uses.
#[derive(Object)]
pub struct Integration {
    /// What it does.
    pub kind: IntegrationKind,
    /// What it is called; unique among those that do the same.
    #[oai(validator(max_length = 100))]
    pub name: String,
    /// Everything about it that is no secret. Of `smtp`: `host`, `port`, `tls`, `from` and `username`; of `sms`: `url`, `method`, `headers`
    /// and `body`; of `llm`: `base_url` and `model`; of `webhook`: `url`. Whoever changes where it goes sets the secret again.
    #[oai(default = "nothing")]
    pub config: kit::Json,
    /// Whether it is used.
    #[oai(default = "yes")]
    pub is_active: bool,
}

fn nothing() -> kit::Json {
    kit::Json(json!({}))
}

fn yes() -> bool {
    true
}

/// Names in a `config` that only secrets have.
const SECRETS: [&str; 6] = ["password", "secret", "token", "api_key", "apikey", "private_key"];

impl Resource for Integration {
    const ABOUT: About = About {
        path: "integrations",
        table: "integrations",
        label: "t.name",
        list: &["kind", "name", "has_secret", "is_active"],
        search: &["name"],
        filter: &["kind", "is_active"],
        order: &["-created_at", "name"],
        computed: &[
            Computed::bool("has_secret", "t.secret_enc IS NOT NULL", "Whether it has a secret; that itself is never told."),
            Computed::text("secret_hint", "t.secret_hint", "The last four characters of the secret, by which people know it."),
        ],
        actions: &[Action::new("test", "t.is_active = 1").for_managers()],
        access: Access::deny().admin(all(LRCUD)),
        ..About::DEFAULT
    };

    fn check(&mut self, _change: &Change<'_, '_, Self>) -> Result<()> {
        let Some(config) = self.config.0.as_object() else { return Err(Error::field("config", "Expected an object.")) };
        let secret = config.keys().find(|name| SECRETS.iter().any(|secret| name.to_lowercase().contains(secret)));
        if let Some(name) = secret {
            let words = format!("\"{name}\" looks like a secret, which everybody could read here. Set it as the secret.");
            return Err(Error::field("config", words));
        }
        let mut problems = Problems::default();
        for (name, text) in own::problems(self.kind.name(), config) {
            problems.add("config", format!("{name}: {text}"));
        }
        problems.or_ok()
    }

    fn after(&self, id: i64, before: Option<&Self>, tx: &mut Writer<'_>) -> Result<()> {
        // Whoever says where the secret goes must know it: it is not sent to another place than it was entered for.
        let goes = |one: &Self| ["host", "port", "tls", "url", "method", "headers", "body"].map(|name| one.config.0[name].clone());
        if before.is_some_and(|before| before.kind != self.kind || goes(before) != goes(self)) {
            forget_secret(id, tx)?;
        }
        Ok(())
    }

    fn deleting(&self, id: i64, tx: &mut Writer<'_>) -> Result<()> {
        // What is deleted can be restored, but not with its secret.
        forget_secret(id, tx)
    }
}

fn forget_secret(id: i64, tx: &mut Writer<'_>) -> Result<()> {
    tx.step(|tx| {
        tx.update("integrations", id, vec![("secret_enc", None::<String>.into()), ("secret_hint", None::<String>.into())]).map(drop)
    })
}
