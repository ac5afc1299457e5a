//! The last moment at which a POST can be held back. To connect takes time, and the process may be
//! stopped meanwhile; so the body is handed over only as the first byte is about to be written, and
//! only while it may still leave. What was taken back never leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use futures_util::stream;

const HELD: u8 = 0;
const RELEASED: u8 = 1;
const WITHDRAWN: u8 = 2;

/// One body, held until its connection takes it.
#[derive(Debug, Clone, Default)]
pub(super) struct Release(Arc<AtomicU8>);

/// The body was held back.
#[derive(Debug, thiserror::Error)]
#[error("held back")]
struct HeldBack;

impl Release {
    fn turn(&self, to: u8) -> Result<u8, u8> {
        self.0
            .compare_exchange(HELD, to, Ordering::AcqRel, Ordering::Acquire)
    }

    /// The body; `may_leave` is asked when everything else is ready.
    pub(super) fn body(
        &self,
        bytes: Vec<u8>,
        may_leave: impl FnOnce() -> bool + Send + 'static,
    ) -> reqwest::Body {
        let release = self.clone();
        let whole = stream::once(async move {
            if may_leave() && release.turn(RELEASED).is_ok() {
                Ok(bytes)
            } else {
                Err(HeldBack)
            }
        });
        reqwest::Body::wrap_stream(whole)
    }

    /// Takes the body back. Whether that came in time: then it never left, and never will.
    pub(super) fn withdraw(&self) -> bool {
        matches!(self.turn(WITHDRAWN), Ok(_) | Err(WITHDRAWN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_back_stays_back() {
        let release = Release::default();
        assert!(release.withdraw() && release.withdraw());
        assert_eq!(release.turn(RELEASED), Err(WITHDRAWN));
        let left = Release::default();
        assert!(left.turn(RELEASED).is_ok());
        assert!(!left.withdraw(), "it is on its way");
    }
}
