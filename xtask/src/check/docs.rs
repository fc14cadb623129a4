//! Documents that can't drift: links lead to files that exist; a test that SECURITY.md names is in the tree, and names the
//! flaw that it is listed for.

use super::{first_word, rust_files};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The page whose tables name tests.
const SECURITY: &str = "SECURITY.md";

/// Folders of the top level that hold nothing of ours to read.
const NOT_OURS: [&str; 2] = ["target", ".git"];

/// Every dead link and every test that is gone, one line each.
pub fn problems(top: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for page in pages(top)? {
        let text = fs::read_to_string(&page)?;
        let folder = page.parent().unwrap_or(top);
        for (line, link) in links(&text).into_iter().filter(|(_, link)| !folder.join(link).exists()) {
            problems.push(format!("{}:{line}: the link leads nowhere: {link}", page.display()));
        }
    }
    let security = fs::read_to_string(top.join(SECURITY)).context(SECURITY)?;
    let named = named_tests(&security);
    ensure!(!named.is_empty(), "{SECURITY}: no table names a test any more; see xtask/src/check/docs.rs");
    let tests = tests_in_the_tree(top)?;
    let gone = named.iter().filter(|(_, test)| !tests.contains_key(test));
    problems.extend(gone.map(|(line, test)| format!("{SECURITY}:{line}: there is no test of the name {test}")));
    for (line, row) in security.lines().enumerate().filter(|(_, line)| line.starts_with('|')) {
        let words = named_tests(row);
        let mut texts = words.iter().filter_map(|(_, test)| tests.get(test)).peekable();
        let Some(flaw) = flaw(row).filter(|_| texts.peek().is_some()) else { continue };
        if !texts.any(|text| text.contains(&normal(flaw))) {
            problems.push(format!(
                "{SECURITY}:{}: no test there says in its name or comment that it is about {flaw}",
                line + 1
            ));
        }
    }
    Ok(problems)
}

/// The first number of a flaw in the first column of a row.
fn flaw(row: &str) -> Option<&str> {
    let column = row.trim_start_matches('|').split('|').next()?;
    let numbered = |word: &&str| word.starts_with("CVE-") || word.starts_with("RUSTSEC-");
    column.split([' ', ',', ';']).find(numbered)
}

/// A number of a flaw as the name of a function has it.
fn normal(text: &str) -> String {
    text.to_ascii_lowercase().replace('-', "_")
}

/// All Markdown files of the tree.
fn pages(top: &Path) -> Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    let mut folders = vec![top.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let ours = folder != top || !NOT_OURS.iter().any(|name| entry.file_name() == *name);
            if entry.file_type()?.is_dir() && ours {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|extension| extension == "md") {
                pages.push(entry.path());
            }
        }
    }
    pages.sort();
    Ok(pages)
}

/// The files that a page links to, with the number of the line. Links to other sites and within the page are left out,
/// and so is what stands in a block of code.
fn links(page: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    let mut in_code = false;
    for (number, line) in page.lines().enumerate() {
        in_code ^= line.trim_start().starts_with("```");
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let files = targets.filter(|target| !in_code && !target.is_empty() && !target.contains(':'));
        links.extend(files.map(|target| (number + 1, target)));
    }
    links
}

/// The words in backticks in the tables of a page that are names of functions: small letters, digits, and at least one
/// underscore.
fn named_tests(page: &str) -> Vec<(usize, String)> {
    let is_name = |word: &str| {
        word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let rows = page.lines().enumerate().filter(|(_, line)| line.starts_with('|'));
    let words = rows.flat_map(|(number, row)| row.split('`').skip(1).step_by(2).map(move |word| (number + 1, word)));
    words.filter(|(_, word)| is_name(word)).map(|(line, word)| (line, word.to_owned())).collect()
}

/// The name of every function of the tree that is a test, with its name and comment as text to search.
fn tests_in_the_tree(top: &Path) -> Result<BTreeMap<String, String>> {
    let mut tests = BTreeMap::new();
    for room in super::ROOMS {
        for path in rust_files(&top.join(room))? {
            tests.extend(tests_in(&fs::read_to_string(path)?));
        }
    }
    Ok(tests)
}

/// The functions of a source file that have `#[test]` above them.
fn tests_in(source: &str) -> Vec<(String, String)> {
    let mut tests = Vec::new();
    let (mut marked, mut comment) = (false, String::new());
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("///") {
            comment.push_str(&normal(line));
        } else if line.starts_with("#[test]") {
            marked = true;
        } else if let Some(rest) = line.strip_prefix("fn ") {
            let (name, comment) = (first_word(rest), std::mem::take(&mut comment));
            if std::mem::take(&mut marked) {
                tests.push((name.clone(), format!("{comment} {name}")));
            }
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            comment.clear();
        }
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_files_are_found() {
        let page = "see [a](a.md) and [b](b/c.md#part),\n[out](https://example.org/x) [here](#part)\n```\n[no](no.md)\n```\n[d](d/)";
        assert_eq!(links(page), [(1, "a.md"), (1, "b/c.md"), (6, "d/")]);
    }

    #[test]
    fn tests_are_named_in_tables_only() {
        let page = "`not_a_row` |\n| flaw | `one_flaw`, `Other`, `word` |\n| two | `cve_1_2` |";
        assert_eq!(named_tests(page), [(2, "one_flaw".to_owned()), (3, "cve_1_2".to_owned())]);
    }

    #[test]
    fn only_tests_count_as_tests() {
        let source =
            "fn helper() {}\n#[test]\nfn one() {}\nfn two() {}\n    #[test]\n    // why\n    fn three(x: u8) {}\n";
        assert_eq!(tests_in(source).into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["one", "three"]);
    }

    #[test]
    fn a_test_names_its_flaw_in_its_name_or_comment() {
        assert_eq!(flaw("| Kaminsky, CVE-2008-1447, CVE-2009-1 | what | `test` |"), Some("CVE-2008-1447"));
        assert_eq!(flaw("| a flood | CVE-2008-1447 | `test` |"), None);
        let source = "/// CVE-2008-1447.\n#[test]\nfn one() {}\n/// CVE-2009-1.\nstruct Else;\n#[test]\nfn cve_2009_2_two() {}\n";
        let texts: Vec<_> = tests_in(source).into_iter().map(|(_, text)| text).collect();
        assert!(texts[0].contains(&normal("CVE-2008-1447")), "{texts:?}");
        assert!(texts[1].contains(&normal("CVE-2009-2")) && !texts[1].contains(&normal("CVE-2009-1")), "{texts:?}");
    }

    #[test]
    fn the_documents_are_true() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        assert_eq!(problems(top).expect("readable"), [""; 0]);
    }

    #[test]
    fn what_is_gone_is_reported() {
        let top = tempfile::tempdir().expect("a folder");
        for room in super::super::ROOMS {
            fs::create_dir(top.path().join(room)).expect("a room");
        }
        fs::write(top.path().join(SECURITY), "[gone](gone.md)\n| a flaw | `gone_too` |\n").expect("a page");
        let problems = problems(top.path()).expect("readable");
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].ends_with(":1: the link leads nowhere: gone.md"), "{problems:?}");
        assert_eq!(problems[1], "SECURITY.md:2: there is no test of the name gone_too");
    }
}
