//! `qabyl healthcheck`: asks the running daemon at its own HTTP port.

use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Done, Failure, say};
use crate::config::Loaded;

const TIMEOUT: Duration = Duration::from_secs(3);
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

pub(super) async fn run(loaded: &Loaded) -> Done {
    let address = loaded.config.http.listen.ok_or_else(|| {
        Failure::usage(anyhow::anyhow!(
            "http.listen is off: set it to 127.0.0.1:9464 to use this command"
        ))
    })?;
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request =
            format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream
            .take(ANSWER_BYTES_MAX)
            .read_to_string(&mut answer)
            .await?;
        std::io::Result::Ok(answer)
    };
    let answer = match tokio::time::timeout(TIMEOUT, ask).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            return Err(anyhow::anyhow!("the daemon does not answer at {address}: {error}").into());
        }
        Err(_) => {
            return Err(anyhow::anyhow!("the daemon does not answer at {address} in time").into());
        }
    };
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    say(body);
    let is_ready = answer.starts_with("HTTP/1.1 200");
    Ok(ExitCode::from(u8::from(!is_ready)))
}
