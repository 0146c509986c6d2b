//! Every setting as a flag, made from the table of `config.rs`.
//!
//! What lives here: [`flags`] and [`values`], which carry flags to `config::load` under their variable's name. What
//! never does: a default or a meaning; both stand in the table.

use clap::{Arg, ArgAction, ArgMatches};

use crate::config::{SETTINGS, Setting, Values};

/// Settings that short help (`-h`) shows; the others need `--help`.
const SHOWN: &[&str] = &["PDFCO_API_KEY", "PDFCO_SIMULATE"];

/// The flag of every setting, usable before and after a command's name.
pub fn flags() -> Vec<Arg> {
    SETTINGS.iter().map(flag).collect()
}

fn flag(setting: &'static Setting) -> Arg {
    let help = match setting.variable {
        "PDFCO_API_KEY" => {
            format!("{} Other users of this machine can see a key on a command line; prefer the variable", setting.help)
        }
        _ => setting.help.trim_end_matches('.').to_owned(),
    };
    let default = if setting.default.is_empty() { String::new() } else { format!(", default {}", setting.default) };
    let arg = Arg::new(setting.variable)
        .long(long_name(setting))
        .global(true)
        .action(ArgAction::Set)
        .help(format!("{help} [{}{default}]", setting.variable))
        .help_heading("Settings")
        .hide_short_help(!SHOWN.contains(&setting.variable));
    if setting.is_switch() {
        arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOL")
    } else {
        arg.value_name("VALUE")
    }
}

fn long_name(setting: &Setting) -> String {
    setting.variable.trim_start_matches("PDFCO_").to_lowercase().replace('_', "-")
}

/// What the flags said, by variable name.
pub fn values(matches: &ArgMatches) -> Values {
    let said =
        |setting: &Setting| Some((setting.variable.to_owned(), matches.get_one::<String>(setting.variable)?.clone()));
    SETTINGS.iter().filter_map(said).collect()
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;

    fn said(line: &str) -> Values {
        let tree = Command::new("pdfco").args(flags()).subcommand(Command::new("go"));
        values(&tree.try_get_matches_from(line.split(' ')).unwrap())
    }

    #[test]
    fn flags_arrive_under_their_variable_from_both_sides_of_the_command() {
        for line in [
            "pdfco --base-url http://h.test go",
            "pdfco go --base-url http://h.test",
            "pdfco go --base-url=http://h.test",
        ] {
            assert_eq!(said(line).get("PDFCO_BASE_URL").map(String::as_str), Some("http://h.test"), "{line}");
        }
        assert!(said("pdfco go").is_empty());
    }

    #[test]
    fn switches_need_no_value_and_take_one() {
        for (line, value) in
            [("pdfco --simulate go", "true"), ("pdfco go --simulate=false", "false"), ("pdfco go --read-only", "true")]
        {
            assert!(said(line).values().any(|said| said == value), "{line}");
        }
    }

    #[test]
    fn every_setting_has_a_flag_with_help_that_names_its_variable() {
        for setting in SETTINGS {
            let flag = flag(setting);
            assert!(flag.get_help().unwrap().to_string().contains(setting.variable), "{}", setting.variable);
        }
    }
}
