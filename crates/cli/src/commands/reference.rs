//! `headroom reference`: the pages of the book that are made from the program itself.
//!
//! Not for users, so it is hidden: what it prints is in the book.

use std::fmt::Write as _;

use clap::{Args, CommandFactory as _, ValueEnum};

use crate::{
    args::{Cli, OutputArgs},
    error::CliError,
    exit::ExitCode,
    output::Output,
};

/// Prints a page of the reference.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReferenceArgs {
    /// The page.
    page: Page,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Page {
    /// Every key of the configuration with its default.
    Config,
    /// Every command with its options.
    Commands,
    /// Every lint.
    Lints,
    /// Every key of a file of tests.
    Tests,
}

pub(crate) fn run(args: &ReferenceArgs, output: &Output) -> Result<ExitCode, CliError> {
    output.text(match args.page {
        Page::Config => headroom_autoscaler::config::reference(),
        Page::Commands => commands(),
        Page::Lints => headroom_autoscaler::config::lints_page(),
        Page::Tests => headroom_autoscaler::config::suite_reference(),
    });
    Ok(ExitCode::Done)
}

/// The heading under which the options that commands share stand in their help.
const SHARED: &str = "Shared options";

/// The page of the commands, from clap's own tree.
fn commands() -> String {
    let mut root = Cli::command();
    root.build();
    let mut page = String::from("# Commands\n\n");
    page.push_str("<!-- Made by `headroom reference commands`. -->\n\n");
    paragraph(&mut page, root.get_long_about().or(root.get_about()));
    page.push_str(
        "Results go to stdout, everything else to stderr. Options may stand before, between and after the words of a \
         command.\n\n",
    );

    page.push_str("## Shared options\n\n");
    options(&mut page, &root, true);

    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        describe(&mut page, command, "headroom");
    }

    page.push_str("## Exit codes\n\n");
    page.push_str("The same for all commands. Where several apply, the first of 2, 1, 3, 10 counts.\n\n");
    page.push_str("| code | meaning |\n| --- | --- |\n");
    for code in ExitCode::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| {} | {} |", code.number(), code.meaning());
    }
    page
}

fn describe(page: &mut String, command: &clap::Command, parent: &str) {
    let name = format!("{parent} {}", command.get_name());
    let inner: Vec<_> = command
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help")
        .collect();
    if inner.is_empty() || command.get_arguments().any(is_own) {
        let _ = writeln!(page, "## `{name}`\n");
        paragraph(page, command.get_long_about().or(command.get_about()));
        let mut command = command.clone().bin_name(name.as_str());
        let usage = command.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ");
        let _ = writeln!(page, "```text\n{usage}\n```\n");
        options(page, &command, false);
        if let Some(examples) = command.get_after_help() {
            let _ = writeln!(page, "```text\n{examples}\n```\n");
        }
    }
    for inner in inner {
        describe(page, inner, &name);
    }
}

fn is_own(argument: &clap::Arg) -> bool {
    argument.get_help_heading() != Some(SHARED)
        && !argument.is_hide_set()
        && !matches!(argument.get_id().as_str(), "help" | "version")
}

/// A table of the options that are shared, or of those that are not.
fn options(page: &mut String, command: &clap::Command, shared: bool) {
    let arguments: Vec<_> = command
        .get_arguments()
        .filter(|argument| {
            if shared {
                argument.get_help_heading() == Some(SHARED)
            } else {
                is_own(argument)
            }
        })
        .collect();
    if arguments.is_empty() {
        return;
    }
    page.push_str("| option | meaning | default |\n| --- | --- | --- |\n");
    for argument in arguments {
        let help = argument
            .get_long_help()
            .or(argument.get_help())
            .map(ToString::to_string)
            .unwrap_or_default();
        let mut meaning = help.replace("\n\n", " ").replace('\n', " ").replace('|', "\\|");
        end_sentence(&mut meaning);
        let values: Vec<_> = argument
            .get_possible_values()
            .iter()
            .map(|value| value.get_name().to_owned())
            .collect();
        let is_listed = !values.is_empty() && !argument.is_hide_possible_values_set();
        if is_listed && argument.get_action().takes_values() {
            let _ = write!(meaning, " One of `{}`.", values.join("`, `"));
        }
        let default: Vec<_> = argument
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        let default = if default.is_empty() || !argument.get_action().takes_values() {
            String::new()
        } else {
            format!("`{}`", default.join(" "))
        };
        let _ = writeln!(page, "| `{}` | {meaning} | {default} |", written(argument));
    }
    page.push('\n');
}

/// The option as it is typed, such as `-c, --config PATH`.
fn written(argument: &clap::Arg) -> String {
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let values: Vec<&str> = argument
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(|name| name.as_str())
        .collect();
    let several = if argument.is_positional()
        && argument
            .get_num_args()
            .is_some_and(|range| range.max_values() > 1)
    {
        "…"
    } else {
        ""
    };
    match (names.is_empty(), argument.get_action().takes_values()) {
        (true, _) => format!("{}{several}", values.join(" ")),
        (false, true) => format!("{} {}", names.join(", "), values.join(" ")),
        (false, false) => names.join(", "),
    }
}

/// clap takes the full stop from the end of a short help.
fn end_sentence(text: &mut String) {
    if !text.ends_with(['.', '!', '?', ':']) {
        text.push('.');
    }
}

fn paragraph(page: &mut String, text: Option<&clap::builder::StyledStr>) {
    if let Some(text) = text {
        let mut text = text.to_string();
        end_sentence(&mut text);
        let _ = writeln!(page, "{text}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_command_and_the_exit_codes() {
        let page = commands();
        for part in [
            "## `headroom run`",
            "## `headroom config show`",
            "`--once`",
            "| 143 |",
            "`-c, --config PATH`",
        ] {
            assert!(page.contains(part), "{part} is missing in\n{page}");
        }
        assert!(
            !page.contains("headroom reference`"),
            "what is hidden is not in the book"
        );
    }
}
