//! Whose certificates are believed when mail servers and providers are called: those of the web's authorities, or those of a file.

use std::{path::Path, sync::Arc};

use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, crypto,
        pki_types::{CertificateDer, pem::PemObject},
    },
};
use ureq::tls::{Certificate, RootCerts};

use crate::error::{Error, Result};

/// The authorities that are trusted. Cheap to clone.
#[derive(Clone)]
pub struct Trust {
    mail: Arc<ClientConfig>,
    http: RootCerts,
}

impl Trust {
    /// The authorities of a PEM file; those of the web if the path is empty.
    ///
    /// # Errors
    /// There is no such file, or no certificate in it.
    pub fn new(file: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        let http = if file.as_os_str().is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            RootCerts::WebPki
        } else {
            let named = |error: &dyn std::fmt::Display| Error::internal(format!("outbound.ca_file, {}: {error}", file.display()));
            let found: Vec<CertificateDer<'static>> =
                CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(|error| named(&error))?;
            // What the system trusts has a few that are made too oddly to be used.
            let (taken, _) = roots.add_parsable_certificates(found.iter().cloned());
            if taken == 0 {
                return Err(named(&"there is no certificate in it"));
            }
            RootCerts::from(found.iter().map(|one| Certificate::from_der(one).to_owned()))
        };
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(Error::internal)?;
        Ok(Self { mail: Arc::new(config.with_root_certificates(roots).with_no_client_auth()), http })
    }

    /// What encrypts the way to a mail server.
    pub fn connector(&self) -> TlsConnector {
        TlsConnector::from(self.mail.clone())
    }

    /// The same, for HTTPS.
    pub fn roots(&self) -> RootCerts {
        self.http.clone()
    }
}
