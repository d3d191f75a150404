//! HorizontalPodAutoscalers and ScaledObjects as policies that mean the same, and what is lost on the way.
//!
//! Owns what each of their fields becomes. Nothing is dropped in silence: a field that no policy has, and one that
//! nobody knows, is said. Where the objects come from, and where the files go, is the command's to know.

mod behavior;
mod cron;
mod draft;
mod hpa;
mod objects;
mod scaled_object;
mod servers;
mod steps;
mod target;
mod trigger;
mod written;

use std::collections::BTreeSet;

use serde_json::Value;
use thiserror::Error;

pub use self::objects::read_objects;
use self::{
    draft::{Draft, free_name},
    objects::Object,
    servers::Servers,
};

/// What is moved over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovedKind {
    /// HorizontalPodAutoscalers (`autoscaling/v2`).
    Hpa,
    /// ScaledObjects of KEDA.
    ScaledObject,
}

impl MovedKind {
    /// The kind as its objects name it.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Hpa => "HorizontalPodAutoscaler",
            Self::ScaledObject => "ScaledObject",
        }
    }

    /// As kubectl takes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hpa => "hpa",
            Self::ScaledObject => "scaledobject",
        }
    }
}

/// Which of the objects are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The one with this name; `None`: all.
    pub name: Option<String>,
    /// Those of this namespace, which is also that of objects that name none; `None`: all, and `default`.
    pub namespace: Option<String>,
}

/// Why there is nothing to write.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MigrationError {
    /// The text is neither YAML nor JSON, or beyond what is read.
    #[error("this cannot be read as YAML or JSON: {reason}")]
    Unreadable {
        /// Why not, with its place.
        reason: String,
    },
    /// No object of the kind was among them.
    #[error("there is no {} {wanted}", kind.kind())]
    Nothing {
        /// The kind.
        kind: MovedKind,
        /// Which were wanted.
        wanted: String,
    },
}

/// What became of the objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The policies: what is shared first, then a file for each namespace.
    pub files: Vec<MovedFile>,
    /// The workloads that were written, by identity.
    pub workloads: Vec<String>,
    /// What a person has to look at.
    pub remaining: Vec<Remaining>,
    /// The order of steps from here on, and what goes quiet.
    pub steps: String,
}

impl Migration {
    /// All policies as one file.
    #[must_use]
    pub fn toml(&self) -> String {
        let texts: Vec<&str> = self.files.iter().map(|file| file.toml.as_str()).collect();
        texts.join("\n")
    }
}

/// A part of the policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedFile {
    /// The name of its file in a directory that is given with `-c`.
    pub name: String,
    /// Its text.
    pub toml: String,
}

/// What a person has to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// The object, such as `HorizontalPodAutoscaler shop/api`.
    pub object: String,
    /// Whether the policy is less than the object without it: such a policy is not to be applied as it stands.
    pub is_missing: bool,
    /// What, and a way out.
    pub text: String,
}

/// Writes policies for the objects of `kind` among `objects`.
///
/// # Errors
/// When there is none that is meant.
pub fn migrate(
    kind: MovedKind,
    objects: &[Value],
    selection: &Selection,
) -> Result<Migration, MigrationError> {
    let mut remaining = Vec::new();
    let mut chosen: Vec<Object<'_>> = Vec::new();
    for value in objects {
        let object = Object::new(value, selection);
        if !object.is_selected(selection) {
            continue;
        }
        if object.kind == kind.kind() {
            chosen.push(object);
        } else {
            remaining.push(object.skipped());
        }
    }
    if chosen.is_empty() {
        return Err(MigrationError::Nothing {
            kind,
            wanted: wanted(selection),
        });
    }
    let mut servers = Servers::default();
    let mut drafts: Vec<Draft> = Vec::new();
    let mut restores = false;
    for object in &chosen {
        let drafted = object.check_names().and_then(|()| match kind {
            MovedKind::Hpa => hpa::draft(object),
            MovedKind::ScaledObject => scaled_object::draft(object, &mut servers, &mut restores),
        });
        match drafted.and_then(|draft| distinct(draft, &drafts)) {
            Ok(draft) => drafts.push(draft),
            Err(text) => remaining.push(Remaining {
                object: object.to_string(),
                is_missing: true,
                text: format!("no policy is written: {text}"),
            }),
        }
    }
    remaining.extend(drafts.iter_mut().flat_map(Draft::take_remaining));
    name_apart(&mut drafts);
    let longest = drafts.iter().map(|draft| draft.window).max().unwrap_or_default();
    Ok(Migration {
        steps: steps::steps(kind, &drafts, restores, longest),
        files: written::files(kind, &drafts, &servers),
        workloads: drafts.iter().map(Draft::id).collect(),
        remaining,
    })
}

fn wanted(selection: &Selection) -> String {
    let name = selection.name.as_ref().map(|name| format!("called `{name}`"));
    let namespace = selection
        .namespace
        .as_ref()
        .map(|namespace| format!("in namespace {namespace}"));
    let said: Vec<String> = [name, namespace].into_iter().flatten().collect();
    if said.is_empty() {
        "here".to_owned()
    } else {
        said.join(" ")
    }
}

/// One workload has one policy.
fn distinct(draft: Draft, others: &[Draft]) -> Result<Draft, String> {
    let same = |other: &&Draft| other.namespace == draft.namespace && other.target == draft.target;
    match others.iter().find(same) {
        Some(other) => Err(format!(
            "{} scales {} too, and two scalers fight; keep one of them",
            other.object, draft.target
        )),
        None => Ok(draft),
    }
}

/// Objects of different kinds may have the same name; their workloads may not.
fn name_apart(drafts: &mut [Draft]) {
    let mut taken = BTreeSet::new();
    for draft in drafts {
        draft.name = free_name(&draft.name, |name| {
            taken.contains(&format!("{}/{name}", draft.namespace))
        });
        taken.insert(draft.id());
    }
}
