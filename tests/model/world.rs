//! Worlds, from small to large, and their exploration.

use stateright::{Checker, Model as _};

use crate::broken::Off;
use crate::model::Shop;
use crate::product::Product;
use crate::properties::Look;
use crate::state::Left;

/// Sizes of one world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World<const N: usize> {
    pub(crate) name: &'static str,
    /// Units each order wants, the oldest order first.
    pub(crate) wants: [u8; N],
    pub(crate) on_hand: u8,
    pub(crate) attempts_max: u8,
    pub(crate) left: Left,
}

/// Two orders want the one unit there is.
pub(crate) const RIVALS: World<2> = World {
    name: "rivals",
    wants: [1, 1],
    on_hand: 1,
    attempts_max: 2,
    left: Left {
        any: 2,
        crashes: 1,
        imports: 1,
        clicks: 1,
    },
};

/// The older order is short, the younger one fits; one unit more, and either fits, not both.
pub(crate) const UNEVEN: World<2> = World {
    name: "uneven",
    wants: [2, 1],
    ..RIVALS
};

/// One order that is short, and much trouble.
pub(crate) const SHORT: World<1> = World {
    name: "short",
    wants: [2],
    on_hand: 1,
    attempts_max: 3,
    left: Left {
        any: 5,
        crashes: 2,
        imports: 1,
        clicks: 2,
    },
};

/// One order that is covered, and much trouble.
pub(crate) const PLAIN: World<1> = World {
    name: "plain",
    wants: [1],
    ..SHORT
};

/// Three orders want the two units there are.
pub(crate) const CROWD: World<3> = World {
    name: "crowd",
    wants: [1, 1, 1],
    on_hand: 2,
    attempts_max: 2,
    left: RIVALS.left,
};

impl<const N: usize> World<N> {
    /// With room for so many disturbances.
    pub(crate) fn with(mut self, any: u8) -> Self {
        self.left.any = any;
        self
    }

    pub(crate) fn check(self, off: Option<Off>, look: Look) -> impl Checker<Shop<N>> {
        let shop = Shop {
            product: Product::new(off),
            wants: self.wants,
            on_hand: self.on_hand,
            left: self.left,
            attempts_max: self.attempts_max,
            off,
            look,
        };
        shop.checker().threads(2).spawn_bfs().join()
    }

    /// Whether the property breaks where this rule is off.
    pub(crate) fn refute(self, off: Off, property: &'static str) -> bool {
        let checker = self.check(Some(off), Look::For(property));
        checker.discovery(property).is_some()
    }
}

pub(crate) fn is_large() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "the environment says what a test runs"
    )]
    let size = std::env::var("QABYL_MODEL");
    size.is_ok_and(|size| size == "large")
}
