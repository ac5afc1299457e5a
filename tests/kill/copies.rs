//! Copies of the database, and a copy put in its place: whole, or not there.

use crate::desk::Desk;

/// A copy whose making was cut short must not pass for one.
pub(crate) fn half_a_copy(desk: &Desk, name: &str) -> Result<(), String> {
    if desk.path(name).exists() {
        return a_copy(desk, name).map_err(|why| format!("after a death: {why}"));
    }
    Ok(())
}

/// A copy is whole, and holds what was committed before it.
pub(crate) fn a_copy(desk: &Desk, name: &str) -> Result<(), String> {
    let mut copy = desk.database_in(name);
    copy.is_whole()?;
    if copy.number("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'lease'") == 0 {
        return Err(format!("{name} is an empty database"));
    }
    Ok(())
}

/// A database put back is whole, and what its lists showed is forgotten.
pub(crate) fn restored(desk: &Desk) -> Result<(), String> {
    a_copy(desk, "qabyl.db")?;
    match desk.database().number("SELECT COUNT(*) FROM scans") {
        0 => Ok(()),
        scans => Err(format!("{scans} scans are as old as the copy, and count")),
    }
}
