//! Every sentence that a command prints for people is in the language that was asked for.

use qabyl_sandbox::Settings;

use super::{Desk, Said};
use crate::migrations::look_into;

/// Words that look English and are names, or words of the configuration and of Kaspi.
const NAMES: &[&str] = &[
    "Kaspi", "Qabyl", "accept", "act", "id", "main", "once", "person", "qabyl", "rule", "stock",
];

/// Two English words and more in a row, outside of commands: what a Russian or Kazakh reader does not understand.
fn english(text: &str) -> Vec<String> {
    let quoted = text.split('`').step_by(2).collect::<Vec<_>>().join(" ` ");
    let mut found = Vec::new();
    for line in quoted.lines() {
        let (mut run, mut in_command) = (Vec::new(), false);
        for word in line.split_whitespace().chain(["."]) {
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '-');
            in_command = bare == "qabyl" || (in_command && bare.is_ascii());
            let is_english = bare.len() > 1
                && bare.chars().all(|c| c.is_ascii_alphabetic())
                && bare.chars().skip(1).all(|c| c.is_ascii_lowercase())
                && !NAMES.contains(&bare);
            if is_english && !in_command {
                run.push(bare);
            } else {
                if run.len() > 1 {
                    found.push(format!("{} … in: {line}", run.join(" ")));
                }
                run.clear();
            }
        }
    }
    found
}

async fn desk() -> Desk {
    let desk = Desk::new(Settings::default());
    let config = desk.config("act", "")
        + "[[channels]]\nname = \"phone\"\nkind = \"telegram\"\nchat_id = \"1\"\nsecret_file = \"token\"\n";
    desk.write("qabyl.toml", &config);
    desk.stock("sku,on_hand\nA,5\nB,1\nAB-1,9\n").await;
    for (code, sku, units) in [
        ("900000001", "A", 1),
        ("900000002", "UNLISTED", 1),
        ("900000003", "B", 3),
        ("900000004", "AB1", 2),
        ("900000005", "A", 2),
        ("900000006", "A", 9),
    ] {
        desk.place(code, sku, units);
    }
    desk.qabyl(&["hold", "900000005", "--why", "позвоню"]).await;
    desk.qabyl(&["once"]).await;
    desk.qabyl(&["hold", "900000002", "--why", "позвоню"]).await;
    desk
}

async fn change(desk: &Desk, statement: &str) {
    let mut database = look_into(&desk.path("qabyl.db")).await;
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()));
    done.execute(&mut database).await.unwrap();
}

/// What each language says; the English text is another one.
async fn in_all(desk: &Desk, args: &[&str], found: &mut Vec<String>) {
    let mut said: Vec<Said> = Vec::new();
    for lang in ["ru", "kk", "en"] {
        let args: Vec<&str> = args.iter().copied().chain(["--lang", lang]).collect();
        said.push(desk.qabyl(&args).await);
    }
    let text = |said: &Said| format!("{}{}", said.out, said.err);
    for said in &said[..2] {
        let text = text(said);
        found.extend(
            english(&text)
                .into_iter()
                .map(|what| format!("{args:?}: {what}")),
        );
        assert!(!text.trim().is_empty(), "{args:?}");
    }
    assert!(said.iter().all(|one| one.code == said[2].code), "{args:?}");
    if !text(&said[2]).contains('│') || text(&said[2]).len() > 400 {
        assert_ne!(text(&said[0]), text(&said[2]), "{args:?} is not in Russian");
        assert_ne!(text(&said[0]), text(&said[1]), "{args:?} is not in Kazakh");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_speak_the_language_of_the_reader() {
    let desk = desk().await;
    let mut found = Vec::new();
    let commands: &[&[&str]] = &[
        &["status"],
        &["orders", "list"],
        &["orders", "list", "--held"],
        &["orders", "show", "900000001"],
        &["orders", "show", "111"],
        &["orders", "list", "--shop", "other"],
        &["explain", "900000001"],
        &["explain", "900000002"],
        &["explain", "900000003"],
        &["explain", "900000004"],
        &["explain", "900000005"],
        &["explain", "900000006"],
        &["doctor"],
        &["stock", "why", "A"],
        &["stock", "why", "B"],
        &["stock", "why", "UNLISTED"],
        &["hold", "900000001", "--why", "позвоню"],
        &["release", "900000003"],
    ];
    for args in commands {
        in_all(&desk, args, &mut found).await;
    }
    for statement in [
        "UPDATE lease SET worker = 'daemon', worked_at = worked_at - 600000",
        "INSERT INTO restores (shop, at, known_until) VALUES ('main', 1774000000000, NULL)",
        "UPDATE lease SET backup_failing_since = 1774000000000, backup_problem = '?'",
        "UPDATE stock SET on_hand = 0 WHERE sku = 'A'",
        "UPDATE stock SET as_of = as_of - 86400000",
        "UPDATE stock SET on_hand = 0",
        "UPDATE orders SET status = 'ACCEPTED_BY_MERCHANT', lines_state = 'unreadable', lines_failures = 2,
           lines_problem = '?', lines_skus = '[\"A\"]', status_since = 1774000000000,
           lines_due_at = 4000000000000 WHERE code = '900000001'",
    ] {
        change(&desk, statement).await;
        for args in [&["status"][..], &["doctor"], &["orders", "list", "--check"], &["stock", "why", "A"], &["explain", "900000003"]] {
            in_all(&desk, args, &mut found).await;
        }
    }
    desk.qabyl(&["pause", "--shop", "main", "--why", "переучёт"])
        .await;
    in_all(&desk, &["status"], &mut found).await;
    for args in [
        &["resume", "--shop", "main"][..],
        &["resume", "--shop", "other"],
    ] {
        in_all(&desk, args, &mut found).await;
    }
    desk.write("token", "");
    in_all(&desk, &["doctor"], &mut found).await;
    desk.write("token", super::TOKEN);
    let config = std::fs::read_to_string(desk.path("qabyl.toml")).unwrap();
    let elsewhere = config.replace(&desk.server.base_url(), "http://127.0.0.1:1");
    desk.write("qabyl.toml", &elsewhere);
    in_all(&desk, &["doctor"], &mut found).await;
    std::fs::remove_file(desk.path("qabyl.db")).unwrap();
    in_all(&desk, &["status"], &mut found).await;
    std::fs::remove_file(desk.path("token")).unwrap();
    in_all(&desk, &["run"], &mut found).await;
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Scripts read English where no language is asked for, and JSON is the same in all.
#[tokio::test(flavor = "multi_thread")]
async fn the_locale_chooses_the_language_and_json_has_none() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,5\n").await;
    let said = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = desk.command(args);
        for name in ["LC_ALL", "LC_MESSAGES", "LANG"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let status = |variables: &[(&str, &str)]| said(variables, &["status"]);
    let english = status(&[]);
    assert!(english.contains("accepted"), "{english}");
    for same in [
        &[("LANG", "C.UTF-8")][..],
        &[("LANG", "en_US.UTF-8")],
        &[("LANG", "de_DE.UTF-8")],
        &[("LC_ALL", "C"), ("LANG", "ru_RU.UTF-8")],
    ] {
        assert!(status(same).contains("accepted"), "{same:?}");
    }
    for russian in [
        &[("LANG", "ru_RU.UTF-8")][..],
        &[
            ("LC_ALL", ""),
            ("LC_MESSAGES", "ru_KZ.UTF-8"),
            ("LANG", "C"),
        ],
    ] {
        assert!(status(russian).contains("принято"), "{russian:?}");
    }
    assert!(status(&[("LANG", "kk_KZ.UTF-8")]).contains("қабылданды"));
    let json = |lang: &str| said(&[("LANG", lang)], &["orders", "list", "--format", "json"]);
    assert_eq!(json("ru_RU.UTF-8"), json("C"));
}
