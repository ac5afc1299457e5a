//! An import of products is claimed before it is sent.

use std::time::Duration;

use jiff::SignedDuration;

use super::args::Import;
use crate::catalogue::products::Products;
use crate::cli::{Failure, complain, orders};
use crate::clock::Clock;
use crate::domain::ids::ShopName;
use crate::store::{ImportClaim, ProductsOf, Store};

/// How often another command that sends the same products is looked at.
const SENDING_EVERY: Duration = Duration::from_millis(100);

/// Which products were sent before, by any process.
pub(super) struct Claims {
    pub(super) store: Store,
    pub(super) shop: ShopName,
    pub(super) digest: String,
    /// A sending that takes longer was cut off.
    pub(super) sending_max: SignedDuration,
}

impl Claims {
    pub(super) fn products(&self) -> ProductsOf<'_> {
        ProductsOf {
            shop: &self.shop,
            digest: &self.digest,
        }
    }

    /// Claims the products for this command; the code of their import where they were sent already.
    pub(super) async fn claim(
        &self,
        args: &Import,
        products: &Products,
    ) -> Result<Option<String>, Failure> {
        let clock = Clock::System;
        // Whoever waited for another command does not send after it.
        let mut again = args.again;
        loop {
            let how = (again, self.sending_max);
            let claim = self.store.claim_import(self.products(), how, clock.now());
            match claim.await? {
                ImportClaim::Ours => return Ok(None),
                ImportClaim::Sending => clock.sleep(SENDING_EVERY).await,
                ImportClaim::Unknown(at) => {
                    let at = orders::local(at);
                    let what = format!(
                        "it is unknown whether Kaspi took these products when they were sent at {at}; nothing was sent now"
                    );
                    return Err(unknown(&what, products));
                }
                ImportClaim::Taken(at, code) => {
                    complain(&format!(
                        "Kaspi has these products since {} as import {code}: nothing was sent now; --again sends them again",
                        orders::local(at)
                    ));
                    return Ok(Some(code));
                }
            }
            again = false;
        }
    }
}

pub(super) fn unknown(what: &str, products: &Products) -> Failure {
    let first = products.skus.first().map_or("", String::as_str);
    let code = "P002";
    Failure::from(anyhow::anyhow!(
        "{what} ({code}); check in the cabinet, in a few minutes, whether the file's products are there \
         (the first is {first}); only if they are not, send the file with --again"
    ))
}
