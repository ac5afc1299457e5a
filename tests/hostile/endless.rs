//! A server whose lists never end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use qabyl::clock::Clock;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::behaviour::Call;
use crate::honest;
use crate::wire::{call_of, read_request};

/// A server whose every list is a full page of orders it has not shown before.
pub(crate) struct Endless {
    pub(crate) address: SocketAddr,
    counts: Arc<[AtomicUsize; 2]>,
    _tasks: JoinSet<()>,
}

impl Endless {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts: Arc<[AtomicUsize; 2]> = Arc::default();
        let counted = Arc::clone(&counts);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut tasks = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let counts = Arc::clone(&counted);
                tasks.spawn(async move {
                    let _ = without_end(stream, &counts).await;
                });
                while tasks.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            counts,
            _tasks: tasks,
        }
    }

    /// Pages given, and POSTs taken.
    pub(crate) fn counted(&self) -> (usize, usize) {
        let [pages, posts] = &*self.counts;
        (pages.load(Ordering::Relaxed), posts.load(Ordering::Relaxed))
    }
}

async fn without_end(mut stream: TcpStream, [pages, posts]: &[AtomicUsize; 2]) -> io::Result<()> {
    let mut rest = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut rest).await? {
        let call = call_of(&request).unwrap();
        let body = match call {
            Call::Page => {
                let page = pages.fetch_add(1, Ordering::Relaxed);
                page_of_new(page, &request)
            }
            Call::Post => {
                posts.fetch_add(1, Ordering::Relaxed);
                honest::body(call)
            }
            call => honest::body(call),
        };
        stream
            .write_all(&honest::answer("200 OK", "", &body))
            .await?;
    }
    Ok(())
}

fn page_of_new(page: usize, request: &[u8]) -> Vec<u8> {
    let line = String::from_utf8_lossy(request);
    let line = line.lines().next().unwrap_or_default();
    let state = line
        .split("%5Bstate%5D=")
        .nth(1)
        .and_then(|rest| rest.split(['&', ' ']).next());
    let state = state.unwrap_or("NEW");
    let status = if state == "NEW" {
        "APPROVED_BY_BANK"
    } else {
        "ACCEPTED_BY_MERCHANT"
    };
    let now = Clock::System.now().as_millisecond();
    let orders: Vec<_> = (0..100)
        .map(|n| {
            let mut order = honest::order();
            order["id"] = json!(format!("ENDLESS-{page}-{n}"));
            order["attributes"]["code"] = json!(format!("8{:08}", page * 100 + n));
            order["attributes"]["state"] = json!(state);
            order["attributes"]["status"] = json!(status);
            order["attributes"]["creationDate"] = json!(now);
            order
        })
        .collect();
    let meta = json!({"pageCount": 1, "totalCount": 100});
    json!({"data": orders, "included": [], "meta": meta})
        .to_string()
        .into_bytes()
}
