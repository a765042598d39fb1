//! The second factor: setting it up, signing in with it, and proving oneself again before something sensitive.

use std::sync::Arc;

use poem::{Request, Result};
use poem_openapi::{Object, OpenApi, types::Password};
use serde_json::json;

use super::{
    FORMS, Identity,
    shapes::{LoginResponse, Message},
    sign_in::{Operation, actor},
};
use crate::{
    auth::{
        proof::{self, Person},
        totp::{self, Proof, Verdict, code},
    },
    db::Writer,
    engine::{
        body::{FormInput, Input},
        reply::Reply,
    },
    error::{self, Error},
};

/// Whether somebody signs in with a second factor.
#[derive(Object)]
pub(super) struct TwoFactorStatus {
    /// Whether it is switched on.
    enabled: bool,
    /// Since when.
    confirmed_at: Option<String>,
    /// Whether the person's role must have one, and they have none: nothing else is taken from them until it is set up.
    setup_required: bool,
    /// How many recovery codes were not used yet.
    recovery_codes_left: u32,
}

/// The password, unless the caller has signed in or confirmed it minutes ago.
#[derive(Object)]
pub(super) struct TwoFactorSetup {
    /// The present password.
    password: Option<Password>,
}

/// What an authenticator app is set up with; it is shown once.
#[derive(Object)]
pub(super) struct TwoFactorSecret {
    /// The secret, to be typed in.
    secret: String,
    /// The same as an `otpauth://` address.
    uri: String,
    /// The address as a QR code, drawn in SVG.
    qr_code: String,
}

/// A code of the app.
#[derive(Object)]
pub(super) struct TwoFactorCode {
    /// Six digits.
    code: Option<String>,
}

/// Codes that are each good once in place of the app's; they are shown once.
#[derive(Object)]
pub(super) struct RecoveryCodes {
    /// The codes.
    recovery_codes: Vec<String>,
}

/// Password and second factor.
#[derive(Object)]
pub(super) struct Proofs {
    /// The present password.
    password: Option<Password>,
    /// A code of the app.
    code: Option<String>,
    /// A recovery code in its place.
    recovery_code: Option<String>,
}

/// The second factor to a sign-in.
#[derive(Object)]
pub(super) struct TwoFactorVerify {
    /// What the sign-in was refused with.
    challenge: String,
    /// A code of the app.
    code: Option<String>,
    /// A recovery code in its place.
    recovery_code: Option<String>,
}

/// The second factor's operations on one of the paths.
pub(super) struct Factors(pub(super) Identity);

#[OpenApi]
impl Factors {
    /// Read whether two-factor authentication is on
    #[oai(path = "/2fa", method = "get")]
    async fn status(&self, caller: Person) -> Result<Reply<TwoFactorStatus>> {
        let user = caller.expect_password()?;
        let (since, left) = caller.read(|reader| totp::status(reader, user))?;
        let setup_required = caller.actor.needs_second_factor;
        Ok(Reply::json(&json!({
            "enabled": since.is_some(), "confirmed_at": since, "setup_required": setup_required, "recovery_codes_left": left
        })))
    }

    /// Begin to set up two-factor authentication
    ///
    /// Answers what an authenticator app needs, once. It is switched on by confirming a code. Needs the password, or a sign-in that is
    /// minutes old.
    #[oai(path = "/2fa/setup", method = "post")]
    async fn setup(&self, request: &Request, caller: Person, body: Input<TwoFactorSetup>) -> Result<Reply<TwoFactorSecret>> {
        let user = caller.expect_password()?;
        match body.get()?.password.as_ref().filter(|password| !password.0.is_empty()) {
            Some(password) => self.expect_right_password(request, user, &password.0).await?,
            None => caller.expect_fresh()?,
        }
        let vault = self.0.app.vault.clone();
        let seed = caller.write(move |tx| totp::set_up(tx, &vault, user)).await?;
        let sql = "SELECT coalesce(username, email, phone) FROM users WHERE id = ?1";
        let account: String = caller.read(|reader| reader.one(sql, &[user.into()]))?.ok_or_else(Error::not_found)?;
        let uri = code::uri(&self.0.app.config.api.title, &account, &seed);
        Ok(Reply::json(&json!({"secret": code::base32(&seed), "qr_code": code::qr_code(&uri)?, "uri": uri})))
    }

    /// Switch two-factor authentication on
    ///
    /// With a code of the app that was set up. Answers recovery codes, once.
    #[oai(path = "/2fa/confirm", method = "post")]
    async fn confirm(&self, caller: Person, body: Input<TwoFactorCode>) -> Result<Reply<RecoveryCodes>> {
        let user = caller.expect_password()?;
        let code = required("code", body.get()?.code.as_deref())?;
        let vault = self.0.app.vault.clone();
        let codes = caller.write(move |tx| totp::confirm(tx, &vault, user, &code)).await?;
        Ok(Reply::json(&json!({"recovery_codes": codes})))
    }

    /// Switch two-factor authentication off
    ///
    /// With the password and a code.
    #[oai(path = "/2fa/disable", method = "post")]
    async fn disable(&self, request: &Request, caller: Person, body: Input<Proofs>) -> Result<Reply<Message>> {
        let user = caller.expect_password()?;
        self.expect_on(&caller, user)?;
        let proofs = body.get()?;
        let proof = shown(proofs.code.as_deref(), proofs.recovery_code.as_deref())?;
        self.expect_right_password(request, user, &required("password", proofs.password.as_ref().map(|password| password.0.as_str()))?)
            .await?;
        self.proven(&caller, user, Some(proof), |tx, user, _| totp::disable(tx, user)).await?;
        Ok(Reply::json(&json!({"detail": "Two-factor authentication is off."})))
    }

    /// Get new recovery codes
    ///
    /// Those before are worth nothing any more. Needs a sign-in, or a confirmed password, that is minutes old.
    #[oai(path = "/2fa/recovery-codes", method = "post")]
    async fn recovery_codes(&self, caller: Person) -> Result<Reply<RecoveryCodes>> {
        let user = caller.expect_password()?;
        self.expect_on(&caller, user)?;
        caller.expect_fresh()?;
        let vault = self.0.app.vault.clone();
        let codes = caller.write(move |tx| totp::renew_codes(tx, &vault, user)).await?;
        Ok(Reply::json(&json!({"recovery_codes": codes})))
    }

    /// Sign in with a second factor
    ///
    /// Answers what the sign-in would have answered that was refused with the challenge.
    #[oai(path = "/2fa/verify", method = "post")]
    async fn verify(&self, request: &Request, body: FormInput<TwoFactorVerify>) -> Result<Reply<LoginResponse>> {
        let body = body.0;
        let proof = shown(body.code.as_deref(), body.recovery_code.as_deref())?;
        let app = &self.0.app;
        let mut actor = actor(request);
        let challenge = app.challenges.take(&body.challenge, actor.now)?;
        let (user, mut how) = (challenge.user, challenge.how);
        how.second_factor = true;
        actor.user_id = Some(user);
        let (vault, sessions) = (app.vault.clone(), app.sessions.clone());
        // A refusal is an answer, not an error: that it was wrong must be committed.
        let outcome = app.db.write(Arc::new(actor), move |tx| match totp::check(tx, &vault, user, &proof)? {
            Verdict::Right => sessions.open(tx, user, how).map(Ok),
            refusal => Ok(Err(refusal)),
        });
        let pair = match outcome.await? {
            Ok(pair) => pair,
            Err(Verdict::Wait(seconds)) => {
                app.challenges.give_back(body.challenge, challenge, false)?;
                return Err(Error::TooMany(seconds).into());
            }
            Err(_) => {
                app.challenges.give_back(body.challenge, challenge, true)?;
                return Err(Error::unauthenticated("totp_invalid", "This code is wrong, or was used before.").into());
            }
        };
        let begun = FORMS.into_iter().flat_map(|(form, _)| Operation::ALL.map(|operation| (form, operation)));
        let begun = begun.into_iter().find(|(form, operation)| challenge.operation == format!("{}/{}", form.name(), operation.name()));
        let (form, operation) = begun.ok_or_else(|| Error::internal("a challenge of no operation"))?;
        Ok(Identity { form, ..self.0.clone() }.answer(request, operation, user, &pair)?)
    }

    /// Prove oneself again
    ///
    /// With the password, and a code where two-factor authentication is on: what is sensitive is taken for some minutes then.
    #[oai(path = "/reauthenticate", method = "post")]
    async fn reauthenticate(&self, request: &Request, caller: Person, body: Input<Proofs>) -> Result<Reply<Message>> {
        let user = caller.expect_password()?;
        let session = caller.actor.session.clone().ok_or_else(Error::forbidden)?;
        let proofs = body.get()?;
        let password = required("password", proofs.password.as_ref().map(|password| password.0.as_str()))?;
        let proof = match caller.read(|reader| totp::is_on(reader, user))? {
            true => Some(shown(proofs.code.as_deref(), proofs.recovery_code.as_deref())?),
            false => None,
        };
        self.expect_right_password(request, user, &password).await?;
        self.proven(&caller, user, proof, move |tx, user, second| proof::note(tx, &session, user, second)).await?;
        Ok(Reply::json(&json!({"detail": "Confirmed."})))
    }
}

impl Factors {
    fn expect_on(&self, caller: &Person, user: i64) -> error::Result<()> {
        let on = caller.read(|reader| totp::is_on(reader, user))?;
        if on { Ok(()) } else { Err(Error::conflict("2fa_not_set_up", "Set two-factor authentication up first.")) }
    }

    async fn expect_right_password(&self, request: &Request, user: i64, password: &str) -> error::Result<()> {
        if self.0.is_own_password(request, user, password).await? {
            Ok(())
        } else {
            Err(Error::field("password", "The password is wrong."))
        }
    }

    /// Does something in the transaction that takes the second factor, where there is one.
    async fn proven(
        &self,
        caller: &Person,
        user: i64,
        proof: Option<Proof>,
        work: impl Fn(&mut Writer<'_>, i64, bool) -> error::Result<()> + Send + 'static,
    ) -> error::Result<()> {
        let vault = self.0.app.vault.clone();
        let verdict = caller.write(move |tx| {
            let verdict = proof.as_ref().map_or(Ok(Verdict::Right), |proof| totp::check(tx, &vault, user, proof))?;
            if verdict == Verdict::Right {
                work(tx, user, proof.is_some())?;
            }
            Ok(verdict)
        });
        match verdict.await? {
            Verdict::Right => Ok(()),
            Verdict::Wrong => Err(totp::wrong_code()),
            Verdict::Wait(seconds) => Err(Error::TooMany(seconds)),
        }
    }
}

fn required(name: &'static str, text: Option<&str>) -> error::Result<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(|| Error::field(name, "This field is required."))
}

fn shown(code: Option<&str>, recovery_code: Option<&str>) -> error::Result<Proof> {
    match recovery_code.filter(|text| !text.is_empty()) {
        Some(text) => Ok(Proof::Recovery(text.to_owned())),
        None => required("code", code).map(Proof::Code),
    }
}
