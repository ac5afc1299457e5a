//! The daemon's own pages: who may read them, what they say, and what Prometheus and Grafana make of it.

mod deploy;
mod metrics;
mod pages;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use qabyl_sandbox::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::cli::Desk;
use crate::cli::daemon::{Daemon, until};

/// A daemon that serves its pages.
struct Served {
    desk: Desk,
    address: SocketAddr,
    daemon: Option<Daemon>,
}

impl Served {
    /// Listens at `host`; `more` goes into `[http]`.
    async fn start(host: &str, more: &str) -> Self {
        let desk = Desk::new(Settings {
            canary: Some("canary-7f3a".to_owned()),
            ..Settings::default()
        });
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let listen = format!("listen = \"{host}:{port}\"\n{more}");
        let config = desk.config("act", "").replace("listen = \"\"\n", &listen);
        desk.write("qabyl.toml", &config);
        Self {
            daemon: Some(Daemon::start(&desk)),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            desk,
        }
    }

    async fn ready(&self) {
        for _ in 0..600 {
            if let Some(answer) = self.ask("GET /readyz", "").await
                && answer.starts_with("HTTP/1.1 200")
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it is not ready");
    }

    /// One request; `None` where nobody answers. `headers` end in a line break each.
    async fn ask(&self, line: &str, headers: &str) -> Option<String> {
        let host = if headers.to_lowercase().contains("host:") {
            String::new()
        } else {
            format!("Host: {}\r\n", self.address)
        };
        let request = format!("{line} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n");
        let mut stream = TcpStream::connect(self.address).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }

    async fn body(&self, path: &str, headers: &str) -> String {
        let answer = self.ask(&format!("GET {path}"), headers).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// Some orders of each kind, all handled.
    async fn work(&self) {
        let desk = &self.desk;
        desk.stock("sku,on_hand\nA,50\nB,0\n").await;
        for n in 0..5 {
            desk.place(&format!("90000020{n}"), "A", 1);
        }
        desk.place("900000210", "B", 1);
        desk.place("900000211", "NOWHERE", 1);
        until("all are handled", || {
            let accepted =
                (0..5).all(|n| desk.status(&format!("90000020{n}")) == "ACCEPTED_BY_MERCHANT");
            accepted && desk.status("900000210") == "CANCELLED"
        })
        .await;
    }

    fn stop(mut self) {
        assert_eq!(self.daemon.take().unwrap().stop(), Some(0));
    }
}
