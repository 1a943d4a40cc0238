//! TLS with an authority of our own.

use std::sync::{
    LazyLock,
    atomic::{AtomicU32, Ordering},
};

use autorepost_core::ErrorKind;
use autorepost_database::{CaBundle, Database, DatabaseConfig};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::{block_on, server::Server};

/// An authority, a certificate for `localhost` and its key, each in PEM.
fn certificate() -> [String; 3] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, format!("authority {}", NEXT.fetch_add(1, Ordering::Relaxed)));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &issuer).unwrap();
    [authority, certificate.pem(), key.serialize_pem()]
}

struct Stage {
    server: Server,
    authority: String,
}

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let [authority, certificate, key] = certificate();
    let server = Server::start_with("hostnossl all all 127.0.0.1/32 reject", Some((&certificate, &key)));
    Stage { server, authority }
});

fn config(host: &str, mode: &str, ca: Option<CaBundle>) -> DatabaseConfig {
    let url = format!("{}?sslmode={mode}", STAGE.server.url("postgres").replace("127.0.0.1", host));
    DatabaseConfig { ca, ..DatabaseConfig::new(url) }
}

fn pem() -> Option<CaBundle> {
    Some(CaBundle::Pem(STAGE.authority.clone()))
}

#[test]
fn a_server_of_the_right_name_and_authority_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    // A bundle holds several, and the right one may be the last.
    std::fs::write(&path, format!("{}{}", certificate()[0], STAGE.authority)).unwrap();
    for (host, mode, ca) in [
        ("localhost", "verify-full", pem()),
        ("localhost", "verify-full", Some(CaBundle::Path(path))),
        ("localhost", "verify-ca", pem()),
        ("localhost", "require", pem()),
        ("127.0.0.1", "require", None),
    ] {
        let tls = block_on(async {
            let database = Database::connect(&config(host, mode, ca)).await.unwrap();
            database.schema().await
        });
        assert!(tls.is_ok(), "{host} {mode}: {tls:?}");
    }
}

#[test]
fn a_server_of_another_name_or_authority_is_refused() {
    let other = || Some(CaBundle::Pem(certificate()[0].clone()));
    for (host, mode, ca, part) in [
        ("127.0.0.1", "verify-full", pem(), "not valid for name"),
        // Anybody has a certificate of a public authority for some name: the name must be right whenever one is asked for.
        ("127.0.0.1", "verify-ca", pem(), "not valid for name"),
        ("127.0.0.1", "require", pem(), "not valid for name"),
        ("localhost", "verify-full", other(), "UnknownIssuer"),
        ("localhost", "verify-full", None, "UnknownIssuer"),
        ("localhost", "verify-ca", other(), "UnknownIssuer"),
        ("localhost", "require", other(), "UnknownIssuer"),
    ] {
        let error = block_on(Database::connect(&config(host, mode, ca))).err().expect("it is not the server");
        assert_eq!(error.kind(), ErrorKind::Configuration, "{host} {mode}: {error}");
        assert!(error.detail().contains(part) && error.detail().contains("check sslmode"), "{host} {mode}: {error}");
    }
}

#[test]
fn what_is_wrong_with_tls_is_said() {
    let plain = Server::start();
    let url = format!("{}?sslmode=verify-full", plain.url("postgres"));
    let missing = CaBundle::Path("/no/such/bundle.pem".into());
    let broken = CaBundle::Pem("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----".into());
    for (config, part) in [
        (DatabaseConfig::new(url), "does not offer TLS"),
        (config("localhost", "verify-full", Some(missing)), "/no/such/bundle.pem is not there"),
        (config("localhost", "verify-full", Some(broken)), "check sslmode, the host and the CA"),
        (config("localhost", "disable", None), "refuses"),
        (config("localhost", "sometimes", None), "DATABASE_URL cannot be read"),
    ] {
        let error = block_on(Database::connect(&config)).err().expect("it cannot be connected");
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        assert!(error.detail().contains(part), "{error}");
    }
}
