//! Which files settings may come from: another user must not choose where the token is sent.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use qabyl_sandbox::Settings;

use super::{Desk, TOKEN, said};
use crate::binary;

/// Neither root nor whoever runs the tests.
const ANOTHER_USER: u32 = 54_321;

fn set_mode(file: &Path, mode: u32) {
    std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dotenv_of_the_working_directory_has_no_effect() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,5\n").await;
    let elsewhere = Desk::new(Settings::default());
    let redirected = format!("QABYL__KASPI__BASE_URL={}\n", elsewhere.server.base_url());
    elsewhere.write(".env", &redirected);
    std::fs::remove_file(elsewhere.path("qabyl.toml")).unwrap();
    let mut command = binary::qabyl(elsewhere.folder());
    command.arg("--config").arg(desk.path("qabyl.toml"));
    command.arg("doctor");
    let output = tokio::task::spawn_blocking(move || command.output());
    let doctor = said(&output.await.unwrap().unwrap()).ok();
    assert!(!doctor.out.contains(".env"), "{}", doctor.out);
    assert_eq!(
        elsewhere.server.world().ledger().requests_total(),
        0,
        "the token went where the working directory said"
    );
    assert!(desk.server.world().ledger().requests_total() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_configuration_file_no_dotenv_is_read() {
    let desk = Desk::new(Settings::default());
    std::fs::remove_file(desk.path("qabyl.toml")).unwrap();
    desk.write(".env", &format!("KASPI_TOKEN={TOKEN}\n"));
    desk.qabyl(&["config", "check"])
        .await
        .fails(2, &["no [[shops]]", "KASPI_TOKEN"]);
    // The same as a variable is what the hint asks for.
    let mut command = desk.command(&["config", "check"]);
    command.env("KASPI_TOKEN", TOKEN);
    let output = tokio::task::spawn_blocking(move || command.output());
    said(&output.await.unwrap().unwrap()).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dotenv_that_others_can_write_is_refused() {
    let desk = Desk::new(Settings::default());
    desk.write(".env", "QABYL__LOG__FILTER=info\n");
    for mode in [0o664, 0o646, 0o622] {
        set_mode(&desk.path(".env"), mode);
        desk.qabyl(&["config", "check"])
            .await
            .fails(2, &[".env", "other users can write it", "chmod go-w"]);
    }
    set_mode(&desk.path(".env"), 0o644);
    desk.qabyl(&["config", "check"]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_another_user_are_refused() {
    let desk = Desk::new(Settings::default());
    desk.write(".env", "QABYL__LOG__FILTER=info\n");
    let owner = std::fs::metadata(desk.path(".env")).unwrap().uid();
    // Only root can give a file away.
    if owner != 0 {
        return;
    }
    for name in [".env", "qabyl.toml"] {
        let file = desk.path(name);
        set_mode(&file, 0o600);
        chown(&file, Some(ANOTHER_USER), None).unwrap();
        desk.qabyl(&["config", "check"])
            .await
            .fails(2, &[name, "belongs to user 54321"]);
        chown(&file, Some(owner), None).unwrap();
        desk.qabyl(&["config", "check"]).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_lists_every_file_that_was_read() {
    let desk = Desk::new(Settings::default());
    let config = desk.config("propose", "[rules]\nfile = \"rules.toml\"\n");
    desk.write("qabyl.toml", &config);
    desk.write(".env", "QABYL__LOG__FILTER=info\n");
    desk.write("rules.toml", qabyl::rules_file::DEFAULT_RULES);
    desk.stock("sku,on_hand\nA,5\n").await;
    let config = desk.path("qabyl.toml").display().to_string();
    let doctor = ["--config", &config, "doctor", "--format", "json"];
    let findings = desk.qabyl(&doctor).await.ok().json();
    for name in ["qabyl.toml", ".env", "rules.toml", "token"] {
        let path = desk.path(name).display().to_string();
        let mut found = findings.as_array().unwrap().iter();
        assert!(
            found.any(|row| row["found"].as_str().unwrap().ends_with(&path)),
            "{path} is not in {findings}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn root_by_sudo_reads_the_files_of_the_user_who_called_it() {
    let desk = Desk::new(Settings::default());
    desk.write(".env", "QABYL__LOG__FILTER=info\n");
    if std::fs::metadata(desk.path(".env")).unwrap().uid() != 0 {
        return;
    }
    set_mode(&desk.path(".env"), 0o600);
    chown(desk.path(".env"), Some(ANOTHER_USER), None).unwrap();
    for (user, is_theirs) in [(ANOTHER_USER, true), (54_322, false)] {
        let mut command = desk.command(&["config", "check"]);
        command.env("SUDO_UID", user.to_string());
        let output = tokio::task::spawn_blocking(move || command.output());
        let said = said(&output.await.unwrap().unwrap());
        if is_theirs {
            said.ok();
        } else {
            said.fails(2, &[".env", "belongs to user 54321"]);
        }
    }
}
