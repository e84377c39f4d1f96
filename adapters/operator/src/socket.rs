//! The socket in the file system: made for its owner alone, taken over from the dead, never from the living.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Longest path of a Unix-domain socket: `sun_path` has 108 bytes, the last is zero.
pub const PATH_SIZE_BYTES_MAX: usize = 107;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path does not fit into a socket address.
    #[error(transparent)]
    TooLong(#[from] PathTooLong),
    /// An engine listens there.
    #[error("an engine listens at {} already", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket has that name.
    #[error("{} is there and is no socket", path.display())]
    NoSocket {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {step} the operator socket {}", path.display())]
    Io {
        /// What was being done.
        step: &'static str,
        /// The socket.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// A path that no socket can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}: {size_bytes} bytes are too long for a socket, which has at most {PATH_SIZE_BYTES_MAX}; take a shorter \
     --data-dir, or set operator_socket.path", path.display()
)]
pub struct PathTooLong {
    /// The path.
    pub path: PathBuf,
    /// Its length.
    pub size_bytes: usize,
}

/// Whether a socket can have that path.
pub fn check_length(path: &Path) -> Result<(), PathTooLong> {
    let size_bytes = path.as_os_str().len();
    if PATH_SIZE_BYTES_MAX < size_bytes {
        return Err(PathTooLong { path: path.to_path_buf(), size_bytes });
    }
    Ok(())
}

/// A listening socket that is removed at its end.
#[derive(Debug)]
pub struct Socket {
    /// Non-blocking.
    pub listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Listens at `path` with those permissions. A socket at which nobody listens is removed first.
    pub fn bind(path: &Path, mode: u32) -> Result<Socket, SocketError> {
        check_length(path)?;
        let io = |step| {
            let path = path.to_path_buf();
            move |source| SocketError::Io { step, path, source }
        };
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(SocketError::NoSocket { path: path.to_path_buf() });
            }
            Ok(_) => match UnixStream::connect(path) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(path).map_err(io("remove"))?;
                }
                Ok(_) => return Err(SocketError::Taken { path: path.to_path_buf() }),
                Err(error) => return Err(io("ask at")(error)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io("look at")(error)),
        }
        let listener = UnixListener::bind(path).map_err(io("make"))?;
        // Between these two lines the file has the mask's permissions. Who connects then is still known by
        // the kernel's word about his user.
        std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(io("protect"))?;
        listener.set_nonblocking(true).map_err(io("prepare"))?;
        Ok(Socket { listener, path: path.to_path_buf() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A socket that stays is removed by the next engine.
        drop(std::fs::remove_file(&self.path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_for_its_owner_and_goes_with_its_engine() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let socket = Socket::bind(&path, 0o600).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(socket.path(), path);
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_dead_socket_is_taken_over_and_a_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        // Closed without removal, as by kill -9.
        drop(UnixListener::bind(&path).unwrap());
        let socket = Socket::bind(&path, 0o600).unwrap();
        assert!(matches!(Socket::bind(&path, 0o600), Err(SocketError::Taken { .. })));
        assert!(path.exists(), "the living one keeps its socket");
        drop(socket);
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(Socket::bind(&path, 0o600), Err(SocketError::NoSocket { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_path_too_long_is_named_with_what_helps() {
        let dir = tempfile::tempdir().unwrap();
        let room = PATH_SIZE_BYTES_MAX - dir.path().as_os_str().len() - 1;
        let longest = dir.path().join("x".repeat(room));
        assert!(Socket::bind(&longest, 0o600).is_ok(), "107 bytes fit");
        let error = Socket::bind(&dir.path().join("x".repeat(room + 1)), 0o600).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("108 bytes") && text.contains("operator_socket.path"), "{text}");
    }
}
