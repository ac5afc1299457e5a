//! A webhook as Standard Webhooks describes it (standardwebhooks.com): `webhook-id` stays the same
//! with every try, and `webhook-signature` is an HMAC-SHA256 of id, timestamp and body.

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

use super::{Outgoing, SendError, http};
use crate::lang::Lang;
use crate::text::Secrets;

/// Most items in one body; the newest are kept.
const ITEMS_MAX: usize = 1_000;

/// The same after the receiver rejected it.
const ITEMS_SHORT: usize = 10;

/// A message's id and JSON body.
pub(super) struct Request {
    id: String,
    body: Vec<u8>,
}

/// `type` is the kind where all items are of one, else `summary`.
pub(super) fn request(message: &Outgoing, text: &str, language: Lang) -> Request {
    let first = message.items.first().filter(|_| !message.is_summary);
    let items_max = if message.is_short {
        ITEMS_SHORT
    } else {
        ITEMS_MAX
    };
    let items: Vec<_> = message
        .items
        .iter()
        .rev()
        .take(items_max)
        .rev()
        .map(|item| {
            json!({ "type": item.kind.word(), "at": item.at, "shop": item.shop, "facts": item.facts })
        })
        .collect();
    let body = json!({
        "type": first.map_or("summary", |item| item.kind.word()),
        "timestamp": first.map_or(message.made_at, |item| item.at),
        "data": { "text": text, "language": language, "count": message.items.len(), "items": items },
    });
    Request {
        id: message.token.clone(),
        body: body.to_string().into_bytes(),
    }
}

pub(super) async fn send(
    client: &reqwest::Client,
    url: &str,
    secret: &SecretString,
    request: &Request,
    now: Timestamp,
) -> Result<(), SendError> {
    let key = signing_key(secret).map_err(SendError::Refused)?;
    let seconds = now.as_second();
    let signed =
        signature(&key, &request.id, seconds, &request.body).map_err(SendError::Refused)?;
    let builder = client
        .post(url)
        .header("content-type", "application/json")
        .header("webhook-id", &request.id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", signed)
        .body(request.body.clone());
    let secrets = Secrets::default().and_url(url);
    let answer = http::send(builder, &secrets, http::BODY_BYTES_MAX, now).await?;
    http::judge(&answer, "")
}

#[cfg(feature = "webhooks")]
mod signed {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hmac::{Hmac, Mac as _};
    use secrecy::{ExposeSecret as _, SecretString};
    use sha2::Sha256;

    /// Key bytes, as the standard wants them.
    const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

    /// The key in a secret: `whsec_` and 24 to 64 bytes in base64.
    ///
    /// # Errors
    /// Anything else; the words never show it.
    pub fn signing_key(secret: &SecretString) -> Result<SecretKey, String> {
        let text = secret.expose_secret().trim();
        let bytes = text
            .strip_prefix("whsec_")
            .and_then(|text| STANDARD.decode(text).ok());
        match bytes {
            Some(bytes) if KEY_BYTES.contains(&bytes.len()) => Ok(SecretKey(bytes)),
            _ => Err(
                "its secret must be whsec_ and 24 to 64 bytes in base64, as in: \
                      echo whsec_$(head -c 32 /dev/urandom | base64)"
                    .to_owned(),
            ),
        }
    }

    /// A key; never shown.
    pub struct SecretKey(Vec<u8>);

    /// The value of `webhook-signature`.
    ///
    /// # Errors
    /// Never with a key that [`signing_key`] gave.
    pub fn signature(
        key: &SecretKey,
        id: &str,
        seconds: i64,
        body: &[u8],
    ) -> Result<String, String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key.0)
            .map_err(|_| "the key has no usable length".to_owned())?;
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        Ok(format!(
            "v1,{}",
            STANDARD.encode(mac.finalize().into_bytes())
        ))
    }
}

#[cfg(not(feature = "webhooks"))]
mod signed {
    use secrecy::SecretString;

    /// A key there never is in this build.
    pub struct SecretKey(());

    /// Says which build has it.
    ///
    /// # Errors
    /// Always.
    pub fn signing_key(_: &SecretString) -> Result<SecretKey, String> {
        Err("this qabyl was built without the feature `webhooks`".to_owned())
    }

    /// Never called.
    ///
    /// # Errors
    /// Never.
    pub fn signature(_: &SecretKey, _: &str, _: i64, _: &[u8]) -> Result<String, String> {
        Ok(String::new())
    }
}

pub use signed::{signature, signing_key};

#[cfg(all(test, feature = "webhooks"))]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    /// The example of the standard's own library.
    #[test]
    fn signs_as_the_standard_does() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let key = signing_key(&secret).unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(
            signed.unwrap(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn other_secrets_are_refused_and_not_shown() {
        for text in [
            "",
            "whsec_",
            "whsec_c2hvcnQ=",
            "hunter2hunter2hunter2hunter2",
            "whsec_!",
        ] {
            let error = signing_key(&SecretString::from(text)).err().unwrap();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
