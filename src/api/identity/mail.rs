//! What goes by e-mail: proving an address, a forgotten password, another address; and changing one's password.

use poem::{Request, Result};
use poem_openapi::{OpenApi, param::Query};
use serde_json::json;

use super::{
    Form, Identity,
    page::{self, told, wants_page},
    shapes::{EmailChange, LinkParts, Message, PasswordChange, PasswordChanged, PasswordReset, ResetRequest},
};
use crate::{
    auth::{
        gate::{Caller, info},
        link::{self, Purpose},
    },
    engine::{body::FormInput, reply::Reply},
    error::Error,
    kit::DateTime,
};

/// What is said of a link that is not good, whyever.
const NOT_GOOD: &str = "Invalid or expired token";

/// The e-mail flows, on each of the paths of `Identity`.
pub(super) struct ByMail(pub Identity);

#[OpenApi]
impl ByMail {
    /// Verify an e-mail address
    ///
    /// What the link of a verification mail asks for. A browser gets a page with a button.
    #[oai(path = "/verify-email", method = "get")]
    async fn open_verification(
        &self,
        request: &Request,
        /// Which account, as the link says.
        uid: Query<Option<String>>,
        /// The link's token.
        token: Query<Option<String>>,
    ) -> Result<Reply<Message>> {
        let parts = LinkParts { uid: uid.0.unwrap_or_default(), token: token.0.unwrap_or_default() };
        if wants_page(request) {
            return Ok(self.ask(request, parts, Purpose::Verify, "Verify your e-mail address", "Verify", "")?);
        }
        Ok(self.confirm(request, parts, Purpose::Verify).await?)
    }

    /// Verify an e-mail address, as a front end does
    #[oai(path = "/verify-email", method = "post")]
    async fn verify(&self, request: &Request, body: FormInput<LinkParts>) -> Result<Reply<Message>> {
        Ok(self.confirm(request, body.0, Purpose::Verify).await?)
    }

    /// Send the verification mail again
    #[oai(path = "/resend-verification", method = "post")]
    async fn resend_verification(&self, caller: Caller) -> Result<Reply<Message>> {
        Ok(Reply::json(&json!({"detail": self.0.resend_verification(&caller).await?})))
    }

    /// Ask for another password
    ///
    /// Sends a link to the address. The answer is the same whether somebody has it or not.
    #[oai(path = "/password-reset-request", method = "post")]
    async fn request_reset(&self, request: &Request, body: FormInput<ResetRequest>) -> Result<Reply<Message>> {
        self.0.refuse_bad_token(request)?;
        self.0.app.pace.keep(self.0.send_reset(request, body.0.email)).await?;
        Ok(Reply::json(&json!({"detail": "Password reset email sent"})))
    }

    /// Open the link of a password
    ///
    /// Says whether it is good. A browser gets a page that asks for the new password.
    #[oai(path = "/password-reset-confirm", method = "get")]
    async fn open_reset(
        &self,
        request: &Request,
        /// Which account, as the link says.
        uid: Query<Option<String>>,
        /// The link's token.
        token: Query<Option<String>>,
    ) -> Result<Reply<Message>> {
        const FIELD: &str = "<label for=\"p\">New password, at least 8 characters</label>\
                             <input id=\"p\" name=\"new_password\" type=\"password\" autocomplete=\"new-password\" minlength=\"8\" maxlength=\"128\" required>";
        let parts = LinkParts { uid: uid.0.unwrap_or_default(), token: token.0.unwrap_or_default() };
        Ok(self.ask(request, parts, Purpose::Reset, "Set a new password", "Set the password", FIELD)?)
    }

    /// Set another password
    ///
    /// By the parts of a link. Every session of the account ends.
    #[oai(path = "/password-reset-confirm", method = "post")]
    async fn reset(&self, request: &Request, body: FormInput<PasswordReset>) -> Result<Reply<Message>> {
        self.0.refuse_bad_token(request)?;
        match self.0.reset_password(request, body.0).await {
            Ok(()) => Ok(told(request, "Password reset successful")),
            Err(error @ Error::Invalid(_)) if wants_page(request) => Ok(page::refusal(&error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// Change one's password
    ///
    /// Every other session ends; this one goes on with the tokens of the answer.
    #[oai(path = "/password-change", method = "post")]
    async fn change_password(&self, request: &Request, caller: Caller, body: FormInput<PasswordChange>) -> Result<Reply<PasswordChanged>> {
        let pair = self.0.change_password(request, &caller, body.0).await?;
        let mut said = json!({"detail": "Password changed successfully", "access": pair.access});
        if self.0.form == Form::Users {
            return Ok(self.0.with_cookie(request, Reply::json(&said), &pair));
        }
        said["refresh"] = pair.refresh.clone().into();
        let reply = Reply::json(&said);
        Ok(if self.0.form == Form::Auth { self.0.with_cookie(request, reply, &pair) } else { reply })
    }

    /// Change one's e-mail address
    ///
    /// Sends a link to the new address, and a word to the old one. Nothing changes before the link is opened.
    #[oai(path = "/email-change", method = "post")]
    async fn request_change(&self, request: &Request, caller: Caller, body: FormInput<EmailChange>) -> Result<Reply<Message>> {
        self.0.ask_for_address(request, &caller, body.0).await?;
        Ok(Reply::json(&json!({"detail": "Confirmation email sent"})))
    }

    /// Open the link of another e-mail address
    ///
    /// Says whether it is good. A browser gets a page with a button.
    #[oai(path = "/email-change-confirm", method = "get")]
    async fn open_change(
        &self,
        request: &Request,
        /// Which account, as the link says.
        uid: Query<Option<String>>,
        /// The link's token.
        token: Query<Option<String>>,
    ) -> Result<Reply<Message>> {
        let parts = LinkParts { uid: uid.0.unwrap_or_default(), token: token.0.unwrap_or_default() };
        Ok(self.ask(request, parts, Purpose::Change, "Confirm your new e-mail address", "Confirm", "")?)
    }

    /// Make another e-mail address one's own
    #[oai(path = "/email-change-confirm", method = "post")]
    async fn change(&self, request: &Request, body: FormInput<LinkParts>) -> Result<Reply<Message>> {
        Ok(self.confirm(request, body.0, Purpose::Change).await?)
    }
}

impl ByMail {
    /// What a link that is looked at answers; nothing is done yet, for programs that look into mail open links as well.
    fn ask(
        &self,
        request: &Request,
        parts: LinkParts,
        purpose: Purpose,
        title: &str,
        button: &str,
        fields: &str,
    ) -> Result<Reply<Message>, Error> {
        let now = DateTime(info(request).now);
        let good = self.0.app.db.read(|reader| link::peek(reader, now, &parts.uid, &parts.token, purpose))?.is_some();
        match (good, wants_page(request)) {
            (true, true) => Ok(page::form(request, title, button, fields, (&parts.uid, &parts.token))),
            (true, false) => Ok(Reply::json(&json!({"detail": "The link is good: send its parts by POST."}))),
            (false, true) => Ok(page::refusal(NOT_GOOD)),
            (false, false) => Err(Error::Malformed(NOT_GOOD.into())),
        }
    }

    /// Does what a link says about an address.
    async fn confirm(&self, request: &Request, parts: LinkParts, purpose: Purpose) -> Result<Reply<Message>, Error> {
        let done = match purpose {
            Purpose::Change => self.0.change_address(request, parts).await?,
            _ => self.0.verify_address(request, parts).await?,
        };
        match done {
            Some(words) => Ok(told(request, words)),
            None if wants_page(request) => Ok(page::refusal(NOT_GOOD)),
            None => Err(Error::Malformed(NOT_GOOD.into())),
        }
    }
}
