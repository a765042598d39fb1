//! Guessing is bounded: by account, by address, on a known device; exactly, whoever comes at once; and the same for accounts that do
//! not exist. Limits on what is asked at all.

use std::{
    collections::BTreeMap,
    iter,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
};

use serde_json::json;
use studio::{
    actor::Role,
    config::{self, Config, Rate},
};

use crate::{
    factors::{enable, shown},
    support::{Answer, Client, Folder, PASSWORD, Server},
};

/// The budgets as they are shipped; the addresses of requests are what a proxy says.
fn strict(config: &mut Config) {
    let folder = Folder::new();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "").expect("a file");
    config.throttle = config::load(Some(&file), iter::empty(), &[]).expect("the defaults").config.throttle;
    config.server.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")];
}

fn from(server: &Server, address: &str) -> Client {
    server.client().with("x-forwarded-for", address)
}

fn sign_in(client: &Client, name: &str, password: &str) -> Answer {
    client.post("/api/auth/login/", json!({"username": name, "password": password}))
}

/// Seconds until another attempt, of a refusal.
#[track_caller]
fn retry(answer: &Answer) -> i64 {
    assert_eq!(answer.status, 429, "{}: {}", answer.call, answer.text);
    let seconds: i64 = answer.header("retry-after").and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{:?}", answer.headers));
    let unit = if seconds == 1 { "second" } else { "seconds" };
    let body = json!({"detail": format!("Request was throttled. Expected available in {seconds} {unit}."), "code": "throttled"});
    assert_eq!(answer.json(), body);
    assert!(answer.header("ratelimit").is_some_and(|text| text.ends_with(&format!("\";r=0;t={seconds}"))), "{:?}", answer.headers);
    assert!(answer.header("ratelimit-policy").is_some_and(|text| text.contains("\";q=") && text.contains(";w=")), "{:?}", answer.headers);
    seconds
}

/// How often each status came.
fn tally(answers: impl IntoIterator<Item = u16>) -> BTreeMap<u16, usize> {
    let mut tally = BTreeMap::new();
    answers.into_iter().for_each(|status| *tally.entry(status).or_default() += 1);
    tally
}

#[test]
fn wrong_passwords_for_an_account_have_to_wait() {
    let server = Server::start_with(strict);
    let person = server.member("ann", Role::Staff);
    let id = person.id;
    server.write(move |tx| tx.update("users", id, vec![("phone", "+256700123456".into())]));
    // Whatever the account is called, wherever the attempts come from, and whether there is an account at all.
    let names = ["ann", "ANN@example.com", "+256 700 123456"];
    let try_at = |name: &str, n: usize| sign_in(&from(&server, &format!("198.51.100.{n}")), name, &format!("wrong {n}"));
    for unknown in [false, true] {
        let name = |n: usize| if unknown { "nobody" } else { names[n % 3] };
        for n in 0..3 {
            assert_eq!(try_at(name(n), n).status, 401, "{n}");
        }
        assert_eq!(retry(&try_at(name(3), 3)), 3);
    }
    let (known, unknown) = (try_at("ann", 4), try_at("nobody", 5));
    assert_eq!(known.text, unknown.text, "the same for accounts that do not exist");
    for name in ["ratelimit", "ratelimit-policy", "retry-after", "content-type"] {
        assert_eq!(known.header(name), unknown.header(name), "{name}");
    }
    // Whoever signs in otherwise goes on; the right password is no exception.
    person.get("/api/auth/me/").expect(200);
    assert_eq!(retry(&sign_in(&from(&server, "198.51.100.9"), "ann", PASSWORD)), 3);
    server.clock.advance(3);
    assert_eq!(sign_in(&from(&server, "198.51.100.9"), "ann", PASSWORD).status, 200);
    for n in 0..3 {
        assert_eq!(try_at("ann", 20 + n).status, 401, "a right password begins anew: {n}");
    }
    retry(&try_at("ann", 23));
    // It survives a restart.
    let server = server.restart();
    assert_eq!(retry(&sign_in(&server.client(), "ann", PASSWORD)), 3);
}

#[test]
fn a_day_of_guessing_from_a_thousand_addresses() {
    let server = Server::start_with(strict);
    server.member("ann", Role::Staff);
    let start = server.clock.now();
    let midnight = "2026-03-03T00:00:00Z".parse().expect("a time");
    let (mut checks, mut first_minute, mut tries) = (0, 0, 0);
    while server.clock.now() < midnight {
        tries += 1;
        let address = format!("10.0.{}.{}", tries / 250 % 4, tries % 250);
        let answer = sign_in(&from(&server, &address), "ann", &format!("wrong {tries}"));
        if answer.status == 401 {
            checks += 1;
            first_minute += i32::from(server.clock.now().duration_since(start).as_secs() < 60);
        } else {
            server.clock.advance(retry(&answer));
        }
    }
    println!("{checks} checks in a day, {first_minute} of them in the first minute");
    assert_eq!((checks, first_minute), (100, 10));
    // Never for good: tomorrow is another day.
    assert_eq!(sign_in(&server.client(), "ann", PASSWORD).status, 200);
}

#[test]
fn many_accounts_from_one_address() {
    let server = Server::start_with(strict);
    let attacker = from(&server, "2001:db8::1");
    let mut names = 0;
    let mut spray = || {
        let mut checks = 0;
        loop {
            names += 1;
            // The customer's whole network is one address.
            let client = if names % 2 == 0 { from(&server, &format!("2001:db8::{names}")) } else { attacker.clone() };
            let answer = sign_in(&client, &format!("name{names}"), "wrong password");
            match answer.status {
                401 => checks += 1,
                _ if retry(&answer) <= 60 => server.clock.advance(60),
                _ => return (checks, retry(&answer)),
            }
        }
    };
    assert_eq!(spray(), (15, 3600));
    // Others are not concerned, nor is this machine itself.
    for client in [from(&server, "198.51.100.1"), server.client()] {
        assert_eq!(sign_in(&client, "somebody", "wrong password").status, 401);
    }
    server.clock.advance(3600);
    assert_eq!(spray(), (15, 7200), "closed for twice as long");
    assert!(retry(&attacker.post("/api/auth/token/", json!({"username": "x", "password": "y"}))) > 3600, "on every path");
}

#[test]
fn parallel_guesses_get_exactly_what_is_allowed() {
    let server = Server::start_with(strict);
    server.member("ann", Role::Staff);
    let at_once = |calls: Vec<(Client, String)>| {
        let threads: Vec<_> = calls
            .into_iter()
            .enumerate()
            .map(|(n, (client, name))| thread::spawn(move || sign_in(&client, &name, &format!("wrong {n}")).status))
            .collect();
        tally(threads.into_iter().map(|thread| thread.join().expect("an answer")))
    };
    let one_account = (0..40).map(|n| (from(&server, &format!("198.51.100.{n}")), "ann".to_owned())).collect();
    assert_eq!(at_once(one_account), [(401, 3), (429, 37)].into());
    let one_address = (0..40).map(|n| (from(&server, "203.0.113.7"), format!("name{n}"))).collect();
    assert_eq!(at_once(one_address), [(401, 10), (429, 30)].into());
}

/// Whoever comes from everywhere at once is not seen by any budget of one address.
#[test]
fn a_minute_of_many_failures_halves_the_budgets_of_addresses() {
    let server = Server::start_with(|config| {
        strict(config);
        config.throttle.alarm = 1;
    });
    let from_one_address =
        |address: &str| tally((0..12).map(|n| sign_in(&from(&server, address), &format!("{address} {n}"), "wrong").status));
    assert_eq!(from_one_address("203.0.113.7"), [(401, 10), (429, 2)].into());
    for second in 0..60 {
        server.clock.advance(1);
        for n in 0..2 {
            assert_ne!(sign_in(&from(&server, &format!("198.51.{second}.{n}")), "nobody", "wrong").status, 200);
        }
    }
    server.clock.advance(1);
    assert_eq!(from_one_address("203.0.113.8"), [(401, 5), (429, 7)].into());
    server.clock.advance(2);
    assert_eq!(from_one_address("203.0.113.9"), [(401, 10), (429, 2)].into(), "it is over");
}

#[test]
fn right_passwords_use_nothing_up() {
    let server = Server::start_with(strict);
    for n in 0..4 {
        server.member(&format!("user{n}"), Role::Staff);
    }
    // More people behind one address than may be wrong at once, and one of them in several places.
    let threads: Vec<_> = (0..14)
        .map(|n| {
            let client = from(&server, "203.0.113.7");
            thread::spawn(move || sign_in(&client, &format!("user{}", n % 4), PASSWORD).status)
        })
        .collect();
    assert_eq!(tally(threads.into_iter().map(|thread| thread.join().expect("an answer"))), [(200, 14)].into());
    let left = server.app.db.read(|reader| reader.one::<i64>("SELECT coalesce(sum(count), 0) FROM auth_throttle", &[]));
    assert_eq!(left.expect("a count"), Some(0), "all is given back");
}

/// What is right and yet not enough is not a guess.
#[test]
fn a_right_password_begins_anew_also_when_more_is_asked() {
    let server = Server::start_with(strict);
    let (rana, omar) = (server.member("rana", Role::Staff), server.member("omar", Role::Staff));
    let id = omar.id;
    server.write(move |tx| tx.update("users", id, vec![("phone", "+256700123456".into())]));
    enable(&server, &rana);
    let staff = |password: &str| {
        let body = json!({"phone_number": "+256700123456", "password": password});
        server.client().post("/api/auth/staff-login/", body)
    };
    let login = |password: &str| sign_in(&server.client(), "rana", password);
    let enough = |try_with: &dyn Fn(&str) -> Answer, status: u16, code: &str| {
        for round in 0..3 {
            for n in 0..2 {
                assert_eq!(try_with(&format!("wrong {n}")).status, 401, "round {round}");
            }
            let right = try_with(PASSWORD);
            assert_eq!((right.status, right.json()["code"].as_str()), (status, Some(code)), "{}", right.text);
        }
        for n in 0..3 {
            assert_eq!(try_with(&format!("wrong {n}")).status, 401);
        }
        assert_eq!(retry(&try_with(PASSWORD)), 3);
    };
    enough(&login, 401, "totp_required");
    enough(&staff, 403, "no_staff_profile");
}

/// A session that somebody else has got hold of is no way to find the password.
#[test]
fn passwords_confirmed_while_signed_in_are_guessed_at_slowly() {
    let server = Server::start_with(|config| {
        strict(config);
        config.auth.access_seconds = 3 * 86_400;
    });
    let new = "violet-anchor-92";
    type Body = fn(&str) -> serde_json::Value;
    let confirm: [(&str, Body); 4] = [
        ("reauthenticate", |password| json!({"password": password})),
        ("2fa/setup", |password| json!({"password": password})),
        ("email-change", |password| json!({"email": "new@example.org", "current_password": password})),
        ("password-change", |password| json!({"current_password": password, "new_password": "violet-anchor-92"})),
    ];
    for (place, (path, body)) in confirm.iter().enumerate() {
        let name = format!("person{place}");
        let person = server.member(&name, Role::Staff);
        let ask = |path: &str, body: serde_json::Value| person.post(&format!("/api/auth/{path}/"), body);
        for n in 0..3 {
            assert_eq!(ask(path, body(&format!("wrong {n}"))).status, 400, "{path}");
        }
        for (other, body) in confirm {
            assert_eq!(retry(&ask(other, body(PASSWORD))), 3, "{other} after {path}");
        }
        person.get("/api/auth/me/").expect(200);
        assert_eq!(sign_in(&server.client(), &name, PASSWORD).status, 200, "signing in has a budget of its own");
        server.clock.advance(3);
        assert_eq!(ask(path, body(PASSWORD)).status, 200, "{path}");
        let password = if *path == "password-change" { new } else { PASSWORD };
        assert_eq!(sign_in(&server.client(), &name, password).status, 200);
    }
    let rana = server.member("rana", Role::Staff);
    enable(&server, &rana);
    let off = |password: &str| rana.post("/api/auth/2fa/disable/", json!({"password": password, "code": shown(&server, rana.id, 0)}));
    for n in 0..3 {
        assert_eq!(off(&format!("wrong {n}")).status, 400);
    }
    assert_eq!(retry(&off(PASSWORD)), 3);
    server.clock.advance(3);
    off(PASSWORD).expect(200);
    // A day of it.
    let ann = server.member("ann", Role::Staff);
    let midnight = "2026-03-03T00:00:00Z".parse().expect("a time");
    let (mut checks, mut tries) = (0, 0);
    while server.clock.now() < midnight {
        tries += 1;
        let answer = ann.post("/api/auth/reauthenticate/", json!({"password": format!("wrong {tries}")}));
        match answer.status {
            400 => checks += 1,
            _ => server.clock.advance(retry(&answer)),
        }
    }
    assert_eq!(checks, 100);
}

#[test]
fn the_owner_gets_in_on_a_device_that_is_known() {
    let server = Server::start_with(strict);
    server.member("ann", Role::Staff);
    server.member("bob", Role::Staff);
    let mark = |name: &str| {
        let answer = sign_in(&from(&server, "192.0.2.1"), name, PASSWORD);
        let line = answer.headers.iter().find(|(name, value)| name == "set-cookie" && value.starts_with("studio_dev=")).expect("a mark");
        assert!(line.1.contains("; HttpOnly; Max-Age=15552000; Path=/; SameSite=Lax"), "{}", line.1);
        line.1.split(';').next().expect("a pair").to_owned()
    };
    let (anns, bobs) = (mark("ann"), mark("bob"));
    let with = |cookie: &str| from(&server, "198.51.100.7").with("cookie", cookie);
    for n in 0..3 {
        assert_eq!(sign_in(&from(&server, "198.51.100.7"), "ann", &format!("wrong {n}")).status, 401);
    }
    let forged = anns.replace("=1.", "=2.");
    for cookie in ["", "studio_dev=", "studio_dev=1.2.3.4", &forged, &bobs, &anns[..anns.len() - 2]] {
        assert_eq!(retry(&sign_in(&with(cookie), "ann", PASSWORD)), 3, "{cookie}");
    }
    let in_again = sign_in(&with(&anns), "ann", PASSWORD);
    assert_eq!(in_again.status, 200);
    assert!(!in_again.headers.iter().any(|(_, value)| value.starts_with("studio_dev")), "a device that is known has its mark");
    // The attacker is kept out as before, and a stolen device has a budget, too.
    assert_eq!(retry(&sign_in(&from(&server, "198.51.100.7"), "ann", PASSWORD)), 3);
    for n in 0..10 {
        assert_eq!(sign_in(&with(&anns), "ann", &format!("wrong {n}")).status, 401, "{n}");
    }
    assert_eq!(retry(&sign_in(&with(&anns), "ann", PASSWORD)), 3600);
    server.clock.advance(181 * 86_400);
    assert_eq!(sign_in(&with(&anns), "bob", "wrong").status, 401);
}

#[test]
fn accounts_made_from_one_address() {
    let server = Server::start_with(strict);
    let register = |client: &Client, n: usize| {
        client.post("/api/auth/register/", json!({"username": format!("new{n}"), "password": "violet-anchor-92"}))
    };
    let client = from(&server, "198.51.100.7");
    for n in 0..5 {
        register(&client, n).expect(201);
    }
    assert_eq!(retry(&register(&client, 5)), 3600);
    register(&from(&server, "198.51.100.8"), 5).expect(201);
    for n in 6..13 {
        register(&server.client(), n).expect(201);
    }
    server.clock.advance(3600);
    register(&client, 20).expect(201);
    // Asking which names are taken is making accounts: bounded likewise, and then nothing is told of any name.
    let asks = from(&server, "198.51.100.9");
    for n in 0..5 {
        assert_eq!(register(&asks, n).json(), json!({"username": ["A user with that username already exists."]}));
    }
    assert_eq!((retry(&register(&asks, 0)), retry(&register(&asks, 999))), (3600, 3600));
    // With something else wrong, too.
    let short = |name: &str| asks.post("/api/auth/register/", json!({"username": name, "password": "short"}));
    assert_eq!((short("new0").status, short("new0").json()), (400, short("new999").json()));
}

#[test]
fn whoever_is_signed_in_asks_for_few_names_of_others() {
    let server = Server::start_with(|config| config.throttle.names = "3/hour".to_owned().try_into().expect("a rate"));
    let alice = server.member("alice", Role::Staff);
    server.member("bob", Role::Staff);
    let taken = json!({"username": ["A user with that username already exists."]});
    // One's own names, and those that are nobody's, are asked for as often as one likes.
    for n in 0..5 {
        alice.patch("/api/auth/me/", json!({"username": "Alice", "email": "alice@example.com", "bio": format!("{n}")})).expect(200);
        alice.patch("/api/users/profile/", json!({"username": format!("alice{n}")})).expect(200);
        alice.patch("/api/auth/me/", json!({"username": "alice"})).expect(200);
    }
    assert_eq!(alice.patch("/api/auth/me/", json!({"username": "Bob"})).expect(400), taken);
    assert_eq!(alice.patch("/api/v1/accounts/profile/", json!({"username": "bob"})).expect(400), taken);
    let body = json!({"username": "alice", "email": "bob@example.com"});
    assert_eq!(alice.put("/api/users/me/", body.clone()).expect(400)["email"], json!(["user with this email already exists."]));
    // From now on nothing is told of any name; what is not a name goes on.
    for body in [body, json!({"username": "bob"}), json!({"username": "unheard-of"}), json!({"phone": "+256700123450"})] {
        assert_eq!(retry(&alice.patch("/api/auth/me/", body)), 3600);
    }
    alice.patch("/api/auth/me/", json!({"username": "alice", "bio": "still here"})).expect(200);
    assert_eq!(server.member("carol", Role::Staff).patch("/api/auth/me/", json!({"username": "bob"})).expect(400), taken);
    server.clock.advance(3600);
    let again = sign_in(&server.client(), "alice", PASSWORD).expect(200);
    let alice = alice.with_token(again["access"].as_str().expect("a token"));
    assert_eq!(alice.patch("/api/auth/me/", json!({"username": "bob"})).expect(400), taken);
}

#[test]
fn a_flood_of_sign_ins_is_refused_and_holds_nobody_up() {
    const GUESSES: usize = 48;
    let server = Server::start_with(|config| {
        (config.auth.hash_threads, config.auth.hash_queue) = (1, 1);
        config.throttle.account_rate = "1000/day".to_owned().try_into().expect("a rate");
    });
    let alice = server.member("alice", Role::Staff);
    // Those whose password is compared are as few as fit: one under way, one that waits.
    let done = AtomicBool::new(false);
    let (answers, others): (Vec<Answer>, usize) = thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut asked = 0;
            while !done.load(SeqCst) {
                alice.get("/api/auth/me/").expect(200);
                alice.patch("/api/auth/me/", json!({"bio": format!("{asked}")})).expect(200);
                asked += 1;
            }
            asked
        });
        let guess = |n: usize| sign_in(&server.client(), "nobody", &format!("wrong {n}"));
        let guesses: Vec<_> = (0..GUESSES).map(|n| scope.spawn(move || guess(n))).collect();
        let answers = guesses.into_iter().map(|guess| guess.join().expect("an answer")).collect();
        done.store(true, SeqCst);
        (answers, other.join().expect("the others"))
    });
    let tally = tally(answers.iter().map(|answer| answer.status));
    assert_eq!(tally.values().sum::<usize>(), GUESSES);
    let (looked_at, refused) = (tally.get(&401).copied().unwrap_or(0), tally.get(&503).copied().unwrap_or(0));
    assert!(looked_at >= 1 && refused >= 1 && looked_at + refused == GUESSES, "{tally:?}");
    for refusal in answers.iter().filter(|answer| answer.status == 503) {
        assert_eq!(refusal.header("retry-after"), Some("2"), "{:?}", refusal.headers);
    }
    assert!(others > 0, "nobody else was answered");
    // What was refused was not looked at, so it does not count.
    let counted = server.app.db.read(|reader| reader.one::<i64>("SELECT max(count) FROM auth_throttle", &[])).expect("a count");
    assert_eq!(counted, i64::try_from(looked_at).ok());
    sign_in(&server.client(), "alice", PASSWORD).expect(200);
}

#[test]
fn an_administrator_lets_somebody_try_again() {
    let server = Server::start_with(strict);
    let (admin, manager) = (server.member("boss", Role::Admin), server.member("manager", Role::Manager));
    let ann = server.member("ann", Role::Staff);
    let other = server.business("Other");
    let stranger = server.member_with("stranger", Role::Admin, other, &[]);
    let lock = || {
        for n in 0..3 {
            assert_eq!(sign_in(&server.client(), "ann", &format!("wrong {n}")).status, 401);
        }
        retry(&sign_in(&server.client(), "ann", PASSWORD))
    };
    assert_eq!(lock(), 3);
    let path = format!("/api/accounts/users-list/{}/unlock/", ann.id);
    assert_eq!((manager.post(&path, json!({})).status, ann.post(&path, json!({})).status), (403, 403));
    assert_eq!((stranger.post(&path, json!({})).status, server.client().post(&path, json!({})).status), (404, 401));
    retry(&sign_in(&server.client(), "ann", PASSWORD));
    assert_eq!(admin.post(&path, json!({})).expect(200)["username"], "ann");
    assert_eq!(sign_in(&server.client(), "ann", PASSWORD).status, 200);
    let audit = "SELECT count(*) FROM audit_log WHERE action = 'users.unlock'";
    assert_eq!(server.app.db.read(|reader| reader.one::<i64>(audit, &[])).expect("a count"), Some(1));
    // What has nothing to say any more goes.
    lock();
    server.clock.advance(2 * 86_400);
    studio::jobs::run(&server.app, "purge_auth_throttle").expect("the job runs");
    let left = server.app.db.read(|reader| reader.one::<i64>("SELECT count(*) FROM auth_throttle", &[]));
    assert_eq!(left.expect("a count"), Some(0));
}

#[test]
fn what_is_asked_at_all_has_limits() {
    let rate = |count, seconds| config::MaybeRate(Some(Rate { count, seconds }));
    let server = Server::start_with(|config| {
        config.limits.loopback = true;
        config.limits.anonymous = rate(3, 60);
        config.limits.user = rate(5, 60);
        config.limits.export = rate(2, 3600);
    });
    let (ann, bob) = (server.member("ann", Role::Admin), server.member("bob", Role::Admin));
    let nobody = server.client();
    for _ in 0..3 {
        assert_eq!(nobody.get("/api/field/leads/").status, 401);
    }
    assert_eq!(retry(&nobody.get("/api/field/leads/")), 20);
    assert_eq!(nobody.get("/healthz").status, 200, "whoever watches the program is not asked");
    for _ in 0..2 {
        assert_eq!(ann.get("/api/field/leads/export/?format=csv").status, 200);
    }
    assert_eq!(retry(&ann.get("/api/field/leads/export/?format=csv")), 1800);
    for _ in 0..3 {
        ann.get("/api/field/leads/").expect(200);
    }
    assert_eq!(retry(&ann.get("/api/field/leads/")), 12);
    bob.get("/api/field/leads/").expect(200);
    server.clock.advance(12);
    ann.get("/api/field/leads/").expect(200);
    // Off where nothing else is said: whoever works a lot is not stopped, nor is this machine itself.
    let server = Server::start();
    let ann = server.member("ann", Role::Admin);
    for _ in 0..100 {
        ann.get("/api/auth/me/").expect(200);
        assert_eq!(server.client().get("/api/auth/me/").status, 401);
    }
}
