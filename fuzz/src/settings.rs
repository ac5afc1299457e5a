//! The configuration file.

use std::path::Path;

use qabyl::config::{Config, ConfigError, Origin};

/// A configuration file. An accepted one can be dumped and read again; a refusal names a line.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let file = Path::new("qabyl.toml");
    match Config::parse(text, file) {
        Ok(loaded) => {
            let dump = loaded.dump();
            let again = Config::parse(&dump, file)
                .unwrap_or_else(|error| panic!("its dump is refused: {error}\n{dump}"));
            let plain = loaded.config.dump();
            let plain = Config::parse(&plain, file).expect("its dump without origins is read");
            assert_eq!(again.config, plain.config, "origins are comments alone");
            assert_eq!(shared(again.config), shared(loaded.config), "{dump}");
        }
        Err(refused) => located(&refused, text),
    }
}

/// Removes what a dump may omit: a proxy's credentials, and the directory a bare token file name is looked up
/// in first.
fn shared(mut config: Config) -> Config {
    for shop in &mut config.shops {
        shop.proxy = shop.proxy.as_ref().map(|_| String::new());
        shop.credential = None;
    }
    config
}

fn located(refused: &ConfigError, text: &str) {
    assert!(
        matches!(refused, ConfigError::Invalid(_)),
        "a mistake of the program: {refused}"
    );
    let problems = refused.problems();
    assert!(!problems.is_empty());
    let widths: Vec<usize> = text.split('\n').map(|line| line.chars().count()).collect();
    for problem in problems {
        let Origin::File(at) = &problem.origin else {
            panic!("not in the file: {problem}");
        };
        let width = widths.get(at.line - 1).expect("a line of the file");
        assert!((1..=width + 1).contains(&at.column), "{problem}");
    }
}
