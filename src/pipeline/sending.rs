//! POSTs on their way, and the orders that they take out of the list of new ones while it is read.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Window;
use crate::domain::ids::OrderId;
use crate::domain::order::{Order, State, Status};

/// A shop's POSTs on their way. A list of several pages is right only if it is known what they took out of it.
#[derive(Debug, Default)]
pub struct Sending {
    /// Held for reading by every POST.
    posts: RwLock<()>,
    /// POSTs begun so far.
    begun: AtomicU64,
    /// Orders that POSTs took out of the list of new ones since [`Sending::follow`], with the dates they were placed.
    taken: Mutex<BTreeSet<(OrderId, jiff::Timestamp)>>,
}

/// Held until a POST has ended.
pub type Post<'a> = RwLockReadGuard<'a, ()>;

/// While it is held, no POST is on its way.
pub type Quiet<'a> = RwLockWriteGuard<'a, ()>;

impl Sending {
    /// Begins a POST, once no list keeps it from being sent.
    pub async fn begin(&self) -> Post<'_> {
        let post = self.posts.read().await;
        self.begun.fetch_add(1, Ordering::SeqCst);
        post
    }

    /// Waits until the POSTs on their way have ended, and keeps others from being sent.
    pub async fn quiet(&self) -> Quiet<'_> {
        self.posts.write().await
    }

    /// Whether a POST would have to wait now.
    pub fn is_held_up(&self) -> bool {
        self.posts.try_read().is_err()
    }

    /// The POSTs begun so far, where none is on its way.
    pub(super) fn at_rest(&self) -> Option<u64> {
        let quiet = self.posts.try_write().ok()?;
        let begun = self.begun.load(Ordering::SeqCst);
        drop(quiet);
        Some(begun)
    }

    /// Whether none has begun since then.
    pub(super) fn has_rested(&self, since: Option<u64>) -> bool {
        since == Some(self.begun.load(Ordering::SeqCst))
    }

    fn taken(&self) -> MutexGuard<'_, BTreeSet<(OrderId, jiff::Timestamp)>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows from now on which orders are taken out of the list. Only while no POST is on its way: of one that is,
    /// it is unknown whether a list counted its order.
    pub(super) fn follow(&self) {
        self.taken().clear();
    }

    /// Notes that Kaspi applied a POST. To be called before its [`Post`] is dropped.
    pub(super) fn note_applied(&self, order: &Order) {
        if order.state == State::New && order.status == Status::ApprovedByBank {
            self.taken().insert((order.id.clone(), order.created_at));
        }
    }

    /// Orders placed within a window that were taken out of the list, other than these.
    pub(super) fn taken_besides(&self, ids: &BTreeSet<OrderId>, window: Window) -> usize {
        let is_in = |at| window.from <= at && at <= window.to;
        let taken = self.taken();
        let others = taken
            .iter()
            .filter(|(id, at)| is_in(*at) && !ids.contains(id));
        others.count()
    }
}
