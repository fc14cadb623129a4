//! How far a long step is: a bar or a spinner on a terminal, plain lines elsewhere (a log file, a CI run).
//! Everything goes to stderr, so that stdout stays free for results.

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// One running step. Dropped without [`Step::done`], it leaves the terminal clean and says nothing.
pub struct Step {
    what: String,
    started: Instant,
    /// None where stderr is not a terminal.
    bar: Option<ProgressBar>,
}

/// A step of known length, in bytes.
pub fn bytes(what: impl Into<String>, total: u64) -> Step {
    let what = what.into();
    let length = format!(" ({})", HumanBytes(total));
    Step::start(what, &length, || {
        let style = "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        ProgressBar::new(total)
            .with_style(ProgressStyle::with_template(style).expect("a fixed template").progress_chars("=> "))
    })
}

/// A step whose length nobody knows.
pub fn step(what: impl Into<String>) -> Step {
    Step::start(what.into(), "", || {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    })
}

/// A line of its own, above whatever bar is running.
pub fn line(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

impl Step {
    fn start(what: String, length: &str, bar: impl FnOnce() -> ProgressBar) -> Self {
        let bar = std::io::stderr().is_terminal().then(bar);
        match &bar {
            Some(bar) => bar.set_message(what.clone()),
            None => eprintln!("{what}{length} ..."),
        }
        Self { what, started: Instant::now(), bar }
    }

    /// How many bytes are done in all.
    pub fn set(&self, position: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(position);
        }
    }

    /// The step is over; `result` says what came of it in a few words.
    pub fn done(self, result: impl AsRef<str>) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!("{}: {} ({:.1} s)", self.what, result.as_ref(), self.started.elapsed().as_secs_f32());
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
