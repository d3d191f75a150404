//! What can happen while notices are delivered, and what has to be so afterwards.

#![expect(clippy::unwrap_used, reason = "the world of a test is right")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use headroom_autoscaler::{HistorySettings, Store};
use headroom_notifier::{
    Event, Failure, Message, Notice, NoticeId, Notifier, Severity, Stage,
    delivery::{Addressed, Channel, ChannelName, ChannelRules, Dispatcher, Outbox as _, Parts},
    testing::{AT, Answer, ScriptedChannel, notice, rules, scaled},
};
use headroom_policy_engine::{Replicas, Timestamp};
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

pub(super) use crate::world::When;
use crate::world::{Life, MortalChannel, MortalOutbox, Receiver};

/// The most messages in an hour, few so that it matters.
const LIMIT: u32 = 4;
/// So many conditions, half of them critical.
const INCIDENTS: usize = 6;
const HOUR: Duration = Duration::from_secs(3600);

/// What can happen.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Something happens once.
    Once,
    /// Something critical happens once.
    CriticalOnce,
    /// A condition opens, unless it is open.
    Open { incident: usize },
    /// A condition closes, unless it is closed.
    Close { incident: usize },
    /// From now on a channel does this.
    Channel { channel: usize, answer: Option<Answer> },
    /// A loop delivers for so many seconds.
    Run { seconds: u64 },
    /// A run that ends delivers for at most so many seconds.
    Flush { seconds: u64 },
    /// A process that delivers is killed in one of its steps.
    Kill { step: i64, when: When },
    /// Nothing does anything for so many seconds.
    Pass { seconds: u64 },
}

pub(super) fn act() -> impl Strategy<Value = Act> {
    let answer = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Answer::Unanswered)),
        1 => Just(Some(Answer::ArrivedUnanswered)),
        1 => Just(Some(Answer::Busy(None))),
        1 => Just(Some(Answer::Busy(Some(Duration::from_secs(90))))),
        1 => Just(Some(Answer::TakenAfter(Duration::from_secs(7)))),
    ];
    let when = prop_oneof![Just(When::Before), Just(When::After)];
    prop_oneof![
        3 => Just(Act::Once),
        2 => Just(Act::CriticalOnce),
        4 => (0..INCIDENTS).prop_map(|incident| Act::Open { incident }),
        4 => (0..INCIDENTS).prop_map(|incident| Act::Close { incident }),
        3 => (0..2_usize, answer).prop_map(|(channel, answer)| Act::Channel { channel, answer }),
        4 => (1..400_u64).prop_map(|seconds| Act::Run { seconds }),
        3 => (1..20_u64).prop_map(|seconds| Act::Flush { seconds }),
        4 => (0..12_i64, when).prop_map(|(step, when)| Act::Kill { step, when }),
        2 => (1..2000_u64).prop_map(|seconds| Act::Pass { seconds }),
    ]
}

/// A state, two channels that are each other's alternates, and what was decided.
pub(super) struct World {
    dir: TempDir,
    begun: Instant,
    receivers: [Arc<Receiver>; 2],
    /// Whether each condition is open.
    open: [bool; INCIDENTS],
    put: u32,
    critical: BTreeSet<String>,
}

/// The channels' names. Notices go to the first, and each is the other's alternate.
const NAMES: [&str; 2] = ["slack.ops", "email.oncall"];

impl World {
    pub(super) fn new() -> Self {
        let editable = Receiver {
            channel: ScriptedChannel::editable([]),
            ..Receiver::default()
        };
        Self {
            dir: tempfile::tempdir().unwrap(),
            begun: Instant::now(),
            receivers: [Arc::new(editable), Arc::default()],
            open: [false; INCIDENTS],
            put: 0,
            critical: BTreeSet::new(),
        }
    }

    fn now(&self) -> Timestamp {
        AT.plus(self.begun.elapsed())
    }

    fn store(&self) -> Arc<Store> {
        let history = HistorySettings {
            keep_for: HOUR,
            max_bytes: 1 << 20,
        };
        Arc::new(Store::open(self.dir.path(), history, self.now()).unwrap().store)
    }

    pub(super) async fn act(&mut self, act: &Act) {
        match *act {
            Act::Once => {
                let workload = format!("shop/w-{}", self.put % 7).parse().ok();
                self.tell(Notice { workload, ..scaled() });
            }
            Act::CriticalOnce => {
                let failure = Failure::NotWritten {
                    from: Replicas::new(4),
                    to: Replicas::new(6),
                    error: "forbidden".into(),
                };
                self.tell(notice(Severity::Critical, Stage::Once, Event::Error { failure }));
            }
            Act::Open { incident } => {
                if !std::mem::replace(&mut self.open[incident], true) {
                    self.tell(condition(incident, Stage::Opened));
                }
            }
            Act::Close { incident } => {
                if std::mem::replace(&mut self.open[incident], false) {
                    let after = Duration::from_secs(60);
                    self.tell(condition(incident, Stage::Closed { after }));
                }
            }
            Act::Channel { channel, answer } => self.receivers[channel].channel.always(answer),
            Act::Run { seconds } => self.run(seconds).await,
            Act::Flush { seconds } => {
                let (dispatcher, _) = self.process(None, When::Before);
                dispatcher.flush(Duration::from_secs(seconds)).await;
            }
            Act::Kill { step, when } => {
                let (dispatcher, life) = self.process(Some(step), when);
                let killed = async {
                    tokio::select! {
                        () = life.over() => {}
                        () = sleep(Duration::from_secs(120)) => {}
                    }
                };
                dispatcher.run(killed).await;
            }
            Act::Pass { seconds } => sleep(Duration::from_secs(seconds)).await,
        }
    }

    /// Puts a notice as a pass does.
    fn tell(&mut self, notice: Notice) {
        self.put += 1;
        let id = format!("n-{}", self.put);
        if notice.severity == Severity::Critical && !matches!(notice.stage, Stage::Closed { .. }) {
            self.critical.insert(id.clone());
        }
        let notice = Notice {
            id: NoticeId(id.into()),
            at: self.now(),
            ..notice
        };
        let addressed = Addressed::new(notice, vec![NAMES[0].into()]);
        self.store().put(&[addressed], self.now()).unwrap();
    }

    async fn run(&self, seconds: u64) {
        let (dispatcher, _) = self.process(None, When::Before);
        dispatcher.run(sleep(Duration::from_secs(seconds))).await;
    }

    /// A process that delivers, and is killed in the step with this number.
    fn process(&self, step: Option<i64>, when: When) -> (Dispatcher, Arc<Life>) {
        let life = Arc::new(Life::new(step));
        let names = NAMES.map(ChannelName::from);
        let channel = |index: usize| Channel {
            name: names[index].clone(),
            notifier: Arc::new(MortalChannel {
                receiver: Arc::clone(&self.receivers[index]),
                life: Arc::clone(&life),
                when,
            }) as Arc<dyn Notifier>,
            rules: ChannelRules {
                max_per_hour: NonZeroU32::new(LIMIT),
                ..rules()
            },
            alternates: vec![names[1 - index].clone()],
        };
        let begun = self.begun;
        let dispatcher = Dispatcher::new(Parts {
            channels: vec![channel(0), channel(1)],
            outbox: Arc::new(MortalOutbox {
                store: self.store(),
                life: Arc::clone(&life),
                when,
            }),
            now: Arc::new(move || AT.plus(begun.elapsed())),
            cluster: None,
        });
        (dispatcher, life)
    }

    /// Channels take everything, and processes live, for long enough that all that waits is told or given up.
    pub(super) async fn heal(&mut self) {
        for receiver in &self.receivers {
            receiver.channel.always(None);
        }
        for incident in 0..INCIDENTS {
            self.act(&Act::Close { incident }).await;
        }
        self.run(8 * 3600).await;
    }

    /// What has to be so after [`Self::heal`].
    pub(super) fn check(&self) {
        let arrived = [0, 1].map(|index| self.receivers[index].channel.arrived());
        self.nothing_waits();
        self.what_is_critical_arrived(&arrived);
        for (messages, receiver) in arrived.iter().zip(&self.receivers) {
            what_began_has_ended(messages);
            one_key_is_one_message(messages);
            let times = receiver.arrived_at.lock().unwrap();
            no_more_than_allowed(messages, &times);
        }
    }

    fn nothing_waits(&self) {
        let store = self.store();
        for name in NAMES {
            assert_eq!(store.view(&name.into()).unwrap().waiting, [], "{name}");
        }
    }

    fn what_is_critical_arrived(&self, arrived: &[Vec<Message>]) {
        let messages = arrived.iter().flatten();
        let ids: BTreeSet<String> = messages
            .flat_map(|message| message.notices.iter().map(|notice| notice.id.to_string()))
            .collect();
        let lost: Vec<_> = self.critical.difference(&ids).collect();
        assert!(lost.is_empty(), "{lost:?} are critical and never arrived");
    }
}

/// The condition with this number; half are critical.
fn condition(incident: usize, stage: Stage) -> Notice {
    let severity = match incident % 4 {
        0 | 2 => Severity::Critical,
        1 => Severity::Warning,
        _ => Severity::Info,
    };
    let event = Event::AtMax {
        max: Replicas::new(4),
        wanted: Replicas::new(6),
        why: Vec::new(),
    };
    Notice {
        workload: format!("shop/c-{incident}").parse().ok(),
        ..notice(severity, stage, event)
    }
}

fn what_began_has_ended(messages: &[Message]) {
    let mut open: BTreeMap<String, bool> = BTreeMap::new();
    for notice in messages.iter().flat_map(Message::fresh) {
        match notice.stage {
            Stage::Once => {}
            Stage::Opened => drop(open.insert(notice.incident(), true)),
            Stage::Closed { .. } => drop(open.insert(notice.incident(), false)),
        }
    }
    let left: Vec<_> = open.iter().filter(|(_, is_open)| **is_open).collect();
    assert!(left.is_empty(), "{left:?} were told to begin and not to end");
}

fn one_key_is_one_message(messages: &[Message]) {
    let mut known: HashMap<&str, Vec<&NoticeId>> = HashMap::new();
    for message in messages {
        let fresh: Vec<_> = message.fresh().iter().map(|notice| &notice.id).collect();
        let before = known.entry(&message.key).or_insert_with(|| fresh.clone());
        assert_eq!(*before, fresh, "{}", message.key);
    }
}

/// Attempts at one message are one, and those that arrive count each for its own window.
fn no_more_than_allowed(messages: &[Message], times: &[Instant]) {
    let is_counted = |message: &Message| {
        let is_urgent = |notice: &Notice| {
            notice.severity == Severity::Critical || notice.kind() == headroom_notifier::EventKind::Error
        };
        message.told == 0 && !message.fresh().iter().any(is_urgent)
    };
    let counted: Vec<_> = messages
        .iter()
        .zip(times)
        .filter(|(message, _)| is_counted(message))
        .collect();
    for (first, (_, from)) in counted.iter().enumerate() {
        let window = counted[first..]
            .iter()
            .take_while(|(_, at)| at.duration_since(**from) < HOUR);
        let keys: BTreeSet<_> = window.map(|(message, _)| &message.key).collect();
        let limit = usize::try_from(LIMIT).unwrap();
        assert!(
            keys.len() <= limit,
            "{} messages in an hour: {keys:?}",
            keys.len()
        );
    }
}
