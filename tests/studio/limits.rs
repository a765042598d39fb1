//! Clients that are slow, silent or greedy: each is answered or cut off when its time or its room is over, and stopping lets what is
//! under way finish. Raw sockets against the whole program, with limits of a second; what waits, waits at the same time.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::Server;

const BODY_BYTES: usize = 4096;
/// Reads the body and needs nobody to be signed in.
const PATH: &str = "/api/auth/token/verify/";

fn start() -> Server {
    Server::start_with(|config| {
        let server = &mut config.server;
        (server.first_byte_seconds, server.header_seconds, server.body_seconds, server.idle_seconds) = (1, 1, 1, 1);
        server.body_limit_bytes = BODY_BYTES;
    })
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream
}

fn send(address: &str, text: &str) -> TcpStream {
    let mut stream = connect(address);
    stream.write_all(text.as_bytes()).expect("it is sent");
    stream
}

fn post(more: &str) -> String {
    format!("POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{more}")
}

/// Everything until the server closes, and how long that took.
fn rest(stream: &mut TcpStream) -> (String, Duration) {
    let (start, mut bytes, mut buffer) = (Instant::now(), vec![], [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("still open: {error}"),
        }
    }
    (String::from_utf8(bytes).expect("UTF-8"), start.elapsed())
}

/// One answer: head and body.
fn answer(stream: &mut TcpStream) -> (String, String) {
    let (mut head, mut byte) = (String::new(), [0]);
    while !head.ends_with("\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).expect("an answer"), 1, "closed after {head:?}");
        head.push(char::from(byte[0]));
    }
    let length = head.to_lowercase().split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).expect("the body");
    (head, String::from_utf8(body).expect("UTF-8"))
}

#[track_caller]
fn refused(stream: &mut TcpStream, status: u16, body: Value) {
    let (head, text) = answer(stream);
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains("content-type: application/json"), "{head}");
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), body);
}

/// About a second: the machine may be busy, so a good deal more is borne than less.
#[track_caller]
fn a_second(what: &str, took: Duration) {
    assert!((0.7..2.5).contains(&took.as_secs_f64()), "{what}: {took:?}, expected about a second");
}

fn silent(address: &str) {
    let (text, took) = rest(&mut connect(address));
    assert_eq!(text, "", "nothing is said to who says nothing");
    a_second("a silent connection", took);
}

fn half_a_header(address: &str) {
    let (_, took) = rest(&mut send(address, "GET /healthz HTTP/1.1\r\nHost:"));
    a_second("half a header", took);
}

/// A byte now and then does not extend the time.
fn a_trickle_of_header(address: &str) {
    let mut stream = send(address, "GET /healthz HTTP/1.1\r\nX: ");
    let mut writer = stream.try_clone().expect("a second handle");
    let start = Instant::now();
    let writer = thread::spawn(move || {
        while start.elapsed() < Duration::from_secs(3) && writer.write_all(b"a").is_ok() {
            thread::sleep(Duration::from_millis(100));
        }
    });
    a_second("a trickle of header", rest(&mut stream).1);
    writer.join().expect("the writer ends");
}

fn a_slow_body(address: &str) {
    let timeout = || json!({"detail": "The request body did not arrive in time.", "code": "timeout"});
    for more in ["Content-Length: 100\r\n\r\n{\"", "Transfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\n"] {
        let mut stream = send(address, &post(more));
        let start = Instant::now();
        refused(&mut stream, 408, timeout());
        a_second("a slow body", start.elapsed());
        assert_eq!(rest(&mut stream).0, "", "nothing follows");
    }
}

fn a_large_body(address: &str) {
    let too_large = || json!({"detail": "The request body is too large.", "code": "too_large"});
    // Announced: refused at once, without a byte of it and without asking for it.
    let start = Instant::now();
    let announced = format!("Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", BODY_BYTES + 1);
    refused(&mut send(address, &post(&announced)), 413, too_large());
    assert!(start.elapsed() < Duration::from_millis(700), "at once: {:?}", start.elapsed());
    // All sent before the answer is read: still the answer, and no reset.
    let body = "a".repeat(BODY_BYTES + 1);
    for more in [
        format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
    ] {
        refused(&mut send(address, &post(&more)), 413, too_large());
    }
}

/// Exactly the limit is read, both ways, and the connection stays.
fn a_body_of_the_limit(address: &str) {
    let body = format!("{{\"token\":\"{}\"}}", "a".repeat(BODY_BYTES - 12));
    assert_eq!(body.len(), BODY_BYTES);
    let mut stream = send(address, &post(&format!("Content-Length: {BODY_BYTES}\r\n\r\n{body}")));
    assert!(answer(&mut stream).0.starts_with("HTTP/1.1 401 "));
    stream
        .write_all(post(&format!("Transfer-Encoding: chunked\r\n\r\n{BODY_BYTES:x}\r\n{body}\r\n0\r\n\r\n")).as_bytes())
        .expect("it stays");
    assert!(answer(&mut stream).0.starts_with("HTTP/1.1 401 "));
}

fn a_large_head(address: &str) {
    let mut stream = send(address, &format!("GET /healthz HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(30_000)));
    assert!(answer(&mut stream).0.starts_with("HTTP/1.1 200 "));
    let mut stream = send(address, &format!("GET /healthz HTTP/1.1\r\nX: {}", "a".repeat(32_768)));
    assert!(answer(&mut stream).0.starts_with("HTTP/1.1 431 "));
}

fn an_idle_connection(address: &str) {
    let mut stream = connect(address);
    for _ in 0..3 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is kept alive");
        assert!(answer(&mut stream).0.starts_with("HTTP/1.1 200 "));
    }
    a_second("an idle connection", rest(&mut stream).1);
}

fn pipelined(address: &str) {
    let mut stream = send(address, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /readyz HTTP/1.1\r\nHo");
    assert!(answer(&mut stream).1.contains("ok"), "the first is answered while the second is on its way");
    stream.write_all(b"st: a\r\n\r\n").expect("it is sent");
    assert!(answer(&mut stream).1.contains("ready"));
}

/// What is proved, and how against a server at an address.
type Case = (&'static str, fn(&str));

#[test]
fn everybody_has_a_limit() {
    let server = start();
    let address = server.url.trim_start_matches("http://");
    thread::scope(|scope| {
        let cases: [Case; 9] = [
            ("silent", silent),
            ("half a header", half_a_header),
            ("a trickle of header", a_trickle_of_header),
            ("a slow body", a_slow_body),
            ("a large body", a_large_body),
            ("a body of the limit", a_body_of_the_limit),
            ("a large head", a_large_head),
            ("an idle connection", an_idle_connection),
            ("pipelined", pipelined),
        ];
        let running: Vec<_> = cases.into_iter().map(|(name, case)| (name, scope.spawn(move || case(address)))).collect();
        let failed: Vec<&str> = running.into_iter().filter_map(|(name, case)| case.join().is_err().then_some(name)).collect();
        assert!(failed.is_empty(), "failed: {failed:?}");
    });
    assert_eq!(server.client().get("/healthz").status, 200, "the server goes on");
}

/// Stopping closes who waits, takes nobody new, and lets a request whose body is still arriving finish.
#[test]
fn stopping_lets_requests_finish() {
    let server = start();
    let address = server.url.trim_start_matches("http://").to_owned();
    let body = "{\"token\":\"x\"}";
    let mut busy = send(&address, &post(&format!("Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len())));
    // Asked for the body: the handler runs.
    let (head, _) = answer(&mut busy);
    assert!(head.starts_with("HTTP/1.1 100 "), "{head}");
    let mut idle = send(&address, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    answer(&mut idle);
    let stopped = thread::spawn(move || {
        let start = Instant::now();
        drop(server);
        start.elapsed()
    });
    let (text, took) = rest(&mut idle);
    assert!(text.is_empty() && took < Duration::from_millis(700), "an idle connection is closed at once: {took:?} {text:?}");
    assert!(TcpStream::connect(&address).is_err(), "nobody new is taken");
    busy.write_all(body.as_bytes()).expect("it is still read");
    let (head, text) = answer(&mut busy);
    assert!(head.starts_with("HTTP/1.1 401 ") && head.contains("connection: close") && text.contains("token_not_valid"), "{head}{text}");
    assert_eq!(rest(&mut busy).0, "");
    assert!(stopped.join().expect("it stops") < Duration::from_secs(2), "and it stops");
}
