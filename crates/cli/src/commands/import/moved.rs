//! `headroom import hpa` and `headroom import keda`: policies from the autoscalers of a cluster.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use headroom_autoscaler::{
    KubernetesSettings, autoscalers,
    config::{self, Migration, MovedKind, Remaining, Selection},
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    args::{ClusterArgs, OutputArgs, SelectArgs},
    commands::block_on,
    error::CliError,
    exit::ExitCode,
    json,
    output::{Format, Output, Tone},
};

/// Writes policies that mean what HorizontalPodAutoscalers mean.
///
/// The policies have semantics = "hpa" and mode = "shadow": they run beside the HPAs, and write nothing until you say so.
/// What a policy cannot carry is said on stderr and in a comment of its file, and so are the steps from here on.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom import hpa > headroom.toml                    all of the cluster
  headroom import hpa -A -o policies/                    a file for each namespace
  headroom import hpa api -n shop --context prod         one of them
  headroom import hpa api -n shop -f manifests.yaml      from files; - is standard input
  headroom check policies/")]
pub(crate) struct HpaArgs {
    #[command(flatten)]
    pub(super) moved: MovedArgs,
}

/// Writes policies that mean what ScaledObjects of KEDA mean.
///
/// Triggers of Prometheus, cpu, memory and cron are carried over. What a policy cannot carry is said on stderr and in a
/// comment of its file, and so are the steps from here on. The policies have mode = "shadow": they write nothing until
/// you say so.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom import keda > headroom.toml                   all of the cluster
  headroom import keda -A -o policies/                   a file for each namespace
  headroom import keda -n shop -f scaledobjects.yaml     from files; - is standard input
  headroom check policies/")]
pub(crate) struct KedaArgs {
    #[command(flatten)]
    pub(super) moved: MovedArgs,
}

/// Which objects, from where, and where to.
#[derive(Args, Clone, Debug)]
pub(super) struct MovedArgs {
    /// The one with this name. Without it: all.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    pub(super) options: Options,
}

/// The options of it, which may stand before the subcommand, too.
#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    /// Those of this namespace; also the namespace of objects in a file that name none.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Those of all namespaces. So it is where no namespace is said, too.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// YAML or JSON as `kubectl get -o yaml` and `-o json` print it; `-` is standard input. Without it: the cluster.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// A directory for the policies: what is shared, and a file for each namespace. Without it: all to stdout.
    #[arg(short, long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// With -o, writes over files that are there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// What became of the objects, as an object.
#[derive(Debug, Serialize)]
struct MigrationObject<'a> {
    version: u32,
    workloads: &'a [String],
    files: Vec<FileObject<'a>>,
    remaining: Vec<RemainingObject<'a>>,
    steps: &'a str,
}

#[derive(Debug, Serialize)]
struct FileObject<'a> {
    name: &'a str,
    toml: &'a str,
}

#[derive(Debug, Serialize)]
struct RemainingObject<'a> {
    object: &'a str,
    kind: &'static str,
    text: &'a str,
}

impl MovedArgs {
    /// Writes the policies. What was given before the whole command is in `before`, and before its subcommand in
    /// `between`.
    pub(super) fn run(
        &self,
        kind: MovedKind,
        before: (&ClusterArgs, &SelectArgs),
        between: &Options,
        output: &Output,
    ) -> Result<ExitCode, CliError> {
        let options = between.with(&self.options);
        if options.force && options.output_dir.is_none() {
            return Err(CliError::ImportForce);
        }
        let select = before.1.with(&options.select());
        let selection = Selection {
            name: self.name.clone(),
            namespace: select.namespace,
        };
        let objects = match &options.file {
            Some(file) => config::read_objects(&text(file)?)?,
            None => of_cluster(kind, &before.0.with(&options.cluster).settings(), &selection)?,
        };
        let migration = config::migrate(kind, &objects, &selection)?;
        if let Some(directory) = &options.output_dir {
            options.write(directory, &migration)?;
        }
        match output.format() {
            Format::Human => options.say(&migration, output),
            Format::Json => output.object(&object(&migration)),
        }
        Ok(ExitCode::Done)
    }
}

impl Options {
    /// These, together with `later`, given after them.
    fn with(&self, later: &Self) -> Self {
        let select = self.select().with(&later.select());
        Self {
            namespace: select.namespace,
            all_namespaces: select.all_namespaces,
            file: later.file.clone().or_else(|| self.file.clone()),
            cluster: self.cluster.with(&later.cluster),
            output_dir: later.output_dir.clone().or_else(|| self.output_dir.clone()),
            force: self.force || later.force,
            output: self.output.with(&later.output),
        }
    }

    fn select(&self) -> SelectArgs {
        SelectArgs {
            namespace: self.namespace.clone(),
            all_namespaces: self.all_namespaces,
        }
    }

    /// An option that means something for objects of a cluster alone, where one was given.
    pub(super) const fn of_objects(&self) -> Option<&'static str> {
        match self {
            Self { file: Some(_), .. } => Some("-f"),
            Self {
                output_dir: Some(_), ..
            } => Some("-o"),
            Self { force: true, .. } => Some("--force"),
            Self { .. } => None,
        }
    }

    /// Writes the files, and none where one of them is there.
    fn write(&self, directory: &Path, migration: &Migration) -> Result<(), CliError> {
        let failed = |file: PathBuf| move |source| CliError::ImportFile { file, source };
        fs::create_dir_all(directory).map_err(failed(directory.to_owned()))?;
        let paths = migration.files.iter().map(|file| directory.join(&file.name));
        if let Some(there) = paths.filter(|_| !self.force).find(|path| path.exists()) {
            return Err(failed(there)(io::ErrorKind::AlreadyExists.into()));
        }
        for file in &migration.files {
            let path = directory.join(&file.name);
            let mut options = OpenOptions::new();
            options.write(true).create_new(!self.force);
            if self.force {
                options.create(true).truncate(true);
            }
            let written = options
                .open(&path)
                .and_then(|mut opened| opened.write_all(file.toml.as_bytes()));
            written.map_err(failed(path))?;
        }
        Ok(())
    }

    fn say(&self, migration: &Migration, output: &Output) {
        match &self.output_dir {
            Some(directory) => migration
                .files
                .iter()
                .for_each(|file| output.line(directory.join(&file.name).display())),
            None => output.text(migration.toml()),
        }
        for one in &migration.remaining {
            output.note(remaining(one, output));
        }
        output.note(format_args!("\n{}", migration.steps.trim_end()));
    }
}

fn remaining(one: &Remaining, output: &Output) -> String {
    let (tone, word) = if one.is_missing {
        (Tone::Warning, "missing")
    } else {
        (Tone::Quiet, "note")
    };
    let word = output.note_paint().paint(tone, word).to_string();
    format!("{word}: {}: {}", one.object, one.text)
}

fn object(migration: &Migration) -> MigrationObject<'_> {
    MigrationObject {
        version: json::VERSION,
        workloads: &migration.workloads,
        files: migration
            .files
            .iter()
            .map(|file| FileObject {
                name: &file.name,
                toml: &file.toml,
            })
            .collect(),
        remaining: migration
            .remaining
            .iter()
            .map(|one| RemainingObject {
                object: &one.object,
                kind: if one.is_missing { "missing" } else { "note" },
                text: &one.text,
            })
            .collect(),
        steps: &migration.steps,
    }
}

/// What stands in `file`, or comes from standard input.
fn text(file: &Path) -> Result<String, CliError> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    read.map_err(|source| CliError::ImportSource {
        file: file.to_owned(),
        source,
    })
}

/// The objects of the cluster, of one namespace or of all.
fn of_cluster(
    kind: MovedKind,
    settings: &KubernetesSettings,
    selection: &Selection,
) -> Result<Vec<Value>, CliError> {
    let namespace = selection.namespace.as_deref();
    block_on(async {
        let found = autoscalers(kind, settings, namespace).await;
        found.map_err(|source| CliError::ImportCluster {
            of: kind.kind(),
            is_one_namespace: namespace.is_some(),
            source,
        })
    })
}
