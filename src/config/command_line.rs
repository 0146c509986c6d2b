//! A program that is run without a shell, as a setting writes it.

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The program: a path, or a name that is looked for in `PATH`.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl CommandLine {
    /// Reads words separated by white space, or a JSON list of words for those that hold some. `None` for no word at all,
    /// and for what only a shell would understand.
    pub(super) fn read(text: &str) -> Option<CommandLine> {
        let text = text.trim();
        let words: Vec<String> = if text.starts_with('[') {
            serde_json::from_str(text).ok()?
        } else if text.contains(['"', '\'', '\\', '|', '<', '>', ';', '`', '$']) && !cfg!(windows) {
            // These mean something to a shell, and would arrive as letters.
            return None;
        } else {
            text.split_whitespace().map(str::to_owned).collect()
        };
        let mut words = words.into_iter();
        let program = words.next().filter(|program| !program.is_empty())?;
        Some(CommandLine { program, arguments: words.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_words_and_never_a_script() {
        let read = |text: &str| CommandLine::read(text).map(|line| (line.program, line.arguments.join("|")));
        assert_eq!(read("/opt/keys  --env prod "), Some(("/opt/keys".into(), "--env|prod".into())));
        assert_eq!(read(r#"["/opt/my keys", "a b", "$HOME"]"#), Some(("/opt/my keys".into(), "a b|$HOME".into())));
        for text in ["", "  ", "[]", r#"[""]"#, "[1]", "[", r#"[{"a": 1}]"#] {
            assert_eq!(read(text), None, "{text}");
        }
        #[cfg(not(windows))]
        for text in ["keys | head -1", "keys 'a b'", "keys $USER", "keys > file", "keys; keys"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
