//! Claims by the name of an abstract socket.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use super::{Bound, Secret, State, lock};
use crate::events::log_event;

/// Longest wait for a holder's proof; it is on this machine.
const PROOF_MAX: Duration = Duration::from_secs(2);

/// The name, and the task that proves to others that it is rightly held.
#[derive(Debug)]
pub(super) struct Held(#[expect(dead_code, reason = "dropping it ends the task")] JoinSet<()>);

pub(super) fn bind(secret: &Arc<Secret>) -> Bound {
    let bound = SocketAddr::from_abstract_name(&secret.name)
        .and_then(|address| UnixListener::bind_addr(&address));
    let listener = match bound {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return Bound::Taken,
        Ok(listener) if listener.set_nonblocking(true).is_ok() => {
            tokio::net::UnixListener::from_std(listener)
        }
        _ => return Bound::Unavailable,
    };
    let Ok(listener) = listener else {
        return Bound::Unavailable;
    };
    let secret = Arc::clone(secret);
    let mut proving = JoinSet::new();
    proving.spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let proven = prove(stream, &secret);
                    let _ = tokio::time::timeout(PROOF_MAX, proven).await;
                }
                // No descriptor is free: they are again soon.
                Err(_) => tokio::time::sleep(PROOF_MAX).await,
            }
        }
    });
    Bound::Held(Held(proving))
}

async fn prove(mut stream: UnixStream, secret: &Secret) -> std::io::Result<()> {
    let mut nonce = [0; 32];
    stream.read_exact(&mut nonce).await?;
    stream.write_all(&secret.proof(&nonce)).await
}

/// Asks the holder of the name for its right to it, and writes the answer into `state`.
pub(super) fn ask(secret: &Arc<Secret>, state: &Arc<Mutex<State>>) -> JoinSet<()> {
    let (secret, state) = (Arc::clone(secret), Arc::clone(state));
    let mut asking = JoinSet::new();
    asking.spawn(async move {
        let found = match tokio::time::timeout(PROOF_MAX, connect(&secret)).await {
            Ok(Ok(stream)) => judge(stream, &secret).await,
            // It ended in the meantime.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => State::Free,
            // Whose it is cannot be seen.
            Ok(Err(_)) | Err(_) => State::Elsewhere,
        };
        *lock(&state) = found;
    });
    asking
}

async fn connect(secret: &Secret) -> std::io::Result<UnixStream> {
    UnixStream::connect(format!("\0{}", secret.name)).await
}

async fn judge(mut stream: UnixStream, secret: &Secret) -> State {
    let holder = stream.peer_cred().map(|peer| peer.uid());
    let own = rustix::process::geteuid().as_raw();
    let nonce: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
    let asked = async {
        stream.write_all(&nonce).await?;
        let mut proof = [0; 32];
        stream.read_exact(&mut proof).await?;
        std::io::Result::Ok(proof)
    };
    let proof = tokio::time::timeout(PROOF_MAX, asked).await;
    let is_proven = matches!(proof, Ok(Ok(proof)) if proof == secret.proof(&nonce));
    match holder {
        Ok(uid) if !is_believed(uid, own, is_proven) => {
            log_event!(
                CLAIM_TAKEN,
                uid,
                "another user of this machine, who does not have the shop's token, took the name of its claim: \
                 stop that process; work goes on without the claim"
            );
            State::Usurped
        }
        _ => State::Elsewhere,
    }
}

/// Whether a holder is another process of this shop: one of this user or of root need not prove it, as it
/// may be stopped.
pub(super) const fn is_believed(holder: u32, own: u32, is_proven: bool) -> bool {
    is_proven || holder == own || holder == 0
}
