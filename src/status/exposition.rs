//! Metrics as text: OpenMetrics where the client accepts it, else Prometheus' older format.

use std::fmt::Write as _;

/// A metric with its samples.
pub(super) struct Family {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    samples: Vec<(&'static str, String, String)>,
}

/// A metric's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    Counter,
    Histogram,
}

/// The text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    OpenMetrics,
    Prometheus,
}

impl Format {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl Family {
    pub(super) fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self {
            name,
            kind,
            help,
            samples: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let end = if self.kind == Kind::Counter {
            "_total"
        } else {
            ""
        };
        self.push(end, labels, &value);
    }

    /// Adds a histogram. A bucket counts values up to its end.
    pub(super) fn add_histogram(
        &mut self,
        labels: &[(&str, &str)],
        buckets: &[(f64, u64)],
        (count, sum): (u64, f64),
    ) {
        for (end, below) in buckets {
            let end = format!("{end:?}");
            self.push(
                "_bucket",
                &[labels, &[("le", end.as_str())]].concat(),
                below,
            );
        }
        self.push("_bucket", &[labels, &[("le", "+Inf")]].concat(), &count);
        self.push("_sum", labels, &sum);
        self.push("_count", labels, &count);
    }

    fn push(&mut self, end: &'static str, labels: &[(&str, &str)], value: &impl ToString) {
        self.samples.push((end, written(labels), value.to_string()));
    }
}

fn written(labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| {
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            format!("{name}=\"{value}\"")
        })
        .collect();
    format!("{{{}}}", labels.join(","))
}

/// The whole page, without the metrics that have no samples.
pub(super) fn page(families: &[Family], format: Format) -> String {
    let mut out = String::new();
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        let kind = match family.kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        // OpenMetrics names a counter without its `_total`, the older format with it.
        let end = match (family.kind, format) {
            (Kind::Counter, Format::Prometheus) => "_total",
            _ => "",
        };
        let (name, help) = (family.name, family.help);
        let _ = writeln!(out, "# HELP {name}{end} {help}.\n# TYPE {name}{end} {kind}");
        for (end, labels, value) in &family.samples {
            let _ = writeln!(out, "{name}{end}{labels} {value}");
        }
    }
    if format == Format::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}
