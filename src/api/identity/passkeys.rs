//! Passkeys: adding, seeing, renaming and removing one's own, and signing in with one.

use std::sync::Arc;

use poem::{Request, Result};
use poem_openapi::{Object, OpenApi, param::Path, types::Password};
use serde_json::{Value as Json, json};

use super::{
    Identity,
    shapes::LoginResponse,
    sign_in::{Operation, actor},
};
use crate::{
    auth::{
        factor,
        gate::info,
        passkey::{
            self, Given, Passkey as Known,
            ceremony::{LIFE, Owner, Purpose},
            site::Site,
        },
        proof::{Means, Person},
        session::Opening,
        throttle::Kind,
    },
    db::Writer,
    engine::{
        body::{FormInput, Input},
        reply::{NoContent, Reply},
    },
    error::{self, Error},
    kit::{DateTime, Json as AnyJson},
};

/// A passkey.
#[derive(Object)]
pub(super) struct Passkey {
    /// What it is renamed and removed by.
    id: i64,
    /// What its owner calls it.
    name: String,
    /// When it was added.
    created_at: DateTime,
    /// When it was last used.
    last_used_at: Option<DateTime>,
    /// Whether it is kept on several devices, by whoever made them; otherwise it is on one alone.
    synced: bool,
    /// How the device is reached: `internal`, `hybrid`, `usb`, `nfc`, `ble`, `smart-card`.
    transports: Vec<String>,
}

/// One's passkeys; there are never many.
#[derive(Object)]
pub(super) struct PasskeyPage {
    /// How many there are.
    count: u32,
    /// Nothing: there is one page.
    next: Option<String>,
    /// Nothing: there is one page.
    previous: Option<String>,
    /// The oldest first.
    results: Vec<Passkey>,
    /// Whether passkeys work at the address where the server is asked.
    available: bool,
    /// Why they do not.
    unavailable_because: Option<String>,
    /// The domain that they belong to.
    rp_id: Option<String>,
}

/// The password, unless the caller has proven who they are minutes ago.
#[derive(Object)]
pub(super) struct PasskeyBegin {
    /// The present password; not enough for whoever has a second factor.
    password: Option<Password>,
}

/// What a browser is to make a passkey by, or to ask one by.
#[derive(Object)]
pub(super) struct AskPasskey {
    /// As `PublicKeyCredential.parseCreationOptionsFromJSON` and `parseRequestOptionsFromJSON` take it.
    public_key: AnyJson,
    /// Seconds that its challenge is good for.
    expires_in: i64,
}

/// A new passkey.
#[derive(Object)]
pub(super) struct PasskeyNew {
    /// What to call it. Required.
    name: Option<String>,
    /// What the browser answered (`PublicKeyCredential.toJSON`). Required.
    credential: Option<AnyJson>,
}

/// A passkey that was added.
#[derive(Object)]
pub(super) struct PasskeyAdded {
    /// The passkey.
    passkey: Passkey,
    /// With somebody's first second factor: codes that are each good once in its place; they are shown once.
    recovery_codes: Vec<String>,
}

/// Another name.
#[derive(Object)]
pub(super) struct PasskeyName {
    /// What to call it. Required.
    name: Option<String>,
}

/// A sign-in by passkey.
#[derive(Object)]
pub(super) struct PasskeyLogin {
    /// What the browser answered (`PublicKeyCredential.toJSON`). Required.
    credential: Option<AnyJson>,
    /// Stay signed in for 30 days instead of one.
    #[oai(default)]
    remember_me: bool,
}

fn shown(one: &Known) -> Json {
    json!({
        "id": one.id, "name": one.name, "created_at": one.created_at, "last_used_at": one.last_used_at, "synced": one.is_synced,
        "transports": one.transports,
    })
}

pub(super) fn asking(public_key: &Json) -> Reply<AskPasskey> {
    Reply::json(&json!({"public_key": public_key, "expires_in": LIFE}))
}

fn sent(credential: Option<&AnyJson>) -> error::Result<Given> {
    let credential = credential.ok_or_else(|| Error::field("credential", "This field is required."))?;
    Given::read(&credential.0)
}

fn adding(caller: &Person, user: i64) -> error::Result<Purpose> {
    let session = caller.actor.session.clone().ok_or_else(Error::forbidden)?;
    Ok(Purpose::Add { user, session })
}

impl Identity {
    /// The site that passkeys are for, where the request came to.
    pub(super) fn site(&self, request: &Request) -> error::Result<Site> {
        Site::of(&self.app.config.server, &info(request).origin)
    }
}

/// One path's operations.
pub(super) struct Passkeys(pub(super) Identity);

#[OpenApi]
impl Passkeys {
    /// List one's passkeys
    #[oai(path = "/passkeys", method = "get")]
    async fn list(&self, request: &Request, caller: Person) -> Result<Reply<PasskeyPage>> {
        let user = caller.expect_password()?;
        let results: Vec<Json> = caller.read(|reader| passkey::list(reader, user))?.iter().map(shown).collect();
        let (rp_id, why) = match self.0.site(request) {
            Ok(site) => (Some(site.rp_id), None),
            Err(error) => (None, Some(error.detail())),
        };
        Ok(Reply::json(&json!({
            "count": results.len(), "next": null, "previous": null, "results": results,
            "available": why.is_none(), "unavailable_because": why, "rp_id": rp_id,
        })))
    }

    /// Begin to add a passkey
    ///
    /// Answers what a browser is to make one by (`navigator.credentials.create`). Needs a sign-in that is minutes old, or the password of
    /// somebody who has no second factor. 409 `passkeys_unavailable` where the server has no name that passkeys could belong to.
    #[oai(path = "/passkeys/begin", method = "post")]
    async fn begin(&self, request: &Request, caller: Person, body: Input<PasskeyBegin>) -> Result<Reply<AskPasskey>> {
        let user = caller.expect_password()?;
        let site = self.0.site(request)?;
        match body.get()?.password.as_ref().filter(|password| !password.0.is_empty()) {
            Some(password) if !caller.read(|reader| factor::is_on(reader, user))? => {
                if !self.0.is_own_password(request, user, &password.0).await? {
                    return Err(Error::field("password", "The password is wrong.").into());
                }
            }
            _ => caller.expect_fresh()?,
        }
        let app = &self.0.app;
        let challenge = app.ceremonies.begin(adding(&caller, user)?, Owner::User(user), site.clone(), caller.actor.now)?;
        let asked = caller.read(|reader| passkey::creation(reader, user, &app.config.api.title, &site, &challenge))?;
        Ok(asking(&asked))
    }

    /// Add a passkey
    ///
    /// With what the browser answered. It is a second factor from now on, and signs in by itself. Answers recovery codes with the first
    /// second factor, once.
    #[oai(path = "/passkeys", method = "post")]
    async fn add(&self, caller: Person, body: Input<PasskeyNew>) -> Result<Reply<PasskeyAdded, 201>> {
        let user = caller.expect_password()?;
        let (app, body) = (&self.0.app, body.get()?);
        let name = passkey::name_of(body.name.as_deref())?;
        let given = sent(body.credential.as_ref())?;
        let ceremony = app.ceremonies.take(given.challenge(), &adding(&caller, user)?, caller.actor.now);
        let over = || Error::field("credential", "Begin again: this took too long, or was done before.");
        let new = passkey::New::verified(&given, &ceremony.ok_or_else(over)?)?;
        let vault = app.vault.clone();
        let work = move |tx: &mut Writer<'_>| {
            let (id, codes) = passkey::add(tx, &vault, user, &name, &new)?;
            Ok((passkey::find(tx, user, id)?, codes))
        };
        let (added, codes) = caller.write(work).await?;
        Ok(Reply::json(&json!({"passkey": shown(&added), "recovery_codes": codes})))
    }

    /// Rename a passkey
    #[oai(path = "/passkeys/:id", method = "patch")]
    async fn rename(&self, caller: Person, id: Path<String>, body: Input<PasskeyName>) -> Result<Reply<Passkey>> {
        let (user, id) = own(&caller, &id.0)?;
        let name = passkey::name_of(body.get()?.name.as_deref())?;
        let renamed = caller.write(move |tx| {
            passkey::rename(tx, user, id, &name)?;
            passkey::find(tx, user, id)
        });
        Ok(Reply::json(&shown(&renamed.await?)))
    }

    /// Remove a passkey
    ///
    /// It signs in no more. Needs a sign-in, or a proof, that is minutes old. Without any other second factor the password is enough from
    /// then on, and whoever must have one sets it up again before anything else.
    #[oai(path = "/passkeys/:id", method = "delete")]
    async fn remove(&self, caller: Person, id: Path<String>) -> Result<NoContent> {
        let (user, id) = own(&caller, &id.0)?;
        caller.expect_fresh()?;
        caller.write(move |tx| passkey::remove(tx, user, id)).await?;
        Ok(NoContent)
    }

    /// Begin to sign in with a passkey
    ///
    /// Answers what a browser is to be asked (`navigator.credentials.get`), the same to everybody: the browser offers the passkeys that it
    /// has for this site. 409 `passkeys_unavailable` where the server has no name that passkeys could belong to.
    #[oai(path = "/passkeys/sign-in/begin", method = "post")]
    async fn ask(&self, request: &Request) -> Result<Reply<AskPasskey>> {
        let app = &self.0.app;
        let site = self.0.site(request)?;
        let info = info(request);
        let challenge = app.ceremonies.begin(Purpose::SignIn, Owner::Address(info.ip), site.clone(), info.now)?;
        let asked = app.db.read(|reader| passkey::request(reader, None, &site, &challenge, "required"))?;
        Ok(asking(&asked))
    }

    /// Sign in with a passkey
    ///
    /// With what the browser answered: a passkey whose device knows the person is both factors. Answers what signing in by password does. A
    /// passkey that is not known, one that is not right and an account that is closed get the same answer.
    #[oai(path = "/passkeys/sign-in", method = "post")]
    async fn sign_in(&self, request: &Request, body: FormInput<PasskeyLogin>) -> Result<Reply<LoginResponse>> {
        let (identity, app) = (&self.0, &self.0.app);
        let given = sent(body.0.credential.as_ref())?;
        let mut actor = actor(request);
        let over = || Error::unauthenticated("challenge_not_valid", "Begin again: this attempt is too old, or over.");
        let ceremony = app.ceremonies.take(given.challenge(), &Purpose::SignIn, actor.now).ok_or_else(over)?;
        let owner = app.db.read(|reader| passkey::owner(reader, &given.id))?;
        let taken = app.throttle.take(Kind::Passkey(owner.map(|(user, ..)| user)), &given.id, request).await?;
        let shown = app.db.read(|reader| passkey::verified(reader, &given, &ceremony))?;
        let shown = shown.filter(|shown| shown.knows_person && given.names_person());
        let refused = || {
            tracing::info!(target: "security", event = "passkey_failed", request_id = info(request).id);
            Error::unauthenticated("no_active_account", "No active account found with the given credentials")
        };
        let (Some(shown), Some((user, true, epoch))) = (shown, owner) else {
            if let Some((user, ..)) = owner {
                taken.failed(user, actor);
            }
            return Err(refused().into());
        };
        actor.user_id = Some(user);
        let rotates = identity.rotates(request, Operation::Login);
        let proven = Some(Means::Passkey);
        let how = Opening { rotates, remember: body.0.remember_me, epoch: Some(epoch), proven, ..Opening::default() };
        let (sessions, success) = (app.sessions.clone(), taken.success());
        // A refusal is an answer, not an error: what is told of a copy must be committed.
        let work = move |tx: &mut Writer<'_>| match passkey::accept(tx, &shown)? {
            passkey::Use::Taken => {
                success.record(tx)?;
                sessions.open(tx, user, how).map(Some)
            }
            _ => Ok(None),
        };
        let pair = app.db.write(Arc::new(actor), work).await?.ok_or_else(refused)?;
        Ok(identity.answer(request, Operation::Login, user, &pair)?)
    }
}

/// The person, and the id of what they mean to be a passkey of theirs.
fn own(caller: &Person, id: &str) -> error::Result<(i64, i64)> {
    Ok((caller.expect_password()?, id.parse().map_err(|_| Error::not_found())?))
}
