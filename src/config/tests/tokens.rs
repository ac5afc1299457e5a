use super::*;

#[test]
fn a_token_alone_makes_a_shop_and_nothing_makes_none() {
    let directory = tempfile::tempdir().unwrap();
    let with_token = sources(directory.path(), None, &[("KASPI_TOKEN", "hush")]);
    let loaded = Config::load(with_token).unwrap();
    assert_eq!(loaded.config.shops, [Shop::from_environment()]);
    let source = loaded.token_source(&loaded.config.shops[0]);
    assert_eq!(source.load().unwrap().expose(), "hush");
    assert!(!format!("{loaded:?} {source:?} {:?}", source.load()).contains("hush"));

    let without = sources(directory.path(), None, &[]);
    assert!(Config::load_partial(without.clone()).is_ok());
    let hint = "no [[shops]]; add one with name, token_file and mode to a configuration file, or set KASPI_TOKEN";
    assert_eq!(Config::load(without).unwrap_err().to_string(), hint);
    assert_eq!(message("[log]\n", &[]), format!("qabyl.toml: {hint}"));
    let mut named = sources(directory.path(), None, &[]);
    named.file = Some("/nowhere/q.toml".into());
    let error = Config::load(named).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the configuration /nowhere/q.toml"
    );
}

#[test]
fn tokens_come_from_credentials_then_the_file_and_are_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::create_dir(path.join("cred")).unwrap();
    let text = format!("{ONE_SHOP}token_file = \"token\"\n");
    let credentials = path.join("cred").display().to_string();
    let env = [("CREDENTIALS_DIRECTORY", credentials.as_str())];
    let loaded = Config::load(sources(path, Some(&text), &env)).unwrap();
    let source = loaded.token_source(&loaded.config.shops[0]);
    let here = path.display();
    let missing = format!(
        "shop main: no token; looked at {here}/cred/token, then {here}/token; \
         make one in the Kaspi cabinet: Settings → API token → Generate"
    );
    assert_eq!(source.load().unwrap_err().to_string(), missing);
    let before = source.fingerprint();
    std::fs::write(path.join("token"), " \n").unwrap();
    assert!(source.changed_since(&before));
    assert!(matches!(source.load(), Err(TokenError::Empty { .. })));
    std::fs::write(path.join("token"), "one two").unwrap();
    assert!(matches!(source.load(), Err(TokenError::Malformed { .. })));
    std::fs::write(path.join("token"), "from-file\r\n").unwrap();
    assert_eq!(source.load().unwrap().expose(), "from-file");
    let before = source.fingerprint();
    assert!(!source.changed_since(&before));
    // The unit's stand-in for a file that is not there.
    std::fs::write(path.join("cred/token"), "").unwrap();
    assert_eq!(source.load().unwrap().expose(), "from-file");
    std::fs::remove_file(path.join("token")).unwrap();
    let message = source.load().unwrap_err().to_string();
    assert!(
        message.contains("/etc/qabyl/token in the shipped unit, is missing or empty"),
        "{message}"
    );
    std::fs::write(path.join("cred/token"), "from-credentials").unwrap();
    assert!(source.changed_since(&before));
    assert_eq!(source.load().unwrap().expose(), "from-credentials");
}

#[test]
fn dotenv_lies_beside_the_file_and_the_process_wins() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(".env");
    std::fs::write(&file, "QABYL_TEST_ONLY='a b'\nPATH=/nowhere\n").unwrap();
    let env = Env::capture(Some(&directory.path().join("qabyl.toml"))).unwrap();
    assert_eq!(env.get("QABYL_TEST_ONLY"), Some("a b"));
    assert_ne!(env.get("PATH"), Some("/nowhere"));
    std::fs::write(&file, "A=1\nhush hush\n").unwrap();
    let error = Env::capture(Some(&directory.path().join("qabyl.toml")))
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with(".env: entry 2 cannot be read; lines are NAME=value"),
        "{error}"
    );
}
