//! Debian's `Field: value` paragraphs, as deb822(5) describes them: apt's sources, package records, copyright files.
//! Left out: signatures and the order of fields.

/// One paragraph; fields in the order in which they stand.
pub struct Paragraph(Vec<(String, String)>);

impl Paragraph {
    /// The value of a field, its continuation lines joined by line ends. Field names know no case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// All paragraphs of a text. Lines that fit nowhere are passed over: apt and dpkg have accepted the text before us.
pub fn paragraphs(text: &str) -> Vec<Paragraph> {
    let mut all = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            if !fields.is_empty() {
                all.push(Paragraph(std::mem::take(&mut fields)));
            }
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    if !fields.is_empty() {
        all.push(Paragraph(fields));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_fields_and_continuations() {
        let all = paragraphs("A: 1\n# note\nB: x\n y\n\n\n \nstray\nC:3\n");
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].get("a"), Some("1"));
        assert_eq!(all[0].get("B"), Some("x\ny"));
        assert_eq!(all[1].get("C"), Some("3"));
        assert_eq!(all[1].get("A"), None);
    }
}
