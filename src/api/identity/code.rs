//! Signing in by a code sent to a telephone, and as one of the staff.

use std::sync::Arc;

use poem::{Request, Result};
use poem_openapi::OpenApi;
use serde_json::{Value as Json, json};

use super::{
    Form, Identity,
    shapes::{CodeSent, CodeTokens, Login, SendCode, StaffLogin, StaffTokens, VerifyCode},
    sign_in::{Operation, actor},
};
use crate::{
    actor::Role,
    auth::{
        account::{self, NewUser},
        allowance,
        claim::{self, Address},
        otp::Guess,
        session::{Opening, Pair},
    },
    db::{Reader, Row, Writer},
    engine::{body::FormInput, reply::Reply},
    error::Error,
    outbox::Channel,
};

/// Signing in by a code, and as staff, on each of the paths of `Identity`.
pub(super) struct ByCode(pub Identity);

#[OpenApi]
impl ByCode {
    /// Send a one-time code
    ///
    /// As a short message. The answer is the same whether somebody has the number or not.
    #[oai(path = "/send-otp", method = "post")]
    async fn send_otp(&self, request: &Request, body: FormInput<SendCode>) -> Result<Reply<CodeSent>> {
        self.0.refuse_bad_token(request)?;
        let codes = self.0.app.codes.clone();
        let number = self.0.app.db.read(|reader| codes.number(reader, &body.0.phone_number))?;
        let life = codes.life();
        let send = self.0.app.db.write(Arc::new(actor(request)), move |tx| codes.send(tx, &number));
        self.0.app.pace.keep(send).await?;
        Ok(Reply::json(&json!({"detail": "The code was sent.", "expires_in": life})))
    }

    /// Sign in by a one-time code
    ///
    /// Makes an account, as a citizen, for a number that has none. The tokens give a citizen's rights, whatever the account may do
    /// by password.
    #[oai(path = "/verify-otp", method = "post")]
    async fn verify_otp(&self, request: &Request, body: FormInput<VerifyCode>) -> Result<Reply<CodeTokens>> {
        self.0.refuse_bad_token(request)?;
        let (pair, is_new) = self.0.sign_in_by_code(request, &body.0.phone_number, body.0.code.trim()).await?;
        let said = json!({"access": pair.access, "refresh": pair.refresh, "is_new_user": is_new, "role": Role::Citizen.name()});
        let reply = Reply::json(&said);
        Ok(if self.0.form == Form::V1 { reply } else { self.0.with_cookie(request, reply, &pair) })
    }

    /// Sign in as staff
    ///
    /// By phone number and password, for whoever has a staff profile. The refresh token comes in a cookie.
    #[oai(path = "/staff-login", method = "post")]
    async fn staff_login(&self, request: &Request, body: FormInput<StaffLogin>) -> Result<Reply<StaffTokens>> {
        let login = Login::by_phone(body.0.phone_number, body.0.password, body.0.remember_me);
        let (user, pair) = self.0.sign_in(request, login, Operation::StaffLogin).await?;
        Ok(self.0.answer(request, Operation::StaffLogin, user, &pair)?)
    }
}

/// Somebody's place among the staff.
pub(super) struct Staff {
    pub business: i64,
    department: Option<String>,
    role: String,
}

impl Staff {
    /// What signing in as staff answers; the refresh token comes in a cookie.
    pub(super) fn tokens(&self, pair: &Pair) -> Json {
        json!({"access": pair.access, "role": "staff", "department_id": self.department, "membership_role": self.role})
    }
}

/// The first business in which somebody is one of the staff now.
///
/// # Errors
/// 403 when there is none.
pub(super) fn staff(reader: &Reader<'_>, user: i64) -> Result<Staff, Error> {
    let sql = "SELECT p.business_id, d.uuid, m.role FROM staff_profiles AS p
               JOIN memberships AS m ON m.business_id = p.business_id AND m.user_id = p.user_id AND m.status = 'active'
               JOIN businesses AS b ON b.id = p.business_id AND b.is_active = 1 AND b.deleted_at IS NULL
               LEFT JOIN departments AS d ON d.business_id = p.business_id AND d.id = p.department_id
               WHERE p.user_id = ?1 AND p.deleted_at IS NULL AND p.status <> 'left' ORDER BY p.business_id";
    let found = reader.row(sql, &[user.into()], |row| Ok(Staff { business: row.get(0)?, department: row.get(1)?, role: row.get(2)? }))?;
    found.ok_or_else(|| Error::Forbidden { detail: "This account has no staff profile.".into(), code: "no_staff_profile" })
}

impl Identity {
    async fn sign_in_by_code(&self, request: &Request, number: &str, code: &str) -> Result<(Pair, bool), Error> {
        let codes = &self.app.codes;
        let (actor, wrong) = (actor(request), || Error::field("code", "Invalid or expired code."));
        let number = self.app.db.read(|reader| codes.number(reader, number))?;
        let used = match codes.guess(&number, code, actor.now) {
            Guess::Right(used) => used,
            Guess::Wrong => return Err(wrong()),
            Guess::Burned => {
                tracing::warn!(ip = actor.ip, "a one-time code was guessed at in vain as often as it may be");
                self.app.db.write(Arc::new(actor), move |tx| allowance::burn(tx, Channel::Sms, &number)).await?;
                return Err(wrong());
            }
        };
        let (sessions, by_roles) = (self.app.sessions.clone(), !self.app.config.auth.create_business);
        let work = move |tx: &mut Writer<'_>| {
            let (user, is_new) = citizen(tx, &number, by_roles)?;
            let how = Opening { rotates: true, citizen: true, ..Opening::default() };
            Ok((sessions.open(tx, user, how)?, is_new))
        };
        let signed_in = self.app.db.write(Arc::new(actor), work).await;
        if signed_in.is_err() {
            codes.give_back(used);
        }
        signed_in
    }
}

/// The account of a proven number, made if there is none, and whether the person has yet to say who they are. What becomes of a number
/// that somebody else may have put on their account is told in `auth::claim`.
fn citizen(tx: &mut Writer<'_>, number: &str, by_roles: bool) -> Result<(i64, bool), Error> {
    let sql = "SELECT id, is_active, phone_verified_at IS NULL, coalesce(full_name, '') = '', password_hash IS NOT NULL
               FROM users WHERE phone = ?1 AND deleted_at IS NULL";
    let read = |row: &Row<'_>| Ok((row.get::<i64>(0)?, row.get::<bool>(1)?, row.get::<bool>(2)?, row.get::<bool>(3)?, row.get::<bool>(4)?));
    let business = account::default_business(tx)?;
    let mut found = tx.row(sql, &[number.into()], read)?;
    if let Some((id, true, true, _, true)) = found
        && !claim::is_vouched_for(tx, id, by_roles)?
    {
        match claim::give_up(tx, id, Address::Phone)? {
            true => found = None,
            false => claim::take_over(tx, id, Address::Phone, None, false)?,
        }
    }
    let Some((id, is_active, unproven, unnamed, _)) = found else {
        let user = NewUser { phone: Some(number.to_owned()), ..NewUser::default() };
        let id = account::create(tx, user, business.ok_or(Error::Unavailable(60))?, Role::Citizen)?;
        claim::prove(tx, id, Address::Phone)?;
        return Ok((id, true));
    };
    if !is_active {
        return Err(Error::unauthenticated("no_active_account", "No active account found with the given credentials"));
    }
    if unproven {
        claim::prove(tx, id, Address::Phone)?;
    }
    // Whoever was somewhere before, and is not any more, does not come back in this way.
    let belongs = tx.exists("SELECT 1 FROM memberships WHERE user_id = ?1", &[id.into()])?;
    if let (false, Some(business)) = (belongs, business) {
        account::join(tx, id, business, Role::Citizen)?;
    }
    Ok((id, unnamed))
}
