//! The way out to a peer: bytes in a bounded queue in front of the socket.
//!
//! Frames go in whole, so that an answer of tungstenite never falls into the middle of one of ours.

use std::io::{self, Read, Write};

use crate::transport::Transport;

/// Transport and queue of a peer.
#[derive(Debug)]
pub(crate) struct Outlet {
    transport: Transport,
    queue: Vec<u8>,
    /// What of the queue was sent.
    start: usize,
    size_bytes_max: usize,
    /// Nothing more goes out: half a frame was sent, or the queue was full.
    is_mute: bool,
    has_overflown: bool,
}

impl Outlet {
    pub(crate) fn new(transport: Transport, size_bytes_max: usize) -> Outlet {
        Outlet {
            transport,
            queue: Vec::new(),
            start: 0,
            size_bytes_max,
            is_mute: false,
            has_overflown: false,
        }
    }

    pub(crate) fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.len() - self.start
    }

    pub(crate) fn has_overflown(&self) -> bool {
        self.has_overflown
    }

    pub(crate) fn mute(&mut self) {
        self.is_mute = true;
    }

    /// Queues all of `parts` or, if they do not fit, nothing ever again.
    pub(crate) fn push(&mut self, parts: &[&[u8]]) -> bool {
        if self.is_mute {
            return false;
        }
        let size_bytes: usize = parts.iter().map(|part| part.len()).sum();
        // What the socket takes need not count.
        if self.size_bytes_max < self.queued_bytes() + size_bytes && self.drain().is_err() {
            self.is_mute = true;
            return false;
        }
        if self.size_bytes_max < self.queued_bytes() + size_bytes {
            self.is_mute = true;
            self.has_overflown = true;
            return false;
        }
        if self.queue.len() / 2 < self.start {
            self.queue.drain(..self.start);
            self.start = 0;
        }
        for part in parts {
            self.queue.extend_from_slice(part);
        }
        true
    }

    /// Queues a text frame without mask.
    pub(crate) fn push_text(&mut self, text: &[u8]) -> bool {
        let (header, size_bytes) = frame_header(0x81, text.len());
        self.push(&[&header[..size_bytes], text])
    }

    /// Sends what the socket takes. Whether the queue is empty.
    pub(crate) fn drain(&mut self) -> io::Result<bool> {
        while self.start < self.queue.len() {
            match self.transport.write(&self.queue[self.start..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.start += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.queue.clear();
        self.start = 0;
        match self.transport.flush() {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Header of a frame of a server: first byte, then the length as short as it goes.
pub(crate) fn frame_header(first: u8, length: usize) -> ([u8; 10], usize) {
    let mut header = [0; 10];
    header[0] = first;
    let length = u64::try_from(length).expect("a length fits 64 bits");
    if let Ok(length) = u8::try_from(length)
        && length < 126
    {
        header[1] = length;
        return (header, 2);
    }
    // The protocol is big endian.
    let bytes: [u8; 8] = std::array::from_fn(|index| {
        u8::try_from((length >> (56 - 8 * index)) & 0xff).expect("eight bits fit a byte")
    });
    if length <= 0xffff {
        header[1] = 126;
        header[2..4].copy_from_slice(&bytes[6..]);
        return (header, 4);
    }
    header[1] = 127;
    header[2..].copy_from_slice(&bytes);
    (header, 10)
}

impl Read for Outlet {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.transport.read(buffer)
    }
}

/// For tungstenite's own answers; they go out with the next drain.
impl Write for Outlet {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        // A mute outlet swallows them, the peer is to hear nothing.
        self.push(&[buffer]);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
