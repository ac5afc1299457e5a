//! Who really ran a command: stored in the audit log beside the name that a person gives.

use crate::text::shown;

/// The longest name of a user that is stored; Linux allows 32 characters.
const NAME_CHARS_MAX: usize = 32;

/// The user of this process, and who became root with sudo to run it.
pub fn of_process() -> String {
    let name = std::env::var_os("SUDO_USER");
    let name = name.as_ref().map(|name| name.to_string_lossy());
    described(rustix::process::getuid().as_raw(), name.as_deref())
}

/// Anybody but root may set the variable as they like: then it says nothing.
fn described(uid: u32, by_sudo: Option<&str>) -> String {
    let name = by_sudo.filter(|name| uid == 0 && !name.is_empty());
    match name {
        Some(name) => format!("uid 0, by sudo from {}", shown(name, NAME_CHARS_MAX)),
        None => format!("uid {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::described;

    #[test]
    fn who_used_sudo_is_named_and_nobody_else_can_claim_it() {
        assert_eq!(described(1000, None), "uid 1000");
        assert_eq!(described(0, Some("aigul")), "uid 0, by sudo from aigul");
        assert_eq!(described(1000, Some("aigul")), "uid 1000");
        assert_eq!(described(0, Some("")), "uid 0");
        let forged = described(0, Some("a\u{1b}[2J"));
        assert!(!forged.contains('\u{1b}'), "{forged}");
    }
}
