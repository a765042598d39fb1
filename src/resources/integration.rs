//! Integrations: the services that a business uses, each with a secret of its own that is written and never read (`api::integrations`).

use poem_openapi::{Enum, Object};
use serde_json::json;

use crate::{
    db::Writer,
    engine::{About, Access, Action, Change, Computed, LRCUD, Resource, all},
    error::{Error, Result},
    kit,
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

/// A service that the business uses.
#[derive(Object)]
pub struct Integration {
    /// What it does.
    pub kind: IntegrationKind,
    /// What it is called; unique among those that do the same.
    #[oai(validator(max_length = 100))]
    pub name: String,
    /// Everything about it that is no secret: host, port, sender, model, address.
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
        match secret {
            Some(name) => Err(Error::field(
                "config",
                format!("\"{name}\" looks like a secret, which everybody could read here. Set it as the secret."),
            )),
            None => Ok(()),
        }
    }

    fn deleting(&self, id: i64, tx: &mut Writer<'_>) -> Result<()> {
        // What is deleted can be restored, but not with its secret.
        tx.step(|tx| {
            tx.update("integrations", id, vec![("secret_enc", None::<String>.into()), ("secret_hint", None::<String>.into())]).map(drop)
        })
    }
}
