//! What stands behind the e-mail flows: links issued and redeemed, passwords and addresses changed, and whoever it concerns told.

use std::sync::Arc;

use jiff::SignedDuration;
use poem::Request;
use serde_json::{Value as Json, json};

use super::{
    Identity,
    shapes::{EmailChange, LinkParts, PasswordChange, PasswordReset},
    sign_in::actor,
};
use crate::{
    app::App,
    auth::{
        account,
        allowance::{self, Limits},
        claim::{self, Address},
        gate::{Caller, info},
        link::{self, Link, Purpose},
        notice::{self, Notice},
        session::{Opening, Pair},
    },
    config::Config,
    db::{Reader, Row, Writer},
    error::{Error, Problems, Result},
    kit::DateTime,
    outbox::{self, Channel, Message},
};

/// What is known of somebody who changes how they prove who they are.
struct Person {
    epoch: i64,
    password_hash: Option<String>,
    email: Option<String>,
    is_verified: bool,
    /// Names that a password must not be like.
    names: Vec<(&'static str, String)>,
}

impl Person {
    fn read(reader: &Reader<'_>, user: i64) -> Result<Self> {
        let sql = "SELECT token_epoch, password_hash, email, email_verified_at IS NOT NULL, username, full_name, phone
                   FROM users WHERE id = ?1 AND deleted_at IS NULL";
        let read = |row: &Row<'_>| {
            let email: Option<String> = row.get(2)?;
            let names =
                [("username", row.get(4)?), ("email address", email.clone()), ("full name", row.get(5)?), ("phone number", row.get(6)?)];
            let names = names.into_iter().filter_map(|(what, name): (_, Option<String>)| Some((what, name?))).collect();
            Ok(Self { epoch: row.get(0)?, password_hash: row.get(1)?, email, is_verified: row.get(3)?, names })
        };
        reader.row(sql, &[user.into()], read)?.ok_or_else(Error::not_found)
    }

    /// # Errors
    /// 400 with what is wrong with a new password.
    fn check(&self, app: &App, user: i64, new_password: &str) -> Result<()> {
        let own: Vec<(&str, &str)> = self.names.iter().map(|(what, name)| (*what, name.as_str())).collect();
        let mut problems = Problems::default();
        match new_password {
            "" => problems.add("new_password", "This field is required."),
            password => app.check_password(password, &own, Some(user))?.into_iter().for_each(|text| problems.add("new_password", text)),
        }
        problems.or_ok()
    }
}

/// A mail of a template.
fn mail(config: &Config, template: &str, to: &str, more: Json) -> Message {
    let mut payload = more.as_object().cloned().unwrap_or_default();
    payload.insert("product".into(), config.api.title.as_str().into());
    Message { channel: Channel::Email, recipient: to.to_owned(), template: template.to_owned(), payload, key: None, due_at: None }
}

/// A mail with a link, which is not sent any more when the link is dead.
fn send_link(tx: &mut Writer<'_>, config: &Config, (purpose, link): (Purpose, &Link), template: &str, to: &str) -> Result<()> {
    let (path, front_end) = match purpose {
        Purpose::Reset => ("auth/password-reset-confirm", &config.email.reset_link),
        Purpose::Change => ("auth/email-change-confirm", &config.email.change_link),
        _ => ("auth/verify-email", &config.email.verify_link),
    };
    let url = link.url(&config.server.public_url(), path, front_end);
    let ends = tx.now().0 + purpose.life();
    let mut message = mail(config, template, to, json!({"link": url}));
    message.due_at = (purpose == Purpose::Reset).then(|| tx.now().0 + LATER);
    outbox::send_until(tx, message, Some(ends)).map(drop)
}

/// What whoever asks may not learn is not sent while they are answered: sending, and not sending, would take them differently long.
const LATER: SignedDuration = SignedDuration::from_secs(1);

fn limits(config: &Config) -> Limits {
    let hour = SignedDuration::from_hours(1);
    Limits {
        pause: SignedDuration::ZERO,
        per_recipient: (config.email.links_per_recipient_an_hour, hour),
        recipients_per_network: (config.email.recipients_per_address_an_hour, hour),
        altogether: None,
        burned: None,
    }
}

/// A time for people, in UTC: whose zone it is to be is not known.
fn shown(time: DateTime) -> String {
    time.0.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Sends a new account's owner, or whoever asks again, the link that proves the address.
pub(super) fn send_verification(tx: &mut Writer<'_>, app: &App, user: i64, email: &str) -> Result<()> {
    let link = link::issue(tx, user, Purpose::Verify, json!({}))?;
    send_link(tx, &app.config, (Purpose::Verify, &link), "verify_email", email)
}

impl Identity {
    pub(super) async fn verify_address(&self, request: &Request, parts: LinkParts) -> Result<Option<&'static str>> {
        let work = move |tx: &mut Writer<'_>| {
            let Some(redeemed) = link::redeem(tx, &parts.uid, &parts.token, Purpose::Verify)? else { return Ok(None) };
            tx.act("verify_email");
            claim::prove(tx, redeemed.user, Address::Email)?;
            Ok(Some("Email verified successfully"))
        };
        self.app.db.write(Arc::new(actor(request)), work).await
    }

    pub(super) async fn resend_verification(&self, caller: &Caller) -> Result<&'static str> {
        let user = caller.actor.user_id.ok_or_else(Error::forbidden)?;
        let app = self.app.clone();
        let work = move |tx: &mut Writer<'_>| {
            let person = Person::read(tx, user)?;
            let Some(email) = person.email else { return Err(Error::field("email", "There is no e-mail address to verify.")) };
            if person.is_verified {
                return Ok("The e-mail address is verified already");
            }
            allowance::take(tx, Channel::Email, &email, &limits(&app.config))?;
            send_verification(tx, &app, user, &email)?;
            Ok("Verification email sent")
        };
        caller.write(work).await
    }

    /// Sends the link for another password to an address. The same work is done for one that nobody has.
    pub(super) async fn send_reset(&self, request: &Request, email: String) -> Result<()> {
        let email = email.trim().to_owned();
        if let Some(text) = account::check_email(&email) {
            return Err(Error::field("email", text));
        }
        let app = self.app.clone();
        let work = move |tx: &mut Writer<'_>| {
            allowance::take(tx, Channel::Email, &email, &limits(&app.config))?;
            // An account with a proven number has an owner; whoever else may have this address gets no way in.
            let sql = "SELECT id, email FROM users WHERE lower(email) = ?1 AND email IS NOT NULL AND deleted_at IS NULL AND is_active = 1
                         AND (email_verified_at IS NOT NULL OR phone_verified_at IS NULL)";
            let found = tx.row(sql, &[email.to_lowercase().into()], |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?)))?;
            if let Some((user, email)) = found {
                let link = link::issue(tx, user, Purpose::Reset, json!({}))?;
                return send_link(tx, &app.config, (Purpose::Reset, &link), "password_reset", &email);
            }
            let link = link::issue_to_nobody(tx, Purpose::Reset, &email)?;
            let url = link.url(&app.config.server.public_url(), "auth/password-reset-confirm", &app.config.email.reset_link);
            outbox::send_to_nobody(tx, mail(&app.config, "password_reset", &email, json!({"link": url})))
        };
        self.app.db.write(Arc::new(actor(request)), work).await
    }

    /// Sets the password that a link allows to be set.
    pub(super) async fn reset_password(&self, request: &Request, reset: PasswordReset) -> Result<()> {
        let (uid, token, new) = (reset.uid, reset.token, reset.new_password.0);
        let not_good = || Error::whole("Invalid or expired token");
        let now = DateTime(info(request).now);
        // Looked at first: only whoever has a good link may have passwords hashed.
        let person = self.app.db.read(|reader| {
            let found = link::peek(reader, now, &uid, &token, Purpose::Reset)?;
            found.map(|found| Ok((found.user, Person::read(reader, found.user)?))).transpose()
        })?;
        let (user, person) = person.ok_or_else(not_good)?;
        person.check(&self.app, user, &new)?;
        let hash = self.app.hasher.hash(new).await?;
        let by_roles = !self.app.config.auth.create_business;
        let work = move |tx: &mut Writer<'_>| {
            let Some(redeemed) = link::redeem(tx, &uid, &token, Purpose::Reset)? else { return Ok(false) };
            let user = redeemed.user;
            if Person::read(tx, user)?.is_verified {
                account::set_password(tx, user, &hash)?;
            } else {
                // The link came to the address: nobody knew before whose it is.
                let keep_other = claim::is_vouched_for(tx, user, by_roles)?;
                claim::take_over(tx, user, Address::Email, Some(&hash), keep_other)?;
            }
            notice::send(tx, user, Notice::PasswordChanged)?;
            Ok(true)
        };
        let done = self.app.db.write(Arc::new(actor(request)), work).await?;
        done.then_some(()).ok_or_else(not_good)
    }

    /// Is this the person's password? An account without one has nothing to compare.
    async fn prove(&self, request: &Request, user: i64, current: Option<String>) -> Result<()> {
        let wrong = || Error::field("current_password", "Your old password was entered incorrectly. Please enter it again.");
        let current = current.filter(|current| !current.is_empty());
        let current = current.ok_or_else(|| Error::field("current_password", "This field is required."))?;
        self.is_own_password(request, user, &current).await?.then_some(()).ok_or_else(wrong)
    }

    pub(super) async fn change_password(&self, request: &Request, caller: &Caller, change: PasswordChange) -> Result<Pair> {
        let user = caller.actor.user_id.ok_or_else(Error::forbidden)?;
        let person = caller.read(|reader| Person::read(reader, user))?;
        self.prove(request, user, change.current_password.or(change.old_password).map(|password| password.0)).await?;
        let new = change.new_password.0;
        person.check(&self.app, user, &new)?;
        let hash = self.app.hasher.hash(new).await?;
        let (app, session, epoch) = (self.app.clone(), caller.actor.session.clone().unwrap_or_default(), person.epoch);
        let work = move |tx: &mut Writer<'_>| {
            // Changed meanwhile: what was compared is the password no more.
            if Person::read(tx, user)?.epoch != epoch {
                return Err(Error::unauthenticated("password_changed", "The user's password has been changed."));
            }
            // The session goes on as it was: no more rights, and no longer.
            let sql = "SELECT rotates, remember, scope, business_id FROM refresh_tokens WHERE family = ?1 ORDER BY id DESC";
            let read = |row: &Row<'_>| {
                let citizen = row.get::<String>(2)? == "citizen";
                let (rotates, remember, business) = (row.get(0)?, row.get(1)?, row.get(3)?);
                Ok(Opening { rotates, remember, citizen, business, ..Opening::default() })
            };
            let how = tx.row(sql, &[session.as_str().into()], read)?.ok_or_else(Error::forbidden)?;
            account::set_password(tx, user, &hash)?;
            notice::send(tx, user, Notice::PasswordChanged)?;
            app.sessions.revoke_family(tx, &session, "password_change")?;
            app.sessions.open(tx, user, how)
        };
        caller.write(work).await
    }

    /// Sends a link to the address that is to be somebody's, and tells the one that is.
    pub(super) async fn ask_for_address(&self, request: &Request, caller: &Caller, change: EmailChange) -> Result<()> {
        let user = caller.actor.user_id.ok_or_else(Error::forbidden)?;
        let person = caller.read(|reader| Person::read(reader, user))?;
        if person.password_hash.is_some() {
            self.prove(request, user, change.current_password.or(change.password).map(|password| password.0)).await?;
        }
        let new = change.email.trim().to_owned();
        if let Some(text) = account::check_email(&new) {
            return Err(Error::field("email", text));
        }
        let config = self.app.config.clone();
        let work = move |tx: &mut Writer<'_>| {
            let person = Person::read(tx, user)?;
            allowance::take(tx, Channel::Email, &new, &limits(&config))?;
            let link = link::issue(tx, user, Purpose::Change, json!({"email": new}))?;
            // To somebody else's address nothing is sent, and nobody is told whose it is.
            let is_taken = !account::taken(tx, None, Some(&new), None, Some(user))?.is_empty();
            if is_taken {
                let url = link.url(&config.server.public_url(), "auth/email-change-confirm", &config.email.change_link);
                outbox::send_to_nobody(tx, mail(&config, "email_change", &new, json!({"link": url})))?;
            } else {
                send_link(tx, &config, (Purpose::Change, &link), "email_change", &new)?;
            }
            if let Some(old) = &person.email {
                let said = json!({"address": new, "time": shown(tx.now())});
                outbox::send(tx, mail(&config, "email_change_asked", old, said))?;
            }
            Ok(())
        };
        self.app.pace.keep(caller.write(work)).await
    }

    /// Makes the address that a link was sent to its account's.
    pub(super) async fn change_address(&self, request: &Request, parts: LinkParts) -> Result<Option<&'static str>> {
        let config = self.app.config.clone();
        let work = move |tx: &mut Writer<'_>| {
            let Some(redeemed) = link::redeem(tx, &parts.uid, &parts.token, Purpose::Change)? else { return Ok(None) };
            let new = redeemed.detail["email"].as_str().unwrap_or_default().to_owned();
            let user = redeemed.user;
            // Somebody was faster.
            if account::check_email(&new).is_some() || !account::taken(tx, None, Some(&new), None, Some(user))?.is_empty() {
                return Ok(None);
            }
            let old = Person::read(tx, user)?.email;
            tx.act("change_email");
            tx.update("users", user, vec![("email", new.as_str().into())])?;
            claim::prove(tx, user, Address::Email)?;
            if let Some(old) = old {
                let said = json!({"address": new, "time": shown(tx.now())});
                outbox::send(tx, mail(&config, "email_changed", &old, said))?;
            }
            Ok(Some("Email changed successfully"))
        };
        self.app.db.write(Arc::new(actor(request)), work).await
    }
}
