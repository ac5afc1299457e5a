//! The last point at which a POST can be held back. Connecting takes time, and the process may be stopped in
//! the meantime; so the body is handed over only when its first byte is about to be written, and only if it
//! may still be sent. A body that was withdrawn is never sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use futures_util::stream;

const HELD: u8 = 0;
const RELEASED: u8 = 1;
const WITHDRAWN: u8 = 2;

/// A body that is held until the connection asks for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Release(Arc<AtomicU8>);

/// The body was withdrawn.
#[derive(Debug, thiserror::Error)]
#[error("held back")]
struct HeldBack;

impl Release {
    fn set(&self, to: u8) -> Result<u8, u8> {
        self.0
            .compare_exchange(HELD, to, Ordering::AcqRel, Ordering::Acquire)
    }

    /// The body; `may_send` is called when everything else is ready.
    pub(super) fn body(
        &self,
        bytes: Vec<u8>,
        may_send: impl FnOnce() -> bool + Send + 'static,
    ) -> reqwest::Body {
        let release = self.clone();
        let whole = stream::once(async move {
            if may_send() && release.set(RELEASED).is_ok() {
                Ok(bytes)
            } else {
                Err(HeldBack)
            }
        });
        reqwest::Body::wrap_stream(whole)
    }

    /// Withdraws the body. `true`: in time, it was not and never will be sent.
    pub(super) fn withdraw(&self) -> bool {
        matches!(self.set(WITHDRAWN), Ok(_) | Err(WITHDRAWN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withdrawn_body_is_never_sent() {
        let release = Release::default();
        assert!(release.withdraw() && release.withdraw());
        assert_eq!(release.set(RELEASED), Err(WITHDRAWN));
        let sent = Release::default();
        assert!(sent.set(RELEASED).is_ok());
        assert!(!sent.withdraw(), "it is being sent");
    }
}
