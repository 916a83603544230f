//! Keys in a file: one a line, looked at again when the file may have changed.
//!
//! Nothing wakes up for it: a look happens when a request comes, at most once a second.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::key::{Key, check_distinct};
use super::ring::Issued;
use crate::error::{Error, Result};
use crate::file::{self, Readers};

/// Least time between two looks.
const LOOK_TIME: Duration = Duration::from_secs(1);

/// A change within this time after another one may leave all times of the file as they were.
const SETTLE_TIME: Duration = Duration::from_secs(2);

/// What errors call the file.
const WHAT: &str = "key file";

/// A file of keys.
pub(super) struct KeyFile {
    path: PathBuf,
    /// Others than its owner may be able to read it.
    is_shared: bool,
    /// What the file was like when it was read; `None`: read it again whatever it is like.
    seen: Option<Stamp>,
    looked: Instant,
    /// What was wrong at the last look; the same again is no news.
    trouble: Option<String>,
    /// In use.
    pub(super) keys: Vec<Arc<Issued>>,
}

/// What a look has found out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The file has other keys.
    Keys(Vec<Key>),
    /// It cannot be used.
    Trouble(String),
}

/// What changes when a file does.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    mode: u32,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl KeyFile {
    /// Reads the file at `path`; its keys are still to be put into it.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Config`] when others can or it cannot be
    /// understood.
    pub(super) fn open(path: &Path, is_shared: bool) -> Result<(KeyFile, Vec<Key>)> {
        let (keys, seen) = read(path, is_shared)?;
        let file = KeyFile {
            path: path.to_owned(),
            is_shared,
            seen,
            looked: Instant::now(),
            trouble: None,
            keys: Vec::new(),
        };
        Ok((file, keys))
    }

    /// Looks whether the file has changed, unless it was looked at a moment ago.
    pub(super) fn look(&mut self, now: Instant) -> Option<News> {
        if now.saturating_duration_since(self.looked) < LOOK_TIME {
            return None;
        }
        self.looked = now;
        let stamp = std::fs::metadata(&self.path).map(|metadata| Stamp::of(&metadata));
        if self.trouble.is_none() && stamp.is_ok_and(|stamp| self.seen == Some(stamp)) {
            return None;
        }
        match read(&self.path, self.is_shared) {
            Ok((keys, seen)) => {
                self.seen = seen;
                self.trouble = None;
                let is_new = keys.len() != self.keys.len()
                    || keys.iter().zip(&self.keys).any(|(key, issued)| *key != issued.key);
                is_new.then_some(News::Keys(keys))
            }
            Err(error) => {
                let problem = Some(error.to_string());
                let is_new = self.trouble != problem;
                self.trouble = problem;
                self.trouble.clone().filter(|_| is_new).map(News::Trouble)
            }
        }
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            file: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            mode: metadata.mode(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The keys of a file, and its stamp if that will tell of the next change.
fn read(path: &Path, is_shared: bool) -> Result<(Vec<Key>, Option<Stamp>)> {
    let readers = if is_shared { Readers::Anybody } else { Readers::OwnerAlone };
    let (bytes, metadata) = file::read(WHAT, path, readers)?;
    let text = str::from_utf8(&bytes).map_err(|_| file::wrong(WHAT, path, "it is not UTF-8"))?;
    let keys = parse(text).map_err(|problem| file::wrong(WHAT, path, &problem))?;
    let age = metadata.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
    let is_settled = age.is_some_and(|age| age > SETTLE_TIME);
    Ok((keys, is_settled.then(|| Stamp::of(&metadata))))
}

/// Reads lines of `NAME SECRET [scopes=A,B] [expires=TIME]`. Errors show no secret: a word that is
/// out of place may be the end of one.
fn parse(text: &str) -> std::result::Result<Vec<Key>, String> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let parsed = lines.map(|(number, line)| {
        parse_line(line).map_err(|problem| format!("line {number}: {problem}"))
    });
    let keys = parsed.collect::<std::result::Result<Vec<_>, _>>()?;
    check_distinct(&keys)?;
    Ok(keys)
}

fn parse_line(line: &str) -> std::result::Result<Key, String> {
    let text = |error: Error| error.to_string();
    let mut words = line.split_whitespace();
    let (Some(name), Some(secret)) = (words.next(), words.next()) else {
        return Err("want NAME SECRET [scopes=A,B] [expires=TIME]".into());
    };
    let mut key = Key::new(name, secret).map_err(text)?;
    let (mut scopes, mut expires) = (None, None);
    for word in words {
        let place = match word.split_once('=') {
            Some(("scopes", list)) => scopes.replace(list),
            Some(("expires", time)) => expires.replace(time),
            _ => return Err("behind the secret only scopes= and expires= may stand".into()),
        };
        if place.is_some() {
            return Err("scopes= or expires= stands twice".into());
        }
    }
    if let Some(list) = scopes {
        key = key.scopes(list).map_err(text)?;
    }
    match expires {
        Some(time) => key.expires(time).map_err(text),
        None => Ok(key),
    }
}

#[cfg(test)]
mod tests;
