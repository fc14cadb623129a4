//! Licences out of a package's machine-readable copyright file (DEP-5): the short names, each once.
//! Left out: the texts, and paragraphs about `debian/`, of which nothing gets onto the card.

use super::deb822;

/// The licences of the files that match one of `patterns` (all files if there is none): a pattern is a word of a
/// `Files:` field as it stands there, or, with a slash at its end, the beginning of one.
pub fn licences(text: &str, patterns: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for paragraph in deb822::paragraphs(text) {
        let (Some(files), Some(licence)) = (paragraph.get("Files"), paragraph.get("License")) else { continue };
        let words = || files.split_whitespace();
        let matches = |pattern: &String| {
            words().any(|word| word == pattern || pattern.ends_with('/') && word.starts_with(pattern.as_str()))
        };
        let wanted = patterns.is_empty() || patterns.iter().any(matches);
        if wanted && !words().all(|word| word.starts_with("debian/")) {
            found.extend(licence.lines().next().map(|name| name.trim().to_owned()));
        }
    }
    found.retain(|name| !name.is_empty());
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Format: https://example/\n\nFiles: *\nLicense: ISC\n\nFiles: debian/*\nLicense: GPL-2+\n\n\
                        Files: brcm/a.bin\n cypress/b.bin\nLicense: redist\n All rights reserved.\n\n\
                        Files: c\nLicense: ISC\n\nLicense: ISC\n text\n";

    #[test]
    fn each_licence_once_and_none_of_the_packaging() {
        assert_eq!(licences(TEXT, &[]), ["ISC", "redist"]);
    }

    #[test]
    fn only_the_files_that_are_taken() {
        assert_eq!(licences(TEXT, &["*".to_owned()]), ["ISC"]);
        assert_eq!(licences(TEXT, &["cypress/".to_owned()]), ["redist"]);
        assert!(licences(TEXT, &["cypress".to_owned()]).is_empty());
    }
}
