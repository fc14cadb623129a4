//! Finds the configuration to run with: the user's file if it is good, else the last good one, else the defaults.
//! Whatever is wrong with the user's file is written down beside it in words.

use super::disk::{self, Job};
use super::say::say;
use gatepost_core::config::{self, Config, MAX_CONFIG_BYTES};
use gatepost_core::gateway::ConfigSource;
use gatepost_core::store::snapshot;
use std::fs;
use std::io;
use std::path::Path;

/// The two copies of the last good file, in the state folder.
const COPIES: [&str; 2] = ["config.a", "config.b"];

/// The user's mistakes, beside the user's file; PID 1 carries it to the boot partition.
const ERRORS: &str = "gateway.errors.txt";

/// What is in force, and why.
pub struct Loaded {
    /// What to run with.
    pub config: Config,
    /// Where it came from.
    pub source: ConfigSource,
    /// The mistakes in the user's file, one a line; empty if there are none.
    pub problems: String,
    /// The file and content that keeps this configuration as the last good one, if it is new.
    pub keep: Option<Job>,
}

/// Reads the user's file and reports what is wrong with it.
pub fn load(file: &Path, state: &Path) -> Loaded {
    let kept =
        COPIES.map(|name| disk::read(state, name, (MAX_CONFIG_BYTES + snapshot::OVERHEAD) as u64).unwrap_or_default());
    let loaded = decide(&read_bounded(file), &kept);
    report(file, &loaded.problems);
    loaded
}

/// At most one byte more than a configuration may have, so that a larger file is seen as such; `None` if there is none.
fn read_bounded(file: &Path) -> io::Result<Option<Vec<u8>>> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let Some(name) = file.file_name().and_then(|name| name.to_str()) else { return Ok(None) };
    if !file.exists() {
        return Ok(None);
    }
    disk::read(folder, name, MAX_CONFIG_BYTES as u64 + 1).map(Some)
}

fn decide(file: &io::Result<Option<Vec<u8>>>, kept: &[Vec<u8>; 2]) -> Loaded {
    let problems = match file {
        Ok(Some(bytes)) => match config::parse(bytes) {
            Ok(config) => {
                let keep = keep(kept, bytes);
                return Loaded { config, source: ConfigSource::File, problems: String::new(), keep };
            }
            Err(problems) => problems.to_string(),
        },
        Ok(None) => String::new(),
        Err(error) => format!("gateway.toml can't be read ({error}); write it anew, or flash the card again\n"),
    };
    let [a, b] = kept;
    let last_good = snapshot::newest(a, b).and_then(|(_, copy)| config::parse(copy.payload).ok());
    let (config, source) = match last_good {
        Some(config) => (config, ConfigSource::LastGood),
        None if problems.is_empty() => (Config::default(), ConfigSource::NoFile),
        None => (Config::default(), ConfigSource::Defaults),
    };
    Loaded { config, source, problems, keep: None }
}

/// Overwrites the older copy, unless the newer one says the same already.
fn keep([a, b]: &[Vec<u8>; 2], bytes: &[u8]) -> Option<Job> {
    if snapshot::newest(a, b).is_some_and(|(_, copy)| copy.payload == bytes) {
        return None;
    }
    let (copy, generation) = snapshot::next(a, b);
    let name = match copy {
        snapshot::Copy::A => COPIES[0],
        snapshot::Copy::B => COPIES[1],
    };
    // A file that was accepted is far below the limit of a copy.
    let bytes = snapshot::encode(generation, bytes).ok()?;
    Some(Job::Write { name, bytes })
}

fn report(file: &Path, problems: &str) {
    let path = file.with_file_name(ERRORS);
    let written = if problems.is_empty() {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    } else {
        fs::write(&path, problems)
    };
    if let Err(error) = written {
        say(&format!("{} can't be written: {error}.", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_good_file_is_kept_and_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        let load_text = |text: &str| {
            fs::write(&file, text).unwrap();
            let loaded = load(&file, folder.path());
            if let Some(Job::Write { name, bytes }) = &loaded.keep {
                disk::replace(folder.path(), name, bytes).unwrap();
            }
            loaded
        };
        assert_eq!(load(&file, folder.path()).source, ConfigSource::NoFile);
        assert_eq!(load_text("hostname = 7").source, ConfigSource::Defaults);
        assert!(fs::read_to_string(folder.path().join(ERRORS)).unwrap().contains("hostname"));
        assert_eq!(load_text("hostname = \"one\"").source, ConfigSource::File);
        assert!(!folder.path().join(ERRORS).exists());
        assert_eq!(load_text("hostname = \"two\"").config.hostname, "two");
        let loaded = load_text("hostname = [");
        assert_eq!((loaded.source, loaded.config.hostname.as_str()), (ConfigSource::LastGood, "two"));

        // The newer copy is damaged: the older one serves.
        let (newer, _) = newest_file(folder.path());
        fs::write(folder.path().join(newer), "damaged").unwrap();
        assert_eq!(load(&file, folder.path()).config.hostname, "one");
    }

    fn newest_file(folder: &Path) -> (&'static str, u64) {
        let [a, b] = COPIES.map(|name| fs::read(folder.join(name)).unwrap_or_default());
        let (copy, found) = snapshot::newest(&a, &b).unwrap();
        (if copy == snapshot::Copy::A { COPIES[0] } else { COPIES[1] }, found.generation)
    }
}
