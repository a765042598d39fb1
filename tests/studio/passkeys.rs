//! Passkeys: adding and removing them, signing in with one alone, as the second factor and to prove oneself again; and everything that is
//! refused.

use serde_json::{Value, json};
use studio::actor::Role;

use crate::{
    device::{CAN_SYNC, Device, PRESENT, SYNCED, VERIFIED, text},
    factors::{enable, shown},
    panel::Browser,
    support::{Answer, Client, PASSWORD, Server},
};

const ORIGIN: &str = "https://office.example.org";

fn start() -> Server {
    Server::start_with(|config| config.server.base_url = ORIGIN.into())
}

fn begin(client: &Client) -> Value {
    client.post("/api/auth/passkeys/begin/", json!({})).expect(200)["public_key"].clone()
}

fn finish(client: &Client, credential: Value) -> Answer {
    client.post("/api/auth/passkeys/", json!({"name": "My phone", "credential": credential}))
}

/// Adds a passkey and answers the recovery codes.
fn add(client: &Client, device: &mut Device) -> Vec<String> {
    let options = begin(client);
    let answer = finish(client, device.create(&options)).expect(201);
    serde_json::from_value(answer["recovery_codes"].clone()).unwrap()
}

fn with_passkey(server: &Server, name: &str) -> (Client, Device) {
    let (client, mut device) = (server.member(name, Role::Staff), Device::new(ORIGIN));
    add(&client, &mut device);
    (client, device)
}

fn ask(server: &Server) -> Value {
    server.client().post("/api/auth/passkeys/sign-in/begin/", json!({})).expect(200)["public_key"].clone()
}

fn sign_in(server: &Server, credential: &Value) -> Answer {
    server.client().post("/api/auth/passkeys/sign-in/", json!({"credential": credential}))
}

/// Signs in with the passkey alone.
fn by(server: &Server, device: &mut Device) -> Answer {
    let options = ask(server);
    sign_in(server, &device.get(&options))
}

fn refused(answer: &Answer, code: &str) {
    assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some(code)), "{} {}", answer.call, answer.text);
}

fn stale(answer: &Answer) {
    assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("reauthentication_required")), "{}", answer.text);
}

fn is_no_passkey(answer: &Answer) {
    answer.refuses(json!({"credential": ["This is not what a browser answers for a passkey."]}));
}

fn password(server: &Server, name: &str) -> Answer {
    server.client().post("/api/auth/login/", json!({"username": name, "password": PASSWORD}))
}

fn subjects(server: &Server) -> Vec<String> {
    let sql = "SELECT json_extract(payload, '$.subject') FROM outbox WHERE template = 'message' ORDER BY id";
    server.app.db.read(|reader| reader.rows(sql, &[], |row| row.get(0))).unwrap()
}

fn actions(server: &Server) -> Vec<String> {
    let sql = "SELECT action FROM audit_log WHERE action LIKE '%passkey%' ORDER BY id";
    server.app.db.read(|reader| reader.rows(sql, &[], |row| row.get(0))).unwrap()
}

#[test]
fn one_is_added_seen_renamed_and_removed() {
    let server = start();
    let rana = server.member("rana", Role::Staff);
    refused(&server.client().post("/api/auth/passkeys/begin/", json!({})), "not_authenticated");
    let options = begin(&rana);
    assert_eq!(options["rp"], json!({"id": "office.example.org", "name": "studio"}));
    assert_eq!((&options["user"]["name"], &options["user"]["displayName"]), (&json!("rana"), &json!("rana Example")));
    let algorithms: Vec<&Value> = options["pubKeyCredParams"].as_array().unwrap().iter().map(|one| &one["alg"]).collect();
    assert_eq!(algorithms, [-7, -8, -257]);
    assert_eq!((&options["attestation"], &options["authenticatorSelection"]["residentKey"]), (&json!("none"), &json!("required")));
    assert_eq!((options["challenge"].as_str().unwrap().len(), &options["excludeCredentials"]), (43, &json!([])));
    let mut phone = Device::new(ORIGIN);
    phone.flags |= CAN_SYNC | SYNCED;
    let answer = finish(&rana, phone.create(&options)).expect(201);
    let id = answer["passkey"]["id"].as_i64().unwrap();
    assert_eq!(
        answer["passkey"],
        json!({"id": id, "name": "My phone", "created_at": "2026-03-02T09:00:00.000Z", "last_used_at": null, "synced": true,
            "transports": ["hybrid", "internal"]})
    );
    let codes = answer["recovery_codes"].as_array().unwrap();
    assert_eq!((codes.len(), codes[0].as_str().unwrap().len()), (10, 19));

    // The second is told of the first, and comes without other codes.
    let options = begin(&rana);
    assert_eq!(options["excludeCredentials"], json!([{"type": "public-key", "id": text(&phone.id), "transports": ["hybrid", "internal"]}]));
    let mut key = Device::ed25519(ORIGIN);
    assert_eq!(finish(&rana, key.create(&options)).expect(201)["recovery_codes"], json!([]));
    by(&server, &mut key).expect(200);
    server.clock.advance(60);
    by(&server, &mut phone).expect(200);
    let page = rana.get("/api/users/passkeys/").expect(200);
    assert_eq!((&page["count"], &page["available"], &page["rp_id"]), (&json!(2), &json!(true), &json!("office.example.org")));
    assert_eq!((&page["results"][0]["last_used_at"], &page["results"][1]["synced"]), (&json!("2026-03-02T09:01:00.000Z"), &json!(false)));
    assert_eq!(rana.get("/api/auth/2fa/").expect(200)["passkeys"], 2);

    let place = format!("/api/auth/passkeys/{id}/");
    assert_eq!(rana.patch(&place, json!({"name": " Old phone "})).expect(200)["name"], "Old phone");
    rana.patch(&place, json!({"name": ""})).refuses(json!({"name": ["This field is required."]}));
    rana.patch(&place, json!({"name": "x".repeat(101)})).refuses(json!({"name": ["Ensure this field has no more than 100 characters."]}));
    rana.patch("/api/auth/passkeys/999/", json!({"name": "x"})).expect(404);
    rana.delete("/api/auth/passkeys/nothing/").expect(404);
    // Nobody else's.
    let omar = server.member("omar", Role::Admin);
    omar.patch(&place, json!({"name": "mine"})).expect(404);
    omar.delete(&place).expect(404);
    assert_eq!(omar.get("/api/auth/passkeys/").expect(200)["results"], json!([]));

    // Removing takes a proof that is minutes old.
    server.clock.advance(301);
    stale(&rana.delete(&place));
    let again = rana.post("/api/auth/reauthenticate/begin/", json!({})).expect(200)["public_key"].clone();
    assert_eq!((&again["userVerification"], again["allowCredentials"].as_array().unwrap().len()), (&json!("required"), 2));
    rana.post("/api/auth/reauthenticate/", json!({"credential": key.get(&again)})).expect(200);
    rana.delete(&place).expect(204);
    refused(&by(&server, &mut phone), "no_active_account");
    by(&server, &mut key).expect(200);
    assert_eq!(rana.get("/api/auth/2fa/").expect(200)["recovery_codes_left"], 10);
    let last = rana.get("/api/auth/passkeys/").expect(200)["results"][0]["id"].clone();
    rana.delete(&format!("/api/auth/passkeys/{last}/")).expect(204);
    assert_eq!(rana.get("/api/auth/2fa/").expect(200)["recovery_codes_left"], 0);
    password(&server, "rana").expect(200);
    let (added, removed) = ("A passkey was added to your account", "A passkey was removed from your account");
    assert_eq!(subjects(&server), [added, added, removed, removed]);
    let kinds = ["add", "add", "rename", "remove", "remove"].map(|verb| format!("users.{verb}_passkey"));
    assert_eq!(actions(&server), kinds);
}

#[test]
fn it_signs_in_alone_as_a_password_does() {
    let server = start();
    let plain = server.member("plain", Role::Staff);
    let (rana, mut phone) = with_passkey(&server, "rana");
    let shape = |answer: &Answer| {
        let keys: Vec<String> = answer.expect(200).as_object().unwrap().keys().cloned().collect();
        (keys, answer.header("set-cookie").map(|line| line.split_once(';').expect("attributes").1.to_owned()))
    };
    for form in ["auth", "users", "v1/accounts"] {
        for remember in [false, true] {
            let body = json!({"username": "plain", "password": PASSWORD, "remember_me": remember});
            let expected = shape(&server.client().post(&format!("/api/{form}/login/"), body));
            let asked = server.client().post(&format!("/api/{form}/passkeys/sign-in/begin/"), json!({})).expect(200);
            assert_eq!((&asked["expires_in"], &asked["public_key"]["allowCredentials"]), (&json!(300), &json!([])));
            let body = json!({"credential": phone.get(&asked["public_key"]), "remember_me": remember});
            let answer = server.client().post(&format!("/api/{form}/passkeys/sign-in/"), body);
            assert_eq!(shape(&answer), expected, "{form}");
            let signed = rana.with_token(answer.json()["access"].as_str().unwrap());
            let me = signed.get("/api/auth/me/").expect(200);
            assert_eq!((&me["id"], &me["role"]), (&json!(rana.id), &json!("staff")));
            let sessions = signed.get("/api/auth/sessions/").expect(200);
            assert!(sessions["results"].as_array().unwrap().iter().any(|one| one["current"] == true), "{sessions}");
        }
    }
    let amr = server.app.db.read(|reader| reader.rows("SELECT DISTINCT amr FROM session_proofs", &[], |row| row.get::<String>(0)));
    assert_eq!(amr.unwrap(), ["pop user mfa"]);
    // A form has texts only.
    let options = ask(&server);
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("credential", &phone.get(&options).to_string()).finish();
    let answer =
        server.client().send("POST", "/api/auth/passkeys/sign-in/", Some(("application/x-www-form-urlencoded", form.into_bytes())));
    answer.expect(200);
    drop(plain);
}

#[test]
fn it_is_a_second_factor() {
    let server = start();
    let (rana, mut phone) = (server.member("rana", Role::Staff), Device::new(ORIGIN));
    let codes = add(&rana, &mut phone);
    let waiting = |server: &Server| {
        let body = password(server, "rana").expect(401);
        assert_eq!((&body["code"], &body["detail"]), (&json!("totp_required"), &json!("Use your passkey.")));
        assert_eq!(body["methods"], json!(["passkey", "recovery_code"]));
        body["challenge"].as_str().unwrap().to_owned()
    };
    let asked = |waiting: &str| {
        let answer = server.client().post("/api/users/2fa/verify/begin/", json!({"challenge": waiting})).expect(200);
        assert_eq!(answer["public_key"]["allowCredentials"][0]["id"], text(&phone_id(&server)));
        answer["public_key"].clone()
    };
    let verify = |waiting: &str, credential: Value| {
        server.client().post("/api/auth/2fa/verify/", json!({"challenge": waiting, "credential": credential}))
    };
    // That somebody has the device is enough beside a password.
    phone.flags = PRESENT;
    let begun = waiting(&server);
    let answer = verify(&begun, phone.get(&asked(&begun))).expect(200);
    let amr: Vec<String> = server.app.db.read(|reader| reader.rows("SELECT amr FROM session_proofs", &[], |row| row.get(0))).unwrap();
    assert_eq!(amr, ["pwd pop mfa"]);
    refused(&verify(&begun, phone.get(&ask(&server))), "challenge_not_valid");
    // It is no sign-in by itself.
    refused(&by(&server, &mut phone), "no_active_account");
    phone.flags = PRESENT | VERIFIED;

    // A challenge is for the sign-in that asked for it, and good once.
    let (begun, other) = (waiting(&server), waiting(&server));
    let signed = phone.get(&asked(&other));
    refused(&verify(&begun, signed.clone()), "passkey_invalid");
    refused(&verify(&other, signed), "passkey_invalid");
    refused(&verify(&begun, phone.get(&ask(&server))), "passkey_invalid");
    let signed = phone.get(&asked(&begun));
    refused(&sign_in(&server, &signed), "challenge_not_valid");
    verify(&begun, phone.get(&asked(&begun))).expect(200);
    refused(&server.client().post("/api/auth/2fa/verify/begin/", json!({"challenge": begun})), "challenge_not_valid");
    // Nobody else's passkey.
    let (_, mut others) = with_passkey(&server, "omar");
    let begun = waiting(&server);
    refused(&verify(&begun, others.get(&asked(&begun))), "passkey_invalid");
    // A code in its place; there is no app.
    let body = json!({"challenge": begun, "recovery_code": codes[0]});
    server.client().post("/api/auth/2fa/verify/", body).expect(200);
    let body = json!({"challenge": waiting(&server), "code": "123456"});
    refused(&server.client().post("/api/auth/2fa/verify/", body), "totp_invalid");

    // Five tries.
    let begun = waiting(&server);
    for _ in 0..5 {
        refused(&verify(&begun, phone.get(&ask(&server))), "passkey_invalid");
    }
    refused(&verify(&begun, phone.get(&ask(&server))), "challenge_not_valid");
    // Whoever has no passkey is asked for none.
    let plain = server.member("plain", Role::Staff);
    enable(&server, &plain);
    let begun = password(&server, "plain").expect(401);
    assert_eq!(
        (&begun["detail"], &begun["methods"]),
        (&json!("Enter the code of your authenticator app."), &json!(["totp", "recovery_code"]))
    );
    let answer2 = server.client().post("/api/auth/2fa/verify/begin/", json!({"challenge": begun["challenge"]}));
    assert_eq!(answer2.expect(409)["code"], "no_passkey");
    drop(answer);
}

fn phone_id(server: &Server) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let sql = "SELECT credential_id FROM passkeys ORDER BY id LIMIT 1";
    let id: String = server.app.db.read(|reader| reader.one(sql, &[])).unwrap().expect("a passkey");
    URL_SAFE_NO_PAD.decode(id).unwrap()
}

#[test]
fn it_lives_beside_an_app() {
    let server = start();
    let (rana, mut phone) = (server.member("rana", Role::Staff), Device::new(ORIGIN));
    let codes = enable(&server, &rana);
    // The password alone adds no passkey to an account with two factors.
    server.clock.advance(301);
    stale(&rana.post("/api/auth/passkeys/begin/", json!({"password": PASSWORD})));
    let proof = json!({"password": PASSWORD, "code": shown(&server, rana.id, 0)});
    rana.post("/api/auth/reauthenticate/", proof).expect(200);
    assert_eq!(add(&rana, &mut phone), [""; 0], "the codes of the app stay good");
    assert_eq!(password(&server, "rana").expect(401)["methods"], json!(["totp", "passkey", "recovery_code"]));
    // The app goes by a passkey, and the codes stay with the passkey.
    let options = rana.post("/api/auth/reauthenticate/begin/", json!({})).expect(200)["public_key"].clone();
    let body = json!({"password": PASSWORD, "credential": phone.get(&options)});
    rana.post("/api/auth/2fa/disable/", body).expect(200);
    assert_eq!(rana.get("/api/auth/2fa/").expect(200)["enabled"], false);
    let begun = password(&server, "rana").expect(401);
    assert_eq!(begun["methods"], json!(["passkey", "recovery_code"]));
    let body = json!({"challenge": begun["challenge"], "recovery_code": codes[3]});
    server.client().post("/api/auth/2fa/verify/", body).expect(200);
    // An app after a passkey brings no codes; new ones are to be had.
    rana.post("/api/auth/2fa/setup/", json!({"password": PASSWORD})).expect(200);
    let confirmed = rana.post("/api/auth/2fa/confirm/", json!({"code": shown(&server, rana.id, 0)})).expect(200);
    assert_eq!(confirmed["recovery_codes"], json!([]));
    let renewed = rana.post("/api/auth/2fa/recovery-codes/", json!({})).expect(200);
    assert_eq!(renewed["recovery_codes"].as_array().unwrap().len(), 10);
}

#[test]
fn what_is_not_quite_a_new_passkey_is_refused() {
    let server = start();
    let rana = server.member("rana", Role::Staff);
    type Change = fn(&mut Device);
    let changes: [Change; 10] = [
        |device| device.origin = "https://evil.example".into(),
        |device| device.origin = "http://office.example.org".into(),
        |device| device.rp_id = Some("evil.example".into()),
        |device| device.kind = Some("webauthn.get"),
        |device| device.cross_origin = true,
        |device| device.flags = VERIFIED,
        |device| device.flags = PRESENT,
        |device| device.flags |= SYNCED,
        |device| device.format = Some("android-safetynet"),
        |device| device.id = vec![7; 1024],
    ];
    for (place, change) in changes.iter().enumerate() {
        let mut device = Device::new(ORIGIN);
        change(&mut device);
        let answer = finish(&rana, device.create(&begin(&rana)));
        assert_eq!(answer.status, 400, "{place}");
        is_no_passkey(&answer);
    }
    // The key that signs itself is no worse than one that does not; if it does.
    let mut device = Device::new(ORIGIN);
    device.format = Some("packed");
    finish(&rana, device.create(&begin(&rana))).expect(201);
    let mut device = Device::ed25519(ORIGIN);
    device.format = Some("packed");
    is_no_passkey(&finish(&rana, device.create(&begin(&rana))));

    let good = |rana: &Client| Device::new(ORIGIN).create(&begin(rana));
    let with = |part: &str, value: Value| {
        let mut credential = good(&rana);
        credential["response"][part] = value;
        finish(&rana, credential)
    };
    for garbage in [json!(""), json!("AAAA"), json!("%%%"), json!(7), json!(null), json!("A".repeat(40_000)), json!(text(&[0x9b; 60]))] {
        is_no_passkey(&with("attestationObject", garbage.clone()));
        is_no_passkey(&with("clientDataJSON", garbage));
    }
    // Something behind it, and half of it.
    let whole = good(&rana);
    let object = whole["response"]["attestationObject"].as_str().unwrap().to_owned();
    is_no_passkey(&with("attestationObject", json!(object[..object.len() / 2].to_owned())));
    is_no_passkey(&with("attestationObject", json!(format!("{object}AAAA"))));
    for wrong in [json!("x"), json!([]), json!({}), json!({"id": "AAAA", "type": "public-key", "response": {}}), json!(1)] {
        let answer = finish(&rana, wrong);
        assert_eq!(answer.status, 400, "{}", answer.text);
    }
    let mut other = good(&rana);
    other["id"] = "AAAA".into();
    is_no_passkey(&finish(&rana, other));
    rana.post("/api/auth/passkeys/", json!({"credential": good(&rana)})).refuses(json!({"name": ["This field is required."]}));
    rana.post("/api/auth/passkeys/", json!({"name": "x"})).refuses(json!({"credential": ["This field is required."]}));
    assert_eq!(rana.get("/api/auth/passkeys/").expect(200)["count"], 1);
}

#[test]
fn a_challenge_is_good_once_for_one_person_and_one_thing() {
    let server = start();
    let (rana, omar) = (server.member("rana", Role::Staff), server.member("omar", Role::Staff));
    let over = |answer: &Answer| answer.refuses(json!({"credential": ["Begin again: this took too long, or was done before."]}));
    let mut phone = Device::new(ORIGIN);
    let created = phone.create(&begin(&rana));
    finish(&rana, created.clone()).expect(201);
    over(&finish(&rana, created));
    // Somebody else's, another session's, and one of another kind.
    over(&finish(&omar, Device::new(ORIGIN).create(&begin(&rana))));
    let signed = by(&server, &mut phone).expect(200);
    let elsewhere = rana.with_token(signed["access"].as_str().unwrap());
    over(&finish(&elsewhere, Device::new(ORIGIN).create(&begin(&rana))));
    let mut options = begin(&rana);
    options["challenge"] = ask(&server)["challenge"].clone();
    over(&finish(&rana, Device::new(ORIGIN).create(&options)));
    // Five minutes.
    let (early, late) = (begin(&rana), begin(&rana));
    server.clock.advance(299);
    finish(&rana, Device::new(ORIGIN).create(&early)).expect(201);
    server.clock.advance(1);
    over(&finish(&rana, Device::new(ORIGIN).create(&late)));
    // The same of signing in.
    let options = ask(&server);
    let signed = phone.get(&options);
    sign_in(&server, &signed).expect(200);
    refused(&sign_in(&server, &signed), "challenge_not_valid");
    refused(&sign_in(&server, &phone.get(&json!({"rpId": "office.example.org", "challenge": text(&[1; 32])}))), "challenge_not_valid");
    let options = ask(&server);
    server.clock.advance(300);
    refused(&sign_in(&server, &phone.get(&options)), "challenge_not_valid");

    // One passkey is one person's.
    let rana = rana.with_token(by(&server, &mut phone).expect(200)["access"].as_str().unwrap());
    let omar = omar.with_token(password(&server, "omar").expect(200)["access"].as_str().unwrap());
    for person in [&rana, &omar] {
        let again = finish(person, phone.create(&begin(person)));
        again.refuses(json!({"credential": ["This passkey was added before."]}));
    }
    // And so many are enough.
    for _ in 2..20 {
        add(&rana, &mut Device::new(ORIGIN));
    }
    assert_eq!(rana.post("/api/auth/passkeys/begin/", json!({})).expect(409)["code"], "too_many_passkeys");
}

#[test]
fn what_is_not_quite_signed_is_refused() {
    let server = start();
    let (_, mut phone) = with_passkey(&server, "rana");
    type Change = fn(&mut Device);
    let changes: [(Change, Change); 8] = [
        (|device| device.origin = "https://evil.example".into(), |device| device.origin = ORIGIN.into()),
        (|device| device.rp_id = Some("evil.example".into()), |device| device.rp_id = None),
        (|device| device.kind = Some("webauthn.create"), |device| device.kind = None),
        (|device| device.cross_origin = true, |device| device.cross_origin = false),
        (|device| device.flags = PRESENT, |device| device.flags = PRESENT | VERIFIED),
        (|device| device.flags = VERIFIED, |device| device.flags = PRESENT | VERIFIED),
        (|device| device.flags |= CAN_SYNC, |device| device.flags = PRESENT | VERIFIED),
        (|device| device.flags |= SYNCED, |device| device.flags = PRESENT | VERIFIED),
    ];
    for (place, (change, back)) in changes.iter().enumerate() {
        change(&mut phone);
        let answer = by(&server, &mut phone);
        assert_eq!(answer.status, 401, "{place}");
        refused(&answer, "no_active_account");
        back(&mut phone);
    }
    let with = |phone: &mut Device, part: &str, value: Value| {
        let options = ask(&server);
        let mut signed = phone.get(&options);
        signed["response"][part] = value;
        sign_in(&server, &signed)
    };
    for garbage in ["", "AAAA", &text(&[0; 37]), &text(&[0xff; 200])] {
        refused(&with(&mut phone, "signature", json!(garbage)), "no_active_account");
        refused(&with(&mut phone, "authenticatorData", json!(garbage)), "no_active_account");
    }
    // Somebody else's name, and none.
    let omar = server.member("omar", Role::Staff);
    let uuid: String =
        server.app.db.read(|reader| reader.one("SELECT uuid FROM users WHERE id = ?1", &[omar.id.into()])).unwrap().expect("a uuid");
    for handle in [json!(text(uuid.as_bytes())), json!(null), json!("")] {
        refused(&with(&mut phone, "userHandle", handle), "no_active_account");
    }
    // A device that nobody knows, and somebody else's credential under its own key.
    let mut stranger = Device::new(ORIGIN);
    stranger.handle.clone_from(&phone.handle);
    refused(&by(&server, &mut stranger), "no_active_account");
    stranger.id.clone_from(&phone.id);
    refused(&by(&server, &mut stranger), "no_active_account");
    for garbage in ["", "AAAA", "%", &"A".repeat(40_000)] {
        is_no_passkey(&with(&mut phone, "clientDataJSON", json!(garbage)));
    }
    server.client().post("/api/auth/passkeys/sign-in/", json!({})).refuses(json!({"credential": ["This field is required."]}));
    by(&server, &mut phone).expect(200);
}

#[test]
fn a_copy_that_falls_behind_is_refused_and_told() {
    let server = start();
    let (rana, mut key) = (server.member("rana", Role::Staff), Device::new(ORIGIN));
    key.count = 5;
    add(&rana, &mut key);
    by(&server, &mut key).expect(200);
    by(&server, &mut key).expect(200);
    for count in [6, 3] {
        key.count = count;
        refused(&by(&server, &mut key), "no_active_account");
    }
    // One that says nothing of it any more.
    key.count = 0;
    refused(&by(&server, &mut key), "no_active_account");
    let copied = "A passkey of your account may have been copied";
    assert_eq!(subjects(&server), ["A passkey was added to your account", copied, copied, copied]);
    assert_eq!(actions(&server).iter().filter(|action| *action == "users.copied_passkey").count(), 3);
    key.count = 7;
    by(&server, &mut key).expect(200);
}

#[test]
fn accounts_that_are_closed_or_locked_are_refused_as_by_password() {
    let server = Server::start_with(|config| {
        config.server.base_url = ORIGIN.into();
        config.throttle.account = serde_json::from_value(json!(["3:60"])).unwrap();
        config.throttle.device = studio::config::MaybeRate(None);
    });
    let (rana, mut phone) = with_passkey(&server, "rana");
    let admin = server.member("admin", Role::Admin);
    let id = rana.id;
    server.write(move |tx| tx.update("users", id, vec![("is_active", false.into())]));
    let answer = by(&server, &mut phone);
    server.write(move |tx| studio::auth::throttle::unlock(tx, id));
    let wrong = password(&server, "rana");
    assert_eq!((answer.status, answer.json()), (wrong.status, wrong.json()));
    server.write(move |tx| tx.update("users", id, vec![("is_active", true.into())]));
    server.write(move |tx| studio::auth::throttle::unlock(tx, id));
    by(&server, &mut phone).expect(200);

    // Guessing is counted for both alike.
    let mut thief = Device::new(ORIGIN);
    thief.id.clone_from(&phone.id);
    thief.handle.clone_from(&phone.handle);
    let mut tries = 0;
    while by(&server, &mut thief).status == 401 {
        tries += 1;
        assert!(tries < 50, "never throttled");
    }
    assert_eq!((by(&server, &mut phone).status, password(&server, "rana").status), (429, 429));
    server.write(move |tx| studio::auth::throttle::unlock(tx, id));
    by(&server, &mut phone).expect(200);

    // An administrator takes it away with the rest.
    let access = admin.get(&format!("/api/accounts/users-list/{id}/access/")).expect(200);
    assert_eq!((&access["second_factor"], &access["passkeys"]), (&json!(true), &json!(1)));
    let member = admin.get(&format!("/api/accounts/memberships/?user={id}")).expect(200);
    assert_eq!(member["results"][0]["second_factor"], true, "{member}");
    admin.post(&format!("/api/accounts/users-list/{id}/reset-2fa/"), json!({})).expect(200);
    refused(&by(&server, &mut phone), "no_active_account");
    password(&server, "rana").expect(200);
    assert_eq!(subjects(&server).last().map(String::as_str), Some("Two-factor authentication was reset"));
}

#[test]
fn whoever_must_have_two_factors_may_have_a_passkey() {
    let server = Server::start_with(|config| {
        config.server.base_url = ORIGIN.into();
        config.factors.require_2fa = vec![Role::Admin];
    });
    let rana = server.member("rana", Role::Admin);
    assert_eq!(rana.get("/api/field/leads/").expect(403)["code"], "2fa_setup_required");
    let mut phone = Device::new(ORIGIN);
    add(&rana, &mut phone);
    rana.get("/api/field/leads/").expect(200);
    let signed = rana.with_token(by(&server, &mut phone).expect(200)["access"].as_str().unwrap());
    signed.get("/api/field/leads/").expect(200);
    let id = signed.get("/api/auth/passkeys/").expect(200)["results"][0]["id"].clone();
    signed.delete(&format!("/api/auth/passkeys/{id}/")).expect(204);
    assert_eq!(signed.get("/api/field/leads/").expect(403)["code"], "2fa_setup_required");
    assert_eq!(signed.get("/api/auth/2fa/").expect(200)["setup_required"], true);
}

#[test]
fn to_prove_oneself_again_takes_more_than_the_device() {
    let server = start();
    let (rana, mut phone) = with_passkey(&server, "rana");
    let (_, mut others) = with_passkey(&server, "omar");
    server.clock.advance(301);
    stale(&rana.post("/api/auth/2fa/recovery-codes/", json!({})));
    let options = || rana.post("/api/auth/reauthenticate/begin/", json!({})).expect(200)["public_key"].clone();
    let again = |credential: Value| rana.post("/api/auth/reauthenticate/", json!({"credential": credential}));
    let not_taken = json!({"credential": ["This passkey is not taken: it is none of yours here, or this took too long."]});
    phone.flags = PRESENT;
    again(phone.get(&options())).refuses(not_taken.clone());
    phone.flags |= VERIFIED;
    again(others.get(&options())).refuses(not_taken.clone());
    again(phone.get(&ask(&server))).refuses(not_taken.clone());
    let signed = phone.get(&options());
    again(signed.clone()).expect(200);
    again(signed).refuses(not_taken);
    rana.post("/api/auth/2fa/recovery-codes/", json!({})).expect(200);
    // The password alone is not enough any more.
    rana.post("/api/auth/reauthenticate/", json!({"password": PASSWORD})).refuses(json!({"code": ["This field is required."]}));
}

#[test]
fn a_server_without_a_name_says_so() {
    let server = Server::start();
    let rana = server.member("rana", Role::Staff);
    let page = rana.get("/api/auth/passkeys/").expect(200);
    assert_eq!((&page["available"], &page["rp_id"]), (&json!(false), &Value::Null));
    let why = page["unavailable_because"].as_str().unwrap();
    assert!(why.contains("not an IP address") && why.contains("server.base_url"), "{why}");
    for answer in [
        rana.post("/api/auth/passkeys/begin/", json!({})),
        rana.post("/api/auth/reauthenticate/begin/", json!({})),
        server.client().post("/api/auth/passkeys/sign-in/begin/", json!({})),
        server.client().post("/api/auth/2fa/verify/begin/", json!({"challenge": "x"})),
    ] {
        let body = answer.expect(409);
        assert_eq!((&body["code"], body["detail"].as_str()), (&json!("passkeys_unavailable"), Some(why)), "{}", answer.call);
    }
    // By its other name, this machine will do.
    let port = server.url.rsplit(':').next().unwrap();
    let (named, origin) = (rana.with("host", &format!("localhost:{port}")), format!("http://localhost:{port}"));
    let options = begin(&named);
    assert_eq!(options["rp"]["id"], "localhost");
    finish(&named, Device::new(&origin).create(&options)).expect(201);
    let evil = rana.with("host", "evil.example");
    assert_eq!(evil.post("/api/auth/passkeys/begin/", json!({})).expect(409)["code"], "passkeys_unavailable");
}

#[test]
fn the_panel_asks_for_them_and_takes_them() {
    let server = Server::start();
    server.member("ada", Role::Admin);
    let place = "/admin/profile/two-factor/";
    // Where there can be none it says so, and asks for none.
    let plain = Browser::signed_in(&server, "ada");
    let page = plain.get(place);
    assert!(page.text.contains("not an IP address") && !page.text.contains("data-passkey"), "{}", page.text);
    assert!(!Browser::new(&server).get("/admin/login/").text.contains("passkey"));
    assert_eq!(Browser::new(&server).post("/admin/passkeys/", &[("what", "sign-in")]).expect(409)["code"], "passkeys_unavailable");

    let browser = Browser::by_name(&server);
    let page = browser.get("/admin/login/").text;
    assert!(page.contains("data-passkey=\"sign-in\"") && page.contains("data-passkey-ask hidden"), "{page}");
    assert_eq!(browser.sign_in("ada", PASSWORD).status, 303);
    let origin = server.url.replace("127.0.0.1", "localhost");
    let mut phone = Device::new(&origin);
    let asked = |browser: &Browser, fields: &[(&str, &str)]| browser.post("/admin/passkeys/", fields).expect(200)["public_key"].clone();
    let options = asked(&browser, &[("what", "add"), ("password", PASSWORD)]);
    let created = phone.create(&options).to_string();
    let added = browser.post(place, &[("step", "passkey-add"), ("name", "My <phone>"), ("credential", &created)]);
    assert!(added.status == 200 && added.text.contains("recovery codes"), "{}", added.text);
    let again = browser.post(place, &[("step", "passkey-add"), ("name", "x"), ("credential", &created)]);
    assert!(again.status == 400 && again.text.contains("Begin again"), "{}", again.text);
    let page = browser.get(place).text;
    assert!(page.contains("My &lt;phone&gt;") && page.contains("On one device"), "{page}");
    assert!(browser.get("/admin/profile/").text.contains("You have 1 passkey."));
    assert_eq!(browser.post("/admin/passkeys/", &[("what", "nothing")]).status, 404);

    // In alone.
    let other = Browser::by_name(&server);
    assert_eq!(other.post("/admin/passkeys/", &[("what", "confirm")]).status, 401);
    let signed = phone.get(&asked(&other, &[("what", "sign-in")])).to_string();
    let answer = other.post("/admin/login/", &[("credential", &signed), ("next", "/admin/field/leads/")]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/admin/field/leads/")), "{}", answer.text);
    assert_eq!(other.get("/admin/").status, 200);
    let replayed = Browser::by_name(&server).post("/admin/login/", &[("credential", &signed)]);
    assert!(replayed.status == 401 && replayed.text.contains("role=\"alert\""), "{}", replayed.text);

    // After a password; and once more when that was wrong.
    let third = Browser::by_name(&server);
    let page = third.sign_in("ada", PASSWORD).text;
    assert!(page.contains("data-passkey=\"second\"") && page.contains("One of your recovery codes"), "{page}");
    let between = |text: &str, from: &str| text.split_once(from).expect("it is there").1.split('"').next().unwrap_or_default().to_owned();
    let (challenge, methods) = (between(&page, "name=\"challenge\" value=\""), between(&page, "name=\"methods\" value=\""));
    assert_eq!(methods, "passkey recovery_code");
    let wrong = third.post("/admin/verify/", &[("challenge", &challenge), ("methods", &methods), ("code", "000000")]);
    assert!(wrong.status == 401 && wrong.text.contains("data-passkey=\"second\""), "{}", wrong.text);
    let signed = phone.get(&asked(&third, &[("what", "second"), ("challenge", &challenge)])).to_string();
    assert_eq!(third.post("/admin/verify/", &[("challenge", &challenge), ("methods", &methods), ("credential", &signed)]).status, 303);

    // What is sensitive is confirmed with it, and done then.
    server.clock.advance(301);
    let id = between(&third.get(place).text, "name=\"id\" value=\"");
    let page = third.post(place, &[("step", "passkey-remove"), ("id", &id)]);
    assert!(page.status == 403 && page.text.contains("data-passkey=\"confirm\""), "{}", page.text);
    let signed = phone.get(&asked(&third, &[("what", "confirm")])).to_string();
    let renamed = third.post(place, &[("step", "passkey-rename"), ("id", &id), ("name", "Telephone")]);
    assert_eq!((renamed.status, renamed.header("location")), (303, Some(place)));
    assert!(third.get(place).text.contains("Telephone"));
    let fields = [("step", "passkey-remove"), ("id", id.as_str()), ("confirm_password", ""), ("confirm_credential", signed.as_str())];
    assert_eq!(third.post(place, &fields).status, 303);
    assert!(!third.get(place).text.contains("Telephone"));
}
