//! Links planted where Qabyl writes: what they point at stays as it is.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use qabyl_sandbox::Settings;

use super::Desk;

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
