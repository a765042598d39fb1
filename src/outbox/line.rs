//! The line to a mail server: connected to in a moment, encrypted as asked, and done with when too much comes down it.
//!
//! STARTTLS is spoken here, before the rest of the conversation, so that nothing that was said in the clear is heard after it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::rustls::{CertificateError, Error as TlsError, pki_types::ServerName};

use super::{transport::Undelivered, trust::Trust};
use crate::config::Tls;

const CONNECT: Duration = Duration::from_secs(5);
/// So much is heard of a server.
const LONGEST_ANSWERS: usize = 2 << 20;
/// The longest answer before the line is encrypted.
const LONGEST_GREETING: usize = 16 << 10;
/// What a server is taken to have said that greeted before its line was encrypted.
const GREETED: &[u8] = b"220 the line is encrypted\r\n";

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> Stream for T {}

/// A line to a mail server.
#[derive(Debug)]
pub struct Line {
    stream: Box<dyn Stream>,
    /// What is heard before the server.
    first: &'static [u8],
    left: usize,
    peer: SocketAddr,
}

/// Where a mail server is, and how it is reached.
pub struct Place<'a> {
    /// The name that its certificate is for.
    pub host: &'a str,
    /// The one address to connect to; the name's when there is none.
    pub address: Option<IpAddr>,
    pub port: u16,
    pub tls: Tls,
}

impl Line {
    /// Connects, and encrypts. `hello` is who calls.
    pub async fn open(place: &Place<'_>, trust: &Trust, hello: &str) -> Result<Self, Undelivered> {
        let mut tcp = connect(place).await?;
        let peer = tcp.peer_addr().map_err(lost)?;
        let (stream, first): (Box<dyn Stream>, _) = match place.tls {
            Tls::None => (Box::new(tcp), &b""[..]),
            Tls::Tls => (encrypted(tcp, place.host, trust).await?, &b""[..]),
            Tls::Starttls => {
                ask_for_tls(&mut tcp, hello).await?;
                (encrypted(tcp, place.host, trust).await?, GREETED)
            }
        };
        Ok(Self { stream, first, left: LONGEST_ANSWERS, peer })
    }
}

async fn connect(place: &Place<'_>) -> Result<TcpStream, Undelivered> {
    let no_host = || later("the host was not found");
    let addresses: Vec<SocketAddr> = match place.address {
        Some(address) => vec![(address, place.port).into()],
        None => lookup_host((place.host, place.port)).await.map_err(|_| no_host())?.collect(),
    };
    let mut failed = no_host();
    for address in addresses {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failed = later(&format!("connecting to port {}: {error}", place.port)),
            Err(_) => failed = later(&format!("connecting to port {} took too long", place.port)),
        }
    }
    Err(failed)
}

/// Asks a server that has just been connected to for encryption.
async fn ask_for_tls(tcp: &mut TcpStream, hello: &str) -> Result<(), Undelivered> {
    let refused = |(code, words): (u16, String)| later(&format!("the mail server answered ({code}): {words}"));
    let good = |answer: (u16, String)| if (200..300).contains(&answer.0) { Ok(answer.1) } else { Err(refused(answer)) };
    good(answer(tcp).await?)?;
    tcp.write_all(format!("EHLO {hello}\r\n").as_bytes()).await.map_err(lost)?;
    let can = good(answer(tcp).await?)?;
    if !can.lines().any(|line| line.trim().eq_ignore_ascii_case("STARTTLS")) {
        return Err(later("TLS: the mail server offers no STARTTLS at this port"));
    }
    tcp.write_all(b"STARTTLS\r\n").await.map_err(lost)?;
    good(answer(tcp).await?).map(drop)
}

/// One answer (RFC 5321, 4.2), and not a byte of what comes behind it.
async fn answer(tcp: &mut TcpStream) -> Result<(u16, String), Undelivered> {
    let (mut line, mut words) = (vec![], String::new());
    for _ in 0..LONGEST_GREETING {
        match tcp.read_u8().await.map_err(lost)? {
            b'\n' => {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                let code = text.get(..3).and_then(|code| code.parse::<u16>().ok());
                let code = code.ok_or_else(|| later("what answers is no mail server, or only speaks TLS"))?;
                words += text.get(4..).unwrap_or_default();
                words.push('\n');
                if text.as_bytes().get(3) != Some(&b'-') {
                    return Ok((code, words.trim_end().to_owned()));
                }
                line.clear();
            }
            byte => line.push(byte),
        }
    }
    Err(later("the mail server answers too much"))
}

async fn encrypted(tcp: TcpStream, host: &str, trust: &Trust) -> Result<Box<dyn Stream>, Undelivered> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Undelivered::Never("the host is no name".to_owned()))?;
    let stream = trust.connector().connect(name, tcp).await.map_err(|error| {
        let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
        later(&match of_tls {
            Some(TlsError::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                "TLS: the certificate of the mail server is of no authority that is trusted here (outbound.ca_file)".to_owned()
            }
            Some(TlsError::InvalidCertificate(error)) => format!("TLS: the certificate of the mail server is not good: {error}"),
            Some(TlsError::InvalidMessage(_)) => "TLS: the mail server does not begin with it at this port".to_owned(),
            _ => format!("TLS: {error}"),
        })
    })?;
    Ok(Box::new(stream))
}

fn later(words: &str) -> Undelivered {
    Undelivered::Later(words.to_owned())
}

fn lost(error: io::Error) -> Undelivered {
    later(&match error.kind() {
        io::ErrorKind::UnexpectedEof => "the mail server hung up".to_owned(),
        _ => format!("the mail server: {error}"),
    })
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let count = self.first.len().min(buffer.remaining());
            let (said, rest) = self.first.split_at(count);
            buffer.put_slice(said);
            self.first = rest;
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let count = buffer.filled().len() - before;
        self.left = self.left.checked_sub(count).ok_or_else(|| io::Error::other("the mail server answers too much"))?;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Line {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}
