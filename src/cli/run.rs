//! `qabyl run`

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::signals::Signals;
use super::{Done, Failure, complain, reload, shops};
use crate::clock::Clock;
use crate::config::{Config, Loaded, Token, TokenSource};
use crate::events::log_event;
use crate::kaspi::Credentials;
use crate::pipeline::Ctx;
use crate::pipeline::sync_stock::Feeds;
use crate::runtime::{Board, build, channels, daemon, feeds, lifecycle, process, telemetry};
use crate::store::{Access, Store};

/// How often a token file is checked for changes.
const TOKEN_CHECK_INTERVAL: Duration = Duration::from_secs(2);

pub(super) async fn run(loaded: &Loaded, signals: Signals) -> Done {
    let config = &loaded.config;
    let color = std::io::IsTerminal::is_terminal(&std::io::stdout());
    telemetry::init(&config.log, color, telemetry::Target::Stdout)?;
    let ready = shops::ready(loaded)?;
    let path = &config.database.path;
    let is_new = !Store::exists(path);
    let store = Store::open(path, Access::Daemon, Clock::System.now()).await?;
    let store = Arc::new(store);
    if is_new {
        super::note_created(path);
    }
    let shops = shops::build(loaded, ready, &store).await?;
    raise_descriptors(config, shops.len());
    let stop = signals.stop.clone();
    let board = Arc::new(Board::default());
    let names: Vec<_> = shops.iter().map(|shop| shop.ctx.shop.clone()).collect();
    let contexts: Vec<_> = shops.iter().map(|shop| Arc::clone(&shop.ctx)).collect();
    let server = match config.http.listen {
        None => None,
        Some(address) => {
            let parts = (Arc::clone(&store), Arc::clone(&board));
            let state = crate::status::Shared::new(loaded.clone(), parts, contexts.clone());
            let token = loaded.http_token();
            let token =
                token.map_err(|why| Failure::usage(anyhow::anyhow!("http.token_file: {why}")))?;
            Some(
                crate::status::serve(address, token, state, stop.clone())
                    .await
                    .map_err(Failure::usage)?,
            )
        }
    };
    let watched = config
        .shops
        .iter()
        .zip(&shops)
        .map(|(shop, parts)| WatchedToken {
            shop: shop.name.clone(),
            source: loaded.token_source(shop),
            credentials: parts.credentials.clone(),
        })
        .collect();
    let tokens = watch_tokens(config, watched, Arc::clone(&store), stop.clone());
    log_event!(
        DAEMON_STARTED, pid = std::process::id(), version = env!("CARGO_PKG_VERSION"),
        shops = shops.len(), database = %config.database.path.display(), epoch = store.epoch(), "started"
    );
    store
        .configure_sources(&feeds::standing(config), Clock::System.now())
        .await?;
    // What was refused while the last daemon ran is read as it is now.
    store.note_reload(None, Clock::System.now()).await?;
    let feeds = feeds::feeds(loaded, Arc::clone(&store), Clock::System);
    let feeds = feeds.map_err(|what| Failure::usage(anyhow::anyhow!(what)))?;
    let feeds = feeds.map(Arc::new);
    let web = serve_web(loaded, (&store, &contexts, feeds.as_ref()), stop.clone()).await?;
    let keeper = build::keeper(config, Arc::clone(&store), Clock::System);
    let of_notifier = (Arc::clone(&store), Clock::System);
    let notifier = channels::notifier(loaded, of_notifier, contexts.clone()).await?;
    let of_listener = (Arc::clone(&store), Clock::System);
    let listener = channels::listener(loaded, of_listener, contexts.clone())?;
    let work = daemon::Work {
        shops,
        keeper,
        notifier,
        listener,
        feeds,
        schedules: daemon::Schedules::of(config),
        run_max: config.watchdog.run_max,
    };
    let stages = work.stages();
    let ended = {
        let manager = lifecycle::report_to_service_manager(
            Arc::clone(&board),
            Arc::clone(&store),
            &names,
            stages,
            stop.clone(),
        );
        let reloads = reload::watch(loaded, contexts, &signals);
        let work = daemon::run(work, board, stop.clone());
        let (ended, (), (), ()) = tokio::join!(work, tokens, manager, reloads);
        ended
    };
    if let Some(server) = server {
        server.await;
    }
    if let Some(web) = web {
        web.await;
    }
    log_event!(DAEMON_STOPPED, "stopped");
    if let Ok(store) = Arc::try_unwrap(store) {
        store.close().await;
    }
    ended?;
    Ok(ExitCode::SUCCESS)
}

/// Asks for as many descriptors as busy shops need, and says where there are fewer.
fn raise_descriptors(config: &Config, shops: usize) {
    let needed = process::descriptors_needed(shops, config.kaspi.max_in_flight);
    let allowed = process::raise_descriptors(needed);
    if allowed < needed {
        log_event!(
            DESCRIPTORS_FEW,
            allowed,
            needed,
            hint = "set LimitNOFILE of the unit, or ulimit -n, to what is needed",
            "{allowed} descriptors are allowed and {needed} may be needed: requests may fail while all shops are busy"
        );
    }
}

/// Serves the API, where it is configured.
async fn serve_web(
    loaded: &Loaded,
    (store, shops, feeds): (&Arc<Store>, &[Arc<Ctx>], Option<&Arc<Feeds>>),
    stop: CancellationToken,
) -> Result<Option<impl Future<Output = ()> + use<>>, Failure> {
    let Some(address) = loaded.config.web.listen else {
        return Ok(None);
    };
    let parts = crate::web::Parts {
        loaded: loaded.clone(),
        store: Arc::clone(store),
        shops: shops.to_vec(),
        feeds: feeds.cloned(),
        clock: Clock::System,
    };
    let serving = crate::web::serve(address, parts, stop).await;
    Ok(Some(serving.map_err(Failure::usage)?))
}

/// A shop and the source of its token.
struct WatchedToken {
    shop: String,
    source: TokenSource,
    credentials: Credentials,
}

/// Replaces a token when its file changes.
async fn watch_tokens(
    config: &Config,
    shops: Vec<WatchedToken>,
    store: Arc<Store>,
    stop: CancellationToken,
) {
    let mut seen: Vec<_> = shops
        .iter()
        .map(|watched| watched.source.fingerprint())
        .collect();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TOKEN_CHECK_INTERVAL) => {}
        }
        for (watched, seen) in shops.iter().zip(&mut seen) {
            let (shop, source) = (watched.shop.as_str(), &watched.source);
            if !source.changed_since(seen) {
                continue;
            }
            match source.load() {
                Ok(token) => {
                    if let Some(other) = shared(&shops, shop, &token) {
                        *seen = source.fingerprint();
                        log_event!(
                            TOKEN_SHARED,
                            shop,
                            other,
                            "the token file holds the token of another shop: the old token stays in use"
                        );
                        continue;
                    }
                    // Compared before it is used: an exchanged token stops both shops first.
                    compare_tokens(config, &shops, &store).await;
                    watched
                        .credentials
                        .replace(SecretString::from(token.expose()));
                    *seen = source.fingerprint();
                    log_event!(TOKEN_REPLACED, shop, "a new token is in use");
                }
                Err(error) => log_event!(
                    TOKEN_UNREADABLE,
                    shop,
                    "the old token stays in use: {error}"
                ),
            }
        }
    }
}

/// The other shop whose token this is.
fn shared<'a>(shops: &'a [WatchedToken], shop: &str, token: &Token) -> Option<&'a str> {
    let others = shops.iter().filter(|watched| watched.shop != shop);
    let mut same = others.filter(|watched| {
        let loaded = watched.source.load();
        loaded.is_ok_and(|loaded| loaded.expose() == token.expose())
    });
    same.next().map(|watched| watched.shop.as_str())
}

/// Compares the tokens with those that the shops had: exchanged ones stop both shops.
async fn compare_tokens(config: &Config, shops: &[WatchedToken], store: &Store) {
    let tokens: Result<Vec<Token>, _> = shops.iter().map(|watched| watched.source.load()).collect();
    let Ok(tokens) = tokens else { return };
    if let Err(failure) = shops::configure(config, &tokens, store).await {
        complain(&format!(
            "the shops' tokens could not be compared: {}",
            failure.error
        ));
    }
}
