//! Text to policies, assembly of adapters, the pass, state and history.

mod assembly;
mod autoscalers;
mod brake;
mod clock;
mod comparison;
pub mod config;
mod in_force;
mod lock;
mod needs;
mod notice;
mod notify;
mod operator;
mod pass;
pub mod policy_test;
mod record;
mod run_loop;
mod schedule;
mod settings;
mod store;

pub use assembly::{Assembly, AssemblyError, ClusterProbe, Probes, Purpose};
pub use autoscalers::{ClusterError, autoscalers};
pub use brake::{BrakeSettings, Falls, Tripped};
pub use clock::{Clock, FollowingClock, SystemClock};
pub use comparison::{Comparison, Difference};
pub use in_force::InForce;
pub use lock::{DeliveryLock, Holder, LeaderLock, Leadership, LockError, LockHolder};
pub use needs::{Needs, NeedsError};
pub use notice::{FirstPass, Notice};
pub use notify::{
    ChannelSettings, Channels, HeartbeatSettings, Medium, Notifications, NotifySettings, Routes, Threshold,
    UnusableChannel,
};
pub use operator::{
    OperatorActs, OperatorError, OperatorFile, Override, OverrideAsks, OverrideError, Pause, ScaleDown,
};
pub use pass::{Autoscaler, Managed, Parts, PassError, SourceId, Sources, Which};
pub use record::{Beside, DecisionRecord, MetricRecord, PassRecord, Rebuilt, Verdict};
pub use run_loop::{LoopEnd, LoopSummary, Once, finish_once, run, run_once};
pub use schedule::{CronExpression, CronField, CronSyntaxError, Recurrence, Schedule, When, Window};
pub use settings::{
    Configuration, Credentials, HistorySettings, HoldQuery, KubernetesSettings, MetricOrigin, MetricSettings,
    Mode, PlainSecret, PodPort, PrometheusSettings, Remark, RemarkKind, ScrapeAddress, Scraped, Secret,
    Settings, TlsSettings, WorkloadSettings,
};
pub use store::{History, HistoryQuery, HistoryRow, Intent, Opened, Store, StoreError, WorkloadStatus};
