//! Text to policies, assembly of adapters, the pass, state and history.

mod record;
mod settings;

pub use record::{DecisionRecord, MetricRecord, PassRecord, Verdict};
pub use settings::{
    Configuration, Credentials, HistorySettings, KubernetesTarget, MetricOrigin, MetricSettings, Mode,
    PlainSecret, PrometheusSettings, Remark, RemarkKind, Secret, Settings, TargetSettings, TlsSettings,
    WorkloadSettings,
};
