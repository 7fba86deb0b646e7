//! Files as they would be written by hand, but for what only a run knows.

use std::fs;
use std::io;
use std::path::Path;

/// Writes files into a folder. In their texts `@NAME@` is replaced by the value of that name, and
/// `@CONNECT_TO@` by the list of which names lead where.
pub(super) fn write(
    folder: &Path,
    connect_to: &[String],
    values: &[(&str, String)],
    files: &[(&str, &str)],
) -> io::Result<()> {
    let connect_to = connect_to.iter().map(|to| format!("    {to:?},\n")).collect::<String>();
    let connect_to = format!("[\n{connect_to}]");
    for (file, text) in files {
        let text = text.replace("@CONNECT_TO@", &connect_to);
        let fill = |text: String, (name, value): &(&str, String)| {
            text.replace(&format!("@{name}@"), value)
        };
        fs::write(folder.join(file), values.iter().fold(text, fill))?;
    }
    Ok(())
}
