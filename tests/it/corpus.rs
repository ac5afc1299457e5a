//! Every file that fuzzing starts from, and every one that once broke something, through the entry
//! points the fuzz targets have. `fuzz/README.md` says the rest.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

#[expect(unreachable_pub, reason = "the fuzz targets' own crate, as a module")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn files(of: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(of) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[expect(clippy::print_stdout, reason = "the line of figures")]
#[test]
fn every_corpus_file_passes_its_target() {
    let (mut count, mut failed) = (0, Vec::new());
    for (name, target) in targets::TARGETS {
        let seeds = files(&folder().join("corpus").join(name));
        assert!(!seeds.is_empty(), "fuzz/corpus/{name} holds no seed");
        let kept = files(&folder().join("artifacts-kept").join(name));
        for file in seeds.iter().chain(&kept) {
            let bytes = fs::read(file).unwrap();
            count += 1;
            if catch_unwind(|| target(&bytes)).is_err() {
                failed.push(file.strip_prefix(folder()).unwrap().to_owned());
            }
        }
    }
    println!(
        "corpus: {} targets, {count} files, {} failed",
        targets::TARGETS.len(),
        failed.len()
    );
    assert!(failed.is_empty(), "{failed:#?}");
}

/// A target that is not in the table, or a corpus without a target, would be forgotten in silence.
#[test]
fn targets_binaries_and_folders_are_the_same() {
    let table: BTreeSet<String> = targets::TARGETS.map(|(name, _)| name.to_owned()).into();
    let stems = |of: &str| -> BTreeSet<String> {
        let names = files(&folder().join(of)).into_iter();
        names
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(stems("corpus"), table);
    assert_eq!(stems("fuzz_targets"), table);
    assert!(stems("artifacts-kept").is_subset(&table));
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let binaries = manifest["bin"].as_array().unwrap().iter();
    let binaries: BTreeSet<String> = binaries
        .map(|bin| bin["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(binaries, table);
}
