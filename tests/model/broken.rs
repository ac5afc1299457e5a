//! Rules of RELIABILITY §2 that can be switched off, one at a time, to show that the model sees what
//! each of them prevents.

/// A rule that does not hold in a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Off {
    /// R1: the decision is committed without its reservation.
    Reservation,
    /// I9: the attempt's row is written after the POST.
    Durable,
    /// R2: what still shows as NEW is decided again, whatever was sent.
    Sticky,
    /// R3: a 2xx proves the effect.
    Read2xx,
    /// R4: a repeat after settle needs no reading.
    ReadBack,
    /// R4: a repeat does not wait for settle.
    Settle,
    /// R4: an accept leaves however old its sighting is.
    Sighting,
    /// R5: the order is recorded as cancelled, its units stay promised.
    Release,
    /// R6: what people accept is not read.
    Holders,
    /// R8: one sighting of a shortage is enough.
    Twice,
    /// R9: no more is ever promised than is there.
    Unclipped,
    /// R11: the last reading counts, however old.
    Rank,
    /// R13: attempts left open by a crash are forgotten.
    Recover,
    /// A late answer is written into a closed action.
    Closed,
}

/// The world in which a rule's want shows soonest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// One order that is short.
    Short,
    /// Two orders that want one unit.
    Rivals,
}

impl Off {
    /// Each rule with the property that shows its want.
    pub(crate) const ALL: [(Self, &'static str, Where); 14] = {
        use super::properties as p;
        [
            (Self::Reservation, p::OVERSOLD, Where::Rivals),
            (Self::Durable, p::UNDURABLE, Where::Rivals),
            (Self::Sticky, p::BOTH, Where::Short),
            (Self::Read2xx, p::BLIND, Where::Rivals),
            (Self::ReadBack, p::BLIND, Where::Rivals),
            (Self::Settle, p::BLIND, Where::Rivals),
            (Self::Sighting, p::UNSIGHTED, Where::Rivals),
            (Self::Release, p::COVERED, Where::Rivals),
            (Self::Holders, p::ENDS, Where::Rivals),
            (Self::Twice, p::UNPROVEN, Where::Short),
            (Self::Unclipped, p::OVERSOLD, Where::Rivals),
            (Self::Rank, p::READ_ACCEPTED, Where::Short),
            (Self::Recover, p::BLIND, Where::Rivals),
            (Self::Closed, p::REOPENED, Where::Rivals),
        ]
    };
}
