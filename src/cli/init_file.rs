//! The configuration file that `qabyl init` completes: what is there stays as it is.

use std::path::{Path, PathBuf};

use crate::files;

/// The folder of the package's service.
const SERVICE: &str = "/etc/qabyl";

/// A configuration file and its text.
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl ConfigFile {
    /// The file that commands read, or a new one: the service's where its folder is, else in this folder.
    pub(super) fn find(named: Option<PathBuf>) -> std::io::Result<Self> {
        let service = Path::new(SERVICE).join("qabyl.toml");
        let here = PathBuf::from("qabyl.toml");
        let path = named.unwrap_or_else(|| {
            let is_service = service.exists() || (!here.exists() && Path::new(SERVICE).is_dir());
            if is_service { service } else { here }
        });
        let text = match files::read_text(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { path, text })
    }

    /// A file beside it.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        files::folder_of(&self.path).join(name)
    }

    /// Where the database of a new configuration is.
    pub(super) fn database(&self) -> &'static str {
        if self.path.starts_with(SERVICE) {
            "/var/lib/qabyl/qabyl.db"
        } else {
            "qabyl.db"
        }
    }

    /// Whether a table such as `schedule` is written there.
    pub(super) fn has_table(&self, name: &str) -> bool {
        let header = format!("[{name}]");
        self.text
            .lines()
            .any(|line| line.trim_start().starts_with(&header))
    }

    /// Sets a key that is not set: in its table where that is written, else in a new one at the end.
    pub(super) fn with_key(&self, table: &str, key: &str, value: &str) -> String {
        let line = format!("{key} = {}", quoted(value));
        if !self.has_table(table) {
            return self.with_block(&format!("[{table}]\n{line}\n"));
        }
        let header = format!("[{table}]");
        let mut text = String::new();
        for old in self.text.lines() {
            // The key with another value, such as an empty one.
            let is_old = old.split('=').next().is_some_and(|name| name.trim() == key);
            if is_old && text.contains(&header) {
                continue;
            }
            text.push_str(old);
            text.push('\n');
            if old.trim_start().starts_with(&header) {
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    }

    /// A block more at the end.
    pub(super) fn with_block(&self, block: &str) -> String {
        let text = self.text.trim_end();
        if text.is_empty() {
            block.to_owned()
        } else {
            format!("{text}\n\n{block}")
        }
    }

    /// Writes the new text.
    pub(super) fn write(&mut self, text: String) -> anyhow::Result<()> {
        let written = files::replace(&self.path, text.as_bytes());
        written
            .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", self.path.display()))?;
        self.text = text;
        Ok(())
    }
}

/// A text as TOML has it.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Writes a secret that only its owner can read.
pub(super) fn write_secret(path: &Path, secret: &str) -> anyhow::Result<()> {
    let written = files::replace_private(path, format!("{secret}\n").as_bytes());
    written.map_err(|error| anyhow::anyhow!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> ConfigFile {
        ConfigFile {
            path: PathBuf::from("qabyl.toml"),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_key_goes_into_its_table_and_the_rest_stays() {
        let there = file("[schedule]\n# of the cabinet\nhours = \"\"\n[log]\nfilter = \"info\"\n");
        assert_eq!(
            there.with_key("schedule", "hours", "mon 09:00-18:00"),
            "[schedule]\nhours = \"mon 09:00-18:00\"\n# of the cabinet\n[log]\nfilter = \"info\"\n"
        );
        assert_eq!(
            file("# mine\n").with_key("schedule", "hours", "mon 09:00-18:00"),
            "# mine\n\n[schedule]\nhours = \"mon 09:00-18:00\"\n"
        );
    }
}
