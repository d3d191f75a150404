//! Finds the configuration, loads it, and says what a person should know about it.

use std::{
    env,
    path::{Path, PathBuf},
};

use headroom_autoscaler::{
    Remark, RemarkKind,
    config::{self, Environment, LoadOptions, Loaded, SecretCheck},
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

/// Loads the configuration.
///
/// # Errors
/// When there is none, or any problem in it.
pub(crate) fn load(args: &ConfigArgs, secrets: SecretCheck) -> Result<Loaded, CliError> {
    let options = LoadOptions {
        state_dir: args.state_dir.clone(),
        secrets,
    };
    config::load(&paths(args)?, &environment(), &options).map_err(CliError::Policy)
}

/// Says the remarks, one line each.
pub(crate) fn say(remarks: &[Remark], output: &Output) {
    for remark in remarks {
        let (tone, word) = match remark.kind {
            RemarkKind::Warning => (Tone::Warning, "warning"),
            RemarkKind::NotCarriedOut => (Tone::Warning, "not carried out"),
            RemarkKind::FromEnvironment => (Tone::Quiet, "from the environment"),
        };
        output.note(format_args!(
            "{}: {}",
            output.note_paint().paint(tone, word),
            remark.text
        ));
    }
}
