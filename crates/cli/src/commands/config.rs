//! `headroom config show`: what is in effect, and where it comes from.

use clap::{Args, Subcommand};
use headroom_autoscaler::config::{EffectiveKey, Origin, SecretCheck};
use serde::Serialize;

use crate::{
    args::{CommonArgs, OutputArgs},
    choose, configuration,
    error::CliError,
    exit::ExitCode,
    json,
    output::{Format, Output, Paint, Tone},
};

/// Shows the configuration in effect.
#[derive(Args, Clone, Debug)]
#[command(mut_args(|arg| arg.hide(true)))]
pub(crate) struct ConfigCommandArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Clone, Debug)]
enum What {
    Show(ShowArgs),
}

/// Shows what is in effect after layers, templates, variables and defaults, as TOML.
///
/// Secrets are shown as where they stand, never as what they are.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom config show                        everything
  headroom config show shop/api --origin      one workload, with the file and line of each value
  headroom config show -n shop -c base.toml -c team.toml")]
struct ShowArgs {
    /// Workloads, as `namespace/name`, or as `name` where only one has it.
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// Says beside each value which file and line, or what else, it comes from.
    #[arg(long)]
    origin: bool,
    #[command(flatten)]
    common: CommonArgs,
}

impl ConfigCommandArgs {
    /// The options of output.
    pub(crate) fn output(&self) -> OutputArgs {
        let What::Show(args) = &self.what;
        self.common.output.with(&args.common.output)
    }
}

/// What is in effect, as an object.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    version: u32,
    settings: &'a [EffectiveKeyObject],
    workloads: Vec<WorkloadObject>,
}

#[derive(Debug, Serialize)]
struct WorkloadObject {
    workload: String,
    keys: Vec<EffectiveKeyObject>,
}

#[derive(Debug, Serialize)]
struct EffectiveKeyObject {
    key: String,
    /// As TOML.
    value: String,
    origin: OriginObject,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum OriginObject {
    Default,
    File { path: String, line: usize },
    Environment { name: String },
}

impl From<EffectiveKey> for EffectiveKeyObject {
    fn from(key: EffectiveKey) -> Self {
        Self {
            key: key.key,
            value: key.value,
            origin: match key.origin {
                Origin::Default => OriginObject::Default,
                Origin::File { path, line } => OriginObject::File {
                    path: path.display().to_string(),
                    line,
                },
                Origin::Environment { name } => OriginObject::Environment { name },
            },
        }
    }
}

pub(crate) fn run(
    args: &ConfigCommandArgs,
    before: &CommonArgs,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let What::Show(args) = &args.what;
    let common = before.with(&args.common);
    let loaded = configuration::load(&common.config, SecretCheck::None)?;
    let known = loaded.configuration.workloads.iter().map(|workload| &workload.id);
    let chosen = choose::choose(known, &args.workloads, &common.select)?;
    // Who asks for some workloads wants those alone.
    let is_narrowed = !args.workloads.is_empty() || common.select.namespace.is_some();
    let settings = if is_narrowed {
        Vec::new()
    } else {
        loaded.origins.settings()
    };
    match output.format() {
        Format::Human => {
            let paint = output.paint();
            let mut parts = Vec::new();
            if !settings.is_empty() {
                parts.push(lines(&settings, args.origin, paint));
            }
            for id in &chosen {
                let heading = format!("[workload.{}]", toml_key(id.as_str()));
                let keys = lines(&loaded.origins.effective(id), args.origin, paint);
                parts.push(format!("{}\n{keys}", paint.paint(Tone::Strong, heading)));
            }
            output.text(parts.join("\n"));
        }
        Format::Json => {
            let objects =
                |keys: Vec<EffectiveKey>| keys.into_iter().map(EffectiveKeyObject::from).collect::<Vec<_>>();
            output.object(&Shown {
                version: json::VERSION,
                settings: &objects(settings),
                workloads: chosen
                    .iter()
                    .map(|id| WorkloadObject {
                        workload: id.to_string(),
                        keys: objects(loaded.origins.effective(id)),
                    })
                    .collect(),
            });
        }
    }
    Ok(ExitCode::Done)
}

/// `key = value` lines; with origins, those in a comment at the end, in one column where the values are short.
fn lines(keys: &[EffectiveKey], with_origin: bool, paint: Paint) -> String {
    let written: Vec<String> = keys.iter().map(written).collect();
    let width = written
        .iter()
        .map(String::len)
        .filter(|length| *length <= 60)
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (line, key) in written.iter().zip(keys) {
        text.push_str(line);
        if with_origin {
            let space = " ".repeat(width.saturating_sub(line.len()));
            let comment = format!("# {}", key.origin);
            text.push_str(&format!("{space}  {}", paint.paint(Tone::Quiet, comment)));
        }
        text.push('\n');
    }
    text
}

/// One `key = value`. What a template says is shown already, so its name is a remark.
fn written(key: &EffectiveKey) -> String {
    let remark = if key.key == "template" { "# " } else { "" };
    format!("{remark}{} = {}", key.key, key.value)
}

/// A name as a TOML key: quoted where it has a slash.
fn toml_key(name: &str) -> String {
    if name.contains('/') {
        format!("\"{name}\"")
    } else {
        name.to_owned()
    }
}
