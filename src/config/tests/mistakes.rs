use super::message;

/// A file, and the one line it earns.
#[rustfmt::skip]
const MISTAKES: &[(&str, &str)] = &[
    ("[kaspi]\nrequest_timout = \"5s\"", "2:1: kaspi.request_timout: unknown key; did you mean request_timeout?"),
    ("[kaspi]\nschedule = \"x\"", "2:1: kaspi.schedule: unknown key; it belongs under [poll]"),
    ("base_url = \"x\"", "1:1: base_url: unknown key; it belongs under [kaspi]"),
    ("[kaspy]\n", "1:2: kaspy: unknown section; did you mean [kaspi]?"),
    ("[[shop]]\nname = \"a\"", "1:3: shop: unknown section; did you mean [[shops]]?"),
    ("[shops]\nname = \"a\"", "1:2: shops: expected [[shops]] blocks, found a table; write [[shops]]"),
    ("log = \"info\"", "1:1: log: expected a section, found \"info\"; write [log]"),
    ("[kaspi]\nmax_in_flight = \"2\"", "2:17: kaspi.max_in_flight: expected a whole number, found \"2\"; leave out the quotes"),
    ("[kaspi]\nmax_in_flight = 0", "2:17: kaspi.max_in_flight: must be 1 to 1024, found 0"),
    ("[kaspi]\nrate_per_second = 0", "2:19: kaspi.rate_per_second: must be above 0 and at most 1000000, found 0"),
    ("[kaspi]\nrate_per_second = nan", "2:19: kaspi.rate_per_second: must be above 0 and at most 1000000, found NaN"),
    ("[kaspi]\ninclude_entries = \"yes\"", "2:19: kaspi.include_entries: expected true or false, found \"yes\""),
    ("[kaspi]\nrequest_timeout = \"10 minuts\"", "2:19: kaspi.request_timeout: expected a duration such as \"10m\", found \"10 minuts\""),
    ("[kaspi]\nrequest_timeout = 20", "2:19: kaspi.request_timeout: expected a duration such as \"10m\", found 20; did you mean \"20s\"?"),
    ("[interlocks]\nstock_max_age = \"1M\"", "2:17: interlocks.stock_max_age: a month has no fixed length, found \"1M\"; write \"1m\" for a minute, and days for a longer time: \"30d\""),
    ("[kaspi]\nrequest_timeout = \"1 month\"", "2:19: kaspi.request_timeout: a month has no fixed length, found \"1 month\"; write \"1m\" for a minute, and days for a longer time: \"30d\""),
    ("[poll]\nlookback = \"30d\"", "2:12: poll.lookback: must be 1h to 14d, found \"30d\""),
    ("[confirm]\ndeep_lookback = \"90d\"", "2:17: confirm.deep_lookback: must be 14d to 60d, found \"90d\""),
    ("[poll]\nschedule = \"*/5 * * * *\"", "2:12: poll.schedule: expected six cron fields (s m h day month weekday), found 5 in \"*/5 * * * *\"; with seconds first: \"0 */5 * * * *\""),
    ("[poll]\nschedule = \"* * 25 * * *\"", "2:12: poll.schedule: expected six cron fields (s m h day month weekday), cannot read \"* * 25 * * *\""),
    ("[http]\nlisten = \":9464\"", "2:10: http.listen: expected ADDRESS:PORT such as \"127.0.0.1:9464\", found \":9464\"; did you mean \"127.0.0.1:9464\"?"),
    ("[log]\nformat = \"jsno\"", "2:10: log.format: expected \"json\", \"text\" or \"journald\", found \"jsno\"; did you mean \"json\"?"),
    ("[log]\nfilter = \"qabyl=loud\"", "2:10: log.filter: expected a log filter, cannot read \"qabyl=loud\"; such as \"info\" or \"info,qabyl=debug\""),
    ("[interlocks]\ncancel_budget_share = 4", "2:23: interlocks.cancel_budget_share: must be 0 to 1, found 4; 4 % is 0.04"),
    ("[interlocks]\ncancel_share_max = 5", "2:20: interlocks.cancel_share_max: must be above 0 and at most 1, found 5; 5 % is 0.05"),
    ("[interlocks]\ncancel_share_max = \"off\"", "2:20: interlocks.cancel_share_max: expected a share such as 0.05, found \"off\""),
    ("[interlocks]\ncancels_per_hour_max = true", "2:24: interlocks.cancels_per_hour_max: expected a whole number or \"off\", found true"),
    ("[interlocks]\nstock_max_age = \"soon\"", "2:17: interlocks.stock_max_age: expected a duration such as \"10m\" or \"off\", found \"soon\""),
    ("[kaspi]\nbase_url = \"http://kaspi.kz/shop/api\"", "2:12: kaspi.base_url: http:// would send the token in the clear; use https://, or set kaspi.allow_plain_http = true"),
    ("[kaspi]\nbase_url = \"kaspi.kz\"", "2:12: kaspi.base_url: expected a URL, relative URL without a base; such as \"https://kaspi.kz/shop/api\""),
    ("[kaspi]\nbase_url = \"https://kaspi.kz/shop/api/v2\"", "2:12: kaspi.base_url: must not end in /v2; it is added where it belongs"),
    ("[backup]\ndirectry = \"b\"", "2:1: backup.directry: unknown key; did you mean directory?"),
    ("[retention]\norders = \"30d\"", "2:10: retention.orders: must be 61d to 36500d, found \"30d\""),
    ("[retention]\naudit = \"90d\"", "2:9: retention.audit: must be at least retention.orders, 180d, found 90d"),
    ("[interlocks]\ncancel_budget_window = \"200d\"", "2:24: interlocks.cancel_budget_window: must be at most retention.orders, 180d, found 200d"),
    ("[[shops]]\nname = \"Main Shop\"", "2:8: shops.name: must be of a-z 0-9 _ - (at most 64), found \"Main Shop\"; did you mean \"main-shop\"?"),
    ("[[shops]]\nmode = \"act\"", "1:1: shops: name is missing; such as name = \"main\""),
    ("[[shops]]\nname = \"a\"\nmode = \"acts\"", "3:8: shops.mode: expected \"observe\", \"propose\" or \"act\", found \"acts\"; did you mean \"act\"?"),
    ("[[shops]]\nname = \"a\"\ntoken = \"hush\"", "3:1: shops.token: unknown key; put the token in a file of its own and write token_file = \"…\""),
    ("[[shops]]\nname = \"a\"\ntoken_env = \"hush+=\"", "3:13: shops.token_env: expected the name of a variable such as \"KASPI_TOKEN\"; the token itself does not belong in this file"),
    ("[[shops]]\nname = \"a\"\ntoken_file = \"t\"\ntoken_env = \"T\"", "4:13: shops.token_env: token_file is given as well; keep one of the two"),
    ("[[shops]]\nname = \"a\"\ntoken_file = \"t\"\n[[shops]]\nname = \"a\"\ntoken_file = \"u\"", "5:8: shops.name: another shop is named \"a\""),
    ("[[shops]]\nname = \"a\"\n[[shops]]\nname = \"b\"", "4:8: shops: shop \"a\" reads the same token; give each shop its own token_file or token_env"),
    ("[[shops]]\nname = \"a\"\nproxy = \"user:hush@host\"", "3:9: shops.proxy: expected a proxy URL; http://HOST:PORT, with USER:PASSWORD@ if it asks"),
    ("[stock]\nsources = 3", "2:11: stock.sources: expected [[stock.sources]] blocks, found 3; write [[stock.sources]]"),
    ("[[stock.sources]]\nfile = \"a.csv\"", "1:1: stock.sources: name is missing; such as name = \"shelf\""),
    ("[[stock.sources]]\nname = \"a\"", "1:1: stock.sources: neither file nor url is given; such as file = \"stock.csv\""),
    ("[[stock.sources]]\nname = \"a\"\nfile = \"a\"\nurl = \"https://h/\"", "4:7: stock.sources: file is given as well; keep one of the two"),
    ("[[stock.sources]]\nname = \"a\"\nfile = \"a\"\nevry = \"1m\"", "4:1: stock.sources.evry: unknown key; did you mean every?"),
    ("[[stock.sources]]\nname = \"a\"\nfile = \"a\"\nkind = \"xml\"", "4:8: stock.sources.kind: expected \"csv\", \"xlsx\", \"kaspi-xml\", \"al-style\", \"google-sheet\", \"moysklad\", \"commerceml\" or \"push\", found \"xml\""),
    ("[[stock.sources]]\nname = \"a\"\nfile = \"a\"\nevery = \"1m\"\nschedule = \"0 * * * * *\"", "5:12: stock.sources.schedule: every is given as well; keep one of the two"),
    ("[[stock.sources]]\nname = \"a\"\nfile = \"a\"\ntoken_env = \"T\"", "4:13: stock.sources.token_env: only al-style has this; leave it out"),
    ("[[stock.sources]]\nname = \"a\"\nurl = \"http://user:hush@127.0.0.1/a\"", "3:7: stock.sources.url: a name and a password in the address would be sent and stored in the clear; leave user:password@ out; use an address that holds a key instead"),
    ("[[stock.sources]]\nname = \"a\"\nurl = \"http://169.254.169.254/latest\"", "3:7: stock.sources.url: this address is of the machine's own network services, not of a stock; such as \"https://example.kz/stock.csv\""),
    ("[[stock.sources]]\nname = \"a\"\nurl = \"http://[::ffff:169.254.169.254]/latest\"", "3:7: stock.sources.url: this address is of the machine's own network services, not of a stock; such as \"https://example.kz/stock.csv\""),
    ("[[stock.sources]]\nname = \"a\"\nurl = \"http://example.kz/a.csv\"", "3:7: stock.sources.url: http:// lets anybody on the way change the stock: only on this machine itself; use https://, or fetch the file and name it with file"),
    ("[[stock.sources]]\nname = \"a\"\nkind = \"moysklad\"\nurl = \"https://example.kz\"", "3:8: stock.sources.kind: moysklad is reserved and cannot be read yet; export its stock to a file (Остатки, Экспорт) and name it with file"),
    ("[[stock.sources]]\nname = \"a\"\nkind = \"google-sheet\"\nfile = \"a.csv\"", "4:8: stock.sources: a google-sheet has an address; give url, as in the browser, instead of file"),
    ("[[stock.sources]]\nname = \"a\"\nfile = \"a.csv\"\ncolumns = { on_hand = 5 }", "4:11: stock.sources.columns: expected the name of a column in quotes, found 5; such as \"Остаток\""),
    ("[[stock.sources]]\nname = \"a\"\nfile = \"a\"\nwarehouses = { \"Main\" = 1 }", "4:25: stock.sources.warehouses.Main: expected a pickup point in quotes, found 1; such as \"PP1\""),
    ("[[stock.sources]]\nname = \"a\"\nkind = \"al-style\"\nurl = \"http://api.al-style.kz/api\"", "4:7: stock.sources.url: http:// lets anybody on the way change the stock: only on this machine itself; use https://, or fetch the file and name it with file"),
    ("[[shops]]\nname = \"a\"\nmerchant_uid = 30000001", "3:16: shops.merchant_uid: expected text in quotes, found 30000001"),
];

#[test]
fn every_mistake_says_where_it_is_and_how_to_fix_it() {
    for (text, expected) in MISTAKES {
        assert_eq!(message(text, &[]), format!("qabyl.toml:{expected}"));
    }
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_file() {
    let text = "[log]\nformat = 1\n\n[kaspi]\nпол = 1\nretries_max = -1\n";
    let env = [
        ("QABYL__KASPI__REQUEST_TIMOUT", "5s"),
        ("QABYL__POLL__LOOKBACK", "1m"),
        ("QABYL_LOG_FILTER", "info"),
        ("QABYL__SHOPS__MODE", "act"),
        ("QABYL_CONFIG", "x"),
    ];
    let found = message(text, &env);
    assert!(
        found.starts_with("qabyl.toml:5:1: ") && !found.contains("QABYL_CONFIG"),
        "{found}"
    );
    let tail = "\
QABYL_LOG_FILTER: unknown key; did you mean QABYL__LOG__FILTER?
QABYL__KASPI__REQUEST_TIMOUT: unknown key; did you mean QABYL__KASPI__REQUEST_TIMEOUT?
QABYL__POLL__LOOKBACK: must be 1h to 14d, found \"1m\"
QABYL__SHOPS__MODE: shops are configured in the file only; add a [[shops]] block";
    assert!(found.ends_with(tail), "{found}");
    let text = text.replace("пол = 1", "poll = 1");
    let expected = "\
qabyl.toml:2:10: log.format: expected \"json\", \"text\" or \"journald\", found 1
qabyl.toml:5:1: kaspi.poll: unknown key
qabyl.toml:6:15: kaspi.retries_max: must be 0 to 20, found -1";
    assert_eq!(message(&text, &[]), expected);
    assert_eq!(
        message("[log\n", &[]),
        "qabyl.toml:1:5: unclosed table, expected `]`"
    );
}
