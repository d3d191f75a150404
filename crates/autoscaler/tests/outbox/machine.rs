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
    delivery::{Addressed, Channel, ChannelName, ChannelRules, Dispatcher, Now, Outbox as _, Parts},
    testing::{AT, Answer, ScriptedChannel, notice, rules, scaled},
};
use headroom_policy_engine::{Replicas, Timestamp};
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

pub(super) use crate::world::When;
use crate::world::{Disk, Fault, Life, MortalChannel, MortalOutbox, Receiver};

/// The most messages in an hour, few so that it matters.
const LIMIT: u32 = 4;
/// So many conditions, half of them critical.
const INCIDENTS: usize = 6;
const HOUR: Duration = Duration::from_secs(3600);
/// What is critical, and what ends something, may be given up by a channel that still failed so long after, less what
/// the clock is set back by.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(20 * 3600);

/// What people are to be told of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Happening {
    /// Something happens once.
    Once,
    /// Something critical happens once.
    CriticalOnce,
    /// A condition opens, unless it is open.
    Open { incident: usize },
    /// A condition closes, unless it is closed.
    Close { incident: usize },
}

/// What can happen.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Something of which people are to be told.
    Happens(Happening),
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
    /// The clock is set back by so many seconds.
    SetBack { seconds: u64 },
    /// The state cannot be used for so many seconds, in which a loop delivers and all this happens but for the last,
    /// which happens once it can be used again.
    Fails {
        fault: Fault,
        happens: Vec<Happening>,
        seconds: u64,
    },
    /// From now on the first channel is one of the configuration, or is not.
    Configure { has_first: bool },
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => Just(Happening::Once),
        2 => Just(Happening::CriticalOnce),
        4 => (0..INCIDENTS).prop_map(|incident| Happening::Open { incident }),
        4 => (0..INCIDENTS).prop_map(|incident| Happening::Close { incident }),
    ]
}

pub(super) fn act() -> impl Strategy<Value = Act> {
    let answer = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Answer::Unanswered)),
        1 => Just(Some(Answer::ArrivedUnanswered)),
        1 => Just(Some(Answer::Busy(None))),
        1 => Just(Some(Answer::Busy(Some(Duration::from_secs(90))))),
        1 => Just(Some(Answer::TakenAfter(Duration::from_secs(7)))),
        1 => Just(Some(Answer::Refused)),
        1 => Just(Some(Answer::Partly)),
    ];
    let fault = prop_oneof![Just(Fault::Full), Just(Fault::Unreadable)];
    let fails = (fault, prop::collection::vec(happening(), 1..5), 1..400_u64);
    let when = prop_oneof![Just(When::Before), Just(When::After)];
    prop_oneof![
        13 => happening().prop_map(Act::Happens),
        3 => (0..2_usize, answer).prop_map(|(channel, answer)| Act::Channel { channel, answer }),
        4 => (1..400_u64).prop_map(|seconds| Act::Run { seconds }),
        3 => (1..20_u64).prop_map(|seconds| Act::Flush { seconds }),
        4 => (0..12_i64, when).prop_map(|(step, when)| Act::Kill { step, when }),
        2 => (1..2000_u64).prop_map(|seconds| Act::Pass { seconds }),
        1 => (1..30 * 3600_u64).prop_map(|seconds| Act::Pass { seconds }),
        1 => (1..3 * 3600_u64).prop_map(|seconds| Act::SetBack { seconds }),
        2 => fails.prop_map(|(fault, happens, seconds)| Act::Fails { fault, happens, seconds }),
        1 => any::<bool>().prop_map(|has_first| Act::Configure { has_first }),
    ]
}

/// A state, two channels that are each other's alternates, and what was decided.
pub(super) struct World {
    dir: TempDir,
    begun: Instant,
    set_back: Duration,
    disk: Arc<Disk>,
    receivers: [Arc<Receiver>; 2],
    /// What each channel does.
    answers: [Option<Answer>; 2],
    /// Since when the first channel is none of the configuration.
    gone_since: Option<Timestamp>,
    /// Whether it was not for so long that what waited for it was given up.
    was_given_up: bool,
    /// Whether each condition is open.
    open: [bool; INCIDENTS],
    put: u32,
    /// What is critical, and when it happened.
    critical: BTreeMap<String, Timestamp>,
}

/// The channels' names. Notices go to the first, and each is the other's alternate.
const NAMES: [&str; 2] = ["slack.ops", "email.oncall"];

impl World {
    pub(super) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            begun: Instant::now(),
            set_back: Duration::ZERO,
            disk: Arc::default(),
            receivers: [ScriptedChannel::editable([]), ScriptedChannel::default()].map(Receiver::of),
            answers: [None; 2],
            gone_since: None,
            was_given_up: false,
            open: [false; INCIDENTS],
            put: 0,
            critical: BTreeMap::new(),
        }
    }

    fn now(&self) -> Timestamp {
        AT.plus(self.begun.elapsed()).minus(self.set_back)
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
            Act::Happens(happening) => self.put(happening),
            Act::Channel { channel, answer } => {
                self.answers[channel] = answer;
                self.receivers[channel].channel.always(answer);
            }
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
            Act::SetBack { seconds } => self.set_back += Duration::from_secs(seconds),
            Act::Fails {
                fault,
                ref happens,
                seconds,
            } => self.fail(fault, happens, seconds).await,
            Act::Configure { has_first } => self.configure(has_first),
        }
    }

    fn configure(&mut self, has_first: bool) {
        let now = self.now();
        if has_first {
            let gone_for = self.gone_since.take().map(|since| now.since(since));
            self.was_given_up |= gone_for.is_some_and(|gone_for| gone_for > GIVEN_UP_AFTER);
        } else {
            self.gone_since.get_or_insert(now);
        }
    }

    /// A loop that cannot use the state, and keeps what happens in memory. It lives until that is told, because that ends
    /// with it. Both channels are there, because what waits for one that is gone cannot be given to another in such a
    /// state, and the clock was not set back, because what is in memory is in order with the rest by its time alone.
    async fn fail(&mut self, fault: Fault, happens: &[Happening], seconds: u64) {
        let Some((last, happens)) = happens.split_last().filter(|_| self.set_back.is_zero()) else {
            return;
        };
        self.configure(true);
        let (dispatcher, _) = self.process(None, When::Before);
        self.disk.set(Some(fault));
        for happening in happens {
            let addressed = self.addressed(*happening);
            dispatcher.keep(addressed.as_slice()).unwrap();
        }
        dispatcher.run(sleep(Duration::from_secs(seconds))).await;
        self.disk.set(None);
        dispatcher.run(sleep(Duration::from_secs(60))).await;
        self.put(*last);
        for receiver in &self.receivers {
            receiver.channel.always(None);
        }
        for _ in 0..48 {
            dispatcher.run(sleep(Duration::from_secs(1800))).await;
            if dispatcher.in_memory() == 0 {
                break;
            }
        }
        assert_eq!(dispatcher.in_memory(), 0, "it is told within a day");
        for (receiver, answer) in self.receivers.iter().zip(self.answers) {
            receiver.channel.always(answer);
        }
    }

    /// Puts what is told of `happening` as a pass does.
    fn put(&mut self, happening: Happening) {
        if let Some(addressed) = self.addressed(happening) {
            self.store().put(&[addressed], self.now()).unwrap();
        }
    }

    /// What is told of `happening`; `None` where that is nothing.
    fn addressed(&mut self, happening: Happening) -> Option<Addressed> {
        let notice = match happening {
            Happening::Once => {
                let workload = format!("shop/w-{}", self.put % 7).parse().ok();
                Notice { workload, ..scaled() }
            }
            Happening::CriticalOnce => {
                let failure = Failure::NotWritten {
                    from: Replicas::new(4),
                    to: Replicas::new(6),
                    error: "forbidden".into(),
                };
                notice(Severity::Critical, Stage::Once, Event::Error { failure })
            }
            Happening::Open { incident } => {
                if std::mem::replace(&mut self.open[incident], true) {
                    return None;
                }
                condition(incident, Stage::Opened)
            }
            Happening::Close { incident } => {
                if !std::mem::replace(&mut self.open[incident], false) {
                    return None;
                }
                let after = Duration::from_secs(60);
                condition(incident, Stage::Closed { after })
            }
        };
        self.put += 1;
        let id = format!("n-{}", self.put);
        if notice.severity == Severity::Critical && !matches!(notice.stage, Stage::Closed { .. }) {
            self.critical.insert(id.clone(), self.now());
        }
        let notice = Notice {
            id: NoticeId(id.into()),
            at: self.now(),
            ..notice
        };
        let to = NAMES[usize::from(self.gone_since.is_some())];
        Some(Addressed::new(notice, vec![to.into()]))
    }

    async fn run(&self, seconds: u64) {
        let (dispatcher, _) = self.process(None, When::Before);
        dispatcher.run(sleep(Duration::from_secs(seconds))).await;
    }

    /// A process that delivers, and is killed in the step with this number.
    fn process(&self, step: Option<i64>, when: When) -> (Dispatcher, Arc<Life>) {
        let life = Arc::new(Life::new(step));
        let names = NAMES.map(ChannelName::from);
        let present = usize::from(self.gone_since.is_some())..NAMES.len();
        let (begun, set_back) = (self.begun, self.set_back);
        let now: Now = Arc::new(move || AT.plus(begun.elapsed()).minus(set_back));
        let channel = |index: usize| Channel {
            name: names[index].clone(),
            notifier: Arc::new(MortalChannel {
                receiver: Arc::clone(&self.receivers[index]),
                life: Arc::clone(&life),
                when,
                now: Arc::clone(&now),
            }) as Arc<dyn Notifier>,
            rules: ChannelRules {
                max_per_hour: NonZeroU32::new(LIMIT),
                ..rules()
            },
            alternates: present
                .clone()
                .filter(|other| *other != index)
                .map(|other| names[other].clone())
                .collect(),
        };
        let dispatcher = Dispatcher::new(Parts {
            channels: present.clone().map(channel).collect(),
            outbox: Arc::new(MortalOutbox {
                store: self.store(),
                life: Arc::clone(&life),
                disk: Arc::clone(&self.disk),
                when,
            }),
            now: Arc::clone(&now),
            cluster: None,
        });
        (dispatcher, life)
    }

    /// Channels take everything, and processes live, for long enough that all that waits is told or given up.
    pub(super) async fn heal(&mut self) {
        self.configure(true);
        for channel in 0..NAMES.len() {
            self.act(&Act::Channel {
                channel,
                answer: None,
            })
            .await;
        }
        for incident in 0..INCIDENTS {
            self.put(Happening::Close { incident });
        }
        self.run(7 * 3600).await;
        // Each channel takes something, so that people learn of it where it did not before.
        if let Some(addressed) = self.addressed(Happening::CriticalOnce) {
            let to = NAMES.map(ChannelName::from).to_vec();
            self.store()
                .put(&[Addressed { to, ..addressed }], self.now())
                .unwrap();
        }
        self.run(3600).await;
    }

    /// What has to be so after [`Self::heal`].
    pub(super) fn check(&self) {
        self.nothing_waits();
        self.what_is_critical_arrived();
        for (index, receiver) in self.receivers.iter().enumerate() {
            let messages = receiver.channel.arrived();
            let times = receiver.arrived_at.lock().unwrap();
            if index > 0 || !self.was_given_up {
                what_began_has_ended(receiver, &messages, &times);
            }
            one_key_is_one_message(&messages);
            one_notice_is_in_one_message(&messages);
            if self.set_back.is_zero() {
                no_more_than_allowed(&messages, &times);
            }
        }
    }

    fn nothing_waits(&self) {
        let store = self.store();
        for name in NAMES {
            assert_eq!(store.view(&name.into()).unwrap().waiting, [], "{name}");
        }
    }

    fn what_is_critical_arrived(&self) {
        let messages = self
            .receivers
            .iter()
            .flat_map(|receiver| receiver.channel.arrived());
        let ids: BTreeSet<String> = messages
            .flat_map(|message| message.notices.into_iter().map(|notice| notice.id.to_string()))
            .collect();
        let may_be_given_up = |at: Timestamp| {
            self.receivers
                .iter()
                .any(|receiver| receiver.failed_after(at.plus(GIVEN_UP_AFTER)))
        };
        let critical = self.critical.iter();
        let lost: Vec<_> = critical
            .filter(|(id, at)| !ids.contains(*id) && !may_be_given_up(**at))
            .collect();
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

fn what_began_has_ended(receiver: &Receiver, messages: &[Message], times: &[Timestamp]) {
    let mut open: BTreeMap<String, Timestamp> = BTreeMap::new();
    for (message, at) in messages.iter().zip(times) {
        for notice in message.fresh() {
            match notice.stage {
                Stage::Once => {}
                Stage::Opened => drop(open.insert(notice.incident(), *at)),
                Stage::Closed { .. } => drop(open.remove(&notice.incident())),
            }
        }
    }
    let may_be_given_up = |incident: &str, at: Timestamp| {
        receiver.refused_end_of(incident) || receiver.failed_after(at.plus(GIVEN_UP_AFTER))
    };
    let left: Vec<_> = open
        .iter()
        .filter(|(incident, at)| !may_be_given_up(incident, **at))
        .collect();
    assert!(left.is_empty(), "{left:?} were told to begin and not to end");
}

fn one_notice_is_in_one_message(messages: &[Message]) {
    let mut known: HashMap<&NoticeId, &str> = HashMap::new();
    for message in messages {
        for notice in message.fresh() {
            let before = *known.entry(&notice.id).or_insert(&message.key);
            assert_eq!(before, message.key, "{} is told twice", notice.id);
        }
    }
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
fn no_more_than_allowed(messages: &[Message], times: &[Timestamp]) {
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
            .take_while(|(_, at)| at.since(**from) < HOUR);
        let keys: BTreeSet<_> = window.map(|(message, _)| &message.key).collect();
        let limit = usize::try_from(LIMIT).unwrap();
        assert!(
            keys.len() <= limit,
            "{} messages in an hour: {keys:?}",
            keys.len()
        );
    }
}
