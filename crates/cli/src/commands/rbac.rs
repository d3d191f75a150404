//! `headroom rbac`: the least that a cluster has to allow.

mod roles;

use std::path::PathBuf;

use clap::Args;
use headroom_actuator::ScaleTarget;
use headroom_autoscaler::{Configuration, Needs, config::SecretCheck};
use headroom_policy_engine::WorkloadId;
use serde::Serialize;

use self::roles::{Object, ServiceAccount, objects};
use super::block_on;
use crate::{
    args::{ConfigArgs, OutputArgs, SelectArgs},
    choose, configuration,
    error::CliError,
    exit::ExitCode,
    json,
    output::{Format, Output},
};

/// Prints the least Roles and RoleBindings that the policies need on Kubernetes.
///
/// In each namespace of the policies: to read the kinds that they and their guards look at, and to set the counts of
/// their targets, each by its name, through the scale subresource; with `annotate = true` also to patch those objects
/// themselves. Nothing is granted beyond namespaces.
///
/// What a custom resource is called in a Role is known to its cluster alone, which is asked for it. For Kubernetes' own
/// kinds no cluster is needed.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom rbac | kubectl apply -f -
  headroom rbac policies/ --service-account ops/headroom > rbac.yaml
  headroom rbac -n shop                         one namespace alone
  headroom check --live                         is something missing?

With --format json, one List, which kubectl applies too.")]
pub(crate) struct RbacArgs {
    /// Files or directories, one layer each, as with -c.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The ServiceAccount that headroom runs as. The Roles have its name.
    #[arg(long, value_name = "NAMESPACE/NAME", default_value = "headroom/headroom", value_parser = service_account)]
    service_account: ServiceAccount,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

fn service_account(text: &str) -> Result<ServiceAccount, String> {
    let is_name = |name: &str| name.split('.').all(headroom_policy_engine::is_dns_label);
    match text.split_once('/') {
        Some((namespace, name)) if headroom_policy_engine::is_dns_label(namespace) && is_name(name) => {
            Ok(ServiceAccount::new(namespace, name))
        }
        Some(_) | None => Err("write it as NAMESPACE/NAME, such as ops/headroom".to_owned()),
    }
}

/// The objects as kubectl reads them, with the version of this output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListObject<'a> {
    version: u32,
    api_version: &'static str,
    kind: &'static str,
    items: &'a [Object],
}

pub(crate) fn run(
    args: &RbacArgs,
    before: (&ConfigArgs, &SelectArgs),
    output: &Output,
) -> Result<ExitCode, CliError> {
    let mut config = before.0.with(&args.config);
    config.config.extend(args.paths.iter().cloned());
    let loaded = configuration::load(&config, SecretCheck::None)?;
    let mut configuration = loaded.configuration;
    let ids: Vec<WorkloadId> = configuration.workloads.iter().map(|one| one.id.clone()).collect();
    let chosen = choose::choose(&ids, &[], &before.1.with(&args.select))?;
    configuration.workloads.retain(|one| chosen.contains(&one.id));
    let needs = block_on(async { Ok(Needs::to_grant(&configuration).await?) })?;
    let objects = objects(&needs, &args.service_account);
    match output.format() {
        Format::Human => print(&configuration, &args.service_account, &objects, output),
        Format::Json => output.object(&ListObject {
            version: json::VERSION,
            api_version: "v1",
            kind: "List",
            items: &objects,
        }),
    }
    if objects.is_empty() {
        output.note("no workload is in a cluster, so nothing has to be allowed");
    }
    Ok(ExitCode::Done)
}

fn print(configuration: &Configuration, account: &ServiceAccount, objects: &[Object], output: &Output) {
    if objects.is_empty() {
        return;
    }
    output.line(format_args!(
        "# What headroom needs, and nothing else, as the ServiceAccount {} of the namespace {}, for:",
        account.name, account.namespace
    ));
    for workload in &configuration.workloads {
        match &workload.target {
            ScaleTarget::Kubernetes(target) => {
                let object = &target.object;
                output.line(format_args!(
                    "#   {}  ({}/{})",
                    workload.id, object.kind, object.name
                ));
            }
            ScaleTarget::Process(_) | ScaleTarget::Command(_) => {}
        }
    }
    for object in objects {
        output.text(format_args!("---\n{object}"));
    }
}
