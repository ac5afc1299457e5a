//! Rules for whole blocks of a file: keys that must be given, keys that exclude each other, unique names.

use std::collections::{BTreeMap, BTreeSet};

use super::channel::{Channel, ChannelKind};
use super::file::{Block, FileReader};
use super::shop::{Shop, TOKEN_ENV_DEFAULT};
use super::source::{SourceKind, StockSource};
use crate::domain::stock::STOCK_DEFAULT;

impl FileReader<'_> {
    pub(super) fn check_shops(&mut self, shops: &[Block<Shop>]) {
        self.check_names(shops, "shop", |shop| &shop.name);
        let mut tokens: BTreeMap<String, &str> = BTreeMap::new();
        for block in shops {
            let shop = &block.value;
            let file = shop.token_file.as_ref();
            if file.is_some() && shop.token_env.is_some() {
                self.report_in(
                    block,
                    "token_env",
                    "token_file is given as well; keep one of the two",
                );
            }
            let (key, token) = match (file, &shop.token_env) {
                (Some(file), _) => ("token_file", format!("file {}", file.display())),
                (None, Some(variable)) => ("token_env", variable.clone()),
                (None, None) => ("name", TOKEN_ENV_DEFAULT.to_owned()),
            };
            if let Some(other) = tokens.insert(token, &shop.name) {
                let what = format!(
                    "shop {other:?} reads the same token; give each shop its own token_file or token_env"
                );
                self.report_block(block, Some(key), what);
            }
        }
    }

    pub(super) fn check_channels(&mut self, channels: &[Block<Channel>]) {
        self.check_names(channels, "channel", |channel| &channel.name);
        for block in channels {
            let channel = &block.value;
            let (key, is_given) = match channel.kind {
                ChannelKind::Telegram => ("chat_id", channel.chat_id.is_some()),
                ChannelKind::Webhook => ("url", channel.url.is_some()),
            };
            if !is_given {
                self.report_block(block, None, format!("{key} is missing"));
            }
            if channel.decide && channel.kind == ChannelKind::Webhook {
                let what = "only a telegram channel has buttons; programs decide by the HTTP API";
                self.report_in(block, "decide", what);
            }
            if channel.secret_file.is_some() == channel.secret_env.is_some() {
                let what = "one of secret_file and secret_env says where its secret is";
                self.report_block(block, None, what);
            }
        }
    }

    pub(super) fn check_sources(&mut self, sources: &[Block<StockSource>]) {
        self.check_names(sources, "source", |source| &source.name);
        for block in sources {
            self.check_place(block);
            let source = &block.value;
            let pairs = [
                (
                    "every",
                    source.every.is_some(),
                    "schedule",
                    source.schedule.is_some(),
                ),
                (
                    "token_file",
                    source.token_file.is_some(),
                    "token_env",
                    source.token_env.is_some(),
                ),
            ];
            for (one, has_one, other, has_other) in pairs {
                if has_one && has_other {
                    self.report_in(
                        block,
                        other,
                        format!("{one} is given as well; keep one of the two"),
                    );
                }
            }
            let only_supplier = [
                ("sku", source.sku.is_some()),
                ("token_file", source.token_file.is_some()),
                ("token_env", source.token_env.is_some()),
            ];
            let is_supplier = source.kind == Some(SourceKind::AlStyle);
            for (key, is_given) in only_supplier {
                if is_given && !is_supplier {
                    self.report_in(block, key, "only al-style has this; leave it out");
                }
            }
        }
    }

    /// Each source lists a stock that some shop sells from. One that names none lists the default stock as soon as
    /// another names one.
    pub(super) fn check_stocks(&mut self, shops: &[Shop], sources: &[Block<StockSource>]) {
        // A shop that could not be read may be the one that names the stock.
        if self.has_problems() || sources.iter().all(|block| block.value.stock.is_none()) {
            return;
        }
        let mut stocks: BTreeSet<&str> = shops.iter().map(|shop| shop.stock.as_str()).collect();
        if stocks.is_empty() {
            stocks.insert(STOCK_DEFAULT);
        }
        let known = stocks.iter().copied().collect::<Vec<_>>().join(", ");
        for block in sources {
            match block.value.stock.as_deref() {
                Some(stock) if !stocks.contains(stock) => {
                    let what =
                        format!("no shop sells from the stock {stock:?}; the shops name: {known}");
                    self.report_in(block, "stock", what);
                }
                None if !stocks.contains(STOCK_DEFAULT) => {
                    let what = format!("stock is missing: say which one it lists ({known})");
                    self.report_block(block, None, what);
                }
                _ => {}
            }
        }
    }

    /// Where a source's numbers are read from.
    fn check_place(&mut self, block: &Block<StockSource>) {
        let source = &block.value;
        let is_supplier = source.kind == Some(SourceKind::AlStyle);
        let is_sheet = source.kind == Some(SourceKind::GoogleSheet);
        if let Some(what) = source.kind.and_then(reserved) {
            self.report_in(block, "kind", what);
            return;
        }
        let is_pushed = source.kind == Some(SourceKind::Push);
        let (key, what) = match (&source.file, &source.url) {
            (Some(_), _) if is_pushed => (
                Some("file"),
                "a source of kind push is sent to the API, not read from a file; leave file out",
            ),
            (None, Some(_)) if is_pushed => (
                Some("url"),
                "a source of kind push is sent to the API, not fetched; leave url out",
            ),
            (None, None) if is_pushed => return,
            (Some(_), Some(_)) => (Some("url"), "file is given as well; keep one of the two"),
            (Some(_), None) if is_supplier => (
                Some("file"),
                "al-style is asked, not read from a file; leave file out",
            ),
            // An address that cannot be used was reported already.
            (None, None) if !is_supplier && !block.has("url") && !block.has("file") => (
                None,
                "neither file nor url is given; such as file = \"stock.csv\"",
            ),
            (Some(_), None) if is_sheet => (
                Some("file"),
                "a google-sheet has an address; give url, as in the browser, instead of file",
            ),
            _ => return,
        };
        self.report_block(block, key, what);
    }

    fn check_names<T>(&mut self, blocks: &[Block<T>], kind: &str, name: impl Fn(&T) -> &String) {
        let mut names = BTreeSet::new();
        for block in blocks {
            let name = name(&block.value);
            if !names.insert(name) {
                self.report_in(block, "name", format!("another {kind} is named {name:?}"));
            }
        }
    }
}

/// What to do instead of a kind that is reserved.
const fn reserved(kind: SourceKind) -> Option<&'static str> {
    match kind {
        SourceKind::Moysklad => Some(
            "moysklad is reserved and cannot be read yet; export its stock to a file (Остатки, Экспорт) and \
             name it with file",
        ),
        SourceKind::Commerceml => Some(
            "commerceml is reserved and cannot be received yet; let 1C write its stock to a CSV or XLSX file \
             and name it with file",
        ),
        SourceKind::Push
        | SourceKind::Csv
        | SourceKind::Xlsx
        | SourceKind::KaspiXml
        | SourceKind::AlStyle
        | SourceKind::GoogleSheet => None,
    }
}
