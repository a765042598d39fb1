//! How long an answer takes does not tell whether somebody has an account.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use studio::{
    actor::Role,
    auth::{account, password},
};

use crate::support::{PASSWORD, Server};

/// Asks for each of the classes in turn, so that whatever else the machine does hits all alike; answers the medians.
fn medians(server: &Server, path: &str, status: u16, rounds: usize, classes: &[(&str, Json)]) -> Vec<Duration> {
    let client = server.client();
    let mut samples = vec![vec![]; classes.len()];
    for _ in 0..rounds {
        for ((_, body), samples) in classes.iter().zip(&mut samples) {
            let start = Instant::now();
            let answer = client.post(path, body.clone());
            samples.push(start.elapsed());
            assert_eq!(answer.status, status, "{path} {body}: {}", answer.text);
        }
    }
    let median = |samples: &mut Vec<Duration>| {
        samples.sort_unstable();
        samples[samples.len() / 2]
    };
    samples.iter_mut().map(median).collect()
}

#[test]
fn known_and_unknown_names_take_as_long() {
    let server = Server::start_with(|config| {
        config.otp.resend_seconds = 0;
        config.otp.per_number_a_day = 10_000;
        config.otp.per_day = 10_000;
        config.otp.numbers_per_address_an_hour = 10_000;
        config.email.links_per_recipient_an_hour = 10_000;
        config.email.recipients_per_address_an_hour = 10_000;
    });
    let known = server.member("known", Role::Staff).id;
    let closed = server.member("closed", Role::Staff).id;
    let without = server.member("without", Role::Staff).id;
    // Hashes of tests are cheaper than what is compared when there is nobody.
    let real = password::hash(PASSWORD).expect("a hash");
    server.write(move |tx| {
        for id in [known, closed] {
            account::set_password(tx, id, &real)?;
        }
        tx.update("users", known, vec![("phone", "+256700123450".into())])?;
        tx.update("users", without, vec![("password_hash", studio::db::Value::Null)])?;
        tx.update("users", closed, vec![("is_active", false.into())])
    });
    let login = |name: &str| json!({"username": name, "password": "not the password"});
    let staff = |number: &str| json!({"phone_number": number, "password": "not the password"});
    let mail = |address: &str| json!({"email": address});
    let number = |number: &str| json!({"phone_number": number});
    let classes = |names: &[&'static str], body: &dyn Fn(&str) -> Json| -> Vec<(&'static str, Json)> {
        names.iter().map(|name| (*name, body(name))).collect()
    };
    for (path, status, rounds, classes) in [
        ("/api/auth/login/", 401, 15, classes(&["nobody", "known", "closed", "without"], &login)),
        ("/api/auth/staff-login/", 401, 15, classes(&["+256700123459", "+256700123450"], &staff)),
        ("/api/auth/password-reset-request/", 200, 60, classes(&["nobody@example.com", "known@example.com", "closed@example.com"], &mail)),
        ("/api/auth/send-otp/", 200, 60, classes(&["+256700123458", "+256700123450"], &number)),
    ] {
        let medians = medians(&server, path, status, rounds, &classes);
        let said: Vec<String> = classes.iter().zip(&medians).map(|((name, _), median)| format!("{name} {median:.2?}")).collect();
        println!("{path}: {}", said.join(", "));
        let (least, most) = (medians.iter().min().copied().unwrap_or_default(), medians.iter().max().copied().unwrap_or_default());
        // Generous: a password that is not compared takes a hundredth of one that is.
        assert!(most - least <= (most / 3).max(Duration::from_millis(3)), "{path}: {}", said.join(", "));
    }
}

#[test]
fn what_must_not_tell_of_accounts_is_answered_at_the_end_of_a_step() {
    const STEP: Duration = Duration::from_millis(40);
    let server = Server::start_with(|config| {
        config.auth.answer_milliseconds = STEP.as_millis() as u64;
        config.email.links_per_recipient_an_hour = 1;
    });
    let admin = server.member("admin", Role::Admin);
    server.member("known", Role::Staff);
    let change = |email: &str| json!({"email": email, "current_password": PASSWORD});
    let invite = |email: &str| json!({"email": email, "role": "customer"});
    for (client, path, body, status) in [
        (server.client(), "/api/auth/password-reset-request/", json!({"email": "known@example.com"}), 200),
        (server.client(), "/api/users/password-reset-request/", json!({"email": "nobody@example.com"}), 200),
        (server.client(), "/api/v1/accounts/password-reset-request/", json!({"email": "nobody@example.com"}), 429),
        (server.client(), "/api/auth/send-otp/", json!({"phone_number": "+256700123450"}), 200),
        (server.client(), "/api/auth/send-otp/", json!({"phone_number": "+256700123450"}), 429),
        (admin.clone(), "/api/auth/email-change/", change("unheard@example.com"), 200),
        (admin.clone(), "/api/auth/email-change/", change("known@example.com"), 429),
        (admin.clone(), "/api/accounts/memberships/invite/", invite("known@example.com"), 400),
        (admin, "/api/accounts/memberships/invite/", invite("unknown@example.com"), 201),
    ] {
        let start = Instant::now();
        let answer = client.post(path, body.clone());
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.text);
        assert!(start.elapsed() >= STEP, "{path} {body} after {:?}", start.elapsed());
    }
}
