//! The format of key files, and when they are looked at.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::*;

const SECRET: &str = "0123456789abcdef";
const OTHER: &str = "fedcba9876543210";

fn key(name: &str, secret: &str) -> Key {
    Key::new(name, secret).unwrap()
}

/// A file of its own that is gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(text: &str) -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let name = format!("emcp-keys-{}-{number}", std::process::id());
        let scratch = Scratch(std::env::temp_dir().join(name));
        scratch.write(text);
        scratch.mode(0o600);
        scratch
    }

    fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }

    fn mode(&self, mode: u32) {
        fs::set_permissions(&self.0, Permissions::from_mode(mode)).unwrap();
    }

    /// Makes its last change a matter of the past.
    fn age(&self) {
        let file = fs::File::options().write(true).open(&self.0).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    }

    fn open(&self) -> KeyFile {
        let (file, keys) = KeyFile::open(&self.0, false).unwrap();
        let keys = keys.into_iter().map(|key| Arc::new(Issued::new(key))).collect();
        KeyFile { keys, ..file }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn one_key_a_line() {
    let text = format!(
        "# keys of the fleet\r\n\n  ann {SECRET}\n\
         bob\t{OTHER}  expires=2027-01-01T00:00:00Z scopes=metrics:read,alerts\n"
    );
    let bob = key("bob", OTHER).scopes("metrics:read,alerts").unwrap();
    let bob = bob.expires("2027-01-01T00:00:00Z").unwrap();
    assert_eq!(parse(&text), Ok(vec![key("ann", SECRET), bob]));
    assert_eq!(parse("# nothing\n"), Ok(vec![]));
}

#[test]
fn what_is_wrong_is_said_by_line_and_without_the_secret() {
    for (line, expected) in [
        ("ann", "line 2: want NAME SECRET [scopes=A,B] [expires=TIME]"),
        (&*format!("ann {SECRET} {OTHER}"), "line 2: behind the secret only scopes= and"),
        (&*format!("ann {SECRET} scope=a"), "line 2: behind the secret only scopes= and"),
        (&*format!("ann {SECRET} scopes=a scopes=b"), "line 2: scopes= or expires= stands twice"),
        (&*format!("ann {SECRET} scopes=\"a\""), "line 2: scope"),
        (&*format!("ann {SECRET} expires=soon"), "line 2: key \"ann\": \"soon\" is not a time"),
        ("ann short", "line 2: secret of key \"ann\" is not 16 to 1024 visible ASCII characters"),
        (&*format!("a {SECRET}\nb {SECRET}"), "keys \"a\" and \"b\" have the same secret"),
    ] {
        let problem = parse(&format!("# one\n{line}\n")).unwrap_err();
        assert!(problem.starts_with(expected), "{problem}");
        assert!(!problem.contains(SECRET) && !problem.contains("short"), "{problem}");
    }
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let scratch = Scratch::new("");
    for mode in [0o640, 0o604, 0o620, 0o644] {
        scratch.mode(mode);
        let error = KeyFile::open(&scratch.0, false).map(drop).unwrap_err().to_string();
        assert!(error.contains(&format!("(mode {mode:04o})")), "{error}");
        assert!(KeyFile::open(&scratch.0, true).is_ok());
    }
    scratch.mode(0o400);
    assert!(KeyFile::open(&scratch.0, false).is_ok());
}

#[test]
fn what_is_no_file_is_refused() {
    assert!(matches!(KeyFile::open(Path::new("/"), true), Err(Error::Config(_))));
    assert!(matches!(KeyFile::open(Path::new("/none/such"), true), Err(Error::Io(_))));
    let scratch = Scratch::new(&"#".repeat(file::BYTES_MAX as usize + 1));
    assert!(KeyFile::open(&scratch.0, false).is_err());
}

#[test]
fn a_change_is_seen_once_and_not_before_a_second_has_passed() {
    let scratch = Scratch::new(&format!("ann {SECRET}"));
    scratch.age();
    let mut file = scratch.open();
    let begun = file.looked;
    scratch.write(&format!("ann {OTHER}"));
    assert_eq!(file.look(begun + LOOK_TIME / 2), None);
    let news = file.look(begun + LOOK_TIME);
    assert_eq!(news, Some(News::Keys(vec![key("ann", OTHER)])));
    file.keys = vec![Arc::new(Issued::new(key("ann", OTHER)))];
    assert_eq!(file.look(begun + 2 * LOOK_TIME), None);
}

/// Two changes within one tick of the file system's clock, of the same length.
#[test]
fn a_young_file_is_read_again_whatever_its_stamp_says() {
    let scratch = Scratch::new(&format!("ann {SECRET}"));
    let mut file = scratch.open();
    assert_eq!(file.seen, None);
    scratch.age();
    assert_eq!(file.look(file.looked + LOOK_TIME), None, "nothing new in it");
    assert!(file.seen.is_some());
}

#[test]
fn trouble_is_told_once_and_ends() {
    let scratch = Scratch::new(&format!("ann {SECRET}"));
    scratch.age();
    let mut file = scratch.open();
    let mut look = || {
        let now = file.looked + LOOK_TIME;
        file.look(now)
    };
    scratch.mode(0o644);
    assert!(matches!(look(), Some(News::Trouble(problem)) if problem.contains("(mode 0644)")));
    assert_eq!(look(), None);
    scratch.mode(0o600);
    assert_eq!(look(), None, "the old keys are in it");
    fs::remove_file(&scratch.0).unwrap();
    assert!(matches!(look(), Some(News::Trouble(_))));
    assert_eq!(look(), None);
    scratch.write(&format!("ann {OTHER}"));
    scratch.mode(0o600);
    assert!(matches!(look(), Some(News::Keys(_))));
}
