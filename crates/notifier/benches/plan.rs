//! What deciding about a channel with ten thousand waiting notices costs: all of workloads of their own, a burst of few, and
//! at the channel's limit.
//!
//! Goal: at most 20 ms. `cargo bench -p headroom-notifier`

use divan::{Bencher, black_box};
use headroom_notifier::{
    Event, Notice, NoticeId, Severity, Stage,
    delivery::{ChannelName, QueueBound, RowId, Sent, Terms, View, Waiting, plan},
    testing::{AT, notice, rules, scaled},
};
use headroom_policy_engine::Replicas;

/// How many notices wait.
const WAITING: u32 = 10_000;

fn main() {
    divan::main();
}

/// What waits.
#[derive(Clone, Copy, Debug)]
enum Load {
    /// One change of each workload.
    Apart,
    /// Many changes of a hundred workloads.
    Bursts,
    /// What opens and closes, half of it before it is told.
    Conditions,
    /// One change of each workload, and twice as many as may wait.
    Overflow,
}

#[divan::bench(args = [Load::Apart, Load::Bursts, Load::Conditions, Load::Overflow])]
fn ten_thousand_waiting(bencher: Bencher<'_, '_>, load: Load) {
    let mut rules = rules();
    rules.bound = QueueBound {
        notices: match load {
            Load::Overflow => 5000,
            Load::Apart | Load::Bursts | Load::Conditions => 20_000,
        },
        bytes: u64::MAX,
    };
    let view = View {
        waiting: (0..WAITING).map(|number| waiting(load, number)).collect(),
        ..View::default()
    };
    let mut view = view;
    view.standing.sent = (0..20)
        .map(|number: u32| Sent {
            key: number.to_string().into(),
            at: AT,
        })
        .collect();
    let channel = ChannelName::from("slack.ops");
    let terms = Terms {
        channel: &channel,
        cluster: None,
        rules: &rules,
        can_edit: true,
        forgets: false,
        alternates: &[],
        silences: &[],
    };
    let now = AT.plus(std::time::Duration::from_secs(60));
    bencher.bench_local(|| plan(black_box(&terms), black_box(&view), now));
}

fn waiting(load: Load, number: u32) -> Waiting {
    let told = match load {
        Load::Apart | Load::Overflow => of(number, scaled()),
        Load::Bursts => of(number % 100, scaled()),
        Load::Conditions => {
            let stage = match number % 4 {
                3 => Stage::Closed {
                    after: std::time::Duration::from_secs(60),
                },
                0..=2 | 4.. => Stage::Opened,
            };
            let event = Event::AtMax {
                max: Replicas::new(4),
                wanted: Replicas::new(6),
                why: Vec::new(),
            };
            of(number / 2, notice(Severity::Warning, stage, event))
        }
    };
    let told = Notice {
        id: NoticeId(format!("n-{number}").into()),
        ..told
    };
    Waiting::of(&told, RowId(i64::from(number)), 900, AT)
}

/// A notice of the workload with this number.
fn of(number: u32, notice: Notice) -> Notice {
    Notice {
        workload: format!("shop/workload-{number}").parse().ok(),
        ..notice
    }
}
