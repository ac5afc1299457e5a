//! Every behaviour there is, one file a layer of the wire.

mod bodies;
mod codings;
mod connections;
mod framing;
mod heads;
mod repeats;
mod retry_after;
mod statuses;

use crate::behaviour::Behaviour;

pub(crate) fn all() -> Vec<Behaviour> {
    let layers = [
        connections::all(),
        framing::all(),
        codings::all(),
        heads::all(),
        bodies::all(),
        statuses::all(),
        retry_after::all(),
        repeats::all(),
    ];
    layers.into_iter().flatten().collect()
}
