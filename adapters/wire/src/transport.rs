//! A byte stream that never blocks: TCP, with or without TLS on it.
//!
//! ```text
//!   WebSocket, HTTP  --plain text-->  Transport { rustls }  --records-->  TcpStream
//! ```
//!
//! **Invariant:** a read that says `WouldBlock` has taken everything from the socket, so that edge
//! triggered readiness loses nothing.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

/// Plain text that rustls holds while the socket takes nothing.
const TLS_BUFFER_SIZE_BYTES_MAX: usize = 64 * 1024;

/// What a client needs to begin TLS.
#[derive(Clone)]
pub(crate) struct ClientTls {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
}

/// The stream.
pub(crate) struct Transport {
    tcp: TcpStream,
    /// `None` for a plain stream.
    tls: Option<Box<Connection>>,
    read_count: u64,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("tcp", &self.tcp)
            .field("is_tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

/// Whether TCP is connected. An error that it is not and will not be.
pub(crate) fn connect_outcome(tcp: &TcpStream) -> io::Result<bool> {
    if let Some(error) = tcp.take_error()? {
        return Err(error);
    }
    match tcp.peer_addr() {
        Ok(_) => tcp.set_nodelay(true).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

impl Transport {
    /// The side that connected.
    pub(crate) fn client(tcp: TcpStream, tls: Option<&ClientTls>) -> io::Result<Transport> {
        let begin = |tls: &ClientTls| {
            ClientConnection::new(Arc::clone(&tls.config), tls.name.clone()).map(Connection::Client)
        };
        Ok(Transport::new(tcp, tls.map(begin).transpose().map_err(io::Error::other)?))
    }

    /// The side that accepted.
    pub(crate) fn server(tcp: TcpStream, tls: Option<&Arc<ServerConfig>>) -> io::Result<Transport> {
        let begin = |config: &Arc<ServerConfig>| {
            ServerConnection::new(Arc::clone(config)).map(Connection::Server)
        };
        Ok(Transport::new(tcp, tls.map(begin).transpose().map_err(io::Error::other)?))
    }

    fn new(tcp: TcpStream, tls: Option<Connection>) -> Transport {
        let tls = tls.map(|mut tls| {
            tls.set_buffer_limit(Some(TLS_BUFFER_SIZE_BYTES_MAX));
            Box::new(tls)
        });
        Transport { tcp, tls, read_count: 0 }
    }

    /// Goes on with the TLS handshake. Whether it is over; without TLS it is from the beginning.
    pub(crate) fn handshake(&mut self) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else { return Ok(true) };
        loop {
            if !is_done(write_records(tls, &mut self.tcp))? || !tls.is_handshaking() {
                return Ok(!tls.is_handshaking());
            }
            match read_records(tls, &mut self.tcp) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Grows with each read from the socket that gave something.
    pub(crate) fn read_count(&self) -> u64 {
        self.read_count
    }

    /// The socket under it.
    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Tells the peer that nothing more comes, as far as the socket takes that.
    pub(crate) fn finish_writing(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            is_done(write_records(tls, &mut self.tcp))?;
        }
        self.tcp.shutdown(std::net::Shutdown::Write)
    }
}

/// `WouldBlock` is `false`.
fn is_done(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

fn write_records(tls: &mut Connection, tcp: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(tcp) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Takes what the socket has, once. 0 at the end of the stream.
fn read_records(tls: &mut Connection, tcp: &mut TcpStream) -> io::Result<usize> {
    loop {
        let count = match tls.read_tls(tcp) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if let Err(error) = tls.process_new_packets() {
            // The alert that tells the peer why; whether it arrives does not matter.
            drop(write_records(tls, tcp));
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        return Ok(count);
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            let count = self.tcp.read(buffer)?;
            self.read_count = self.read_count.wrapping_add(1);
            return Ok(count);
        };
        loop {
            match tls.reader().read(buffer) {
                Ok(count) => return Ok(count),
                // An end without the farewell of TLS is an end too; the layers above know whether
                // they were in the middle of something.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            read_records(tls, &mut self.tcp)?;
            self.read_count = self.read_count.wrapping_add(1);
            // Answers of TLS itself, such as new keys.
            is_done(write_records(tls, &mut self.tcp))?;
        }
    }
}

impl Write for Transport {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.tcp.write(buffer),
            Some(tls) => {
                let mut count = tls.writer().write(buffer)?;
                let is_sent = is_done(write_records(tls, &mut self.tcp))?;
                if count == 0 && is_sent {
                    count = tls.writer().write(buffer)?;
                    is_done(write_records(tls, &mut self.tcp))?;
                }
                if count == 0 && !buffer.is_empty() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            None => self.tcp.flush(),
            Some(tls) => write_records(tls, &mut self.tcp),
        }
    }
}
