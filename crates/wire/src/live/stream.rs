//! A TCP connection that does three things that the redis crate does not.
//!
//! It remembers the first line that arrives, if that is an error. A node that turns a client away
//! (`maxclients`, protected mode) sends its reason unasked and hangs up; without this, the client,
//! which is about to write, sees only a broken pipe.
//!
//! It limits how much a node may send between two requests. The redis crate has no limit: it keeps
//! a whole reply in memory before anybody sees it, and does not tell which bytes belong to which
//! reply, so a limit for each reply is not possible here.
//!
//! It counts what it carries, for a monitor that must not take its own questions for load.

use rcluster_core::monitor::told::Traffic;
use redis::RedisError;
use std::{
    io::{self, Read},
    os::fd::AsFd,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
    task::JoinSet,
};

/// How much a node may send after a request: CLUSTER NODES of a thousand nodes has 0.2 MiB, CLIENT
/// LIST of ten thousand clients 4 MiB.
const MOST: usize = 64 << 20;

/// How many bytes of the first line are kept.
const LINE: usize = 512;

/// The first line that a node sent on a connection, if that was an error.
#[derive(Debug, Default)]
pub(super) struct First(OnceLock<Option<String>>);

impl First {
    /// Why the node refuses this client; `None` if the error was the answer to a command.
    pub(super) fn turned_away(&self) -> Option<&str> {
        let line = self.0.get()?.as_deref()?;
        let unasked = ["ERR max number of clients", "DENIED "];
        unasked
            .iter()
            .any(|beginning| line.starts_with(beginning))
            .then_some(line)
    }

    fn hear(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.0.get_or_init(|| {
            let line = bytes
                .strip_prefix(b"-")?
                .split(|byte| *byte == b'\r')
                .next()?;
            let line = &line[..line.len().min(LINE)];
            Some(String::from_utf8_lossy(line).into_owned())
        });
    }
}

/// Bytes that were sent and received.
#[derive(Debug, Default)]
pub(super) struct Tally {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Tally {
    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
        }
    }
}

fn count(tally: &AtomicU64, bytes: usize) {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    tally.fetch_add(bytes, Ordering::Relaxed);
}

pub(super) struct Watched {
    tcp: TcpStream,
    first: Arc<First>,
    /// How many bytes have arrived since the last request.
    heard: usize,
    tally: Arc<Tally>,
}

impl Watched {
    /// Connects to whichever address of the host answers first.
    pub(super) async fn dial(
        host: &str,
        port: u16,
        first: Arc<First>,
        tally: Arc<Tally>,
    ) -> Result<Self, RedisError> {
        let mut addresses = lookup_host((host, port)).await?.peekable();
        let only = addresses.next();
        let tcp = match (only, addresses.peek()) {
            (Some(only), None) => TcpStream::connect(only).await?,
            (one, _) => race(one.into_iter().chain(addresses)).await?,
        };
        tcp.set_nodelay(true)?;
        Ok(Watched {
            tcp,
            first,
            heard: 0,
            tally,
        })
    }

    /// Reads what the node sent before it hung up, after a write has failed. It asks the socket
    /// itself, because tokio may not have noticed yet that there is something to read.
    fn last_words(&self) {
        let mut words = [0; LINE];
        if let Ok(same) = self.tcp.as_fd().try_clone_to_owned()
            && let Ok(count) = std::net::TcpStream::from(same).read(&mut words)
        {
            self.first.hear(&words[..count]);
        }
    }
}

async fn race(addresses: impl Iterator<Item = std::net::SocketAddr>) -> io::Result<TcpStream> {
    let mut tries = JoinSet::new();
    for address in addresses {
        tries.spawn(TcpStream::connect(address));
    }
    let mut last = io::Error::other("the name has no address");
    while let Some(tried) = tries.join_next().await {
        match tried.map_err(io::Error::other).flatten() {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(context, buffer))?;
        let fresh = &buffer.filled()[before..];
        self.first.hear(fresh);
        let fresh = fresh.len();
        count(&self.tally.received, fresh);
        self.heard = self.heard.saturating_add(fresh);
        Poll::Ready(if self.heard > MOST {
            Err(io::Error::other(format!(
                "it answers with more than {} MiB",
                MOST >> 20
            )))
        } else {
            Ok(())
        })
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.tcp).poll_write(context, bytes));
        match &written {
            Ok(sent) => {
                count(&self.tally.sent, *sent);
                self.heard = 0;
            }
            Err(_) => self.last_words(),
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_that_came_first_and_unasked_counts() {
        let heard = |pieces: &[&str]| {
            let first = First::default();
            for piece in pieces {
                first.hear(piece.as_bytes());
            }
            first.turned_away().map(str::to_owned)
        };
        let full = "ERR max number of clients reached";
        assert_eq!(
            heard(&["-ERR max number of clients reached\r\n"]).as_deref(),
            Some(full)
        );
        assert_eq!(
            heard(&["", "-ERR max number of clients reached\r\n+OK\r\n"]).as_deref(),
            Some(full)
        );
        assert_eq!(
            heard(&["+OK\r\n", "-ERR max number of clients reached\r\n"]),
            None
        );
        assert_eq!(heard(&["-NOAUTH Authentication required.\r\n"]), None);
        assert!(heard(&["-DENIED Redis is running in protected mode\r\n"]).is_some());
    }
}
