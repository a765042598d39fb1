//! Calling out: HTTPS to public addresses, or to what the settings allow; no redirects, no proxies, nothing that lasts or is long.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use tokio::net::lookup_host;
use ureq::{
    Agent, Error as Failure,
    config::Config,
    http::{Request, Uri},
    tls::TlsConfig,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{DefaultConnector, NextTimeout},
    },
};

use super::{transport::Undelivered, trust::Trust};

const CONNECT: Duration = Duration::from_secs(5);
/// Shorter than what the runner gives a delivery, so that it hears the reason.
const WHOLE: Duration = Duration::from_secs(55);
const LONGEST_ANSWER: u64 = 2 << 20;

/// What is called.
pub struct Call<'a> {
    pub method: &'a str,
    pub url: &'a str,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Calls from here to elsewhere. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    allowed: Vec<String>,
    /// Any port but that of https is for hosts that are allowed.
    usual_port: bool,
}

impl Client {
    /// `allowed` are hosts with ports that may be called in the clear and in this network.
    pub fn new(allowed: &[String], trust: &Trust) -> Self {
        let allowed: Vec<String> = allowed.iter().map(|host| host.to_lowercase()).collect();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .tls_config(TlsConfig::builder().root_certs(trust.roots()).build())
            .user_agent("studio")
            .max_idle_connections(0)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(WHOLE))
            .build();
        let guard = Guard { inner: DefaultResolver::default(), allowed: allowed.clone() };
        Self { agent: Agent::with_parts(config, DefaultConnector::default(), guard), allowed, usual_port: false }
    }

    /// One for what businesses name: at the port of https, unless whoever runs the server allows another.
    pub fn for_businesses(allowed: &[String], trust: &Trust) -> Self {
        Self { usual_port: true, ..Self::new(allowed, trust) }
    }

    /// Does it, and answers the body of the answer. Blocks.
    ///
    /// # Errors
    /// It was refused, there or here; the text names no part of the URL, which may hold a key.
    pub fn call(&self, call: Call<'_>) -> Result<Vec<u8>, Undelivered> {
        let never = |words: &str| Undelivered::Never(words.to_owned());
        let uri: Uri = call.url.parse().map_err(|_| never("the URL is none"))?;
        if uri.scheme_str() != Some("https") && !is_allowed(&uri, &self.allowed) {
            return Err(never("the URL is not one of https"));
        }
        if self.usual_port && uri.port_u16().is_some_and(|port| port != 443) && !is_allowed(&uri, &self.allowed) {
            return Err(never("the URL names another port than that of https"));
        }
        let mut request = Request::builder().method(call.method).uri(uri);
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let request = request.body(call.body).map_err(|_| never("the request cannot be written: a header or the method is none"))?;
        let mut answer = self.agent.run(request).map_err(why)?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec().map_err(why);
        match status {
            200..300 => body,
            300..400 => Err(Undelivered::Never(format!("the other side answered {status}, a redirect"))),
            // What is wrong with the message itself will be wrong later, too.
            400 | 404 | 405 | 410 | 413 | 415 | 422 => Err(Undelivered::Never(format!("the other side answered {status}"))),
            _ => Err(Undelivered::Later(format!("the other side answered {status}"))),
        }
    }
}

/// A failure in words, without the URL.
fn why(failure: Failure) -> Undelivered {
    match failure {
        Failure::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => Undelivered::Never(error.to_string()),
        Failure::Io(error) => Undelivered::Later(error.to_string()),
        Failure::Timeout(_) => Undelivered::Later("it took too long".to_owned()),
        Failure::HostNotFound => Undelivered::Later("the host was not found".to_owned()),
        Failure::BodyExceedsLimit(_) => Undelivered::Never("the answer is too long".to_owned()),
        Failure::BadUri(_) => Undelivered::Never("the URL is none".to_owned()),
        Failure::Tls(words) => Undelivered::Later(format!("TLS: {words}")),
        Failure::Rustls(error) => Undelivered::Later(format!("TLS: {error}")),
        _ => Undelivered::Later("the connection failed".to_owned()),
    }
}

/// The address of a host that is to be connected to: every one that its name stands for is looked at first.
///
/// # Errors
/// There is none, or one is not public, unless the host is `allowed`.
pub async fn address_of(host: &str, port: u16, allowed: bool) -> Result<IpAddr, Undelivered> {
    let lost = |_| Undelivered::Later("the host was not found".to_owned());
    let found: Vec<IpAddr> = lookup_host((host, port)).await.map_err(lost)?.map(|address| address.ip()).collect();
    if !allowed && !found.iter().all(|ip| is_public(*ip)) {
        return Err(Undelivered::Never("the host is at an address that is not public".to_owned()));
    }
    // Many networks still have no way to the others.
    let address = found.iter().find(|ip| ip.is_ipv4()).or(found.first());
    address.copied().ok_or_else(|| Undelivered::Later("the host was not found".to_owned()))
}

/// Is its host, with its port, one of these?
fn is_allowed(uri: &Uri, allowed: &[String]) -> bool {
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
    uri.host().is_some_and(|host| allowed.contains(&format!("{}:{port}", host.to_lowercase())))
}

/// Looks at every address that a name stands for before any is connected to; what is connected to is what was looked at.
#[derive(Debug)]
struct Guard {
    inner: DefaultResolver,
    allowed: Vec<String>,
}

impl Resolver for Guard {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Failure> {
        let found = self.inner.resolve(uri, config, timeout)?;
        if is_allowed(uri, &self.allowed) || found.iter().all(|address| is_public(address.ip())) {
            return Ok(found);
        }
        Err(Failure::Io(io::Error::new(io::ErrorKind::PermissionDenied, "the host is at an address that is not public")))
    }
}

/// Is it an address of the open Internet, of one host (RFC 6890)?
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let special = match ip.octets() {
        [0 | 10 | 127, ..] | [169, 254, ..] | [192, 168, ..] | [198, 18 | 19, ..] => true,
        [100, b, ..] => b & 0xc0 == 64,
        [172, b, ..] => b & 0xf0 == 16,
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        [a, ..] => a >= 224,
    };
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match ip.segments() {
        // Where an IPv4 address stands inside, that is the one that is reached: mapped, translated (RFC 6052), 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => is_public_v4(v4(high, low)),
        // Teredo, documentation, benchmarks, ORCHID and the rest of 2001::/23.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // All that is given out to hosts so far.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_not_public() {
        let private = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "64:ff9b::a9fe:a9fe",
            "100::1",
            "2001::1",
            "2001:0:7f00:1::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for ip in private {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ];
        for ip in public {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn what_is_not_allowed_is_not_called() {
        let trust = Trust::new(std::path::Path::new("")).expect("the authorities of the web");
        let client = Client::new(&["127.0.0.1:9".to_owned()], &trust);
        let call = |url: &str| client.call(Call { method: "POST", url, headers: vec![], body: vec![] }).unwrap_err();
        for url in ["http://example.org/", "http://127.0.0.1:8/", "ftp://example.org/"] {
            assert!(matches!(call(url), Undelivered::Never(words) if words.contains("not one of https")), "{url}");
        }
        for url in ["https://127.0.0.1/", "https://localhost/", "https://[::1]:9/", "https://2130706433/", "https://user@127.0.0.1:8/"] {
            assert!(matches!(call(url), Undelivered::Never(words) if words.contains("not public")), "{url}");
        }
        for url in ["not a url", "file:///etc/passwd", "//example.org/", ""] {
            assert!(matches!(call(url), Undelivered::Never(_)), "{url}");
        }
        // Allowed, and nobody listens there.
        assert!(matches!(call("http://127.0.0.1:9/"), Undelivered::Later(_)));
    }
}
