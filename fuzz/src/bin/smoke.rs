//! Replays the corpus of each target and a fixed number of mutations of it: the same inputs every
//! time, so that a failure comes back.
//!
//! `smoke` runs all targets, `smoke NAME…` those, `smoke NAME FILE…` these inputs of one.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs};

use emcp_fuzz::{TARGETS, Target};

/// Bytes of a mutation; more would only be slower.
const INPUT_BYTES_MAX: usize = 4096;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (names, files): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|argument| !Path::new(argument).is_file());
    let is_wanted = |target: &&Target| names.is_empty() || names.iter().any(|n| *n == target.name);
    let wanted: Vec<&Target> = TARGETS.iter().filter(is_wanted).collect();
    if wanted.len() < names.len() {
        eprintln!("no such target; there are {:?}", TARGETS.map(|target| target.name));
        return ExitCode::from(2);
    }
    let files: Vec<PathBuf> = files.into_iter().map(PathBuf::from).collect();
    let all_passed = wanted.into_iter().all(|target| match files.is_empty() {
        true => smoke(target),
        false => files.iter().all(|file| passes(target, &read(file))),
    });
    if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The corpus, then mutations of it.
fn smoke(target: &Target) -> bool {
    let begun = Instant::now();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    // The order of a folder is nobody's promise.
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| read(file)).collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mutations = std::iter::repeat_with(|| mutate(&corpus, &mut random)).take(target.rounds);
    let all_passed = corpus.iter().cloned().chain(mutations).all(|input| passes(target, &input));
    let (name, count) = (target.name, corpus.len());
    if all_passed {
        let time = begun.elapsed().as_secs_f32();
        println!("ok {name}: {count} inputs, {} mutations, {time:.1} s", target.rounds);
    }
    all_passed
}

/// Runs one input; leaves it in a file when it fails.
fn passes(target: &Target, input: &[u8]) -> bool {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_ok() {
        return true;
    }
    let file = env::temp_dir().join(format!("emcp-fuzz-{}-{}", target.name, std::process::id()));
    let saved = fs::File::create(&file).and_then(|mut file| file.write_all(input));
    saved.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    eprintln!("FAILED {}: the input is in {}", target.name, file.display());
    false
}

fn read(file: &Path) -> Vec<u8> {
    fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Some changes to one input of the corpus.
fn mutate(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = random.pick(corpus).cloned().unwrap_or_default();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + 1 + random.below(16)).min(bytes.len());
        match random.below(8) {
            0 | 1 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            2 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            3 => drop(bytes.drain(at.min(end)..end)),
            4 => bytes.insert(at, *random.pick(b"\r\n\0 \"{}[]:,0/%\x7f\xff").expect("some")),
            5 => {
                let part = bytes[at.min(end)..end].to_vec();
                bytes.splice(at..at, part);
            }
            6 => {
                let other = random.pick(corpus).cloned().unwrap_or_default();
                let from = random.below(other.len() + 1);
                let to = (from + random.below(200)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            _ => bytes.truncate(at),
        }
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

/// A small deterministic generator (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.below(from.len())) }
    }
}
