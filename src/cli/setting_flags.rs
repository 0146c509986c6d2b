//! Every setting as a flag, made from the table of settings.
//!
//! All flags are accepted by every command, before and after its name. Help shows those that the command uses: a person
//! who runs one operation is not shown the settings of the HTTP server.

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::config::{SETTINGS, Setting, UsedBy, Values};

/// Settings that short help (`-h`) shows; the others need `--help`.
const SHORT: &[&str] = &["PDFCO_API_KEY", "PDFCO_SIMULATE"];

/// Commands that do no more than read the ledger, or ask the service one question.
const READERS: &[&str] = &["audit", "ledger", "credits", "jobs list", "jobs show", "jobs cancel", "jobs report"];
/// Commands that need neither the service nor the ledger.
const HELPERS: &[&str] = &["completions", "man", "setup", "demo", "simulate", "operations", "key", "help"];
/// Commands whose help shows every setting.
const ALL_SETTINGS: &[&str] = &["serve", "doctor", "env"];

/// The tree with the flag of every setting on every command, hidden where the command does not use it.
pub fn on_every_command(tree: Command) -> Command {
    let names: Vec<String> = tree.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let flags = |name: &str| SETTINGS.iter().map(|setting| flag(setting, is_shown(setting, name))).collect::<Vec<_>>();
    let tree = tree.args(flags(""));
    // A command's own copy outranks the inherited one, and its subcommands inherit it.
    names.into_iter().fold(tree, |tree, name| {
        let own = flags(&name);
        let readers = READERS.iter().filter_map(|reader| reader.strip_prefix(name.as_str())?.strip_prefix(' '));
        readers.fold(tree.mut_subcommand(&name, |command| command.args(own)), |tree, reader| {
            let own = flags(&format!("{name} {reader}"));
            tree.mut_subcommand(&name, |command| command.mut_subcommand(reader, |reader| reader.args(own)))
        })
    })
}

/// Whether the help of a command shows a setting; the tree's own help is that of a call.
fn is_shown(setting: &Setting, command: &str) -> bool {
    let is_helper = command == "login" || HELPERS.contains(&command);
    let is_used = match setting.used_by {
        UsedBy::Servers => false,
        UsedBy::Calls => !is_helper && !READERS.contains(&command),
        UsedBy::Reads => !is_helper,
        UsedBy::Login => command == "login",
        UsedBy::All => true,
    };
    // A server signs no one in at the service.
    let is_elsewhere = command == "serve" && setting.used_by == UsedBy::Login;
    is_used || (ALL_SETTINGS.contains(&command) && !is_elsewhere)
}

fn flag(setting: &'static Setting, is_shown: bool) -> Arg {
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
        .hide(!is_shown)
        .hide_short_help(!SHORT.contains(&setting.variable));
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
    use super::*;

    fn said(line: &str) -> Values {
        let tree = on_every_command(Command::new("pdfco").subcommand(Command::new("go")));
        values(&tree.try_get_matches_from(line.split(' ')).unwrap())
    }

    #[test]
    fn flags_work_before_and_after_the_command() {
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
            let flag = flag(setting, true);
            assert!(flag.get_help().unwrap().to_string().contains(setting.variable), "{}", setting.variable);
        }
    }
}
