//! The same over TLS: a server whose certificate is believed, and one whose is not.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use pool_manager::staging::{Failure, Network, Pace, Provisioner, Wanted};
use pool_manager_core::StageError;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use ureq::tls::{Certificate, RootCerts};

use crate::downloads::Patient;
use crate::{Bench, Stated, direct, launch};

/// A server that answers every request with one word, and its certificate.
fn server() -> (SocketAddr, Certificate<'static>) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let believed = Certificate::from_der(made.cert.der()).to_owned();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a usable certificate");
    let config = Arc::new(config);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut stream = StreamOwned::new(connection, stream.expect("a connection"));
            let mut request = [0; 4096];
            // A client that does not believe the certificate goes away here.
            if stream.read(&mut request).is_ok() {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nweights";
                drop(stream.write_all(answer));
                stream.conn.send_close_notify();
                drop(stream.flush());
            }
        }
    });
    (address, believed)
}

#[test]
fn a_model_comes_over_tls_from_whom_the_host_believes_and_from_nobody_else() {
    let bench = Bench::new();
    let (address, certificate) = server();
    let url = Some(format!("https://{address}/a"));
    let stated = Stated { path: bench.path("a.gguf"), url, ..Stated::default() };
    let wanted = Wanted::of(&launch(stated)).expect("it can be wanted");
    let pace = Pace { failures: 0, pause: Duration::from_millis(1), ..Pace::default() };

    let refused = Provisioner::over(direct(), pace).provide(&wanted, &Patient);
    let Err(Failure::Fault(fault)) = refused else { panic!("{refused:?}") };
    assert_eq!(fault.error, StageError::Fetch(0));
    assert!(fault.why.contains("certificate"), "{}", fault.why);
    assert!(bench.names().is_empty());

    let authorities = RootCerts::Specific(Arc::new(vec![certificate]));
    let believing = Provisioner::over(Network { authorities, ..direct() }, pace);
    assert!(believing.provide(&wanted, &Patient).is_ok());
    assert_eq!(std::fs::read(bench.path("a.gguf")).expect("the model"), b"weights");
}
