//! The wall clock of a board without a battery: the later of the image's build time and the time last saved, so that
//! it is never far off by much more than the board was without power, and never runs backwards over a restart.

use super::files;
use gatepost_core::card;
use gatepost_core::time::{Duration, WallTime};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};
use std::path::Path;

/// Where the time is saved, as decimal Unix seconds.
const FILE: &str = "/config/init/clock";
/// Once an hour: with a clean shutdown rare, the loss after a power cut; 9000 small writes a year, little for a card.
pub const SAVE_EVERY: Duration = Duration::from_secs(3600);
/// A saved time further past the build than this is taken for damage: thirty years.
const PLAUSIBLE_SECS: u64 = 30 * 365 * 86400;

/// Sets the clock if it would go forward. A board with a real clock keeps its own.
pub fn set() {
    let built = built(&files::read_text(card::RELEASE_FILE, 4096).unwrap_or_default());
    let saved = parse(&files::read_text(FILE, 32).unwrap_or_default());
    let best = best(now(), built, saved);
    if best > now() {
        let secs = i64::try_from(best.0).unwrap_or(0);
        let _ = clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::new(secs, 0));
    }
}

/// Saves the time, surviving a power cut.
///
/// # Errors
/// Those of writing.
pub fn save() -> std::io::Result<()> {
    files::replace(Path::new(FILE), format!("{}\n", now().0).as_bytes())
}

/// What the clock says.
pub fn now() -> WallTime {
    let secs = clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, |time| time.tv_sec());
    WallTime(u64::try_from(secs).unwrap_or(0))
}

fn best(now: WallTime, built: WallTime, saved: Option<WallTime>) -> WallTime {
    let saved = saved.filter(|saved| saved.since(built).as_secs() <= PLAUSIBLE_SECS);
    now.max(built).max(saved.unwrap_or_default())
}

fn built(release: &str) -> WallTime {
    release.lines().find_map(|line| parse(line.strip_prefix("built=")?)).unwrap_or_default()
}

fn parse(text: &str) -> Option<WallTime> {
    text.trim().parse().ok().map(WallTime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_plausible_time_wins() {
        let (old, build, later) = (WallTime(0), built("version=1\nbuilt=1700000000\n"), WallTime(1_700_000_500));
        assert_eq!(build, WallTime(1_700_000_000));
        assert_eq!(best(old, build, None), build);
        assert_eq!(best(old, build, Some(WallTime(5))), build);
        assert_eq!(best(old, build, Some(later)), later);
        assert_eq!(best(later, build, None), later);
        assert_eq!(best(old, build, Some(WallTime(u64::MAX))), build, "damaged");
        assert_eq!((built("x"), parse("-1"), parse("1\n")), (WallTime(0), None, Some(WallTime(1))));
    }
}
