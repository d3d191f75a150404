//! What waits takes little memory, however much waits.

use std::{sync::Arc, time::Duration};

use allocation_counter::measure;
use headroom_notifier::{
    Notice, NoticeId,
    delivery::{
        Addressed, ChannelName, MemoryOutbox, Outbox as _, QueueBound, RowId, Terms, View, Waiting, plan,
    },
    testing::{AT, rules, scaled},
};

/// For what waits, and for deciding about it.
const MOST: u64 = 10 << 20;

fn apart(number: usize) -> Notice {
    Notice {
        id: NoticeId(format!("0198f0c2-7d1e-7a40-9b1d-{number:012}").into()),
        workload: format!("team-{}/a-workload-with-a-long-name-{number}", number % 40)
            .parse()
            .ok(),
        ..scaled()
    }
}

#[test]
fn deciding_about_a_channel_at_its_bound_takes_less_than_ten_megabytes() {
    let channel = ChannelName::from("slack.ops");
    let rules = rules();
    let terms = Terms {
        channel: &channel,
        cluster: None,
        rules: &rules,
        can_edit: true,
        forgets: false,
        alternates: &[],
        silences: &[],
    };
    let counted = measure(|| {
        let waiting = (0..QueueBound::USUAL.notices)
            .map(|number| Waiting::of(&apart(number), RowId(i64::try_from(number).unwrap()), 800, AT));
        let view = View {
            waiting: waiting.collect(),
            ..View::default()
        };
        let plan = plan(&terms, &view, AT.plus(Duration::from_secs(60)));
        assert_eq!(plan.left_out, []);
    });
    assert!(counted.bytes_max < MOST, "{} bytes", counted.bytes_max);
}

#[test]
fn what_is_kept_in_memory_stays_below_its_bound_whatever_comes() {
    let bound = QueueBound {
        notices: 1000,
        bytes: 2 << 20,
    };
    let counted = measure(|| {
        let outbox = Arc::new(MemoryOutbox::new(bound));
        for number in 0..1500 {
            let to = vec![ChannelName::from("slack.ops"), "email.oncall".into()];
            outbox.put(&[Addressed::new(apart(number), to)], AT).unwrap();
        }
        assert_eq!(outbox.len(), bound.notices);
    });
    assert!(counted.bytes_max < MOST, "{} bytes", counted.bytes_max);
}
