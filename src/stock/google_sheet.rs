//! The addresses of Google Sheets: from the browser's to that of its export, and where the export may lead.

use std::net::IpAddr;

use reqwest::Url;

/// Most redirects of one reading; Google needs one or two.
pub(super) const REDIRECTS_MAX: u32 = 3;
/// What to do about a sheet that is private.
pub(super) const NOT_SHARED: &str = "Google answers with a page instead of the sheet: share it by link (in the sheet: Share, General access, Anyone \
     with the link, Viewer)";

/// The address of a sheet's export as CSV, from any address that the browser shows for it.
pub(super) fn export(address: &str) -> Result<String, String> {
    let wrong = || {
        "url is not the address of a Google sheet, such as https://docs.google.com/spreadsheets/d/ID/edit#gid=0".to_owned()
    };
    let mut url = Url::parse(address.trim()).map_err(|_| wrong())?;
    if !is_loopback(&url) && url.host_str() != Some("docs.google.com") {
        return Err(wrong());
    }
    let path: Vec<&str> = url
        .path()
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let at = path
        .iter()
        .position(|part| *part == "d")
        .ok_or_else(wrong)?;
    let query = |name: &str| {
        let mut pairs = url.query_pairs();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    // The sheet that is open stands behind `#`.
    let fragment = url
        .fragment()
        .and_then(|text| text.split('&').find_map(|part| part.strip_prefix("gid=")));
    let gid = fragment.map(ToOwned::to_owned).or_else(|| query("gid"));
    let gid = gid.filter(|gid| !gid.is_empty() && gid.bytes().all(|byte| byte.is_ascii_digit()));
    let (path, is_published) = match path.get(at + 1..).unwrap_or_default() {
        ["e", id, ..] => (format!("/spreadsheets/d/e/{id}/pub"), true),
        [id, ..] => (format!("/spreadsheets/d/{id}/export"), false),
        [] => return Err(wrong()),
    };
    url.set_fragment(None);
    url.set_path(&path);
    url.set_query(None);
    {
        let mut pairs = url.query_pairs_mut();
        if is_published {
            pairs.append_pair("output", "csv");
        } else {
            pairs.append_pair("format", "csv");
        }
        if let Some(gid) = &gid {
            pairs.append_pair("gid", gid);
            if is_published {
                pairs.append_pair("single", "true");
            }
        }
    }
    Ok(url.into())
}

/// Where a redirect leads, if that is Google over HTTPS (or this machine from itself, for tests).
pub(super) fn redirect(from: &str, to: &str) -> Result<String, String> {
    let from = Url::parse(from).map_err(|error| error.to_string())?;
    let wrong = |host: &str| {
        format!("the sheet redirects to {host}, which is not Google over https: not followed")
    };
    let to = from.join(to).map_err(|_| wrong("no address"))?;
    let host = to.host_str().unwrap_or_default();
    if host == "accounts.google.com" {
        return Err(NOT_SHARED.to_owned());
    }
    let is_google = ["google.com", "googleusercontent.com"]
        .iter()
        .any(|domain| {
            let rest = host.strip_suffix(domain);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
    let is_plain = to.username().is_empty() && to.password().is_none();
    let is_safe = to.scheme() == "https" && to.port().is_none() && is_google && is_plain;
    if is_safe || (is_loopback(&from) && is_loopback(&to)) {
        return Ok(to.into());
    }
    Err(wrong(&crate::text::shown(host, 64)))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_the_browser_becomes_that_of_the_export() {
        let base = "https://docs.google.com/spreadsheets/d";
        for (address, expected) in [
            ("/ID/edit#gid=7", "/ID/export?format=csv&gid=7"),
            ("/ID/edit?gid=7#gid=7", "/ID/export?format=csv&gid=7"),
            ("/ID/edit?usp=sharing", "/ID/export?format=csv"),
            ("/ID", "/ID/export?format=csv"),
            ("/ID/export?format=csv&gid=3", "/ID/export?format=csv&gid=3"),
            ("/e/PUB/pubhtml", "/e/PUB/pub?output=csv"),
            (
                "/e/PUB/pub?gid=5&single=true&output=csv",
                "/e/PUB/pub?output=csv&gid=5&single=true",
            ),
        ] {
            assert_eq!(
                export(&format!("{base}{address}")),
                Ok(format!("{base}{expected}"))
            );
        }
        let other_account = "https://docs.google.com/u/1/spreadsheets/d/ID/edit";
        assert_eq!(
            export(other_account),
            Ok(format!("{base}/ID/export?format=csv"))
        );
        for wrong in [
            "https://docs.google.com/document/x",
            "https://example.kz/d/ID",
            "sheet",
        ] {
            assert!(export(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_sheet_leads_to_google_alone() {
        let sheet = "https://docs.google.com/spreadsheets/d/ID/export";
        for (to, is_followed) in [
            ("https://doc-0k-sheets.googleusercontent.com/export/x", true),
            ("/spreadsheets/d/ID/export?format=csv", true),
            ("http://doc.googleusercontent.com/x", false),
            ("https://googleusercontent.com.example.kz/x", false),
            ("https://evilgoogle.com/x", false),
            ("https://a:b@docs.google.com/x", false),
            ("http://127.0.0.1/x", false),
            ("https://169.254.169.254/x", false),
            ("https://accounts.google.com/ServiceLogin", false),
        ] {
            assert_eq!(redirect(sheet, to).is_ok(), is_followed, "{to}");
        }
    }
}
