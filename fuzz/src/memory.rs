//! A limit on what reading takes, by the length of what is read: part of each fuzz target, not of the library,
//! since an allocator is one of a whole program.

use std::alloc::System;

use cap::Cap;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Taken for any input: defaults that are read again, tables of calendars, buffers of a decompressor.
const BASE: usize = 6 * 1024 * 1024;
/// For each byte of the input: a level, its SKU, its place and its doubt, several times over.
const FOR_EACH_BYTE: usize = 2 * 1024;

/// Runs a target on an input. Where it takes more than the input is worth, the process ends, which is a finding.
pub fn within(bytes: &[u8], target: fn(&[u8])) {
    let most = BASE + FOR_EACH_BYTE * bytes.len();
    let _ = ALLOCATOR.set_limit(ALLOCATOR.allocated() + most);
    target(bytes);
    let _ = ALLOCATOR.set_limit(usize::MAX);
}
