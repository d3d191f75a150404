//! Finds the configuration, loads it, and says what a person should know about it.

use std::{
    env,
    path::{Path, PathBuf},
};

use headroom_autoscaler::{
    Remark, RemarkKind,
    config::{self, Environment, Lints, LoadOptions, Loaded, SecretCheck},
};

use crate::{
    args::ConfigArgs,
    error::CliError,
    output::{Output, Tone},
};

/// The variable that names the configuration.
const VARIABLE: &str = "HEADROOM_CONFIG";
/// Where the configuration is when nobody says where.
const USUAL: &str = "headroom.toml";

/// The variables this process was started with. What is not UTF-8 is none of headroom's.
pub(crate) fn environment() -> Environment {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The files and directories of the configuration.
///
/// # Errors
/// When none is named and there is no `headroom.toml` here.
pub(crate) fn paths(args: &ConfigArgs) -> Result<Vec<PathBuf>, CliError> {
    if !args.config.is_empty() {
        return Ok(args.config.clone());
    }
    let named = env::var_os(VARIABLE).unwrap_or_default();
    let named: Vec<PathBuf> = env::split_paths(&named)
        .filter(|path| path != Path::new(""))
        .collect();
    if !named.is_empty() {
        return Ok(named);
    }
    if Path::new(USUAL).exists() {
        return Ok(vec![USUAL.into()]);
    }
    Err(CliError::NoConfiguration)
}

/// Loads the configuration. What lints find is for who asks for it: a run from cron is to be quiet.
///
/// # Errors
/// When there is none, or any problem in it.
pub(crate) fn load(args: &ConfigArgs, secrets: SecretCheck) -> Result<Loaded, CliError> {
    load_with(args, secrets, Lints::Unasked)
}

/// Loads the configuration, with what lints find where that is wanted.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_with(args: &ConfigArgs, secrets: SecretCheck, lints: Lints) -> Result<Loaded, CliError> {
    let options = LoadOptions {
        state_dir: args.state_dir.clone(),
        kubernetes: args.cluster.settings(),
        secrets,
        lints,
    };
    config::load(&paths(args)?, &environment(), &options).map_err(CliError::Policy)
}

/// Says the remarks, one line each.
pub(crate) fn say(remarks: &[Remark], output: &Output) {
    remarks.iter().for_each(|remark| say_one(remark, output));
}

fn say_one(remark: &Remark, output: &Output) {
    let (tone, word) = match remark.kind {
        RemarkKind::Lint | RemarkKind::Warning => (Tone::Warning, "warning"),
        RemarkKind::FromEnvironment => (Tone::Quiet, "from the environment"),
    };
    let code = remark
        .code
        .as_ref()
        .map_or_else(String::new, |code| format!("[{code}]"));
    let place = remark
        .place
        .as_ref()
        .map_or_else(String::new, |place| format!("{place}: "));
    output.note(format_args!(
        "{}: {place}{}",
        output.note_paint().paint(tone, format_args!("{word}{code}")),
        remark.text
    ));
}
