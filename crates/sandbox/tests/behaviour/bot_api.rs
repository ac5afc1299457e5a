//! Telegram as a bot sees it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use qabyl_sandbox::{BotApi, BotServer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const TOKEN: &str = "123456:test";

fn serve() -> BotServer {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    BotServer::start(address, BotApi::new(TOKEN), Arc::new(crate::now)).unwrap()
}

async fn call(bot: &BotServer, token: &str, method: &str, body: Value) -> (u16, Value) {
    let url = bot.url();
    let mut stream = TcpStream::connect(url.trim_start_matches("http://"))
        .await
        .unwrap();
    let body = body.to_string();
    let head = format!(
        "POST /bot{token}/{method} HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

fn send(chat: i64) -> Value {
    let keyboard = json!([[{ "text": "Accept", "callback_data": "n1" }]]);
    json!({ "chat_id": chat, "text": "order", "reply_markup": { "inline_keyboard": keyboard } })
}

#[tokio::test]
async fn a_message_is_pressed_answered_and_changed_once() {
    let bot = serve();
    let (status, sent) = call(&bot, TOKEN, "sendMessage", send(-5)).await;
    assert_eq!((status, &sent["result"]["message_id"]), (200, &json!(1)));
    let press = bot.with(|bot| bot.presses(7, (-5, 1), "Accept")).unwrap();
    let waits = json!({ "offset": 0, "timeout": 30 });
    let (_, polled) = call(&bot, TOKEN, "getUpdates", waits).await;
    let query = &polled["result"][0]["callback_query"];
    assert_eq!(
        (&query["from"]["id"], &query["data"]),
        (&json!(7), &json!("n1"))
    );
    let answer = json!({ "callback_query_id": press, "text": "done", "show_alert": true });
    assert_eq!(
        call(&bot, TOKEN, "answerCallbackQuery", answer).await.0,
        200
    );
    assert!(bot.with(|bot| bot.answer(&press).cloned()).unwrap().alert);
    let edit = json!({ "chat_id": -5, "message_id": 1, "text": "accepted" });
    assert_eq!(
        call(&bot, TOKEN, "editMessageText", edit.clone()).await.0,
        200
    );
    let (status, again) = call(&bot, TOKEN, "editMessageText", edit).await;
    let why = again["description"].as_str().unwrap();
    assert!(
        status == 400 && why.contains("message is not modified"),
        "{why}"
    );
    let message = bot.with(|bot| bot.messages(-5)[0].clone());
    assert_eq!(
        (message.text.as_str(), message.buttons.len()),
        ("accepted", 0)
    );
    // What was fetched comes again until it is confirmed.
    let again = json!({ "offset": 0 });
    let (_, polled) = call(&bot, TOKEN, "getUpdates", again).await;
    assert_eq!(polled["result"].as_array().unwrap().len(), 1);
    let (_, polled) = call(&bot, TOKEN, "getUpdates", json!({ "offset": 2 })).await;
    assert_eq!(polled["result"], json!([]));
    bot.shutdown().await;
}

#[tokio::test]
async fn a_second_poll_ends_the_first_and_news_end_the_second() {
    let bot = serve();
    let waits = json!({ "timeout": 50 });
    let first = call(&bot, TOKEN, "getUpdates", waits.clone());
    let rest = async {
        while bot.with(|bot| bot.polls()) == 0 {
            tokio::task::yield_now().await;
        }
        let second = call(&bot, TOKEN, "getUpdates", waits.clone());
        let news = async {
            while bot.with(|bot| bot.polls()) < 2 {
                tokio::task::yield_now().await;
            }
            bot.with(|bot| bot.says(7, 7, "/today"));
        };
        tokio::join!(second, news).0
    };
    let ((first, _), (second, polled)) = tokio::join!(first, rest);
    assert_eq!((first, second), (409, 200));
    assert_eq!(polled["result"][0]["message"]["text"], "/today");
    bot.shutdown().await;
}

#[tokio::test]
async fn what_telegram_refuses_is_refused() {
    let bot = serve();
    assert_eq!(call(&bot, "1:other", "getMe", json!({})).await.0, 401);
    assert_eq!(call(&bot, TOKEN, "getNothing", json!({})).await.0, 404);
    assert_eq!(call(&bot, TOKEN, "getMe", json!({})).await.0, 200);
    let long = json!({ "chat_id": 1, "text": "я".repeat(4097) });
    assert_eq!(call(&bot, TOKEN, "sendMessage", long).await.0, 400);
    let data = "x".repeat(65);
    let keyboard = json!([[{ "text": "a", "callback_data": data }]]);
    let wide =
        json!({ "chat_id": 1, "text": "a", "reply_markup": { "inline_keyboard": keyboard } });
    assert_eq!(call(&bot, TOKEN, "sendMessage", wide).await.0, 400);
    let limits = json!({ "ok": false, "error_code": 429, "parameters": { "retry_after": 3 } });
    bot.with(|bot| bot.fails_next("sendMessage", 429, limits));
    assert_eq!(call(&bot, TOKEN, "sendMessage", send(1)).await.0, 429);
    assert_eq!(call(&bot, TOKEN, "sendMessage", send(1)).await.0, 200);
    bot.shutdown().await;
}
