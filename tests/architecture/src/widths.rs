//! Comments, documents and configurations are as wide as code at most.

use crate::workspace::{files, read};

/// Where text stands that people read.
const FOLDERS: [&str; 5] = ["bins", "crates", "docs", "examples", "tests"];

/// The documents at the root.
const AT_ROOT: [&str; 4] = ["CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"];

/// The settings there, whose comments are held to it.
const SETTINGS: [&str; 5] =
    [".cargo/config.toml", "Cargo.toml", "clippy.toml", "deny.toml", "rustfmt.toml"];

/// As `rustfmt.toml` has it.
fn width() -> usize {
    let settings: toml::Table = read("rustfmt.toml").parse().unwrap();
    settings["max_width"].as_integer().unwrap().try_into().unwrap()
}

/// What a line says behind the marks of a comment; `None` if it is none.
fn comment(line: &str) -> Option<&str> {
    let marked = line.trim_start().strip_prefix("//")?;
    Some(marked.strip_prefix(['/', '!']).unwrap_or(marked))
}

/// The lines that are wider and could be broken: no code, table, heading or definition of a link.
fn wide<'a>(lines: impl Iterator<Item = (usize, &'a str, Option<&'a str>)>) -> Vec<usize> {
    let (width, mut is_code) = (width(), false);
    let is_wide = |(number, line, text): (usize, &str, Option<&str>)| {
        let text = text.map(str::trim);
        let is_fence = text.is_some_and(|text| text.starts_with("```"));
        is_code = text.is_some() && is_code != is_fence;
        let is_prose = text.is_some_and(|text| !is_code && !text.starts_with(['|', '#', '<']));
        let text = text.filter(|_| is_prose && line.chars().count() > width)?;
        (!text.contains("]: ") && can_be_broken(text)).then_some(number)
    };
    lines.filter_map(is_wide).collect()
}

/// Whether there is a space that stands neither in code, nor in the text of a link, nor behind the
/// mark of a list.
fn can_be_broken(text: &str) -> bool {
    let text = text.trim_start_matches(['-', '*', '+', '.', ')']);
    let text = text.trim_start_matches(|c: char| c.is_ascii_digit() || " .".contains(c));
    let (mut is_code, mut brackets) = (false, 0_usize);
    text.chars().any(|c| {
        match c {
            '`' => is_code = !is_code,
            '[' if !is_code => brackets += 1,
            ']' if !is_code => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        c == ' ' && !is_code && brackets == 0
    })
}

#[test]
fn comments_are_no_wider_than_code() {
    for folder in FOLDERS {
        for (path, text) in files(folder, "rs") {
            let lines = text.lines().enumerate();
            let wide = wide(lines.map(|(index, line)| (index + 1, line, comment(line))));
            assert_eq!(wide, [0; 0], "{path}: lines of comments that are too wide");
        }
    }
}

#[test]
fn documents_are_no_wider_than_code() {
    let at_root = AT_ROOT.map(|path| (path.to_owned(), read(path)));
    let elsewhere = FOLDERS.into_iter().flat_map(|folder| files(folder, "md"));
    for (path, text) in at_root.into_iter().chain(elsewhere) {
        let lines = text.lines().enumerate();
        let wide = wide(lines.map(|(index, line)| (index + 1, line, Some(line))));
        assert_eq!(wide, [0; 0], "{path}: lines that are too wide");
    }
}

/// The lines of a configuration that are wider and could be broken; of a manifest, comments alone.
fn wide_settings(text: &str, is_manifest: bool) -> Vec<usize> {
    let width = width();
    let is_wide = |(_, line): &(usize, &str)| {
        let is_held = !is_manifest || line.trim_start().starts_with('#');
        is_held && line.chars().count() > width && said(line).contains(' ')
    };
    text.lines().enumerate().filter(is_wide).map(|(index, _)| index + 1).collect()
}

/// What a line of a configuration says: the value of a key, commented out or not, or a comment.
fn said(line: &str) -> &str {
    let text = line.trim_start_matches(['#', ' ']);
    text.split_once(" = ").filter(|(key, _)| !key.contains(' ')).map_or(text, |(_, value)| value)
}

#[test]
fn configurations_are_no_wider_than_code() {
    let at_root = SETTINGS.map(|path| (path.to_owned(), read(path), true));
    let elsewhere = FOLDERS.into_iter().flat_map(|folder| files(folder, "toml"));
    let elsewhere = elsewhere.map(|(path, text)| {
        let is_manifest = path.ends_with("Cargo.toml");
        (path, text, is_manifest)
    });
    for (path, text, is_manifest) in at_root.into_iter().chain(elsewhere) {
        let wide = wide_settings(&text, is_manifest);
        assert_eq!(wide, [0; 0], "{path}: lines that are too wide");
    }
}

#[test]
fn a_wide_setting_is_found_and_what_cannot_be_broken_is_not() {
    let word = "w".repeat(width());
    let text = format!("# a {word}\na = [1, {word}]\n# a = 1 # {word}\na = \"{word}\"\n# {word}");
    assert_eq!(wide_settings(&text, false), [1, 2, 3]);
    assert_eq!(wide_settings(&text, true), [1, 3]);
}

#[test]
fn a_wide_line_is_found_and_what_cannot_be_broken_is_not() {
    let word = "w".repeat(width());
    let found = |lines: &[String]| {
        wide(lines.iter().enumerate().map(|(index, line)| (index, line.as_str(), comment(line))))
    };
    let prose = [format!("/// a {word}"), format!("    // {word} b"), format!("//! - a {word}")];
    assert_eq!(found(&prose), [0, 1, 2]);
    let whole = ["/// ", "//! - ", "// 12. ", "/// | a ", "/// # a ", "/// [a b]: ", "let a = "];
    assert_eq!(found(&whole.map(|start| format!("{start}{word}"))), [0; 0]);
    assert_eq!(found(&[format!("/// `a {word}`"), format!("/// [a b]({word})")]), [0; 0]);
    let fence = ["/// ```", "/// a w", "/// ```", "/// a w"].map(|it| it.replace('w', &word));
    assert_eq!(found(&fence), [3]);
}
