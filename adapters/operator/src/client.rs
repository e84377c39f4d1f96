//! The other side of the socket: what `tickwheel ctl` and drills use.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::protocol::{REPLY_SIZE_BYTES_MAX, Reply, Request, WAIT_MS};

/// Longer than the server waits, so that its own word about the wait comes first.
const MARGIN: Duration = Duration::from_secs(5);

/// Why an engine could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens: no engine runs there, or it is dead.
    #[error("no engine listens at {}", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The socket is not for this user.
    #[error("uid {uid} may not open {}: it belongs to the user that runs the engine", path.display())]
    Forbidden {
        /// The socket.
        path: PathBuf,
        /// Who asked.
        uid: u32,
    },
    /// The connection broke.
    #[error("the connection to the engine broke while it was asked")]
    Broken {
        /// Why.
        source: io::Error,
    },
    /// The engine closed the connection without a final reply.
    #[error("the engine closed the connection without an answer; what it did is in its journal")]
    Closed,
    /// What came back is no reply.
    #[error("no reply of this protocol: {why}")]
    Foreign {
        /// What is wrong with it.
        why: String,
    },
}

/// A connection to an engine.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the socket of an engine.
    pub fn connect(path: &Path) -> Result<Client, ClientError> {
        let connect = || {
            crate::socket::check_length(path).map_err(io::Error::other)?;
            UnixStream::connect(path)
        };
        match connect() {
            Ok(stream) => Ok(Client { stream: BufReader::new(stream) }),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(ClientError::Forbidden {
                    path: path.to_path_buf(),
                    uid: crate::peer::own_uid(),
                })
            }
            Err(source) => Err(ClientError::Unreachable { path: path.to_path_buf(), source }),
        }
    }

    /// Asks, hands every line that is not the last to `progress`, and gives the last one.
    pub fn ask(
        &mut self,
        request: &Request,
        progress: &mut dyn FnMut(&Reply),
    ) -> Result<Reply, ClientError> {
        let wait = Duration::from_millis(request.wait_ms.unwrap_or(WAIT_MS)) + MARGIN;
        let broken = |source| ClientError::Broken { source };
        let socket = self.stream.get_mut();
        socket.set_read_timeout(Some(wait)).map_err(broken)?;
        socket.set_write_timeout(Some(MARGIN)).map_err(broken)?;
        // An engine that has no room for another connection answers before it is asked.
        let written = socket.write_all(&request.to_line());
        loop {
            let mut line = Vec::new();
            let limit = u64::try_from(REPLY_SIZE_BYTES_MAX).unwrap_or(u64::MAX);
            let read = self.stream.by_ref().take(limit).read_until(b'\n', &mut line);
            if read.map_err(broken)? == 0 {
                written.map_err(broken)?;
                return Err(ClientError::Closed);
            }
            let reply = Reply::from_line(&line).map_err(|why| ClientError::Foreign { why })?;
            if reply.is_final {
                return Ok(reply);
            }
            progress(&reply);
        }
    }
}
