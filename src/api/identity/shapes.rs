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
