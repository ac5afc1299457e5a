//! The dashboard and the alert rules below `deploy/` ask for metrics that are there.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::Served;
use super::metrics::read;

const RULES: &str = include_str!("../../../deploy/prometheus/qabyl.rules.yml");
const DASHBOARD: &str = include_str!("../../../deploy/grafana/qabyl.json");
const RUNBOOK: &str = include_str!("../../../docs/OPERATIONS.md");

/// Names of metrics in a query.
fn names(query: &str) -> BTreeSet<String> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("qabyl_"))
        .map(str::to_owned)
        .collect()
}

fn values_of<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let lines = text.lines().map(str::trim_start);
    lines
        .filter_map(|line| line.strip_prefix(key))
        .map(str::trim)
        .collect()
}

fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key == "expr" || key == "query" => {
                        found.push(text.clone());
                    }
                    other => queries(other, found),
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

#[test]
fn every_alert_names_its_heading_in_the_runbook() {
    let alerts = values_of(RULES, "- alert: ");
    let runbooks = values_of(RULES, "runbook: ");
    assert!(alerts.len() >= 10 && alerts.len() == runbooks.len());
    // As a forge makes anchors of headings.
    let anchor = |heading: &str| -> String {
        let heading = heading.to_lowercase();
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    let headings = RUNBOOK.lines().filter_map(|line| line.strip_prefix("## "));
    let anchors: BTreeSet<String> = headings.map(anchor).collect();
    for (alert, runbook) in alerts.iter().zip(runbooks) {
        let wanted = runbook
            .trim_matches('"')
            .strip_prefix("docs/OPERATIONS.md#")
            .expect(alert);
        assert!(
            anchors.contains(wanted),
            "{alert}: no heading {wanted}: {anchors:?}"
        );
    }
}

#[test]
fn the_rules_are_rules() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/deploy/prometheus/qabyl.rules.yml"
    );
    // Prometheus' own reader, where it is installed.
    if let Ok(output) = Command::new("promtool")
        .args(["check", "rules", file])
        .output()
    {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
    }
    for expression in values_of(RULES, "expr: ") {
        assert!(
            !names(expression).is_empty() || expression.contains("up{"),
            "{expression}"
        );
    }
}

#[test]
fn the_dashboard_can_be_imported() {
    let board: Value = serde_json::from_str(DASHBOARD).unwrap();
    assert!(
        board["id"].is_null()
            && board["uid"] == "qabyl"
            && board["schemaVersion"].as_i64() >= Some(36)
    );
    let panels = board["panels"].as_array().unwrap();
    let ids: BTreeSet<i64> = panels
        .iter()
        .map(|panel| panel["id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids.len(), panels.len(), "ids are unique");
    let mut taken = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(
            ["stat", "timeseries"].contains(&panel["type"].as_str().unwrap()),
            "{title}"
        );
        assert_eq!(panel["datasource"]["uid"], "${source}", "{title}");
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title}");
        let place = |key: &str| panel["gridPos"][key].as_i64().unwrap();
        let (x, y, w, h) = (place("x"), place("y"), place("w"), place("h"));
        assert!(x + w <= 24, "{title} is too wide");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{title} lies on another panel");
        }
    }
    let variables: Vec<&str> = board["templating"]["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| variable["name"].as_str().unwrap())
        .collect();
    assert_eq!(variables, ["source", "shop"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_asked_for_is_there() {
    let served = Served::start("127.0.0.1", "").await;
    let more = "[[channels]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\nsecret_env = \"S\"\n";
    let config = std::fs::read_to_string(served.desk.path("qabyl.toml")).unwrap();
    served.desk.write(
        "qabyl.toml",
        &format!("{config}{more}").replace("budget_share = \"off\"", "budget_share = 0.5"),
    );
    let mut served = served;
    drop(served.daemon.take());
    served.daemon = Some(crate::cli::daemon::Daemon::start(&served.desk));
    served.ready().await;
    served.work().await;
    let page = read(&served.body("/metrics", "").await, false);
    let ends = ["_bucket", "_sum", "_count"];
    let there = |name: &String| {
        page.contains_key(name)
            || ends
                .iter()
                .any(|end| name.strip_suffix(end).is_some_and(|n| page.contains_key(n)))
    };
    let mut asked = Vec::new();
    queries(&serde_json::from_str(DASHBOARD).unwrap(), &mut asked);
    asked.extend(values_of(RULES, "expr: ").into_iter().map(str::to_owned));
    let asked: BTreeSet<String> = asked.iter().flat_map(|query| names(query)).collect();
    assert!(asked.len() >= 15, "{asked:?}");
    let missing: Vec<&String> = asked.iter().filter(|name| !there(name)).collect();
    assert!(
        missing.is_empty(),
        "{missing:?} are not among {:?}",
        page.keys()
    );
    served.stop();
}
