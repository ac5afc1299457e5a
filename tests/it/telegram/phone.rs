//! A world with a bot: its clock is driven, and what people press is fetched when the story says so.

use std::sync::Arc;
use std::time::Duration;

use qabyl::domain::ids::ShopName;
use qabyl::domain::people::{Actor, Grants, Role};
use qabyl::domain::schedule::Schedule;
use qabyl::lang::Lang;
use qabyl::notify::telegram::Bot;
use qabyl::notify::{Channel, MessageWriter, Target};
use qabyl::pipeline::notify::Notifier;
use qabyl::pipeline::telegram::{self, Listener, ListeningBot};
use qabyl_sandbox::{BotMessage, BotServer, PressAnswer, Settings};
use secrecy::SecretString;

use super::{BOT_TOKEN, GROUP, bot, messages};
use crate::notify::queue::{BOUNDS, notifier, run_notify};
use crate::world::{TestWorld, world};

/// The private chat that has the same messages, in Russian.
pub(super) const PRIVATE: i64 = 7100;
pub(super) const OPERATOR: i64 = 7001;
pub(super) const ADMIN: i64 = 7002;
pub(super) const VIEWER: i64 = 7003;
/// Somebody who is no user.
pub(super) const NOBODY: i64 = 6666;
pub(super) const CODE: &str = "970000950";

/// The rules hold every order, and nothing else objects.
const HELD_BY_RULE: &str = "[[rule]]\nname = \"by hand\"\nthen = \"hold\"\n";

pub(super) struct Phone {
    pub(super) world: TestWorld,
    pub(super) bot: BotServer,
    notifier: Notifier,
    listener: Listener,
}

fn secret() -> Box<dyn Fn() -> Result<SecretString, String> + Send + Sync> {
    Box::new(|| Ok(SecretString::from(BOT_TOKEN)))
}

fn channel(bot: &BotServer, name: &str, chat: i64, language: Lang) -> Channel {
    let target = Target::Telegram {
        api: bot.url(),
        chat: chat.to_string(),
    };
    let settings = (Vec::new(), language, Schedule::default());
    let made = Channel::new(name, settings, target, secret());
    made.unwrap().deciding()
}

impl Phone {
    /// Orders of goods that are there, held by a rule.
    pub(super) async fn new() -> Self {
        Self::with(HELD_BY_RULE, &[("A", 5)]).await
    }

    /// With these rules (empty: the default ones) and levels.
    pub(super) async fn with(rules: &str, levels: &[(&str, u32)]) -> Self {
        let described = world(Settings::default());
        let described = if rules.is_empty() {
            described
        } else {
            described.rules(rules)
        };
        let world = described.begin_with(levels).await;
        let bot = bot();
        let channels = vec![
            channel(&bot, "group", GROUP, Lang::En),
            channel(&bot, "private", PRIVATE, Lang::Ru),
        ];
        let notifier = notifier(&world, channels, BOUNDS).await;
        let listening = ListeningBot {
            channel: "group".to_owned(),
            bot: Bot::new(&bot.url(), secret()).unwrap(),
            writer: MessageWriter {
                language: Lang::En,
                schedule: Schedule::default(),
            },
            chats: vec![
                (GROUP.to_string(), Lang::En),
                (PRIVATE.to_string(), Lang::Ru),
            ],
        };
        let shops = vec![Arc::clone(&world.shop.ctx)];
        let parts = (Arc::clone(&world.store), world.clock());
        let listener = Listener::new(parts, vec![listening], shops, (7, Some(10)));
        let phone = Self {
            world,
            bot,
            notifier,
            listener,
        };
        for (name, number, role) in [
            ("Oper", OPERATOR, Role::Operator),
            ("Adam", ADMIN, Role::Admin),
            ("View", VIEWER, Role::Viewer),
        ] {
            phone.user((name, number), role, &[]).await;
        }
        // What was pressed before it listened is of no interest here.
        phone.listen().await;
        phone
    }

    /// The web app is at this address.
    pub(super) fn serve_web_at(&mut self, address: &str) {
        self.listener.web_address = Some(address.to_owned());
    }

    pub(super) async fn user(&self, (name, number): (&str, i64), role: Role, shops: &[ShopName]) {
        let owner = Actor::command_line("owner", "uid 1000");
        let (grants, now) = (Grants::of(role, shops), self.world.now());
        let who = (name, Some(number));
        let added = self.world.store.add_user(who, &grants, &owner, now);
        added.await.unwrap();
    }

    /// An order comes, is held, and both chats read of it.
    pub(super) async fn hold(&self, code: &str) {
        self.world.place_plain(&[(code, "A", 2)]);
        self.world.poll_and_decide().await;
        self.tell().await;
    }

    /// Messages leave and are changed, as fast as chats allow.
    pub(super) async fn tell(&self) {
        for _ in 0..6 {
            self.world.time.advance(Duration::from_secs(1));
            run_notify(&self.notifier).await;
        }
    }

    /// One run of the channels.
    pub(super) async fn tell_once(&self) {
        run_notify(&self.notifier).await;
    }

    /// What was written and pressed is fetched and done.
    pub(super) async fn listen(&self) {
        let report = telegram::run_once(&self.listener, "group").await.unwrap();
        assert_eq!(report.trouble, None);
    }

    /// The bot is asked, and nothing was pressed.
    pub(super) async fn listen_for_nothing(&self) {
        // A message that is of no use ends the long poll at once.
        self.bot.with(|bot| bot.says(NOBODY, GROUP, "good morning"));
        self.listen().await;
    }

    /// The newest message of a chat that names the order.
    pub(super) fn message(&self, chat: i64, code: &str) -> BotMessage {
        let all = messages(&self.bot, chat);
        let found = all
            .into_iter()
            .rev()
            .find(|message| message.text.contains(code));
        found.unwrap_or_else(|| panic!("{code} is in no message of {chat}"))
    }

    /// Somebody presses in the group; gives how that was answered.
    pub(super) async fn press(&self, from: i64, code: &str, label: &str) -> PressAnswer {
        self.press_in(GROUP, from, code, label).await
    }

    pub(super) async fn press_in(
        &self,
        chat: i64,
        from: i64,
        code: &str,
        label: &str,
    ) -> PressAnswer {
        let message = self.message(chat, code);
        let data = message.data(label);
        let data = data
            .unwrap_or_else(|| panic!("no {label} in {message:?}"))
            .to_owned();
        let answer = self.press_data(from, (chat, message.id), &data).await;
        self.tell().await;
        answer
    }

    /// The same with any data, and without messages being changed.
    pub(super) async fn press_data(&self, from: i64, place: (i64, i64), data: &str) -> PressAnswer {
        let press = self.bot.with(|bot| bot.presses_data(from, place, data));
        self.listen().await;
        self.answer(&press)
    }

    pub(super) fn answer(&self, press: &str) -> PressAnswer {
        let answer = self.bot.with(|bot| bot.answer(press).cloned());
        answer.expect("every press is answered")
    }

    /// Somebody writes; gives what the bot wrote to that chat since.
    pub(super) async fn write(&self, from: i64, chat: i64, text: &str) -> Vec<BotMessage> {
        let before = messages(&self.bot, chat).len();
        self.bot.with(|bot| bot.says(from, chat, text));
        self.listen().await;
        messages(&self.bot, chat).split_off(before)
    }

    /// The rows of the audit log about an order, by who wrote them.
    pub(super) async fn rows_of(&self, code: &str, actor: &str) -> Vec<String> {
        let rows = self.world.store.audit_rows(Some(code), 100).await.unwrap();
        let by = rows.into_iter().filter(|row| row.actor == actor);
        by.map(|row| row.event).collect()
    }

    pub(super) async fn end(self) {
        self.bot.shutdown().await;
        self.world.finish().await;
    }
}
