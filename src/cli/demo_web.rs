//! `qabyl demo --web`: the web app beside the orders that come in.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Failure, say};
use crate::config::Loaded;
use crate::domain::people::{Actor, Grants, Role};
use crate::ledger::Secret;
use crate::runtime::build::ShopParts;

/// Who signs in.
const USER: &str = "demo";

/// Serves it until `stop`, and prints a link to sign in.
pub(super) async fn serve(
    loaded: &Loaded,
    shop: &ShopParts,
    stop: CancellationToken,
) -> Result<impl Future<Output = ()> + use<>, Failure> {
    let (store, now) = (&shop.ctx.store, shop.ctx.clock.now());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let parts = crate::web::Parts {
        loaded: loaded.clone(),
        store: Arc::clone(store),
        shops: vec![Arc::clone(&shop.ctx)],
        feeds: None,
        clock: shop.ctx.clock.clone(),
    };
    let served = crate::web::serve_at(listener, parts, stop);
    let by = Actor::command_line("demo", &crate::operator::of_process());
    let grants = Grants::everywhere(Role::Admin);
    store.add_user((USER, None), &grants, &by, now).await?;
    let secret = Secret::of(&crate::net::random_bytes()?);
    store.make_link(USER, &secret, &by, now).await?;
    say(&format!(
        "\nOpen this link in a browser on this machine; it works once, within 15 minutes:\n\n  http://{address}/sign-in/{}\n",
        secret.text()
    ));
    Ok(served)
}
