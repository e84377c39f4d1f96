//! Settings that are refused, and secrets that stay secret.

use super::*;
use crate::session::SessionConfig;

fn pair() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_string()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn the_public_authorities_are_there() {
    client_config(TlsRoots::WebPki).unwrap();
}

#[test]
fn texts_that_are_no_certificates_are_refused() {
    let (certificate, key) = pair();
    let (_, other_key) = pair();
    let roots = |text: &str| client_config(TlsRoots::Pem(text.as_bytes())).unwrap_err().to_string();
    assert_eq!(roots(""), "the list of authorities holds no certificate");
    assert_eq!(roots(&key), "the list of authorities holds no certificate");
    let cut = &certificate[..certificate.len() / 2];
    assert!(roots(cut).starts_with("the list of authorities is no PEM text: "), "{}", roots(cut));
    let server = |chain: &str, key: &str| {
        server_config(chain.as_bytes(), key.as_bytes()).unwrap_err().to_string()
    };
    assert_eq!(server("x", &key), "the certificate chain holds no certificate");
    let no_key = server(&certificate, &certificate);
    assert_eq!(no_key, "the private key is no PEM text: no key in it");
    let other = server(&certificate, &other_key);
    assert!(other.starts_with("the certificate chain is refused: "), "{other}");
    server_config(certificate.as_bytes(), key.as_bytes()).unwrap();
}

#[test]
fn secrets_are_not_shown() {
    let headers = vec![("X-Key".to_string(), "hunter2".to_string())];
    let opening_texts = vec!["hunter2".to_string()];
    let session =
        SessionConfig { headers: headers.clone(), opening_texts, ..SessionConfig::default() };
    let http = crate::http::HttpConfig { headers, ..crate::http::HttpConfig::default() };
    let (certificate, key) = pair();
    let settings = server_config(certificate.as_bytes(), key.as_bytes()).unwrap();
    let mut server = crate::server::Server::new().unwrap();
    server.listen("127.0.0.1:0".parse().unwrap(), Some(settings)).unwrap();
    let shown = format!("{session:?} {http:?} {server:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!shown.contains("ServerConfig {\n") && !shown.contains("cert_resolver"), "{shown}");
    assert!(shown.contains("X-Key"));
}
