//! TLS: certificates from files, which are checked at the start, or made here.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig as RustlsConfig;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::ServerConfig;
use crate::files;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    File(PathBuf, std::io::Error),
    /// A file is not what it should be; the words say what it is and what is wanted.
    #[error("{path}: {words}", path = .0.display(), words = .1)]
    Content(PathBuf, String),
    /// Certificate and key do not fit, or are of no use.
    #[error("{0}")]
    Pair(String),
}

/// TLS that is ready.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// SHA-256 of the certificate, for people to compare.
    pub(crate) fingerprint: String,
}

/// What the configuration wants.
pub(crate) fn of(config: &ServerConfig) -> Result<Tls, TlsError> {
    let (chain, key, names) = match (&config.cert, &config.key) {
        (Some(cert), Some(key)) => {
            let names = format!("{} and {}", cert.display(), key.display());
            (read_chain(cert)?, read_key(key)?, names)
        }
        _ => {
            let (chain, key) = self_signed(config)?;
            (chain, key, "the certificate made here".to_owned())
        }
    };
    let fingerprint = fingerprint(chain.first().map_or(&[], |leaf| leaf.as_ref()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let wrong = |error: rustls::Error| {
        TlsError::Pair(match error {
            rustls::Error::InconsistentKeys(_) => {
                format!("{names} do not fit: the key is not that of the certificate")
            }
            other => format!("{names}: {other}"),
        })
    };
    let mut tls = RustlsConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(wrong)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Tickets are kept by clients; sessions would be kept here.
    tls.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    Ok(Tls {
        acceptor,
        fingerprint,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::File(path.to_owned(), error))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        other => Err(content(
            path,
            &text,
            other.err(),
            "certificate",
            "-----BEGIN CERTIFICATE-----",
        )),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        content(
            path,
            &text,
            Some(error),
            "private key",
            "-----BEGIN PRIVATE KEY-----",
        )
    })
}

/// What a file is that should have been PEM of one kind.
fn content(path: &Path, text: &[u8], error: Option<PemError>, what: &str, line: &str) -> TlsError {
    let has = |label: &[u8]| text.windows(label.len()).any(|window| window == label);
    let words = if text.is_empty() {
        format!("the file is empty; wanted is a {what} in PEM")
    } else if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) {
        "the file is UTF-16; save it as UTF-8".to_owned()
    } else if has(b"ENCRYPTED") {
        "the key has a password; `openssl pkey -in FILE -out PLAIN` takes it off".to_owned()
    } else if what == "private key" && has(b"BEGIN CERTIFICATE") {
        "a certificate, where the private key is wanted: `key` and `cert` are exchanged?".to_owned()
    } else if what == "certificate" && has(b"PRIVATE KEY") {
        "a private key, where the certificate is wanted: `key` and `cert` are exchanged?".to_owned()
    } else if text.starts_with(&[0x30]) {
        format!(
            "DER, where PEM is wanted: `openssl` turns it (-inform der); the file begins with {line}"
        )
    } else {
        match error {
            Some(PemError::NoItemsFound) | None => {
                format!("no start line: wanted is a {what} in PEM, which begins with {line}")
            }
            Some(other) => format!("the {what} in it cannot be read: {other}"),
        }
    };
    TlsError::Content(path.to_owned(), words)
}

const CERTIFICATE: &str = "self-signed.pem";
const KEY: &str = "self-signed-key.pem";

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The one made before, if there is a folder that has it; else a new one.
fn self_signed(config: &ServerConfig) -> Result<Pair, TlsError> {
    if let Some(folder) = &config.state_dir {
        let (cert, key) = (folder.join(CERTIFICATE), folder.join(KEY));
        if cert.exists() && key.exists() {
            return Ok((read_chain(&cert)?, read_key(&key)?));
        }
    }
    let broken =
        |error: rcgen::Error| TlsError::Pair(format!("no certificate can be made: {error}"));
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".into(), "::1".into()];
    names.extend(config.hostname.clone());
    let address = |ip: IpAddr| (!ip.is_unspecified()).then(|| ip.to_string());
    names.extend(address(config.listen.ip()));
    names.extend(config.outside().and_then(address));
    names.sort();
    names.dedup();
    let made = rcgen::generate_simple_self_signed(names).map_err(broken)?;
    if let Some(folder) = &config.state_dir {
        let (cert, key) = (folder.join(CERTIFICATE), folder.join(KEY));
        let wrong = |path: PathBuf| move |error| TlsError::File(path, error);
        files::write_secret(&key, made.signing_key.serialize_pem().as_bytes())
            .map_err(wrong(key))?;
        std::fs::write(&cert, made.cert.pem()).map_err(wrong(cert))?;
    }
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Ok((vec![made.cert.der().clone()], key.into()))
}

/// SHA-256 as browsers and `openssl x509 -fingerprint -sha256` show it.
fn fingerprint(der: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    let bytes: Vec<String> = digest.as_ref().iter().map(|b| format!("{b:02X}")).collect();
    bytes.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ortc-tls-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn config(cert: &Path, key: &Path) -> ServerConfig {
        let mut config = ServerConfig::default();
        config.cert = Some(cert.to_owned());
        config.key = Some(key.to_owned());
        config
    }

    #[test]
    fn d58_each_wrong_file_is_told_what_is_wrong_with_it() {
        let folder = folder("wrong");
        let write = |name: &str, text: &[u8]| {
            std::fs::write(folder.join(name), text).unwrap();
            folder.join(name)
        };
        let made = || rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let (one, other) = (made(), made());
        let cert = write("cert.pem", one.cert.pem().as_bytes());
        let key = write("key.pem", one.signing_key.serialize_pem().as_bytes());
        let foreign = write("foreign.pem", other.signing_key.serialize_pem().as_bytes());
        let windows = write(
            "windows.pem",
            one.signing_key
                .serialize_pem()
                .replace('\n', "\r\n")
                .as_bytes(),
        );
        let words = write("words.pem", b"hello\n");
        let empty = write("empty.pem", b"");
        let der = write("der.pem", one.cert.der());
        let wide: Vec<u8> = "\u{feff}-----BEGIN"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let wide = write("wide.pem", &wide);
        of(&config(&cert, &key)).unwrap();
        of(&config(&cert, &windows)).unwrap();
        for (cert, key, wanted) in [
            (&cert, &foreign, "do not fit"),
            (&words, &key, "no start line: wanted is a certificate"),
            (&cert, &words, "no start line: wanted is a private key"),
            (&key, &key, "exchanged"),
            (&cert, &cert, "exchanged"),
            (&empty, &key, "is empty"),
            (&der, &key, "DER"),
            (&cert, &wide, "UTF-16"),
            (&folder.join("none.pem"), &key, "none.pem"),
        ] {
            let said = of(&config(cert, key)).err().unwrap().to_string();
            assert!(said.contains(wanted), "{said}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn d48_the_certificate_made_here_stays_the_same_where_there_is_a_folder_for_it() {
        let folder = folder("same");
        let mut config = ServerConfig::default();
        config.self_signed = true;
        let first = of(&config).unwrap().fingerprint;
        assert_eq!(first.len(), 95);
        assert_ne!(first, of(&config).unwrap().fingerprint);
        config.state_dir = Some(folder.clone());
        let first = of(&config).unwrap().fingerprint;
        assert_eq!(first, of(&config).unwrap().fingerprint);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(folder.join(KEY))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
