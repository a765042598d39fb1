//! The second factor: setting it up, signing in with it, and proving oneself again before something sensitive.

use std::sync::Arc;

use poem::{Request, Result};
use poem_openapi::{Object, OpenApi, types::Password};
use serde_json::json;

use super::{
    FORMS, Identity,
    passkeys::{AskPasskey, asking},
    shapes::{LoginResponse, Message},
    sign_in::{Operation, actor},
};
use crate::{
    auth::{
        factor::{self, Proof, Verdict},
        gate::info,
        passkey::{
            self, Given,
            ceremony::{Owner, Purpose},
        },
        proof::{self, Means, Person},
        recovery,
        totp::{self, code},
    },
    db::{Reader, Writer},
    engine::{
        body::{FormInput, Input},
        reply::Reply,
    },
    error::{self, Error},
    kit::Json as AnyJson,
};

/// Whether somebody signs in with a second factor.
#[derive(Object)]
pub(super) struct TwoFactorStatus {
    /// Whether an authenticator app is.
    enabled: bool,
    /// Since when.
    confirmed_at: Option<String>,
    /// Whether the person's role must have one, and they have none: nothing else is taken from them until it is set up.
    setup_required: bool,
    /// How many recovery codes were not used yet.
    recovery_codes_left: u32,
    /// How many passkeys there are, each of which is a second factor as well.
    passkeys: u32,
}

/// The password, unless the caller has signed in or confirmed it minutes ago.
#[derive(Object)]
pub(super) struct TwoFactorSetup {
    /// The present password; not enough for whoever has a passkey.
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
    /// What a browser answers for a passkey, in the place of both codes.
    credential: Option<AnyJson>,
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
    /// What a browser answers for a passkey, in the place of both.
    credential: Option<AnyJson>,
}

/// A sign-in that waits for its second factor.
#[derive(Object)]
pub(super) struct TwoFactorBegin {
    /// What the sign-in was refused with.
    challenge: String,
}

/// The second factor's operations on one of the paths.
pub(super) struct Factors(pub(super) Identity);

#[OpenApi]
impl Factors {
    /// Read whether two-factor authentication is on
    #[oai(path = "/2fa", method = "get")]
    async fn status(&self, caller: Person) -> Result<Reply<TwoFactorStatus>> {
        let user = caller.expect_password()?;
        let read = |reader: &Reader<'_>| Ok((totp::since(reader, user)?, recovery::left(reader, user)?, passkey::count(reader, user)?));
        let (since, left, passkeys) = caller.read(read)?;
        let setup_required = caller.actor.needs_second_factor;
        Ok(Reply::json(&json!({
            "enabled": since.is_some(), "confirmed_at": since, "setup_required": setup_required, "recovery_codes_left": left,
            "passkeys": passkeys,
        })))
    }

    /// Begin to set up two-factor authentication
    ///
    /// Answers what an authenticator app needs, once. It is switched on by confirming a code. Needs a sign-in that is minutes old, or the
    /// password of somebody who has no passkey.
    #[oai(path = "/2fa/setup", method = "post")]
    async fn setup(&self, request: &Request, caller: Person, body: Input<TwoFactorSetup>) -> Result<Reply<TwoFactorSecret>> {
        let user = caller.expect_password()?;
        match body.get()?.password.as_ref().filter(|password| !password.0.is_empty()) {
            // Whoever has passkeys shows more than a password.
            Some(password) if caller.read(|reader| passkey::count(reader, user))? == 0 => {
                self.expect_right_password(request, user, &password.0).await?;
            }
            _ => caller.expect_fresh()?,
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
    /// With a code of the app that was set up. Answers recovery codes, once; none for whoever has a passkey, and codes, already.
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
    /// With the password and a code, or a passkey. It is the app that goes: passkeys stay a second factor until they are removed.
    #[oai(path = "/2fa/disable", method = "post")]
    async fn disable(&self, request: &Request, caller: Person, body: Input<Proofs>) -> Result<Reply<Message>> {
        let user = caller.expect_password()?;
        if !caller.read(|reader| totp::is_on(reader, user))? {
            return Err(not_set_up().into());
        }
        let proofs = body.get()?;
        let purpose = confirming(&caller, user)?;
        let proof = self.shown(request, [&proofs.code, &proofs.recovery_code], proofs.credential.as_ref(), &purpose)?;
        self.expect_right_password(request, user, &required("password", proofs.password.as_ref().map(|password| password.0.as_str()))?)
            .await?;
        self.proven(&caller, user, Some(proof), totp::disable).await?;
        Ok(Reply::json(&json!({"detail": "Two-factor authentication is off."})))
    }

    /// Get new recovery codes
    ///
    /// Those before are worth nothing any more. Needs a sign-in, or a confirmed password, that is minutes old.
    #[oai(path = "/2fa/recovery-codes", method = "post")]
    async fn recovery_codes(&self, caller: Person) -> Result<Reply<RecoveryCodes>> {
        let user = caller.expect_password()?;
        if !caller.read(|reader| factor::is_on(reader, user))? {
            return Err(not_set_up().into());
        }
        caller.expect_fresh()?;
        let vault = self.0.app.vault.clone();
        let codes = caller.write(move |tx| recovery::renew(tx, &vault, user)).await?;
        Ok(Reply::json(&json!({"recovery_codes": codes})))
    }

    /// Ask for a passkey as the second factor
    ///
    /// Answers what a browser is to be asked (`navigator.credentials.get`), for whoever has one among the `methods` that the sign-in was
    /// refused with. What it says goes to `2fa/verify`.
    #[oai(path = "/2fa/verify/begin", method = "post")]
    async fn begin(&self, request: &Request, body: FormInput<TwoFactorBegin>) -> Result<Reply<AskPasskey>> {
        let app = &self.0.app;
        let site = self.0.site(request)?;
        let info = info(request);
        let user = app.challenges.user_of(&body.0.challenge, info.now)?;
        if app.db.read(|reader| passkey::count(reader, user))? == 0 {
            return Err(Error::conflict("no_passkey", "There is no passkey to use.").into());
        }
        let purpose = Purpose::Second { waiting: body.0.challenge };
        let challenge = app.ceremonies.begin(purpose, Owner::User(user), site.clone(), info.now)?;
        let asked = app.db.read(|reader| passkey::request(reader, Some(user), &site, &challenge, "preferred"))?;
        Ok(asking(&asked))
    }

    /// Sign in with a second factor
    ///
    /// Answers what the sign-in would have answered that was refused with the challenge.
    #[oai(path = "/2fa/verify", method = "post")]
    async fn verify(&self, request: &Request, body: FormInput<TwoFactorVerify>) -> Result<Reply<LoginResponse>> {
        let body = body.0;
        let purpose = Purpose::Second { waiting: body.challenge.clone() };
        let proof = self.shown(request, [&body.code, &body.recovery_code], body.credential.as_ref(), &purpose)?;
        let app = &self.0.app;
        let mut actor = actor(request);
        let challenge = app.challenges.take(&body.challenge, actor.now)?;
        let (user, mut how) = (challenge.user, challenge.how);
        let by_passkey = matches!(proof, Proof::Passkey(_));
        how.proven = Some(if by_passkey { Means::PasswordAndPasskey } else { Means::PasswordAndCode });
        actor.user_id = Some(user);
        let (vault, sessions) = (app.vault.clone(), app.sessions.clone());
        // A refusal is an answer, not an error: that it was wrong must be committed.
        let outcome = app.db.write(Arc::new(actor), move |tx| match factor::check(tx, &vault, user, &proof)? {
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
                let (code, detail) = match by_passkey {
                    true => ("passkey_invalid", NOT_TAKEN),
                    false => ("totp_invalid", "This code is wrong, or was used before."),
                };
                return Err(Error::unauthenticated(code, detail).into());
            }
        };
        let begun = FORMS.into_iter().flat_map(|(form, _)| Operation::ALL.map(|operation| (form, operation)));
        let begun = begun.into_iter().find(|(form, operation)| challenge.operation == format!("{}/{}", form.name(), operation.name()));
        let (form, operation) = begun.ok_or_else(|| Error::internal("a challenge of no operation"))?;
        Ok(Identity { form, ..self.0.clone() }.answer(request, operation, user, &pair)?)
    }

    /// Ask for a passkey to prove oneself again
    ///
    /// Answers what a browser is to be asked (`navigator.credentials.get`). What it says goes to `reauthenticate`, or to `2fa/disable`.
    #[oai(path = "/reauthenticate/begin", method = "post")]
    async fn begin_again(&self, request: &Request, caller: Person) -> Result<Reply<AskPasskey>> {
        let user = caller.expect_password()?;
        let (app, purpose) = (&self.0.app, confirming(&caller, user)?);
        let site = self.0.site(request)?;
        if caller.read(|reader| passkey::count(reader, user))? == 0 {
            return Err(Error::conflict("no_passkey", "There is no passkey to use.").into());
        }
        let challenge = app.ceremonies.begin(purpose, Owner::User(user), site.clone(), caller.actor.now)?;
        let asked = caller.read(|reader| passkey::request(reader, Some(user), &site, &challenge, "required"))?;
        Ok(asking(&asked))
    }

    /// Prove oneself again
    ///
    /// With a passkey whose device knows the person, or else with the password, and a code where there is a second factor: what is
    /// sensitive is taken for some minutes then.
    #[oai(path = "/reauthenticate", method = "post")]
    async fn reauthenticate(&self, request: &Request, caller: Person, body: Input<Proofs>) -> Result<Reply<Message>> {
        let user = caller.expect_password()?;
        let session = caller.actor.session.clone().ok_or_else(Error::forbidden)?;
        let proofs = body.get()?;
        let password = proofs.password.as_ref().map(|password| password.0.as_str()).filter(|password| !password.is_empty());
        let given = |proofs: &Proofs| {
            let purpose = confirming(&caller, user)?;
            self.shown(request, [&proofs.code, &proofs.recovery_code], proofs.credential.as_ref(), &purpose)
        };
        let (proof, means) = if proofs.credential.is_some() {
            // Alone, so that it must be more than that somebody has the device.
            match given(proofs)? {
                Proof::Passkey(shown) => (Some(Proof::Passkey(shown.filter(|shown| shown.knows_person))), Means::Passkey),
                other => (Some(other), Means::PasswordAndCode),
            }
        } else {
            let password = required("password", password)?;
            let proof = match caller.read(|reader| factor::is_on(reader, user))? {
                true => Some(given(proofs)?),
                false => None,
            };
            self.expect_right_password(request, user, &password).await?;
            let means = if proof.is_some() { Means::PasswordAndCode } else { Means::Password };
            (proof, means)
        };
        self.proven(&caller, user, proof, move |tx, user| proof::note(tx, &session, user, means)).await?;
        Ok(Reply::json(&json!({"detail": "Confirmed."})))
    }
}

/// What is said of a passkey that is not taken, whatever the reason.
pub(super) const NOT_TAKEN: &str = "This passkey is not taken: it is none of yours here, or this took too long.";

fn not_set_up() -> Error {
    Error::conflict("2fa_not_set_up", "Set two-factor authentication up first.")
}

/// What a passkey is asked for by whoever is signed in.
fn confirming(caller: &Person, user: i64) -> error::Result<Purpose> {
    let session = caller.actor.session.clone().ok_or_else(Error::forbidden)?;
    Ok(Purpose::Confirm { user, session })
}

impl Factors {
    /// What somebody shows, looked at without using it up: a passkey's challenge alone is used up, whatever comes of it.
    fn shown(
        &self,
        request: &Request,
        [code, recovery_code]: [&Option<String>; 2],
        credential: Option<&AnyJson>,
        purpose: &Purpose,
    ) -> error::Result<Proof> {
        if let Some(sent) = credential {
            let given = Given::read(&sent.0)?;
            let Some(ceremony) = self.0.app.ceremonies.take(given.challenge(), purpose, info(request).now) else {
                return Ok(Proof::Passkey(None));
            };
            return self.0.app.db.read(|reader| passkey::verified(reader, &given, &ceremony)).map(Proof::Passkey);
        }
        match recovery_code.as_ref().filter(|text| !text.is_empty()) {
            Some(text) => Ok(Proof::Recovery(text.clone())),
            None => required("code", code.as_deref()).map(Proof::Code),
        }
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
        work: impl Fn(&mut Writer<'_>, i64) -> error::Result<()> + Send + 'static,
    ) -> error::Result<()> {
        let vault = self.0.app.vault.clone();
        let by_passkey = matches!(proof, Some(Proof::Passkey(_)));
        let verdict = caller.write(move |tx| {
            let verdict = proof.as_ref().map_or(Ok(Verdict::Right), |proof| factor::check(tx, &vault, user, proof))?;
            if verdict == Verdict::Right {
                work(tx, user)?;
            }
            Ok(verdict)
        });
        match verdict.await? {
            Verdict::Right => Ok(()),
            Verdict::Wrong if by_passkey => Err(Error::field("credential", NOT_TAKEN)),
            Verdict::Wrong => Err(totp::wrong_code()),
            Verdict::Wait(seconds) => Err(Error::TooMany(seconds)),
        }
    }
}

fn required(name: &'static str, text: Option<&str>) -> error::Result<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(|| Error::field(name, "This field is required."))
}
