//! Passkeys, made and used by a real browser.

use studio::actor::Role;

use super::{Chromium, sign_in};
use crate::support::{PASSWORD, Server};

#[test]
#[ignore = "needs Chromium"]
fn one_is_added_and_signs_in() {
    let server = Server::start();
    server.member("ada", Role::Admin);
    let browser = Chromium::with_passkeys(&server);
    sign_in(&browser, "ada");
    browser.open("/admin/profile/");
    browser.press("Passkeys");
    browser.fill("#f-passkey", "This laptop");
    browser.fill("#f-passkey-password", PASSWORD);
    browser.press("Add a passkey");
    assert!(browser.text().contains("recovery codes"), "{}", browser.text());
    browser.press("Done");
    browser.open("/admin/profile/two-factor/");
    assert_eq!(browser.eval("document.querySelector('#passkeys input[name=name]').value"), "This laptop");
    browser.shoot("passkeys-1280");
    // The same device twice is told apart by the browser.
    browser.fill("#f-passkey", "Again");
    browser.click("[data-passkey-ask]");
    browser.wait("document.querySelector('[data-passkey-said]').innerText.includes('a passkey of yours already')");

    browser.click(".user > summary");
    browser.press("Sign out");
    assert_eq!(browser.path(), "/admin/login/");
    browser.shoot("login-passkey-1280");
    assert_eq!(browser.press("Sign in with a passkey"), 200);
    assert_eq!(browser.path(), "/admin/");

    // As the browser offers them while somebody types.
    browser.click(".user > summary");
    browser.press("Sign out");
    assert_eq!(browser.takes_offer(), 200);
    assert_eq!(browser.path(), "/admin/");

    // After a password.
    browser.click(".user > summary");
    browser.press("Sign out");
    browser.fill("#username", "ada");
    browser.fill("#password", PASSWORD);
    browser.press("Sign in");
    browser.shoot("second-passkey-1280");
    browser.press("Use a passkey");
    assert_eq!(browser.path(), "/admin/");

    // Before something sensitive: the last one goes, and the password is enough again.
    server.clock.advance(301);
    browser.open("/admin/profile/two-factor/");
    assert_eq!(browser.press("Remove"), 403);
    browser.press("Use a passkey");
    assert!(browser.text().contains("The passkey was removed."), "{}", browser.text());
    browser.is_calm();
}
