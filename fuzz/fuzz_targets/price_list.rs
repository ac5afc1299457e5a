#![no_main]
#[path = "../src/memory.rs"]
mod memory;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| memory::within(bytes, qabyl_fuzz::price_list));
