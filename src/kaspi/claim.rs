//! One process of a machine writes for a shop, whatever its database: two that do not know each other's
//! decisions could promise one unit twice, or accept what the other cancels.
//!
//! The claim is an abstract socket, a name in the kernel: nothing on disk, and free as soon as its owner
//! ends for any reason. Processes in different network namespaces, such as two containers, do not see
//! each other's claims.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// The socket; `None` where the system forbids abstract sockets.
#[cfg(target_os = "linux")]
type Socket = Option<std::os::unix::net::UnixListener>;
/// Other systems have no abstract sockets.
#[cfg(not(target_os = "linux"))]
type Socket = ();

/// The right to write for one shop.
#[derive(Debug)]
pub(super) struct Claim {
    name: String,
    socket: Mutex<Option<Socket>>,
}

impl Claim {
    /// The claim on the shop with this token at this address. The name does not reveal the token.
    pub(super) fn new(base_url: &str, token: &SecretString) -> Self {
        let digest = Sha256::new()
            .chain_update(base_url)
            .chain_update([0])
            .chain_update(token.expose_secret())
            .finalize();
        let mut name = "qabyl-acts-".to_owned();
        for byte in digest.iter().take(16) {
            let _ = write!(name, "{byte:02x}");
        }
        Self {
            name,
            socket: Mutex::new(None),
        }
    }

    /// Takes the claim, or keeps it; `false` while another process has it.
    pub(super) fn acquire(&self) -> bool {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        if socket.is_none() {
            *socket = bind(&self.name);
        }
        socket.is_some()
    }
}

#[cfg(target_os = "linux")]
fn bind(name: &str) -> Option<Socket> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener};
    let bound =
        SocketAddr::from_abstract_name(name).and_then(|address| UnixListener::bind_addr(&address));
    match bound {
        Ok(listener) => Some(Some(listener)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => None,
        // The system forbids abstract sockets: the lock on the database still protects it.
        Err(_) => Some(None),
    }
}

#[cfg(not(target_os = "linux"))]
fn bind(_: &str) -> Option<Socket> {
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_and_free_when_it_ends() {
        let url = "http://127.0.0.1:1/one-at-a-time";
        let claim = |token: &str| Claim::new(url, &SecretString::from(token));
        let (first, second, other) = (claim("a"), claim("a"), claim("b"));
        assert!(first.acquire() && first.acquire(), "taken, and kept");
        assert!(!second.acquire(), "another process for the same shop");
        assert!(other.acquire(), "another shop");
        drop(first);
        assert!(second.acquire(), "free again");
    }
}
