//! Which passwords are taken, at the doors where somebody sets one: the likeliest there are, what is around a person, and letters of
//! every kind.

use serde_json::{Value, json};
use studio::actor::Role;

use crate::support::{Answer, Client, PASSWORD, Server};

const COMMON: &str = "This password is too common.";
const SHORT: &str = "This password is too short. It must contain at least 8 characters.";
const LONG: &str = "Ensure this field has no more than 128 characters.";
const NUMERIC: &str = "This password is entirely numeric.";
const CONTROL: &str = "This password contains control characters.";

/// What is said of a password by whoever would make an account with it, which has no name yet.
fn said(client: &Client, password: &str) -> Value {
    client.post("/api/auth/register/", json!({"password": password})).expect(400)["password"].clone()
}

fn register(client: &Client, name: &str, password: &str) -> Answer {
    client.post("/api/auth/register/", json!({"username": name, "password": password}))
}

fn login(client: &Client, name: &str, password: &str) -> u16 {
    client.post("/api/auth/login/", json!({"username": name, "password": password})).status
}

#[test]
fn the_three_thousand_likeliest_are_refused() {
    let server = Server::start();
    let client = server.client();
    let passwords: Vec<&str> = include_str!("passwords/top_3000.txt").lines().collect();
    assert_eq!(passwords.len(), 3000);
    let missed: Vec<&str> = passwords
        .iter()
        .copied()
        .filter(|password| said(&client, password).as_array().is_none_or(|texts| !texts.contains(&json!(COMMON))))
        .collect();
    assert!(missed.is_empty(), "{} of 3000: {missed:?}", missed.len());
    // In capitals, with something around, of full width: every hundredth.
    for password in passwords.iter().step_by(100) {
        let wide: String = password.chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c)).collect();
        for variant in [password.to_uppercase(), format!(" {password} "), format!("{password}!"), wide] {
            assert!(said(&client, &variant).to_string().contains(COMMON), "{variant}");
        }
    }
}

#[test]
fn what_is_around_a_person_is_refused() {
    let server = Server::start_with(|config| config.api.title = "Ledgerhouse".to_owned());
    server.write(|tx| tx.update("businesses", 1, vec![("name", "Cedargrove Traders".into())]));
    let client = server.client();
    let around = [
        ("name of this service", "studio"),
        ("name of this service", "ledgerhouse"),
        ("name of the business", "cedargrove"),
        ("name of the business", "cedargrove traders"),
        ("username", "rana.elkhoury"),
        ("username", "elkhoury"),
        ("email address", "bakerylane"),
        ("email address", "lakeside"),
        ("full name", "annabelle"),
        ("phone number", "256700123450"),
    ];
    let variants: [fn(&str) -> String; 10] = [
        |word| format!("{word:7<8}"),
        |word| word.to_uppercase() + "11",
        |word| format!("{word}12"),
        |word| format!("{word}!?"),
        |word| format!("1{word}!"),
        |word| format!("my{word}"),
        |word| format!("{word}26"),
        |word| format!("#{word}#"),
        |word| word[..1].to_uppercase() + &word[1..] + "$$",
        |word| format!("__{word}"),
    ];
    let body = |password: &str| {
        json!({"username": "rana.elkhoury", "email": "bakerylane@lakeside.example", "full_name": "Annabelle Rose",
               "phone": "+256700123450", "password": password})
    };
    let mut count = 0;
    for (what, word) in around {
        for variant in variants {
            let password = variant(word);
            let refusal = client.post("/api/auth/register/", body(&password));
            let text = json!(format!("The password is too similar to the {what}."));
            assert!(refusal.json()["password"].as_array().is_some_and(|texts| texts.contains(&text)), "{password}: {}", refusal.text);
            count += 1;
        }
    }
    assert_eq!(count, 100);
    // A part of what is long enough by itself.
    client.post("/api/auth/register/", body("the studio by the cedargrove, at dusk")).expect(201);
}

#[test]
fn whoever_sets_another_password_has_the_same_rules() {
    let server = Server::start();
    server.write(|tx| tx.update("businesses", 1, vec![("name", "Cedargrove".into())]));
    let alice = server.member("alice", Role::Staff);
    let change = |new: &str| alice.post("/api/auth/password-change/", json!({"current_password": PASSWORD, "new_password": new}));
    for (new, text) in [
        ("sunshine1", COMMON),
        ("cedargrove9", "The password is too similar to the name of the business."),
        ("studio-26", "The password is too similar to the name of this service."),
        ("alice@example", "The password is too similar to the email address."),
        ("with a \u{1b}[0m", CONTROL),
    ] {
        change(new).refuses(json!({"new_password": [text]}));
    }
    change("violet anchor, 92 sails").expect(200);
}

#[test]
fn letters_of_every_kind_count_and_compare_as_what_they_are() {
    let server = Server::start();
    let client = server.client();
    let many = |text: &str, count: usize| text.repeat(count);
    for (password, texts) in [
        (many("é", 7), vec![SHORT]),
        // Eight code points as they come, four letters.
        (many("e\u{301}", 4), vec![SHORT]),
        (many("👩", 7), vec![SHORT]),
        (many("é", 129), vec![LONG]),
        // More than 1,024 bytes.
        (many("👩\u{200d}", 147), vec![LONG]),
        ("٤٨١٥١٦٢٣٤٢".to_owned(), vec![NUMERIC]),
        ("tab\tbed in and out".to_owned(), vec![CONTROL]),
        ("a null \0 character".to_owned(), vec!["Null characters are not allowed."]),
        ("two\nlines of it".to_owned(), vec![CONTROL]),
    ] {
        assert_eq!(said(&client, &password), json!(texts), "{password:?}");
    }
    // As they are chosen; as they are typed elsewhere, which is the same; and what is another.
    let cases = [
        (many("é", 8), many("e\u{301}", 8), many("e", 8)),
        (many("👩\u{200d}🚀", 3), many("👩\u{200d}🚀", 3), many("👩🚀", 3)),
        ("une phrase bien à moi".to_owned(), "une\u{a0}phrase\u{2009}bien a\u{300} moi".to_owned(), "une phrase bien a moi".to_owned()),
        ("  leading and trailing  ".to_owned(), "  leading and trailing  ".to_owned(), "leading and trailing".to_owned()),
        ("한국어 비밀번호예요".to_owned(), "\u{1112}\u{1161}\u{11ab}국어 비밀번호예요".to_owned(), "한국어비밀번호예요".to_owned()),
        ("Straße nach Köln".to_owned(), "Straße nach Ko\u{308}ln".to_owned(), "strasse nach köln".to_owned()),
        (many("ab cd ef ", 14), many("ab cd ef ", 14), many("ab cd ef ", 13)),
        ("كلمة سرية طويلة".to_owned(), "كلمة سرية طويلة".to_owned(), "كلمة سرية".to_owned()),
    ];
    for (n, (chosen, typed, other)) in cases.into_iter().enumerate() {
        let name = format!("person{n}");
        register(&client, &name, &chosen).expect(201);
        for (password, status) in [(&chosen, 200), (&typed, 200), (&other, 401)] {
            assert_eq!(login(&client, &name, password), status, "{chosen:?} {password:?}");
        }
    }
}
