//! The panel as people have it before them: the real server, driven in a real browser. Ignored unless asked for, since they need one:
//! `cargo test --test studio -- --ignored chromium`. With `STUDIO_SHOTS=<folder>` pictures of what was seen are kept there.

mod axe;
mod driver;
mod everywhere;
mod flows;
mod passkeys;

pub use self::driver::Chromium;
use crate::support::{PASSWORD, Server};

/// A browser in which somebody has signed in.
fn signed_in(server: &Server, name: &str) -> Chromium {
    let browser = Chromium::at(server);
    sign_in(&browser, name);
    assert_eq!(browser.path(), "/admin/");
    browser
}

fn sign_in(browser: &Chromium, name: &str) {
    browser.open("/admin/login/");
    browser.fill("#username", name);
    browser.fill("#password", PASSWORD);
    browser.press("Sign in");
}
