//! Where the data ends. A server that sends its data as it makes it does not know how long it will be: it ends it with a mark of 40 hex digits, which
//! redis-cli leaves in when it writes to a pipe.

use std::io::{self, Read};

const MARK: usize = 40;
/// An RDB file ends with the byte 255 and eight bytes of checksum.
const END: usize = 9;

/// Holds the last bytes back until it is known whether they are the mark.
pub(super) struct Tail<R> {
    inner: R,
    held: Vec<u8>,
    ended: bool,
}

impl<R: Read> Tail<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, held: Vec::new(), ended: false }
    }
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while !self.ended && self.held.len() <= MARK + END {
            let mut piece = vec![0; 64 << 10];
            match self.inner.read(&mut piece)? {
                0 => {
                    self.ended = true;
                    let left = self.held.len().saturating_sub(MARK);
                    if is_marked(&self.held) {
                        self.held.truncate(left);
                    }
                }
                read => self.held.extend_from_slice(&piece[..read]),
            }
        }
        let free = if self.ended { self.held.len() } else { self.held.len() - MARK - END };
        let taken = free.min(buffer.len());
        buffer[..taken].copy_from_slice(&self.held[..taken]);
        self.held.drain(..taken);
        Ok(taken)
    }
}

fn is_marked(held: &[u8]) -> bool {
    let Some(at) = held.len().checked_sub(MARK + END) else { return false };
    held[at] == 255 && held[at + END..].iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
}
