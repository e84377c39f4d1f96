//! Who is at the other end of a socket, as the kernel says.

use std::io;
use std::os::unix::net::UnixStream;

/// The process that connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its process.
    pub pid: i32,
}

/// Says who connected. The kernel in life, a table in tests.
pub trait Credentials {
    /// The process at the other end.
    fn of(&mut self, stream: &UnixStream) -> io::Result<Peer>;
}

/// `SO_PEERCRED`: the identity at the time of `connect`, which a peer cannot forge.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelCredentials;

impl Credentials for KernelCredentials {
    fn of(&mut self, stream: &UnixStream) -> io::Result<Peer> {
        let credentials = rustix::net::sockopt::socket_peercred(stream)?;
        Ok(Peer { uid: credentials.uid.as_raw(), pid: credentials.pid.as_raw_nonzero().get() })
    }
}

/// The user that this process runs as.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_knows_who_is_at_the_other_end() {
        let (here, _there) = UnixStream::pair().unwrap();
        let peer = KernelCredentials.of(&here).unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        assert_eq!(peer, Peer { uid: own_uid(), pid });
    }
}
