//! Every stage of the pipeline, declared once: the daemon's loops, `qabyl once`, `/status` and the table
//! in `docs/ARCHITECTURE.md` follow this list.

use std::time::Duration;

/// A stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Lists new orders.
    Poll,
    /// Reads the current state of known orders.
    Sweep,
    /// Decides orders.
    Decide,
    /// Carries decisions out.
    Act,
    /// Reports orders near their deadline.
    Alert,
    /// Imports stock.
    Stock,
    /// Reports what develops over time.
    Watch,
    /// Sends notifications.
    Notify,
    /// Makes backups and deletes old rows.
    Housekeep,
    /// Asks what people wrote to a bot and pressed.
    Listen,
}

/// The scope in which a stage has a loop of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Each shop.
    Shop,
    /// Each shop in mode `act`.
    ActingShop,
    /// Each source of stock.
    Source,
    /// Each channel.
    Channel,
    /// Each Telegram bot that users decide by.
    Bot,
    /// The database.
    Database,
}

impl Scope {
    /// The scope as the documents name it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Shop => "each shop",
            Self::ActingShop => "each shop in mode `act`",
            Self::Source => "each stock source",
            Self::Channel => "each channel",
            Self::Bot => "each bot of a channel with `decide`",
            Self::Database => "the database",
        }
    }
}

/// The declaration of a stage.
#[derive(Debug, Clone, Copy)]
pub struct Declared {
    /// The stage.
    pub stage: Stage,
    /// Its name in logs, on the status page and in the documents.
    pub name: &'static str,
    /// The scope of its loops.
    pub scope: Scope,
    /// Longest time between two runs if nothing wakes it.
    pub period: Duration,
    /// Whether each round of `qabyl once` runs it.
    pub in_round: bool,
    /// When it runs, for people.
    pub runs: &'static str,
    /// Stages that run soon after this one did something.
    pub wakes: &'static [Stage],
    /// Its purpose.
    pub about: &'static str,
    /// Where it reads.
    pub reads: &'static str,
    /// What it writes.
    pub writes: &'static str,
    /// Where its code is.
    pub file: &'static str,
}

/// All stages. Those of a shop stand in the order in which `qabyl once` runs them.
pub const ALL: [Declared; 10] = [
    Declared {
        stage: Stage::Poll,
        name: "poll",
        scope: Scope::Shop,
        period: Duration::from_mins(1),
        in_round: true,
        runs: "poll.schedule, at least once a minute",
        wakes: &[Stage::Decide, Stage::Act],
        about: "lists new orders and reads their lines",
        reads: "lists of new orders, entries",
        writes: "`scans`, `orders`, `lines`",
        file: "src/pipeline/poll.rs",
    },
    Declared {
        stage: Stage::Sweep,
        name: "sweep",
        scope: Scope::Shop,
        period: Duration::from_secs(1),
        in_round: true,
        runs: "confirm.sweep_every, and after requests",
        wakes: &[Stage::Decide, Stage::Act, Stage::Poll],
        about: "reads what became of accepted and finished orders",
        reads: "lists of accepted orders and the archive, single orders",
        writes: "`scans`, `orders`, ends of `actions`, `reservations`",
        file: "src/pipeline/sweep/mod.rs",
    },
    Declared {
        stage: Stage::Decide,
        name: "decide",
        scope: Scope::Shop,
        period: Duration::from_secs(30),
        in_round: true,
        runs: "every 2 s while orders wait, and when orders or stock changed",
        wakes: &[Stage::Act, Stage::Sweep],
        about: "decides new orders",
        reads: "orders, stock, rules",
        writes: "`decisions`, `reservations`, `actions`",
        file: "src/pipeline/decide.rs",
    },
    Declared {
        stage: Stage::Act,
        name: "act",
        scope: Scope::ActingShop,
        period: Duration::from_secs(30),
        in_round: true,
        runs: "every second while an action is due, and when something was decided",
        wakes: &[Stage::Sweep, Stage::Decide, Stage::Poll],
        about: "sends accepts and cancels to Kaspi",
        reads: "due actions, the order again",
        writes: "`attempts`, `actions`",
        file: "src/pipeline/act/mod.rs",
    },
    Declared {
        stage: Stage::Alert,
        name: "alert",
        scope: Scope::Shop,
        period: Duration::from_mins(1),
        in_round: false,
        runs: "every 20 s while orders wait",
        wakes: &[],
        about: "reports orders close to their deadline",
        reads: "new orders",
        writes: "`audit`, `notices`",
        file: "src/pipeline/alert.rs",
    },
    Declared {
        stage: Stage::Stock,
        name: "stock",
        scope: Scope::Source,
        period: Duration::from_secs(5),
        in_round: false,
        runs: "every 5 s: files at once, addresses at their own time",
        wakes: &[Stage::Decide],
        about: "imports stock from its sources",
        reads: "watched files, addresses, a supplier",
        writes: "`stock_imports`, `stock`, `stock_sources`",
        file: "src/pipeline/sync_stock.rs",
    },
    Declared {
        stage: Stage::Watch,
        name: "watch",
        scope: Scope::Database,
        period: Duration::from_secs(30),
        in_round: false,
        runs: "every 30 s",
        wakes: &[],
        about: "reports what develops over time, and the day's sums",
        reads: "the cancel budget, stock, failing lists, the day's sums",
        writes: "`notices`",
        file: "src/pipeline/daily_watch.rs",
    },
    Declared {
        stage: Stage::Notify,
        name: "notify",
        scope: Scope::Channel,
        period: Duration::from_secs(1),
        in_round: false,
        runs: "every second",
        wakes: &[],
        about: "sends notifications through a channel",
        reads: "notices, and whether they are still so",
        writes: "messages, their deliveries",
        file: "src/pipeline/notify.rs",
    },
    Declared {
        stage: Stage::Housekeep,
        name: "housekeep",
        scope: Scope::Database,
        period: Duration::from_mins(1),
        in_round: false,
        runs: "every minute",
        wakes: &[],
        about: "makes backups, deletes what is past its retention, checks the file",
        reads: "finished orders, the audit log, the backup folder",
        writes: "backups; deletes orders and audit rows",
        file: "src/pipeline/housekeep.rs",
    },
    Declared {
        stage: Stage::Listen,
        name: "listen",
        scope: Scope::Bot,
        period: Duration::ZERO,
        in_round: false,
        runs: "always: Telegram answers when something happens",
        wakes: &[],
        about: "does what people write to a bot and press",
        reads: "updates of the bot",
        writes: "manual decisions, users, how far updates are handled",
        file: "src/pipeline/telegram/mod.rs",
    },
];

// A stage is found by its place in the list.
const _: () = {
    let mut place = 0;
    while place < ALL.len() {
        assert!(
            ALL[place].stage as usize == place,
            "the list and the enum differ in order"
        );
        place += 1;
    }
};

impl Stage {
    /// Its declaration.
    pub const fn declared(self) -> &'static Declared {
        &ALL[self as usize]
    }

    /// Its name in logs, on the status page and in the documents.
    pub const fn name(self) -> &'static str {
        self.declared().name
    }
}

impl Declared {
    /// Its row in the documents' table of stages.
    pub fn row(&self) -> String {
        let wakes: Vec<&str> = self.wakes.iter().map(|stage| stage.name()).collect();
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | `{}` |",
            self.name,
            self.about,
            self.scope.words(),
            self.runs,
            wakes.join(", "),
            self.reads,
            self.writes,
            self.file
        )
    }
}
