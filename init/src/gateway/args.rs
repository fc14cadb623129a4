//! Where the gateway process finds its files.

use std::path::PathBuf;

/// The command line of `gatepost gateway`.
#[derive(Debug, PartialEq, Eq)]
pub struct Args {
    /// The user's gateway.toml; may be missing.
    pub config: PathBuf,
    /// The folder where leases and the last good configuration are kept.
    pub state: PathBuf,
    /// The folder with the user's block lists; may be missing.
    pub lists: PathBuf,
    /// The folder with files for booting; may be missing.
    pub netboot: PathBuf,
    /// Where to answer questions.
    pub control: PathBuf,
    /// Certificates of authorities that DNS servers may have besides the usual ones, in PEM. Only tests have any.
    pub dns_roots: PathBuf,
}

impl Args {
    /// Reads `--config`, `--state`, `--lists`, `--netboot`, `--control` and `--dns-roots`, each with a path; the defaults are
    /// the appliance's.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self {
            config: "/run/gatepost/gateway.toml".into(),
            state: "/config/gateway".into(),
            lists: "/run/blocklists".into(),
            netboot: "/run/netboot".into(),
            control: "/run/gatepost/control.sock".into(),
            dns_roots: PathBuf::new(),
        };
        while let Some(word) = words.next() {
            let place = match word.as_str() {
                "--config" => &mut args.config,
                "--state" => &mut args.state,
                "--lists" => &mut args.lists,
                "--netboot" => &mut args.netboot,
                "--control" => &mut args.control,
                "--dns-roots" => &mut args.dns_roots,
                _ => {
                    return Err(format!(
                        "unknown argument {word}: write --config, --state, --lists, --netboot or --control and a path"
                    ));
                }
            };
            *place = words.next().ok_or_else(|| format!("{word} needs a path"))?.into();
        }
        Ok(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_and_nonsense_is_refused() {
        let parse = |words: &[&str]| Args::parse(words.iter().map(ToString::to_string));
        assert_eq!(parse(&["--state", "/tmp/s"]).unwrap().state, PathBuf::from("/tmp/s"));
        assert!(parse(&["--state"]).is_err() && parse(&["--sate", "/tmp/s"]).is_err());
    }
}
