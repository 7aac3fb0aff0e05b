//! The listening socket.

use std::io::{self, Write};
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::stub_engine::arguments::Arguments;
use crate::stub_engine::log;

/// Opens the port and says so on stdout, with the number the system chose for port 0.
pub(crate) fn open(arguments: &Arguments) -> io::Result<TcpListener> {
    let address = SocketAddr::new(arguments.host, arguments.port);
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(arguments.reuse_port)?;
    socket.bind(address)?;
    let listener = socket.listen(128)?;
    let address = listener.local_addr()?;
    log::line(&format!("main: server is listening on http://{address} - starting the main loop"));
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {address}")?;
    stdout.flush()?;
    Ok(listener)
}

/// The log line for a port that could not be opened.
pub(crate) fn explain(arguments: &Arguments, error: &io::Error) -> String {
    // `io::Error` adds "(os error 98)"; log patterns look for the words before it.
    let Arguments { host, port, .. } = arguments;
    format!("couldn't bind HTTP server socket, hostname: {host}, port: {port}: {error}")
}
