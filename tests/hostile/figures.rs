//! The one line of figures, printed by whichever test ends last.

use std::sync::Mutex;

/// What the tests find, each its part.
#[derive(Default)]
struct Figures {
    cases: Option<String>,
    peaks: Vec<u64>,
    idle: Option<u64>,
}

/// Tests that report a peak.
const PEAKS: usize = 2;

static FIGURES: Mutex<Figures> = Mutex::new(Figures {
    cases: None,
    peaks: Vec::new(),
    idle: None,
});

pub(crate) fn cases(words: String) {
    record(|figures| figures.cases = Some(words));
}

pub(crate) fn peak(kb: u64) {
    record(|figures| figures.peaks.push(kb));
}

pub(crate) fn idle(kb: u64) {
    record(|figures| figures.idle = Some(kb));
}

fn record(add: impl FnOnce(&mut Figures)) {
    let mut figures = FIGURES.lock().unwrap();
    add(&mut figures);
    if let Figures {
        cases: Some(cases),
        peaks,
        idle: Some(idle),
    } = &*figures
        && peaks.len() == PEAKS
    {
        let peak = peaks.iter().max().copied().unwrap_or(0);
        println!(
            "hostile: {cases}; peak {:.1} MB, idle {:.1} MB",
            mb(peak),
            mb(*idle)
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure to read")]
pub(crate) fn mb(kb: u64) -> f64 {
    kb as f64 / 1024.0
}
