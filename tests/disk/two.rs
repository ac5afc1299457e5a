//! Several processes on one database.

use std::process::Stdio;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::daemon::Daemon;
use super::desk::{Desk, QUICK, until};
use super::judge::{none, violations};

const PATIENCE: Duration = Duration::from_mins(1);

/// A container that starts the daemon while a script imports the stock.
#[tokio::test(flavor = "multi_thread")]
async fn processes_that_make_the_database_at_once_agree() {
    for round in 0..4 {
        let desk = Desk::new(&format!("at-once-{round}"), None, &QUICK);
        desk.place();
        let mut daemon = Daemon::start(&desk);
        let import = || {
            let mut command = desk.command(&["stock", "import", "stock.csv"]);
            let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let imports: Vec<_> = (0..3).map(|_| import()).collect();
        for import in imports {
            let output = import.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        let handled = until("the order is handled", PATIENCE, || desk.waiting() == 0).await;
        assert_eq!(daemon.ended(), None, "{}", desk.log());
        handled.unwrap();
        daemon.kill();
        none(&violations(&desk).await);
    }
}

/// The lock's file was deleted by hand: the newer daemon has the right to write.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_the_lock_file_the_second_daemon_takes_over() {
    let desk = Desk::new("lock-deleted", None, &QUICK);
    desk.import().await;
    let mut first = Daemon::start(&desk);
    let sent = || {
        desk.place();
        desk.posts() > 3
    };
    until("the first works", PATIENCE, sent).await.unwrap();
    let lock = format!("{}.lock", desk.database().display());
    std::fs::remove_file(lock).unwrap();
    let mut second = Daemon::start(&desk);
    let mut code = None;
    let ends = || {
        desk.place();
        code = first.ended();
        code.is_some()
    };
    until("the first ends", PATIENCE, ends).await.unwrap();
    assert_eq!(code, Some(1));
    let words = format!("taken over by process {}", second.pid());
    assert!(desk.log().contains(&words), "{}", desk.log());
    let handled = || desk.waiting() == 0;
    until("the second works", PATIENCE, handled).await.unwrap();
    assert_eq!(second.ended(), None);
    let late = written_by_the_first_after_the_second_began(&desk).await;
    assert_eq!(late, 0, "rows of the first one's epoch");
    second.kill();
    none(&violations(&desk).await);
}

async fn written_by_the_first_after_the_second_began(desk: &Desk) -> i64 {
    let options = SqliteConnectOptions::new().filename(desk.database());
    let mut connection = options.read_only(true).connect().await.unwrap();
    let count = sqlx::query_scalar(
        "SELECT COUNT(*) FROM audit WHERE epoch = (SELECT epoch - 1 FROM lease)
         AND id > (SELECT MIN(id) FROM audit WHERE epoch = (SELECT epoch FROM lease))",
    );
    let count = count.fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    count
}
