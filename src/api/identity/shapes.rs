//! What is sent and answered when signing in, joining, and changing oneself.

use poem_openapi::{Object, types::Password};

use crate::kit::Json as AnyJson;

/// A sign-in by password. The person is named by whichever of the keys the client knows.
#[derive(Object)]
pub(super) struct Login {
    /// User name; an e-mail address or a phone number does as well.
    pub username: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Phone number, as other clients call it.
    pub phone_number: Option<String>,
    /// User name, e-mail address or phone number.
    pub identifier: Option<String>,
    /// The password, exactly as it was set.
    pub password: Option<Password>,
    /// Stay signed in for 30 days instead of one.
    #[oai(default)]
    pub remember_me: bool,
}

impl Login {
    /// One that names the person by a phone number.
    pub fn by_phone(number: String, password: Password, remember_me: bool) -> Self {
        let password = Some(password);
        Self { username: None, email: None, phone: None, phone_number: Some(number), identifier: None, password, remember_me }
    }
}

/// Whom a code is sent to.
#[derive(Object)]
pub(super) struct SendCode {
    /// Phone number, with the country's code or as one of the first business's country.
    #[oai(validator(max_length = 40))]
    pub phone_number: String,
}

/// A code is on its way.
#[derive(Object)]
pub(super) struct CodeSent {
    /// In words.
    pub detail: String,
    /// Seconds that the code is good for.
    pub expires_in: i64,
}

/// A code that was received.
#[derive(Object)]
pub(super) struct VerifyCode {
    /// The number that it was sent to.
    #[oai(validator(max_length = 40))]
    pub phone_number: String,
    /// The code.
    #[oai(validator(max_length = 20))]
    pub code: String,
}

/// A citizen's tokens.
#[derive(Object)]
pub(super) struct CodeTokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
    /// Whether the person has no name yet, and is to be asked for it.
    pub is_new_user: bool,
    /// `citizen`.
    pub role: String,
}

/// A sign-in of staff.
#[derive(Object)]
pub(super) struct StaffLogin {
    /// Phone number.
    #[oai(validator(max_length = 40))]
    pub phone_number: String,
    /// The password, exactly as it was set.
    pub password: Password,
    /// Stay signed in for 30 days instead of one.
    #[oai(default)]
    pub remember_me: bool,
}

/// The token of one of the staff.
#[derive(Object)]
pub(super) struct StaffTokens {
    /// The access token; the refresh token is in the cookie.
    pub access: String,
    /// `staff`.
    pub role: String,
    /// The uuid of the person's department.
    pub department_id: Option<String>,
    /// The person's role in the business.
    pub membership_role: String,
}

/// The parts of a link that was sent by e-mail.
#[derive(Object)]
pub(super) struct LinkParts {
    /// Which account.
    #[oai(validator(max_length = 200))]
    pub uid: String,
    /// Good once.
    #[oai(validator(max_length = 200))]
    pub token: String,
}

/// Whose password is forgotten.
#[derive(Object)]
pub(super) struct ResetRequest {
    /// E-mail address.
    #[oai(validator(max_length = 254))]
    pub email: String,
}

/// Another password, by the parts of a link.
#[derive(Object)]
pub(super) struct PasswordReset {
    /// Which account.
    #[oai(validator(max_length = 200))]
    pub uid: String,
    /// Good once.
    #[oai(validator(max_length = 200))]
    pub token: String,
    /// At least 8 characters, not a common one, not like the person's own names.
    pub new_password: Password,
}

/// Another password, by the one that there is.
#[derive(Object)]
pub(super) struct PasswordChange {
    /// The password so far. Required.
    pub current_password: Option<Password>,
    /// The same, as other clients call it.
    pub old_password: Option<Password>,
    /// At least 8 characters, not a common one, not like the person's own names.
    pub new_password: Password,
}

/// The password is another, and the session goes on.
#[derive(Object)]
pub(super) struct PasswordChanged {
    /// In words.
    pub detail: String,
    /// A new access token.
    pub access: String,
    /// A new refresh token, where the path answers it in the body.
    pub refresh: Option<String>,
}

/// Another e-mail address.
#[derive(Object)]
pub(super) struct EmailChange {
    /// The new address.
    #[oai(validator(max_length = 254))]
    pub email: String,
    /// The password. Required, unless the account has none.
    pub current_password: Option<Password>,
    /// The same, as other clients call it.
    pub password: Option<Password>,
}

/// Tokens, and who they are for.
#[derive(Object)]
pub(super) struct LoginResponse {
    /// The access token: `Authorization: Bearer ...`, good for 15 minutes.
    pub access: String,
    /// The refresh token, where the path answers it in the body.
    pub refresh: Option<String>,
    /// Who signed in.
    pub user: Option<AnyJson>,
}

/// Both tokens.
#[derive(Object)]
pub(super) struct TokenPair {
    /// The refresh token.
    pub refresh: String,
    /// The access token.
    pub access: String,
}

/// A refresh token.
#[derive(Object)]
pub(super) struct TokenRefresh {
    /// The refresh token; left out when it is in the cookie.
    pub refresh: Option<String>,
}

/// New tokens.
#[derive(Object)]
pub(super) struct TokenRefreshResponse {
    /// A new access token.
    pub access: String,
    /// A new refresh token, where it came in the body and rotates.
    pub refresh: Option<String>,
}

/// A token of either kind.
#[derive(Object)]
pub(super) struct TokenVerify {
    /// The token.
    pub token: String,
}

/// A refresh token to end.
#[derive(Object)]
pub(super) struct TokenBlacklist {
    /// The refresh token.
    pub refresh: String,
}

/// Nothing.
#[derive(Object)]
pub(super) struct Empty {}

/// What happened, in words.
#[derive(Object)]
pub(super) struct Message {
    /// In words.
    pub detail: String,
}

/// A person who joins. At least one of user name, e-mail and phone is needed; a role is never taken from the client.
#[derive(Object)]
pub(super) struct Register {
    /// User name: letters, digits and @/./+/-/_.
    #[oai(validator(max_length = 150))]
    pub username: Option<String>,
    /// E-mail address.
    #[oai(validator(max_length = 254))]
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Phone number, as other clients call it.
    pub phone_number: Option<String>,
    /// The whole name.
    #[oai(validator(max_length = 150))]
    pub full_name: Option<String>,
    /// First name, where it is asked for apart.
    #[oai(validator(max_length = 75))]
    pub first_name: Option<String>,
    /// Last name, where it is asked for apart.
    #[oai(validator(max_length = 74))]
    pub last_name: Option<String>,
    /// At least 8 characters, not a common one, not like the person's own names. Required.
    pub password: Option<Password>,
}

/// What people may change of themselves.
#[derive(Object)]
pub(super) struct Profile {
    /// User name: letters, digits and @/./+/-/_.
    #[oai(validator(max_length = 150))]
    pub username: Option<String>,
    /// E-mail address.
    #[oai(validator(max_length = 254))]
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Phone number, as other clients call it.
    pub phone_number: Option<String>,
    /// The whole name.
    #[oai(validator(max_length = 150))]
    pub full_name: Option<String>,
    /// First name, where it is asked for apart.
    #[oai(validator(max_length = 75))]
    pub first_name: Option<String>,
    /// Last name, where it is asked for apart.
    #[oai(validator(max_length = 74))]
    pub last_name: Option<String>,
    /// The part of town they live in.
    #[oai(validator(max_length = 120))]
    pub neighborhood: Option<String>,
    /// Where they are.
    #[oai(validator(max_length = 255))]
    pub location: Option<String>,
    /// About themselves.
    #[oai(validator(max_length = 1000))]
    pub bio: Option<String>,
    /// Language, as a code (ISO 639): `en`.
    #[oai(validator(max_length = 10))]
    pub language: Option<String>,
    /// Time zone (IANA); none means the business's.
    #[oai(validator(max_length = 50))]
    pub timezone: Option<String>,
    /// Settings of the front end.
    pub preferences: Option<AnyJson>,
}
