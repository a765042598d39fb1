//! Which site passkeys are made for: browsers use them there, and nowhere else.

use std::net::IpAddr;

use crate::{
    config::Server,
    error::{Error, Result},
};

/// The site of this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The domain that passkeys belong to (the relying party's id).
    pub rp_id: String,
    /// Where pages that ask for them may come from, our own first.
    pub origins: Vec<String>,
}

impl Site {
    /// The site by the configuration; `asked` is where the browser found the server. What a request says of the host counts only for
    /// `localhost`, which is nobody else's.
    ///
    /// # Errors
    /// 409 where there can be no passkeys.
    pub fn of(server: &Server, asked: &str) -> Result<Self> {
        let own = if server.base_url.is_empty() { asked } else { &server.base_url };
        let own = own.to_ascii_lowercase();
        let Some((scheme, host, port)) = parts(&own) else { return Err(unavailable("server.base_url is no address of a site")) };
        if host.starts_with('[') || host.parse::<IpAddr>().is_ok() {
            return Err(unavailable(match server.base_url.is_empty() {
                true => "they need a name, not an IP address: set server.base_url or, on this machine, go to http://localhost",
                false => "they need a name, and server.base_url is an IP address",
            }));
        }
        match (scheme, is_local(host), server.base_url.is_empty()) {
            (_, false, true) => return Err(unavailable("server.base_url is not set")),
            ("https", ..) | ("http", true, _) => {}
            _ => return Err(unavailable("they need https, and server.base_url has none")),
        }
        let rp_id = host.to_owned();
        // Front ends elsewhere, as far as browsers let them use what is this domain's.
        let below = format!(".{rp_id}");
        let fits = |origin: &&String| {
            let is_below = |host: &str| host == rp_id || host.ends_with(&below);
            parts(origin).is_some_and(|(scheme, host, _)| is_below(host) && (scheme == "https" || is_local(host)))
        };
        let listed: Vec<String> = server.cors_origins.iter().filter(fits).cloned().collect();
        // As browsers write it: without the port that goes without saying.
        let port = if matches!((scheme, port), ("https", ":443") | ("http", ":80")) { "" } else { port };
        Ok(Self { origins: std::iter::once(format!("{scheme}://{host}{port}")).chain(listed).collect(), rp_id })
    }
}

/// Scheme, host and port (with its colon) of an address.
fn parts(address: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = address.split_once("://")?;
    let authority = rest.split('/').next()?;
    let end = if authority.starts_with('[') { authority.find(']')? + 1 } else { authority.find(':').unwrap_or(authority.len()) };
    let (host, port) = authority.split_at(end);
    (!host.is_empty() && !authority.contains('@')).then_some((scheme, host, port))
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

fn unavailable(why: &str) -> Error {
    Error::conflict("passkeys_unavailable", format!("Passkeys do not work here: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(base_url: &str, cors: &[&str]) -> Server {
        let mut server = crate::config::load(None, std::iter::empty(), &[]).expect("the defaults").config.server;
        server.base_url = base_url.to_owned();
        server.cors_origins = cors.iter().map(|&origin| origin.to_owned()).collect();
        server
    }

    #[test]
    fn a_site_has_a_name() {
        let site = |base: &str, asked: &str| Site::of(&server(base, &[]), asked).map(|site| (site.rp_id, site.origins));
        let own = |rp_id: &str, origin: &str| Ok((rp_id.to_owned(), vec![origin.to_owned()]));
        assert_eq!(site("https://office.example.org", "http://10.0.0.1"), own("office.example.org", "https://office.example.org"));
        assert_eq!(site("https://Example.org:8443/", ""), own("example.org", "https://example.org:8443"));
        assert_eq!(site("https://example.org:443/office", ""), own("example.org", "https://example.org"));
        assert_eq!(site("", "http://localhost:8000"), own("localhost", "http://localhost:8000"));
        for (base, asked) in [
            ("", "http://127.0.0.1:8000"),
            ("", "http://[::1]:8000"),
            ("", "https://evil.example"),
            ("", "http://localhost.evil.example"),
            ("", "http://x@localhost"),
            ("", "nothing"),
            ("http://office.example.org", "http://localhost"),
            ("https://192.0.2.1", "http://localhost"),
        ] {
            assert_eq!(site(base, asked).map_err(|error| error.code()), Err(Some("passkeys_unavailable")), "{base} {asked}");
        }
    }

    #[test]
    fn listed_origins_count_below_the_domain() {
        let listed = ["https://app.example.org", "https://example.org.evil", "https://evilexample.org", "http://app.example.org"];
        let site = Site::of(&server("https://example.org", &listed), "").expect("a site");
        assert_eq!(site.origins, ["https://example.org", "https://app.example.org"]);
        let site = Site::of(&server("", &["http://localhost:3000", "http://other:3000"]), "http://localhost:8000").expect("a site");
        assert_eq!(site.origins, ["http://localhost:8000", "http://localhost:3000"]);
    }
}
