//! One process of a machine writes for a shop, whatever database it works on: two that do not know of
//! each other's decisions could promise one unit twice, or accept what the other cancels.
//!
//! The claim is a name in the kernel (an abstract socket): nothing on disk, and free the moment its
//! holder dies, however it dies. Processes that do not share a network namespace, as two containers,
//! do not see each other's.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// A claim that is held; nothing where the machine has no such names.
#[cfg(target_os = "linux")]
type Held = Option<std::os::unix::net::UnixListener>;
#[cfg(not(target_os = "linux"))]
type Held = ();

/// The right to write for one shop.
#[derive(Debug)]
pub(super) struct Claim {
    name: String,
    held: Mutex<Option<Held>>,
}

impl Claim {
    /// The claim on the shop that is reached so. Its token is not to be read off the name.
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
            held: Mutex::new(None),
        }
    }

    /// Takes the claim, or keeps it; `false` while another process has it.
    pub(super) fn hold(&self) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            *held = take(&self.name);
        }
        held.is_some()
    }
}

#[cfg(target_os = "linux")]
fn take(name: &str) -> Option<Held> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener};
    let bound =
        SocketAddr::from_abstract_name(name).and_then(|address| UnixListener::bind_addr(&address));
    match bound {
        Ok(listener) => Some(Some(listener)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => None,
        // A sandbox that forbids such names: the lock on the database is what is left.
        Err(_) => Some(None),
    }
}

#[cfg(not(target_os = "linux"))]
fn take(_: &str) -> Option<Held> {
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_free_when_its_holder_is_gone() {
        let url = "http://127.0.0.1:1/one-at-a-time";
        let claim = |token: &str| Claim::new(url, &SecretString::from(token));
        let (first, second, other) = (claim("a"), claim("a"), claim("b"));
        assert!(first.hold() && first.hold(), "taken, and kept");
        assert!(!second.hold(), "another process for the same shop");
        assert!(other.hold(), "another shop");
        drop(first);
        assert!(second.hold(), "free again");
    }
}
