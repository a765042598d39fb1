//! What protects people in browsers: cookies that other sites cannot have sent, origins that are listed one by one, headers on every
//! answer, and nothing left behind after signing out.

use std::iter;

use serde_json::json;
use studio::{
    actor::Role,
    config::{self, CookieSecure},
};

use crate::support::{Answer, Client, Folder, PASSWORD, Server};

const OURS: &str = "https://app.example.org";

fn sign_in(client: &Client) -> Answer {
    let answer = client.post("/api/users/login/", json!({"username": "ann", "password": PASSWORD}));
    answer.expect(200);
    answer
}

fn cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.as_str()).collect()
}

/// The refresh token that an answer sets, as a browser sends it.
fn refresh_cookie(answer: &Answer) -> String {
    let line =
        cookies(answer).into_iter().find(|line| line.starts_with("refresh_token=")).unwrap_or_else(|| panic!("{:?}", answer.headers));
    line.split(';').next().expect("a pair").to_owned()
}

/// What a request says of where it comes from, and whether its cookie is taken.
#[rustfmt::skip]
fn requests(own: &str) -> Vec<(Vec<(&'static str, String)>, bool)> {
    let said = |pairs: &[(&'static str, &str)]| pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>();
    let host = own.trim_start_matches("http://");
    vec![
        // No browser: curl, an app, an old client.
        (said(&[]), true),
        (said(&[("user-agent", "curl/8.5.0")]), true),
        // Our own pages, and those of origins that are listed.
        (said(&[("origin", own), ("sec-fetch-site", "same-origin")]), true),
        (said(&[("origin", own)]), true),
        (said(&[("origin", &format!("https://{host}"))]), true),
        (said(&[("sec-fetch-site", "same-origin")]), true),
        (said(&[("sec-fetch-site", "none")]), true),
        (said(&[("origin", OURS), ("sec-fetch-site", "cross-site")]), true),
        (said(&[("origin", OURS), ("sec-fetch-site", "same-site")]), true),
        (said(&[("referer", &format!("{own}/login"))]), true),
        (said(&[("referer", &format!("{OURS}/login"))]), true),
        // A form or a script of another site.
        (said(&[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]), false),
        (said(&[("origin", "https://evil.example")]), false),
        (said(&[("origin", "https://evil.example"), ("sec-fetch-site", "none")]), false),
        (said(&[("sec-fetch-site", "cross-site")]), false),
        (said(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]), false),
        (said(&[("sec-fetch-site", "nonsense")]), false),
        // A frame without an origin.
        (said(&[("origin", "null")]), false),
        (said(&[("origin", "null"), ("sec-fetch-site", "cross-site")]), false),
        (said(&[("origin", "null"), ("sec-fetch-site", "same-origin")]), false),
        // A sibling of the listed origin, and what only looks like one of ours.
        (said(&[("origin", "https://other.example.org"), ("sec-fetch-site", "same-site")]), false),
        (said(&[("sec-fetch-site", "same-site")]), false),
        (said(&[("origin", "https://app.example.org.evil.example")]), false),
        (said(&[("origin", "http://app.example.org")]), false),
        (said(&[("origin", "https://app.example.org:444")]), false),
        (said(&[("origin", "https://APP.example.org")]), false),
        (said(&[("origin", &format!("{own}.evil.example"))]), false),
        (said(&[("origin", "http://127.0.0.1")]), false),
        (said(&[("origin", "http://localhost:1")]), false),
        (said(&[("origin", "")]), false),
        (said(&[("referer", "https://evil.example/page")]), false),
        (said(&[("referer", &format!("https://evil.example/?{own}/"))]), false),
        (said(&[("referer", "about:blank")]), false),
    ]
}

#[test]
fn cookies_are_not_taken_from_other_sites() {
    let server = Server::start_with(|config| config.server.cors_origins = vec![OURS.into()]);
    server.member("ann", Role::Staff);
    for (headers, fits) in requests(&server.url) {
        let saying = || headers.iter().fold(server.client(), |client, (name, value)| client.with(name, value));
        let cookie = refresh_cookie(&sign_in(&server.client()));
        for path in
            ["/api/auth/token/refresh/", "/api/users/token/refresh/", "/api/auth/logout/", "/api/users/logout/", "/api/v1/accounts/logout/"]
        {
            let cookie = if fits { refresh_cookie(&sign_in(&server.client())) } else { cookie.clone() };
            let answer = saying().with("cookie", &cookie).post(path, json!({}));
            if fits {
                assert!([200, 205].contains(&answer.status), "{path} {headers:?}: {}", answer.text);
            } else {
                let body = json!({"detail": "CSRF Failed: the request comes from another site.", "code": "csrf_failed"});
                assert_eq!((answer.status, answer.json()), (403, body), "{path} {headers:?}");
                assert_eq!(cookies(&answer), Vec::<&str>::new(), "{path} {headers:?}");
            }
        }
        // What was refused did nothing.
        if !fits {
            server.client().with("cookie", &cookie).post("/api/users/token/refresh/", json!({})).expect(200);
        }
        // A token in the body is in the hands of whoever sends it.
        let token = refresh_cookie(&sign_in(&server.client())).replace("refresh_token=", "");
        saying().post("/api/auth/token/refresh/", json!({"refresh": token})).expect(200);
    }
}

#[test]
fn a_public_address_is_the_only_own_origin() {
    let server = Server::start_with(|config| config.server.base_url = "https://office.example.org".into());
    server.member("ann", Role::Staff);
    let status = |origin: &str| {
        let cookie = refresh_cookie(&sign_in(&server.client()));
        server.client().with("cookie", &cookie).with("origin", origin).post("/api/users/token/refresh/", json!({})).status
    };
    assert_eq!((status("https://office.example.org"), status(&server.url), status("http://office.example.org")), (200, 403, 403));
}

#[test]
fn cookies_are_for_the_api_and_for_no_script() {
    let plain = Server::start();
    plain.member("ann", Role::Staff);
    let answer = sign_in(&plain.client());
    let lines = cookies(&answer);
    assert!(
        lines[0].starts_with("refresh_token=") && lines[0].ends_with("; HttpOnly; Max-Age=86400; Path=/api/; SameSite=Lax"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("studio_dev=1.") && lines[1].ends_with("; HttpOnly; Max-Age=15552000; Path=/; SameSite=Lax"), "{lines:?}");
    // A browser that has its mark gets no other.
    let mark = lines[1].split(';').next().expect("a pair").to_owned();
    assert_eq!(cookies(&sign_in(&plain.client().with("cookie", &mark))).len(), 1);

    let secure = Server::start_with(|config| config.auth.cookie_secure = CookieSecure::Always);
    secure.member("ann", Role::Staff);
    let answer = sign_in(&secure.client());
    let lines = cookies(&answer);
    assert!(lines.iter().all(|line| line.ends_with("; Secure")) && lines[1].starts_with("__Host-studio_dev=1."), "{lines:?}");
    let mark = lines[1].split(';').next().expect("a pair").to_owned();
    assert_eq!(cookies(&sign_in(&secure.client().with("cookie", &mark))).len(), 1);
    // Behind a proxy that speaks https.
    let behind = Server::start_with(|config| config.server.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")]);
    behind.member("ann", Role::Staff);
    let answer = sign_in(&behind.client().with("x-forwarded-proto", "https"));
    assert!(cookies(&answer).iter().all(|line| line.ends_with("; Secure")), "{:?}", answer.headers);
    assert!(cookies(&sign_in(&behind.client())).iter().all(|line| !line.contains("Secure")));
}

#[test]
fn signing_out_leaves_nothing_behind() {
    let server = Server::start();
    server.member("ann", Role::Staff);
    let answers = ["/api/auth/logout/", "/api/users/logout/", "/api/v1/accounts/logout/", "/api/auth/sessions/end-all/"].map(|path| {
        let answer = sign_in(&server.client());
        let client = server.client().with_token(answer.json()["access"].as_str().expect("a token"));
        client.with("cookie", &refresh_cookie(&answer)).post(path, json!({}))
    });
    for answer in &answers {
        assert!([200, 205].contains(&answer.status), "{}: {}", answer.call, answer.text);
        // All cookies would be the device's mark as well.
        assert_eq!(answer.header("clear-site-data"), Some("\"cache\", \"storage\""), "{}", answer.call);
        let gone = cookies(answer).iter().any(|line| line.starts_with("refresh_token=; HttpOnly; Max-Age=0; Path=/api/"));
        assert!(gone || answer.call.contains("v1"), "{}: {:?}", answer.call, answer.headers);
    }
    assert_eq!(server.client().get("/api/auth/me/").header("clear-site-data"), None);
}

#[test]
fn every_answer_tells_browsers_what_not_to_do() {
    const HEADERS: [&str; 8] = [
        "x-content-type-options",
        "x-frame-options",
        "referrer-policy",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "permissions-policy",
        "content-security-policy",
        "cache-control",
    ];
    let server = Server::start_with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")];
        config.server.cors_origins = vec![OURS.into()];
        config.limits.loopback = true;
        config.limits.login = config::MaybeRate(Some(config::Rate { count: 1, seconds: 60 }));
    });
    let ann = server.member("ann", Role::Staff);
    for https in [false, true] {
        let proto = if https { "https" } else { "http" };
        let (ann, nobody) = (ann.with("x-forwarded-proto", proto), server.client().with("x-forwarded-proto", proto));
        let login = || nobody.post("/api/auth/login/", json!({"username": "x", "password": "y"}));
        let preflight = nobody.with("origin", OURS).with("access-control-request-method", "PATCH");
        let answers = [
            ann.get("/api/auth/me/"),
            ann.delete("/api/auth/sessions/00000000000000000000000000000000/"),
            ann.post("/api/auth/sessions/end-others/", json!({})),
            ann.with("accept", "application/xml").get("/api/auth/me/"),
            nobody.get("/api/auth/me/"),
            nobody.get("/nowhere"),
            nobody.get("/healthz"),
            nobody.get("/api/docs/"),
            nobody.send("TRACE", "/api/auth/me/", None),
            nobody.send("POST", "/api/auth/login/", Some(("application/json", b"{".to_vec()))),
            preflight.send("OPTIONS", "/api/auth/me/", None),
            login(),
            login(),
        ];
        assert_eq!(answers[12].status, 429, "{}", answers[12].text);
        for answer in answers {
            for name in HEADERS {
                assert!(answer.header(name).is_some(), "{} ({}) has no {name}", answer.call, answer.status);
            }
            let remembered = answer.header("strict-transport-security");
            assert_eq!(remembered, https.then_some("max-age=63072000; includeSubDomains"), "{} ({})", answer.call, answer.status);
            assert_eq!(answer.header("server"), None);
        }
    }
    // Anybody can say that they speak https; only proxies that are trusted are believed.
    let untrusting = Server::start();
    assert_eq!(untrusting.client().with("x-forwarded-proto", "https").get("/healthz").header("strict-transport-security"), None);
}

#[test]
fn origins_are_listed_one_by_one() {
    let folder = Folder::new();
    let file = folder.path().join("config.toml");
    for (origins, fits) in [
        ("'https://app.example.org'", true),
        ("'http://localhost:5173', 'https://app.example.org'", true),
        ("'*'", false),
        ("'null'", false),
        ("'https://*.example.org'", false),
        ("'https://app.example.org/'", false),
        ("'app.example.org'", false),
        ("''", false),
    ] {
        std::fs::write(&file, format!("[server]\ncors_origins = [{origins}]")).expect("a file");
        let loaded = config::load(Some(&file), iter::empty(), &[]);
        assert_eq!(loaded.is_ok(), fits, "{origins}");
    }
    let server = Server::start_with(|config| config.server.cors_origins = vec![OURS.into()]);
    server.member("ann", Role::Staff);
    let preflight = |origin: &str| {
        let client = server.client().with("origin", origin).with("access-control-request-method", "POST");
        client.with("access-control-request-headers", "content-type").send("OPTIONS", "/api/users/token/refresh/", None)
    };
    let answer = preflight(OURS);
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("access-control-max-age")), (Some(OURS), Some("600")));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    for origin in ["null", "https://evil.example", "*", ""] {
        let answer = preflight(origin);
        assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control")), "{origin}: {:?}", answer.headers);
        assert!(answer.headers.iter().any(|(name, value)| name == "vary" && value.contains("Origin")), "{origin}");
    }
    // A page of a listed origin may read what it needs of a refusal.
    let refused = server.client().with("origin", OURS).post("/api/auth/login/", json!({}));
    let exposed = refused.header("access-control-expose-headers").unwrap_or_default();
    assert!(["retry-after", "ratelimit", "ratelimit-policy"].iter().all(|name| exposed.contains(name)), "{exposed}");
}
