//! autoboot.txt: which partition to start from (`config_txt/autoboot.adoc`).

use super::Start;
use anyhow::{Context, Result, bail, ensure};

/// The firmware reads one sector and no more.
const AUTOBOOT_MAX: usize = 512;

/// The partition that autoboot.txt names for this kind of start; `None` if it names none.
pub fn boot_partition(text: &[u8], start: Start) -> Result<Option<u8>> {
    ensure!(text.len() <= AUTOBOOT_MAX, "it is {} bytes long; the firmware reads only {AUTOBOOT_MAX}", text.len());
    let text = std::str::from_utf8(text).context("it is no text")?;
    let mut applies = true;
    let mut partition = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        let at = || format!("line {}, “{line}”", number + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with('[') {
            applies = section(line, start).with_context(at)?;
            continue;
        }
        let (key, value) = line.split_once('=').context("a line is key=value").with_context(at)?;
        let value = setting(key, value).with_context(at)?;
        if applies && key == "boot_partition" {
            partition = Some(value);
        }
    }
    Ok(partition)
}

fn section(line: &str, start: Start) -> Result<bool> {
    Ok(match line {
        "[all]" => true,
        "[none]" => false,
        "[tryboot]" => start == Start::Tryboot,
        _ => bail!("autoboot.txt knows only the sections [all], [none] and [tryboot]"),
    })
}

fn setting(key: &str, value: &str) -> Result<u8> {
    let number: u8 = value.parse().ok().with_context(|| format!("{key} takes a small whole number, without spaces"))?;
    match key {
        "boot_partition" => ensure!((1..=63).contains(&number), "partitions count from 1"),
        "tryboot_a_b" => ensure!(number <= 1, "tryboot_a_b is 0 or 1"),
        _ => bail!("autoboot.txt knows only the keys boot_partition and tryboot_a_b"),
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, start: Start, wanted: Result<Option<u8>, &str>) {
        let got = boot_partition(text.as_bytes(), start).map_err(|error| format!("{error:#}"));
        match (got, wanted) {
            (Ok(got), Ok(wanted)) => assert_eq!(got, wanted, "{text}"),
            (Err(got), Err(wanted)) => assert!(got.contains(wanted), "{text}: {got}"),
            (got, wanted) => panic!("{text}: got {got:?}, wanted {wanted:?}"),
        }
    }

    #[test]
    fn the_section_decides() {
        let text = "# which slot\n[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n";
        check(text, Start::Normal, Ok(Some(2)));
        check(text, Start::Tryboot, Ok(Some(3)));
        check("boot_partition=3\r\n", Start::Normal, Ok(Some(3)));
        check("[none]\nboot_partition=3\n", Start::Normal, Ok(None));
        check("", Start::Normal, Ok(None));
    }

    #[test]
    fn a_wrong_line_is_named() {
        check(
            "[all]\nboot_partion=2\n",
            Start::Normal,
            Err("line 2, “boot_partion=2”: autoboot.txt knows only the keys"),
        );
        check("boot_partition = 2", Start::Normal, Err("line 1"));
        check("boot_partition=two", Start::Normal, Err("takes a small whole number"));
        check("boot_partition=0", Start::Normal, Err("count from 1"));
        check("[pi4]\nboot_partition=2", Start::Normal, Err("knows only the sections"));
        check("boot_partition 2", Start::Normal, Err("key=value"));
        check(&"#".repeat(513), Start::Normal, Err("513 bytes long"));
    }
}
