//! Links planted where Qabyl writes: what they point at stays as it is.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use qabyl_sandbox::Settings;

use super::{Desk, Said, TOKEN};

const KEPT: &str = "must stay as it is\n";

/// A file that nothing may write to, and a link to it under this name.
fn linked(desk: &Desk, name: &str) -> PathBuf {
    desk.write("target", KEPT);
    symlink(desk.path("target"), desk.path(name)).unwrap();
    desk.path("target")
}

fn read(path: &PathBuf) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_lock_file_is_refused_and_its_target_kept() {
    let desk = Desk::new(Settings::default());
    let target = linked(&desk, "qabyl.db.lock");
    let said = desk.qabyl(&["once"]).await;
    said.fails(1, &["D003", "qabyl.db.lock", "symbolic link"]);
    assert_eq!(read(&target), KEPT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_file_with_a_second_name_is_refused_and_that_file_kept() {
    let desk = Desk::new(Settings::default());
    desk.write("target", KEPT);
    std::fs::hard_link(desk.path("target"), desk.path("qabyl.db.lock")).unwrap();
    let said = desk.qabyl(&["once"]).await;
    said.fails(1, &["D003", "hard link"]);
    assert_eq!(read(&desk.path("target")), KEPT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_database_is_refused_and_its_target_kept() {
    let desk = Desk::bare(Settings::default());
    desk.write("target", "");
    symlink(desk.path("target"), desk.path("qabyl.db")).unwrap();
    let said = desk.qabyl(&["init"]).await;
    said.fails(1, &["D003", "symbolic link"]);
    assert_eq!(read(&desk.path("target")), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_takes_the_place_of_a_link_and_a_backup_refuses_one() {
    let desk = Desk::new(Settings::default());
    let target = linked(&desk, "out.csv");
    desk.stock("sku,on_hand\nA,0\n").await;
    desk.qabyl(&["stock", "export", "--out", "out.csv"])
        .await
        .ok();
    assert_eq!(read(&target), KEPT);
    assert!(read(&desk.path("out.csv")).contains("A,0"));

    symlink(&target, desk.path("copy.db")).unwrap();
    symlink(&target, desk.path("other.db.partial")).unwrap();
    desk.qabyl(&["backup", "copy.db"]).await.fails(1, &["D003"]);
    desk.qabyl(&["backup", "other.db"]).await.ok();
    assert_eq!(read(&target), KEPT);
}

#[cfg(feature = "man")]
#[tokio::test(flavor = "multi_thread")]
async fn a_man_page_takes_the_place_of_a_link() {
    let desk = Desk::new(Settings::default());
    std::fs::create_dir(desk.path("man")).unwrap();
    let target = linked(&desk, "man/qabyl.1");
    desk.qabyl(&["man", "man"]).await.ok();
    assert_eq!(read(&target), KEPT);
    assert!(read(&desk.path("man/qabyl.1")).contains("qabyl"));
    assert!(desk.path("man/qabyl-stock-import.1").exists());
}

/// Whoever may write the folder of a stock file can put a link to the token in its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_stock_file_that_leads_to_the_token_reveals_nothing_of_it() {
    let desk = Desk::new(Settings::default());
    let source = |name: &str| {
        let (kind, _) = name.split_once('.').unwrap();
        format!("[[stock.sources]]\nname = \"{kind}\"\nfile = \"{name}\"\n")
    };
    let names = ["table.csv", "book.xlsx", "prices.xml"];
    let sources: String = names.iter().map(|name| source(name)).collect();
    desk.write("qabyl.toml", &desk.config("act", &sources));
    for name in names {
        symlink(desk.path("token"), desk.path(name)).unwrap();
    }
    let refused = |said: Said, code: i32| {
        said.fails(code, &["symbolic link"]);
        said
    };
    let mut all = Vec::new();
    for name in names {
        all.push(refused(desk.qabyl(&["stock", "import", name]).await, 1));
        let (kind, _) = name.split_once('.').unwrap();
        let sync = ["stock", "sources", "--sync", kind];
        all.push(refused(desk.qabyl(&sync).await, 1));
    }
    for command in [
        ["once", "--timeout=5s"].as_slice(),
        &["status"],
        &["stock", "sources"],
        &["doctor"],
        &["audit"],
        &["backup", "copy.db"],
    ] {
        all.push(desk.qabyl(command).await);
    }
    for said in &all {
        assert!(!said.out.contains(TOKEN), "{}", said.out);
        assert!(!said.err.contains(TOKEN), "{}", said.err);
    }
    for entry in std::fs::read_dir(desk.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() || path.ends_with("token") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let mut parts = bytes.windows(TOKEN.len());
        let found = parts.any(|part| part == TOKEN.as_bytes());
        assert!(!found, "the token is in {}", path.display());
    }
}
