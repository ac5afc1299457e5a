//! `/metrics`, read as strictly as its readers do, in both of its formats.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::Served;

/// What a strict reader finds: families with their samples.
pub(super) fn read(page: &str, open: bool) -> BTreeMap<String, Vec<(String, f64)>> {
    let mut families: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    let (mut helped, mut current) = (BTreeSet::new(), String::new());
    let mut seen = BTreeSet::new();
    let mut lines: Vec<&str> = page.lines().collect();
    if open {
        assert_eq!(lines.pop(), Some("# EOF"), "the end is marked");
    }
    assert!(page.ends_with('\n'));
    for line in lines {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(helped.insert(name.to_owned()) && help.len() > 5, "{line}");
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(
                kinds.insert(name.to_owned(), kind.to_owned()).is_none(),
                "twice: {line}"
            );
            assert!(helped.contains(name), "no help: {line}");
            name.clone_into(&mut current);
            families.entry(current.clone()).or_default();
            continue;
        }
        assert!(!line.starts_with('#') && !line.is_empty(), "{line}");
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let (end, rest) = (name.strip_prefix(&current).expect(line), series);
        let expected: &[&str] = match (kinds[&current].as_str(), open) {
            ("counter", true) => &["_total"],
            ("histogram", _) => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        assert!(expected.contains(&end), "{line} in {current}");
        assert!(
            open || kinds[&current] != "counter" || current.ends_with("_total"),
            "{line}"
        );
        assert!(seen.insert(rest.to_owned()), "twice: {line}");
        let value: f64 = value.parse().expect(line);
        assert!(kinds[&current] == "gauge" || value >= 0.0, "{line}");
        families
            .get_mut(&current)
            .unwrap()
            .push((rest.to_owned(), value));
    }
    families
}

fn find(families: &BTreeMap<String, Vec<(String, f64)>>, family: &str, part: &str) -> f64 {
    let samples = families.get(family).expect(family);
    let found: Vec<f64> = samples
        .iter()
        .filter(|(name, _)| name.contains(part))
        .map(|(_, v)| *v)
        .collect();
    assert_eq!(found.len(), 1, "{family} {part}: {samples:?}");
    found[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_clean_and_true() {
    let served = Served::start("127.0.0.1", "").await;
    served.ready().await;
    served.work().await;
    let accept = "Accept: application/openmetrics-text; version=1.0.0\r\n";
    let open = read(&served.body("/metrics", accept).await, true);
    let plain = served.body("/metrics", "").await;
    let old = read(&plain, false);
    assert_eq!(open.len(), old.len());
    let orders = |standing: &str| find(&open, "qabyl_orders", &format!("standing=\"{standing}\""));
    assert!((orders("held") - 1.0).abs() < 0.1, "{open:?}");
    let reason = "reason=\"rule:unknown stock\"";
    assert!((find(&open, "qabyl_held_orders", reason) - 1.0).abs() < 0.1);
    let left = find(&open, "qabyl_held_left_seconds", reason);
    assert!((10_000.0..10_800.0).contains(&left), "{left}");
    assert!((find(&open, "qabyl_accept_seconds", "_count") - 5.0).abs() < 0.1);
    let buckets: Vec<f64> = open["qabyl_accept_seconds"]
        .iter()
        .filter(|(name, _)| name.contains("_bucket"))
        .map(|(_, value)| *value)
        .collect();
    assert!(buckets.is_sorted(), "buckets add up: {buckets:?}");
    let written = find(&open, "qabyl_requests", "method=\"write\",class=\"ok\"");
    assert!(written >= 6.0, "{written}");
    assert!(find(&open, "qabyl_database_bytes", "file=\"log\"") > 10_000.0);
    assert!(find(&open, "qabyl_stock_age_seconds", "newest") < 300.0);
    let ratio = find(&open, "qabyl_cancel_ratio", "main");
    assert!((0.01..0.5).contains(&ratio), "{ratio}");
    check_with_promtool(&plain);
    served.stop();
}

/// Prometheus' own reader, where it is installed.
fn check_with_promtool(page: &str) {
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        return;
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}
