use std::{num::NonZeroU32, sync::atomic::AtomicUsize};

use tokio::time::sleep;

use super::*;
use crate::{
    Event, EventKind, Failure, Notice, NoticeId, Severity, Stage,
    delivery::{RowId, Sent, Standing, Thread, View},
    testing::{AT, Answer, ScriptedChannel, notice, rules, scaled},
};

mod in_memory;
mod repeating;

/// Channels with a dispatcher on paused time.
struct World {
    dispatcher: Arc<Dispatcher>,
    outbox: Arc<Faulty>,
    channels: Vec<Arc<ScriptedChannel>>,
    begun: Instant,
}

/// An outbox in memory that can be told not to work.
#[derive(Debug)]
struct Faulty {
    kept: MemoryOutbox,
    reads: AtomicBool,
    writes: AtomicBool,
    /// Whether it works no more once notices were read.
    breaks: AtomicBool,
    applied: AtomicUsize,
}

impl Faulty {
    fn check(&self, works: &AtomicBool) -> Result<(), OutboxError> {
        if works.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(OutboxError {
            reason: "disk I/O error".to_owned(),
        })
    }

    fn set(&self, works: bool) {
        self.writes.store(works, Ordering::Relaxed);
    }
}

impl Outbox for Faulty {
    fn put(&self, notices: &[Addressed], now: Timestamp) -> Result<(), OutboxError> {
        self.check(&self.writes)?;
        self.kept.put(notices, now)
    }

    fn view(&self, channel: &ChannelName) -> Result<View, OutboxError> {
        self.check(&self.reads)?;
        self.kept.view(channel)
    }

    fn notices(&self, rows: &[RowId]) -> Result<Vec<Notice>, OutboxError> {
        self.check(&self.reads)?;
        if self.breaks.swap(false, Ordering::Relaxed) {
            self.reads.store(false, Ordering::Relaxed);
            self.set(false);
        }
        self.kept.notices(rows)
    }

    fn told(&self, channel: &ChannelName, incident: &str) -> Result<Vec<Notice>, OutboxError> {
        self.check(&self.reads)?;
        self.kept.told(channel, incident)
    }

    fn going_on(&self, channel: &ChannelName) -> Result<Vec<Notice>, OutboxError> {
        self.check(&self.reads)?;
        self.kept.going_on(channel)
    }

    fn thread(&self, channel: &ChannelName, incident: &str) -> Result<Option<Thread>, OutboxError> {
        self.check(&self.reads)?;
        self.kept.thread(channel, incident)
    }

    fn told_of(&self, incident: &str) -> Result<Vec<ChannelName>, OutboxError> {
        self.check(&self.reads)?;
        self.kept.told_of(incident)
    }

    fn apply(&self, channel: &ChannelName, changes: &[Change], now: Timestamp) -> Result<(), OutboxError> {
        self.check(&self.writes)?;
        self.applied.fetch_add(1, Ordering::Relaxed);
        self.kept.apply(channel, changes, now)
    }

    fn channels(&self) -> Result<Vec<ChannelName>, OutboxError> {
        self.check(&self.reads)?;
        self.kept.channels()
    }
}

impl World {
    /// The channels are `a`, `b` and so on; the alternate of each is the next one.
    fn new(channels: impl IntoIterator<Item = ScriptedChannel>) -> Self {
        let channels: Vec<_> = channels.into_iter().map(Arc::new).collect();
        let names: Vec<ChannelName> = ["a", "b", "c"].map(ChannelName::from).to_vec();
        let outbox = Arc::new(Faulty {
            kept: MemoryOutbox::new(QueueBound::USUAL),
            reads: true.into(),
            writes: true.into(),
            breaks: false.into(),
            applied: AtomicUsize::default(),
        });
        let begun = Instant::now();
        let channel = |(index, channel): (usize, &Arc<ScriptedChannel>)| Channel {
            name: names[index].clone(),
            notifier: Arc::clone(channel) as Arc<dyn Notifier>,
            rules: rules(),
            alternates: names[..channels.len()]
                .get(index + 1)
                .cloned()
                .into_iter()
                .collect(),
        };
        let dispatcher = Arc::new(Dispatcher::new(Parts {
            channels: channels.iter().enumerate().map(channel).collect(),
            outbox: Arc::clone(&outbox) as Arc<dyn Outbox>,
            now: Arc::new(move || AT.plus(begun.elapsed())),
            cluster: Some("prod-eu".into()),
        }));
        Self {
            dispatcher,
            outbox,
            channels,
            begun,
        }
    }

    fn addressed(notice: Notice, to: &[&str]) -> Addressed {
        Addressed::new(notice, to.iter().map(|name| ChannelName::from(*name)).collect())
    }

    fn put(&self, notice: Notice, to: &[&str]) {
        let now = AT.plus(self.begun.elapsed());
        self.outbox.put(&[Self::addressed(notice, to)], now).unwrap();
        self.dispatcher.wake();
    }

    fn keep(&self, notice: Notice, to: &[&str]) {
        self.dispatcher.keep(&[Self::addressed(notice, to)]).unwrap();
    }

    /// Delivers for so long.
    async fn run_for(&self, seconds: u64) {
        self.dispatcher.run(sleep(Duration::from_secs(seconds))).await;
    }

    /// What arrived at a channel, the names of what each message says that is new.
    fn arrived(&self, channel: usize) -> Vec<String> {
        let names = |message: &crate::Message| {
            let fresh = message.fresh().iter().map(|notice| notice.id.to_string());
            fresh.collect::<Vec<_>>().join(" ")
        };
        self.channels[channel].arrived().iter().map(names).collect()
    }

    /// So many notices wait in the outbox, of all channels together.
    fn left(&self) -> usize {
        self.outbox.kept.len()
    }

    fn keys(&self, channel: usize) -> Vec<String> {
        let messages = self.channels[channel].arrived();
        messages.iter().map(|message| message.key.clone()).collect()
    }
}

fn info(id: &str) -> Notice {
    Notice {
        id: NoticeId(id.into()),
        ..scaled()
    }
}

/// Each of its own workload.
fn apart(id: &str) -> Notice {
    Notice {
        workload: format!("shop/{id}").parse().ok(),
        ..info(id)
    }
}

fn critical(id: &str, stage: Stage) -> Notice {
    let failure = Failure::Pass {
        error: "connection refused".into(),
    };
    Notice {
        id: NoticeId(id.into()),
        ..notice(Severity::Critical, stage, Event::Error { failure })
    }
}

const CLOSED: Stage = Stage::Closed {
    after: Duration::from_secs(720),
};

#[tokio::test(start_paused = true)]
async fn a_slow_channel_does_not_hold_a_fast_one() {
    let slow = ScriptedChannel::new([]);
    slow.always(Some(Answer::TakenAfter(Duration::from_secs(25))));
    let world = World::new([slow, ScriptedChannel::new([])]);
    for id in ["1", "2", "3"] {
        world.put(apart(id), &["a", "b"]);
    }
    world.run_for(11).await;
    assert_eq!(world.arrived(0), [""; 0]);
    assert_eq!(world.arrived(1), ["1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_one_message() {
    let world = World::new([ScriptedChannel::new([]), ScriptedChannel::editable([])]);
    let run = world.run_for(400);
    let puts = async {
        for number in 0..6 {
            world.put(info(&number.to_string()), &["a", "b"]);
            sleep(Duration::from_secs(4)).await;
        }
    };
    tokio::join!(run, puts);
    assert_eq!(world.arrived(0), ["0 1 2", "3 4 5"]);
    assert_eq!(world.arrived(1), ["0 1 2", "3 4 5"]);
    let messages = world.channels[1].arrived();
    assert_eq!((messages[0].told, &messages[0].earlier), (0, &None));
    assert_eq!(messages[1].told, 3);
    assert_eq!(messages[1].notices.len(), 6);
    let receipt = messages[1].earlier.clone().unwrap();
    assert_eq!(receipt.0, "r-1");
}

#[tokio::test(start_paused = true)]
async fn what_is_put_while_it_sleeps_wakes_it() {
    let world = World::new([ScriptedChannel::new([])]);
    let begun = Instant::now();
    let run = world.run_for(100);
    let puts = async {
        sleep(Duration::from_secs(1)).await;
        world.put(critical("x", Stage::Opened), &["a"]);
        while world.arrived(0).is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        begun.elapsed()
    };
    let (_, woken_after) = tokio::join!(run, puts);
    assert!(woken_after < Duration::from_millis(1100), "{woken_after:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_answered_is_sent_again_with_its_key_and_what_follows_waits() {
    let world = World::new([ScriptedChannel::new([
        Answer::ArrivedUnanswered,
        Answer::Unanswered,
        Answer::Hangs,
        Answer::Panics,
    ])]);
    world.put(info("1"), &["a"]);
    let run = world.run_for(500);
    let put = async {
        sleep(Duration::from_secs(12)).await;
        world.put(info("2"), &["a"]);
    };
    tokio::join!(run, put);
    assert_eq!(world.arrived(0), ["1", "1", "2"]);
    assert_eq!(world.keys(0), ["1", "1", "2"]);
    assert_eq!(world.channels[0].asked(), 6);
}

#[tokio::test(start_paused = true)]
async fn what_the_other_side_asks_for_is_obeyed_by_what_is_urgent_as_well() {
    let busy = Answer::Busy(Some(Duration::from_secs(40)));
    let world = World::new([ScriptedChannel::new([busy])]);
    world.put(critical("x", Stage::Opened), &["a"]);
    world.run_for(39).await;
    assert_eq!(world.channels[0].asked(), 1);
    world.run_for(2).await;
    assert_eq!(world.arrived(0), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_urgent_goes_to_the_next_channel_and_both_hear_of_its_end() {
    let down = ScriptedChannel::new([]);
    down.always(Some(Answer::Unanswered));
    let world = World::new([down, ScriptedChannel::new([])]);
    world.put(critical("x", Stage::Opened), &["a"]);
    world.put(apart("1"), &["a"]);
    world.run_for(60).await;
    assert_eq!(world.arrived(1), ["x"]);
    world.channels[0].always(None);
    world.put(critical("y", CLOSED), &["a"]);
    world.run_for(100).await;
    assert_eq!(world.arrived(1), ["x", "y"]);
    let mut arrived = world.arrived(0);
    arrived.sort_unstable();
    assert_eq!(arrived, ["1", "x", "y"]);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_refuses_is_told_of_by_another_until_it_takes_again() {
    let world = World::new([ScriptedChannel::new([Answer::Refused]), ScriptedChannel::new([])]);
    world.put(apart("1"), &["a"]);
    world.run_for(30).await;
    let told = |number: usize| world.channels[1].arrived()[number].notices[0].clone();
    assert_eq!(told(0).kind(), EventKind::Error);
    assert_eq!(told(0).stage, Stage::Opened);
    assert_eq!(told(0).cluster.as_deref(), Some("prod-eu"));
    world.run_for(600).await;
    world.put(apart("2"), &["a"]);
    world.run_for(30).await;
    assert_eq!(world.arrived(0), ["2"]);
    assert_eq!(world.channels[0].arrived()[0].left_out, 1);
    assert_eq!(told(1).incident(), told(0).incident());
    assert!(matches!(told(1).stage, Stage::Closed { .. }), "{:?}", told(1));
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_refuses_some_and_takes_others_is_told_of_once_until_it_refuses_nothing_for_a_while() {
    let refuses_every_other = [Answer::Refused, Answer::Taken].repeat(3);
    let world = World::new([
        ScriptedChannel::new(refuses_every_other),
        ScriptedChannel::new([]),
    ]);
    for number in 0..6 {
        world.put(apart(&number.to_string()), &["a"]);
        world.run_for(300).await;
    }
    assert_eq!(world.channels[0].asked(), 6);
    assert_eq!(world.arrived(1).len(), 1, "{:?}", world.arrived(1));
    world.run_for(300).await;
    world.put(apart("6"), &["a"]);
    world.run_for(30).await;
    let told = world.channels[1].arrived();
    let ended = &told[1].notices[0];
    assert!(matches!(ended.stage, Stage::Closed { .. }), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_urgent_and_refused_goes_elsewhere_at_once_and_is_tried_further() {
    let world = World::new([
        ScriptedChannel::new([Answer::Refused, Answer::Refused]),
        ScriptedChannel::new([]),
    ]);
    world.put(critical("x", Stage::Opened), &["a"]);
    world.run_for(1).await;
    assert_eq!(world.arrived(1).len(), 2, "{:?}", world.arrived(1));
    assert!(world.arrived(1).contains(&"x".to_owned()));
    world.run_for(400).await;
    assert_eq!(world.arrived(0), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_to_be_passed_on_is_passed_on_once_it_can() {
    let refusing = ScriptedChannel::new([]);
    refusing.always(Some(Answer::Refused));
    let world = World::new([refusing, ScriptedChannel::new([])]);
    world.put(critical("x", Stage::Opened), &["a"]);
    world.outbox.breaks.store(true, Ordering::Relaxed);
    world.run_for(10).await;
    assert!(!world.arrived(1).contains(&"x".to_owned()));
    world.outbox.reads.store(true, Ordering::Relaxed);
    world.outbox.set(true);
    world.run_for(400).await;
    assert!(
        world.arrived(1).contains(&"x".to_owned()),
        "{:?}",
        world.arrived(1)
    );
}

#[tokio::test(start_paused = true)]
async fn what_only_some_have_is_not_sent_again() {
    let world = World::new([ScriptedChannel::new([Answer::Partly]), ScriptedChannel::new([])]);
    world.put(apart("1"), &["a"]);
    world.run_for(60).await;
    assert_eq!(world.arrived(0), ["1"]);
    assert_eq!(world.channels[1].arrived()[0].notices[0].kind(), EventKind::Error);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_sends_what_is_due_at_once_and_leaves_the_rest() {
    let slow = ScriptedChannel::new([Answer::Taken, Answer::Hangs]);
    let world = World::new([slow, ScriptedChannel::new([])]);
    for id in ["1", "2", "3"] {
        world.put(apart(id), &["a", "b"]);
    }
    let begun = Instant::now();
    let sent = world.dispatcher.flush(Duration::from_secs(5)).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    assert_eq!((sent, world.left(), world.dispatcher.in_memory()), (4, 2, 0));
    assert_eq!(world.arrived(1), ["1", "2", "3"]);
    // The next run sends it with the same key, after what was not tried yet.
    let sent = world.dispatcher.flush(Duration::from_secs(5)).await;
    assert_eq!((sent, world.left()), (2, 0));
    assert_eq!(world.keys(0), ["1", "3", "2"]);
    // With nothing to do it ends at once.
    let begun = Instant::now();
    world.dispatcher.flush(Duration::from_secs(5)).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_hands_on_what_is_refused() {
    let refusing = ScriptedChannel::new([Answer::Refused]);
    let world = World::new([refusing, ScriptedChannel::new([])]);
    world.put(critical("x", Stage::Opened), &["a"]);
    world.dispatcher.flush(Duration::from_secs(5)).await;
    assert!(
        world.arrived(1).contains(&"x".to_owned()),
        "{:?}",
        world.arrived(1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_channel_that_hangs() {
    let world = World::new([ScriptedChannel::new([Answer::Hangs])]);
    world.put(critical("x", Stage::Opened), &["a"]);
    let begun = Instant::now();
    world.run_for(3).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(4));
    world.run_for(1).await;
    assert_eq!(world.keys(0), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn a_silence_holds_what_goes_on_until_it_ends() {
    let world = World::new([ScriptedChannel::new([])]);
    let silence = Silence {
        workload: None,
        from: AT,
        until: AT.plus(Duration::from_secs(100)),
        operator: headroom_policy_engine::Operator::default(),
        silences_critical: true,
    };
    world.dispatcher.set_silences(vec![silence]);
    world.put(critical("x", Stage::Opened), &["a"]);
    world.put(apart("1"), &["a"]);
    world.run_for(90).await;
    assert_eq!(world.arrived(0), [""; 0]);
    world.run_for(20).await;
    assert_eq!(world.arrived(0), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn with_nothing_to_tell_nothing_is_written() {
    let world = World::new([ScriptedChannel::new([])]);
    world.run_for(3600).await;
    assert_eq!(world.outbox.applied.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_urgent_and_waits_for_a_channel_that_is_gone_is_told_by_another() {
    let world = World::new([ScriptedChannel::new([])]);
    world.put(critical("x", Stage::Opened), &["gone"]);
    world.put(apart("1"), &["gone"]);
    world.run_for(5).await;
    assert_eq!(world.arrived(0), ["x"]);
    // While nobody starts anew, too.
    let run = world.run_for(3605);
    let put = async {
        sleep(Duration::from_secs(10)).await;
        world.put(critical("y", CLOSED), &["gone"]);
    };
    tokio::join!(run, put);
    assert_eq!(world.arrived(0), ["x", "y"]);
    assert_eq!(world.outbox.kept.len(), 3, "it may come back");
    world.run_for(25 * 3600).await;
    assert_eq!(world.outbox.kept.len(), 0);
    assert_eq!(world.arrived(0), ["x", "y"]);
}
