//! The fuzz targets where no fuzzer is installed: every input that is kept, and some that are made up on the spot.
//!
//! `fuzz/corpus/<target>` holds seeds and what fuzzers found worth keeping, `fuzz/regressions/<target>` one input for each bug that
//! they found, named after it. After a change of what seeds are: `cargo test --test fuzz_corpus -- --ignored`.

#[path = "fuzz_corpus/seeds.rs"]
mod seeds;

use std::fs;
use std::path::{Path, PathBuf};

use mnm::sim::targets;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

struct Target {
    name: &'static str,
    run: fn(&[u8]),
    seeds: fn() -> Vec<seeds::Seed>,
    /// Made up inputs that a debug build runs through in a second or two.
    cases: u32,
}

const TARGETS: [Target; 4] = [
    Target { name: "frames", run: targets::frames, seeds: seeds::frames, cases: 2000 },
    Target { name: "records", run: targets::records, seeds: seeds::records, cases: 20_000 },
    Target { name: "recovery", run: targets::recovery, seeds: seeds::recovery, cases: 300 },
    Target { name: "link", run: targets::link, seeds: seeds::link, cases: 300 },
];

fn folder(kind: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind).join(target)
}

/// The files of a folder that may be missing, in the order of their names.
fn inputs(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths.iter().map(|path| (path.display().to_string(), fs::read(path).expect("a readable file"))).collect()
}

/// Lets a panic say which input it was.
fn run(target: &Target, input: &[u8], name: &str) {
    if let Err(panic) = std::panic::catch_unwind(|| (target.run)(input)) {
        eprintln!("the target {} panicked over {name}", target.name);
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn inputs_that_are_kept_break_no_promise() {
    for target in &TARGETS {
        let corpus = inputs(&folder("corpus", target.name));
        assert!(corpus.len() >= 10, "the corpus of {} has {} files", target.name, corpus.len());
        let octets: usize = corpus.iter().map(|(_, input)| input.len()).sum();
        for (name, input) in corpus.into_iter().chain(inputs(&folder("regressions", target.name))) {
            run(target, &input, &name);
        }
        println!("{}: {octets} octets", target.name);
    }
}

#[test]
fn every_seed_is_in_the_corpus() {
    for target in &TARGETS {
        for (name, input) in (target.seeds)() {
            let path = folder("corpus", target.name).join(&name);
            assert_eq!(fs::read(&path).ok(), Some(input), "{}: write the seeds again (see above)", path.display());
        }
    }
}

#[test]
#[ignore = "writes into the source tree"]
fn write_the_seeds() {
    for target in &TARGETS {
        let folder = folder("corpus", target.name);
        fs::create_dir_all(&folder).expect("a writable source tree");
        for (name, input) in (target.seeds)() {
            fs::write(folder.join(name), input).expect("a writable source tree");
        }
    }
}

/// What is done to an input that was taken from the corpus.
#[derive(Clone, Debug)]
enum Change {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (index(), 1u8..).prop_map(|(at, mask)| Change::Flip(at, mask)),
        1 => index().prop_map(Change::Cut),
        1 => (index(), index()).prop_map(|(from, to)| Change::Repeat(from, to)),
        2 => (index(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(at, more)| Change::Insert(at, more)),
    ]
}

fn apply(input: &mut Vec<u8>, change: &Change) {
    if input.is_empty() {
        return;
    }
    let len = input.len();
    match change {
        Change::Flip(at, mask) => input[at.index(len)] ^= mask,
        Change::Cut(at) => input.truncate(at.index(len)),
        Change::Repeat(from, to) => {
            let part = input[from.index(len)..].to_vec();
            input.splice(to.index(len).., part);
        }
        Change::Insert(at, more) => {
            let at = at.index(len);
            input.splice(at..at, more.iter().copied());
        }
    }
}

#[test]
fn inputs_that_are_made_up_break_no_promise() {
    for target in &TARGETS {
        let corpus: Vec<Vec<u8>> = inputs(&folder("corpus", target.name)).into_iter().map(|(_, input)| input).collect();
        let kept = (prop::sample::select(corpus), prop::collection::vec(change(), 0..4)).prop_map(|(mut input, changes)| {
            changes.iter().for_each(|change| apply(&mut input, change));
            input
        });
        let made_up = prop_oneof![4 => kept, 1 => prop::collection::vec(any::<u8>(), 0..300)];
        let mut runner = TestRunner::new(Config { cases: target.cases, failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&made_up, |input| {
            (target.run)(&input);
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("{}: {error}", target.name);
        }
    }
}
