//! The settings: the shipped `config.toml` is the defaults and explains every key; the later source wins; whatever is wrong is
//! refused in one sentence that names the setting and where it came from, and secrets are never printed.

use std::fs;

use studio::config::{self, CookieSecure, Loaded, Origin, Registration, SameSite};
use toml::{Table, Value};

use crate::support::Folder;

const SHIPPED: &str = include_str!("../../config.toml");

/// The settings from a file with this text, these variables and these flags.
fn load(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, String> {
    let folder = Folder::new();
    let path = folder.path().join("config.toml");
    fs::write(&path, file).expect("a file for the test");
    let environment = environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let flags: Vec<_> = flags.iter().map(|(key, text)| (*key, (*text).to_owned())).collect();
    config::load(Some(&path), environment, &flags)
}

#[track_caller]
fn refusal(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
    match load(file, environment, flags) {
        Ok(_) => panic!("accepted: {file:?} {environment:?} {flags:?}"),
        Err(text) => text,
    }
}

/// `section.key` and value of every line of the shipped file.
fn shipped() -> Vec<(String, Value)> {
    let table: Table = SHIPPED.parse().expect("the shipped file is TOML");
    let sections = table.into_iter().flat_map(|(name, value)| match value {
        Value::Table(section) => section.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)).collect(),
        value => vec![(name, value)],
    });
    sections.collect()
}

#[test]
fn the_shipped_file_is_the_defaults_and_explains_each() {
    let defaults = load("", &[], &[]).expect("the defaults load");
    let mut listed: Vec<_> = defaults.settings.iter().map(|setting| (setting.key.clone(), setting.value.clone())).collect();
    let mut written = shipped();
    listed.sort_by(|a, b| a.0.cmp(&b.0));
    written.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(listed, written, "the settings in force without a file are those of config.toml");
    for setting in &defaults.settings {
        assert_eq!(setting.origin, Origin::Default, "{}", setting.key);
        assert!(setting.help.len() > 20 && setting.help.ends_with('.'), "{} has no sentence: {:?}", setting.key, setting.help);
    }
    let again = load(SHIPPED, &[], &[]).expect("the shipped file loads as an operator's file");
    assert_eq!(format!("{:?}", again.config), format!("{:?}", defaults.config));
    // What the specification fixes.
    let config = &defaults.config;
    assert_eq!(
        (config.dev, config.server.address.to_string().as_str(), config.data.folder.to_str()),
        (false, "127.0.0.1:8000", Some("data"))
    );
    assert_eq!((config.api.page_size, config.api.max_page_size, config.server.body_limit_bytes), (10, 100, 1 << 20));
    let auth = &config.auth;
    assert_eq!(
        (auth.access_seconds, auth.refresh_seconds, auth.remember_seconds, auth.rotation_grace_seconds),
        (900, 86_400, 2_592_000, 30)
    );
    assert_eq!((auth.registration, auth.cookie_secure, auth.cookie_same_site), (Registration::Customer, CookieSecure::Auto, SameSite::Lax));
}

#[test]
fn the_later_source_wins_and_is_remembered() {
    let file = "[api]\ntitle = 'file'\npage_size = 3\n[server]\nidle_seconds = 3\ncors_origins = ['https://file.example']";
    let environment = [
        ("STUDIO_API__PAGE_SIZE", "4"),
        ("STUDIO_SERVER__IDLE_SECONDS", " 4 "),
        ("STUDIO_SERVER__CORS_ORIGINS", "https://a.example, http://localhost:5173"),
        ("STUDIO_DEV", "true"),
        // Not settings.
        ("STUDIO_CONFIG", "x"),
        ("STUDIO_SUPERUSER_PASSWORD", "x"),
        ("PATH", "/bin"),
        ("OTHER_API__PAGE_SIZE", "9"),
    ];
    let Loaded { config, settings } = load(file, &environment, &[("server.idle_seconds", "5")]).expect("they load");
    assert_eq!((config.api.title.as_str(), config.api.page_size, config.server.idle_seconds, config.dev), ("file", 4, 5, true));
    assert_eq!(config.server.cors_origins, ["https://a.example", "http://localhost:5173"]);
    let origin = |key: &str| settings.iter().find(|setting| setting.key == key).expect("a setting").origin.clone();
    assert!(matches!(origin("api.title"), Origin::File(path) if path.ends_with("config.toml")));
    assert_eq!(origin("api.page_size"), Origin::Environment("STUDIO_API__PAGE_SIZE".into()));
    assert_eq!(origin("server.idle_seconds"), Origin::Flag("server.idle_seconds".into()));
    assert_eq!(origin("api.docs"), Origin::Default);
}

#[test]
fn unknown_settings_name_the_nearest() {
    for (file, environment, flags, words) in [
        ("server.adress = '127.0.0.1:1'", &[][..], &[][..], ["server.adress", "did you mean server.address?"]),
        ("[api]\npagesize = 1", &[], &[], ["api.pagesize", "did you mean api.page_size?"]),
        ("[servers]\n", &[], &[], ["servers", "did you mean"]),
        ("", &[("STUDIO_API__PAGESIZE", "1")], &[], ["STUDIO_API__PAGESIZE", "did you mean STUDIO_API__PAGE_SIZE?"]),
        ("", &[("STUDIO_SERVER_ADDRESS", "127.0.0.1:1")], &[], ["STUDIO_SERVER_ADDRESS", "did you mean STUDIO_SERVER__ADDRESS?"]),
        ("", &[], &[("api.pages", "1")], ["api.pages", "the command line"]),
        // Only secrets may come from a file.
        ("", &[("STUDIO_API__TITLE_FILE", "/etc/hostname")], &[], ["STUDIO_API__TITLE_FILE", "unknown setting"]),
    ] {
        let text = refusal(file, environment, flags);
        assert!(text.starts_with("unknown setting") && words.iter().all(|word| text.contains(word)), "{file} {environment:?}: {text}");
    }
}

#[test]
fn wrong_values_name_key_origin_and_what_is_taken() {
    for (file, text) in [
        ("dev = 'yes'", "dev in FILE must be true or false, not \"yes\""),
        ("api.page_size = '10'", "api.page_size in FILE must be a whole number, not \"10\""),
        ("api.page_size = 1.5", "api.page_size in FILE must be a whole number, not 1.5"),
        ("api.title = 5", "api.title in FILE must be a text, not 5"),
        ("server.cors_origins = 'https://a.example'", "server.cors_origins in FILE must be a list of texts, not \"https://a.example\""),
        ("server.cors_origins = [5]", "server.cors_origins in FILE must be a list of texts, not [5]"),
        ("auth.registration = 'open'", "auth.registration in FILE must be customer or off, not \"open\""),
        ("auth.cookie_same_site = 'Lax'", "auth.cookie_same_site in FILE must be lax, strict or none, not \"Lax\""),
        ("otp.countries = ['ug']", "otp.countries in FILE must be a list of country codes such as \"UG\", not [\"ug\"]"),
        ("email.tls = 'ssl'", "email.tls in FILE must be tls, starttls or none, not \"ssl\""),
        (
            "email.from = 'office'",
            "email.from in FILE must be an e-mail address, or a name and one: \"Studio <office@example.org>\", not \"office\"",
        ),
        (
            "email.reset_link = 'https://a.example/'",
            "email.reset_link in FILE must be empty, or a URL with {uid} and {token} in it, not \"https://a.example/\"",
        ),
        ("sms.method = 'GET'", "sms.method in FILE must be POST, PUT or PATCH, not \"GET\""),
        ("sms.body = '{'", "sms.body in FILE must be JSON, with {to} and {text} in its texts, not \"{\""),
        (
            "outbound.allowed_hosts = ['localhost']",
            "outbound.allowed_hosts in FILE must be a list of hosts with ports, such as \"127.0.0.1:9000\", not [\"localhost\"]",
        ),
        ("log.level = 'loud'", "log.level in FILE must be off, error, warn, info, debug or trace, not \"loud\""),
        ("server = 5", "unknown setting server in FILE; did you mean server.address?"),
    ] {
        let said = refusal(file, &[], &[]);
        let path = said.split(" in ").nth(1).and_then(|rest| rest.split([' ', ';']).next()).unwrap_or_default().to_owned();
        if text.starts_with("unknown") {
            assert!(said.starts_with("unknown setting server in"), "{said}");
        } else {
            assert_eq!(said.replace(&path, "FILE"), text, "{file}");
        }
    }
    for (file, key) in [
        ("server.address = 'localhost'", "server.address"),
        ("server.trusted_proxies = ['10.0.0.0/8']", "server.trusted_proxies"),
        ("server.base_url = 'office.example.org'", "server.base_url"),
        ("server.base_url = 'https://office.example.org/'", "server.base_url"),
        ("server.cors_origins = ['https://App.example.org']", "server.cors_origins"),
        ("server.cors_origins = ['https://app.example.org/']", "server.cors_origins"),
        ("server.cors_origins = ['*']", "server.cors_origins"),
        ("data.folder = ''", "data.folder"),
        ("api.title = ''", "api.title"),
    ] {
        assert!(refusal(file, &[], &[]).starts_with(&format!("{key} in ")), "{file}");
    }
    assert_eq!(
        refusal("", &[("STUDIO_API__PAGE_SIZE", "ten")], &[]),
        "api.page_size in environment variable STUDIO_API__PAGE_SIZE must be a whole number, not \"ten\""
    );
    assert_eq!(refusal("", &[], &[("dev", "1")]), "dev in the command line must be true or false, not \"1\"");
    // Together.
    for (file, word) in [
        ("dev = true\nserver.address = '0.0.0.0:8000'", "loopback"),
        ("api.page_size = 101", "api.max_page_size = 100"),
        ("auth.cookie_same_site = 'none'\nauth.cookie_secure = 'never'", "Secure"),
        ("email.tls = 'none'\nemail.host = 'mail.example.org'\nemail.password = 'x'", "in the clear"),
    ] {
        assert!(refusal(file, &[], &[]).contains(word), "{file}");
    }
    // The line of what is no TOML, without quoting it: it may hold a secret.
    let text = refusal("[auth]\njwt_key = \"hush", &[], &[]);
    assert!(text.contains("line 2 is not TOML") && !text.contains("hush"), "{text}");
    let missing = config::load(Some("/nowhere/config.toml".as_ref()), std::iter::empty(), &[])
        .expect_err("a file that was asked for has to be there");
    assert!(missing.contains("/nowhere/config.toml"), "{missing}");
}

/// Every number has a least and a most value, and both ends are themselves taken.
#[test]
fn every_number_has_a_range() {
    let mut count = 0;
    for (key, _) in shipped().into_iter().filter(|(_, value)| value.is_integer()) {
        count += 1;
        let text = refusal(&format!("{key} = -1"), &[], &[]);
        let range = text
            .split(" must be between ")
            .nth(1)
            .and_then(|rest| rest.strip_suffix(", not -1"))
            .unwrap_or_else(|| panic!("{key}: {text}"));
        let (least, most) = range.split_once(" and ").unwrap_or_else(|| panic!("{key}: {text}"));
        let (least, most): (i64, i64) = (least.parse().expect("a number"), most.parse().expect("a number"));
        // Of these, few are too few.
        let some = ["otp.digits", "otp.valid_seconds"].contains(&key.as_str());
        assert!((matches!(least, 0 | 1) || some) && most > least, "{key}: {text}");
        for beyond in [least - 1, most + 1, i64::MAX] {
            refusal(&format!("{key} = {beyond}"), &[], &[]);
        }
        for (end, other) in [(least, ""), (most, "api.max_page_size = 10000\n")] {
            let other = if key == "api.max_page_size" {
                "api.page_size = 1\n"
            } else if key == "api.page_size" {
                other
            } else {
                ""
            };
            load(&format!("{other}{key} = {end}"), &[], &[]).unwrap_or_else(|error| panic!("{key} = {end}: {error}"));
        }
    }
    assert!(count >= 20, "only {count} numbers were looked at");
}

#[test]
fn secrets_come_from_files_and_never_print() {
    const VARIABLE: &str = "STUDIO_AUTH__JWT_KEY";
    const BY_FILE: &str = "STUDIO_AUTH__JWT_KEY_FILE";
    let folder = Folder::new();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file for the test");
        path.to_string_lossy().into_owned()
    };
    let (good, empty) = (path("good", "hush-hush-hush\n"), path("empty", " \n"));
    for environment in [[(BY_FILE, good.as_str())], [(VARIABLE, "hush-hush-hush")]] {
        let loaded = load("", &environment, &[]).expect("they load");
        assert_eq!(loaded.config.auth.jwt_key.expose(), "hush-hush-hush");
        let shown: Vec<String> = loaded.settings.iter().map(studio::config::Setting::shown).collect();
        assert!(!format!("{loaded:?}{shown:?}").contains("hush"), "a secret is printed");
    }
    assert!(refusal("", &[(BY_FILE, &good), (VARIABLE, "other")], &[]).contains("both set"));
    assert!(refusal("", &[(BY_FILE, &empty)], &[]).contains("is empty"));
    assert!(refusal("", &[(BY_FILE, "/nowhere/key")], &[]).contains("/nowhere/key"));
    let text = refusal("auth.jwt_key = 17171717", &[], &[]);
    assert!(text.starts_with("auth.jwt_key in") && !text.contains("17171717"), "{text}");
}
