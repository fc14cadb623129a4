//! Which modules a set of modules needs, in an order in which each finds what it needs already loaded.

use anyhow::{Result, bail};
use std::collections::BTreeSet;

/// What one module needs before it.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Without these it does not load.
    pub hard: Vec<String>,
    /// With these it works better; given up where they would make a circle.
    pub soft: Vec<String>,
}

/// One module of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What it needs, all of it earlier in the list; sorted.
    pub needs: Vec<String>,
}

/// The wanted modules and all that they need. `needs` is asked once a module.
pub fn closure(wanted: &[String], needs: impl FnMut(&str) -> Result<Needs>) -> Result<Vec<Node>> {
    let mut walk = Walk { needs, done: BTreeSet::new(), path: Vec::new(), order: Vec::new() };
    for name in wanted {
        walk.visit(name)?;
    }
    Ok(walk.order)
}

struct Walk<F> {
    needs: F,
    done: BTreeSet<String>,
    /// From a wanted module down to the one that is being looked at.
    path: Vec<String>,
    order: Vec<Node>,
}

impl<F: FnMut(&str) -> Result<Needs>> Walk<F> {
    fn visit(&mut self, name: &str) -> Result<()> {
        if self.done.contains(name) {
            return Ok(());
        }
        if self.path.iter().any(|above| above == name) {
            bail!("kernel modules need each other in a circle: {} -> {name}", self.path.join(" -> "));
        }
        let needs = (self.needs)(name)?;
        self.path.push(name.to_owned());
        let mut all = BTreeSet::new();
        for need in needs.hard {
            self.visit(&need)?;
            all.insert(need);
        }
        for need in needs.soft {
            let depth = self.path.len();
            // It may lead back to us further down; then it is no good as a need of ours either.
            let loaded = !self.path.contains(&need) && self.visit(&need).is_ok();
            self.path.truncate(depth);
            if loaded {
                all.insert(need);
            }
        }
        self.path.pop();
        self.done.insert(name.to_owned());
        self.order.push(Node { name: name.to_owned(), needs: all.into_iter().collect() });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines `a: b c ~d`, where a tilde marks a soft need.
    fn run(wanted: &[&str], table: &str) -> Result<Vec<String>> {
        let wanted: Vec<_> = wanted.iter().map(|name| (*name).to_owned()).collect();
        let nodes = closure(&wanted, |name| {
            let line = table.lines().find_map(|line| line.trim().strip_prefix(&format!("{name}:")));
            let Some(line) = line else { bail!("no module {name}") };
            let mut needs = Needs::default();
            for word in line.split_whitespace() {
                match word.strip_prefix('~') {
                    Some(soft) => needs.soft.push(soft.to_owned()),
                    None => needs.hard.push(word.to_owned()),
                }
            }
            Ok(needs)
        })?;
        Ok(nodes.into_iter().map(|node| format!("{}:{}", node.name, node.needs.join(","))).collect())
    }

    #[test]
    fn needs_come_first_and_once() {
        let table = "ext4: jbd2 mbcache ~crc\njbd2: ~crc\nmbcache:\ncrc:\nvfat: fat\nfat:";
        assert_eq!(
            run(&["ext4", "vfat", "fat"], table).unwrap(),
            ["crc:", "jbd2:crc", "mbcache:", "ext4:crc,jbd2,mbcache", "fat:", "vfat:fat"]
        );
    }

    #[test]
    fn a_circle_of_hard_needs_is_named() {
        let error = run(&["a"], "a: b\nb: c\nc: a").unwrap_err().to_string();
        assert!(error.contains("a -> b -> c -> a"), "{error}");
    }

    #[test]
    fn a_circle_through_a_soft_need_is_cut() {
        assert_eq!(run(&["a"], "a: b\nb: ~a").unwrap(), ["b:", "a:b"]);
    }

    #[test]
    fn a_missing_module_is_an_error() {
        assert!(run(&["a"], "a: nowhere").is_err());
    }
}
