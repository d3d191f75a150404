//! `hold_scale_down_when`: a query that holds scaling down.

use std::sync::Arc;

use headroom_metrics_source::PromqlQuery;
use promql_parser::parser::Expr;

use super::{
    metrics::promql,
    raw::RawWorkload,
    reader::{Reader, absent},
    servers::{Asking, Servers},
};
use crate::{HoldQuery, MetricOrigin, MetricSettings};

/// The query with what it parses to.
pub(super) type Holding = (HoldQuery, Expr);

/// Reads the query; `None` after reporting what is wrong with it.
pub(super) fn hold_query(
    raw: &RawWorkload,
    servers: &Servers,
    reader: &mut Reader<'_>,
) -> Option<Option<Holding>> {
    let Some(text) = &raw.hold_scale_down_when else {
        let Some(source) = &raw.hold_scale_down_source else {
            return Some(None);
        };
        let message = "`hold_scale_down_source` means nothing without `hold_scale_down_when`".to_owned();
        let help = "set `hold_scale_down_when` in the same workload, or remove `hold_scale_down_source`";
        reader.report(absent(message, source.place, help));
        return None;
    };
    let expression = promql(text, reader);
    let asking = Asking {
        what: "`hold_scale_down_when`",
        place: text.place,
        key: "hold_scale_down_source",
        in_tables: "the workload or [defaults], or the workload's own source",
    };
    let source = raw.hold_scale_down_source.as_ref().or(raw.source.as_ref());
    let server = servers.choose_for(&asking, source, reader);
    let query: Arc<str> = Arc::from(text.value.0.trim());
    let asked = MetricSettings {
        origin: MetricOrigin::Prometheus {
            server: server?,
            query: PromqlQuery {
                query: Arc::clone(&query),
                coverage: None,
            },
        },
        max_age: None,
    };
    Some(Some((HoldQuery { query, asked }, expression?)))
}
