//! The protocol as a state machine, explored whole: orders that compete for stock, crashes, POSTs in
//! flight, buyers, people, and stock that comes and goes. What is pure in the product is the
//! product's own code (`product.rs`); its transactions and stages are modelled by hand, one atomic
//! step each (`store.rs`, `stages.rs`).
//!
//! Where it allows more than the product: time leaps at any moment, and two short leaps age nothing
//! more than one; attempts are begun one by one, so anything may come between two; the act stage need
//! not sweep before it looks at a cancel; lists and single reads may show an order as it once was,
//! which stands for lagging replicas and for answers recorded late alike.
//!
//! What it leaves out: goods that leave the shelf, more than one SKU or line an order, lines that come
//! later than their order, feeds that list what is available, incomplete lists, single reads that find
//! no order, 401 and 403, pauses, a person's hold, accept and cancel, clocks that jump (and with them
//! the settle time they change), the caps on actions. No time passes while a POST waits for its answer. The 5 s
//! of `cancel_sweep_age_max` and the 30 s of `sighting_age_max` pass together. A database error in the
//! midst of an act pass leaves what a crash leaves.
//!
//! What it takes for granted, as the product does: after `settle` a POST can no longer take effect,
//! and no reading is older than that; what is answered with 4xx or 429 takes no effect later.
//!
//! `QABYL_MODEL=large` explores more orders and more disturbances.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop at once, and says what it did"
)]

mod actions;
mod broken;
mod calm;
mod fortnight;
mod kaspi;
mod model;
mod monitors;
mod packed;
mod product;
mod properties;
mod stages;
mod state;
mod store;
mod world;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use qabyl::clock::Clock;
use stateright::{Checker, Model as _, Path};

use broken::{Off, Where};
use model::Step;
use properties::{Look, broken_in};
use state::State;
use world::{CROWD, PLAIN, RIVALS, SHORT, UNEVEN, World, is_large};

/// What the tests found; they take turns, so that each has the machine's cores to itself, and the
/// last one prints the line.
#[derive(Default)]
struct Figures {
    explored: Option<Explored>,
    refuted: Option<(usize, usize)>,
    /// Whether it was looked for what must happen somewhere.
    alive: bool,
    took: Duration,
}

static FIGURES: Mutex<Figures> = Mutex::new(Figures {
    explored: None,
    refuted: None,
    alive: false,
    took: Duration::ZERO,
});

impl Figures {
    /// Does one test's part of the work while the others wait.
    fn with(work: impl FnOnce(&mut Self)) {
        let mut figures = FIGURES.lock().unwrap_or_else(PoisonError::into_inner);
        let started = Clock::System.ticks();
        work(&mut figures);
        figures.took += Clock::System.ticks().saturating_sub(started);
        figures.print();
    }

    fn print(&self) {
        let (Some(explored), Some((refuted, of)), true) =
            (&self.explored, self.refuted, self.alive)
        else {
            return;
        };
        println!(
            "model: {} states, {} deep, {} violations; {refuted} of {of} broken models refuted, in {:.1} s",
            explored.states,
            explored.depth,
            explored.violations.len(),
            self.took.as_secs_f64()
        );
    }
}

/// What came of exploring worlds whole.
#[derive(Debug, Default)]
struct Explored {
    states: usize,
    depth: usize,
    violations: Vec<String>,
}

impl Explored {
    fn add<const N: usize>(&mut self, world: World<N>) {
        let checker = world.check(None, Look::All);
        self.states += checker.unique_state_count();
        self.depth = self.depth.max(checker.max_depth());
        for (name, path) in checker.discoveries() {
            let broken = broken_in(checker.model(), path.last_state());
            self.violations.push(format!(
                "{} {:?}: {name}: {broken:?}\n{}",
                world.name,
                world.left,
                describe(&path)
            ));
        }
    }
}

/// The way to a state, a step a line, and the state.
fn describe<const N: usize>(path: &Path<State<N>, Step>) -> String {
    let mut text = String::new();
    for step in path.clone().into_actions() {
        writeln!(text, "  {step:?}").unwrap();
    }
    write!(text, "{:#?}", path.last_state()).unwrap();
    text
}

#[test]
fn the_protocol_holds() {
    Figures::with(|figures| {
        let mut sum = Explored::default();
        sum.add(RIVALS);
        sum.add(UNEVEN);
        sum.add(SHORT);
        sum.add(PLAIN);
        if is_large() {
            sum.add(RIVALS.with(4));
            sum.add(UNEVEN.with(3));
            sum.add(SHORT.with(8));
            sum.add(PLAIN.with(8));
            sum.add(CROWD);
        }
        let violations = sum.violations.join("\n");
        let is_clean = sum.violations.is_empty();
        figures.explored = Some(sum);
        assert!(is_clean, "{violations}");
    });
}

/// Each rule switched off alone: the property that it is there for must break.
#[test]
fn every_rule_is_needed() {
    Figures::with(|figures| {
        let mut missed = Vec::new();
        for (off, property, place) in Off::ALL {
            let found = match place {
                Where::Short => SHORT.with(3).refute(off, property),
                Where::Rivals => RIVALS.refute(off, property),
            };
            if !found {
                missed.push(format!("{off:?} is switched off, and still: {property}"));
            }
        }
        figures.refuted = Some((Off::ALL.len() - missed.len(), Off::ALL.len()));
        assert!(missed.is_empty(), "{missed:#?}");
    });
}

/// A model in which nothing happens breaks no rule either.
#[test]
fn what_may_happen_does_happen() {
    Figures::with(|figures| {
        let checker = RIVALS.check(None, Look::Happens);
        let found: BTreeSet<&str> = checker.discoveries().into_keys().collect();
        let all = checker.model().properties();
        let missing: Vec<&str> = all
            .iter()
            .map(|property| property.name)
            .filter(|name| !found.contains(name))
            .collect();
        figures.alive = true;
        assert!(missing.is_empty(), "never seen: {missing:#?}");
    });
}
