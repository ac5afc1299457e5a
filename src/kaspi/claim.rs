//! One process of a machine writes for a shop, whatever its database: two that do not know each other's
//! decisions could promise one unit twice, or accept what the other cancels.
//!
//! The claim is an abstract socket, a name in the kernel: nothing on disk, and free as soon as its owner
//! ends for any reason. Any user of the machine can take such a name, so a holder is believed only where it
//! runs as this user or as root, or proves that it has the shop's token. Processes in different network
//! namespaces, such as two containers, do not see each other's claims.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use crate::text::hex;

/// The right to write for one shop.
#[derive(Debug)]
pub(super) struct Claim {
    secret: Arc<Secret>,
    state: Arc<Mutex<State>>,
}

/// What the name of the claim is made of, and what proves a holder's right to it.
#[derive(Debug)]
struct Secret {
    name: String,
    token: SecretString,
}

/// What is known of the claim.
#[derive(Debug)]
enum State {
    /// Not asked for yet, or given up by the process that had it.
    Free,
    /// This process has it, and proves it to whoever asks, until this is dropped.
    #[allow(dead_code, reason = "dropping it frees the name")]
    Held(Held),
    /// The system has no abstract sockets, or forbids them: the lock on the database still protects it.
    Unavailable,
    /// A process has the name; whether it has the token is being asked.
    #[allow(dead_code, reason = "dropping it ends the question")]
    Asked(JoinSet<()>),
    /// Another process for this shop has it.
    Elsewhere,
    /// A process that has no right to it has the name.
    Usurped,
}

impl Secret {
    /// Proves that the process that computed it has the token.
    fn proof(&self, nonce: &[u8]) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.token.expose_secret())
            .chain_update([0])
            .chain_update(nonce)
            .finalize()
            .into()
    }
}

impl Claim {
    /// The claim on the shop with this token at this address. The name does not reveal the token.
    pub(super) fn new(base_url: &str, token: &SecretString) -> Self {
        let digest = Sha256::new()
            .chain_update(base_url)
            .chain_update([0])
            .chain_update(token.expose_secret())
            .finalize();
        let mut digest = hex(&digest);
        digest.truncate(32);
        Self {
            secret: Arc::new(Secret {
                name: format!("qabyl-acts-{digest}"),
                token: token.clone(),
            }),
            state: Arc::new(Mutex::new(State::Free)),
        }
    }

    /// Takes the claim, or keeps it; `false` while another process of this shop has it, or may have it.
    pub(super) fn acquire(&self) -> bool {
        let mut state = lock(&self.state);
        match &*state {
            State::Held(_) | State::Unavailable => return true,
            State::Asked(_) => return false,
            State::Free | State::Elsewhere | State::Usurped => {}
        }
        match bind(&self.secret) {
            Bound::Held(held) => *state = State::Held(held),
            Bound::Unavailable => *state = State::Unavailable,
            Bound::Taken => match *state {
                // A holder that was believed stays so, even while it is stopped and answers nothing.
                State::Elsewhere => return false,
                State::Usurped => {}
                _ => {
                    *state = State::Asked(ask(&self.secret, &self.state));
                    return false;
                }
            },
        }
        true
    }
}

impl Claim {
    /// Whether another process of this shop has the claim, as far as was seen.
    pub(super) fn is_elsewhere(&self) -> bool {
        matches!(*lock(&self.state), State::Elsewhere)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What became of an attempt to take the name.
enum Bound {
    #[cfg_attr(
        not(target_os = "linux"),
        allow(dead_code, reason = "no abstract sockets")
    )]
    Held(Held),
    Unavailable,
    #[cfg_attr(
        not(target_os = "linux"),
        allow(dead_code, reason = "no abstract sockets")
    )]
    Taken,
}

#[cfg(target_os = "linux")]
use linux::{Held, ask, bind};
#[cfg(not(target_os = "linux"))]
use others::{Held, ask, bind};

#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
mod others {
    use std::sync::{Arc, Mutex};

    use super::{Bound, Secret, State};

    #[derive(Debug)]
    pub(super) struct Held;

    pub(super) fn bind(_: &Arc<Secret>) -> Bound {
        Bound::Unavailable
    }

    pub(super) fn ask(_: &Arc<Secret>, _: &Arc<Mutex<State>>) -> super::JoinSet<()> {
        super::JoinSet::new()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Asks until the claim is no longer in question.
    async fn acquire(claim: &Claim) -> bool {
        for _ in 0..500 {
            let acquired = claim.acquire();
            if !matches!(*lock(&claim.state), State::Asked(_) | State::Free) {
                return acquired;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the holder of the claim was never judged");
    }

    #[tokio::test]
    async fn one_process_at_a_time_and_free_when_it_ends() {
        let url = "http://127.0.0.1:1/one-at-a-time";
        let claim = |token: &str| Claim::new(url, &SecretString::from(token));
        let (first, second, other) = (claim("a"), claim("a"), claim("b"));
        assert!(acquire(&first).await && first.acquire(), "taken, and kept");
        assert!(!acquire(&second).await, "another process for the same shop");
        assert!(acquire(&other).await, "another shop");
        drop(first);
        for _ in 0..500 {
            if second.acquire() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("it is not free again");
    }

    #[test]
    fn a_holder_of_another_user_is_believed_only_with_the_token() {
        use super::linux::is_believed;
        assert!(is_believed(1000, 1000, false), "may be stopped");
        assert!(is_believed(0, 1000, false), "root's");
        assert!(is_believed(1001, 1000, true), "has the token");
        assert!(!is_believed(1001, 1000, false), "took the name alone");
        assert!(!is_believed(1001, 0, false), "took the name from root's");
    }

    #[test]
    fn only_the_token_gives_the_proof() {
        let secret = |token: &str| Claim::new("http://a", &SecretString::from(token)).secret;
        let nonce = [7; 32];
        assert_eq!(secret("a").proof(&nonce), secret("a").proof(&nonce));
        assert_ne!(secret("a").proof(&nonce), secret("b").proof(&nonce));
        assert_ne!(secret("a").proof(&nonce), secret("a").proof(&[8; 32]));
    }
}
