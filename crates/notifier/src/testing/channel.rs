//! A channel that does as it was told beforehand, and remembers what arrived.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use crate::{Message, Notifier, Receipt, SendError};

/// What a [`ScriptedChannel`] does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It takes it.
    Taken,
    /// It takes it after so long.
    TakenAfter(Duration),
    /// Some of those it is for have it, and the others never will.
    Partly,
    /// It wants to be left alone, for so long.
    Busy(Option<Duration>),
    /// It does not answer and does not have it.
    Unanswered,
    /// It does not answer and has it.
    ArrivedUnanswered,
    /// It refuses it.
    Refused,
    /// It never answers.
    Hangs,
    /// It ends with a fault.
    Panics,
}

/// A channel that does as it was told beforehand, and takes everything after that.
#[derive(Debug, Default)]
pub struct ScriptedChannel {
    can_edit: bool,
    forgets: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Answer>,
    always: Option<Answer>,
    asked: usize,
    arrived: Vec<Message>,
}

impl ScriptedChannel {
    /// One that does this, message by message.
    #[must_use]
    pub fn new(script: impl IntoIterator<Item = Answer>) -> Self {
        let channel = Self::default();
        channel.state().script.extend(script);
        channel
    }

    /// One whose messages can be changed.
    #[must_use]
    pub fn editable(script: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            can_edit: true,
            ..Self::new(script)
        }
    }

    /// One that forgets what goes on.
    #[must_use]
    pub fn forgetful(script: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            forgets: true,
            ..Self::new(script)
        }
    }

    /// Does this from now on after what it was told to do before; takes everything where that is `None`.
    pub fn always(&self, answer: Option<Answer>) {
        self.state().always = answer;
    }

    /// What arrived, in its order: once for each attempt.
    #[must_use]
    pub fn arrived(&self) -> Vec<Message> {
        self.state().arrived.clone()
    }

    /// So many messages it was asked to hand over, whether or not they arrived.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.state().asked
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arrive(&self, message: &Message) -> Receipt {
        let mut state = self.state();
        state.arrived.push(message.clone());
        match &message.earlier {
            Some(earlier) if self.can_edit && message.told > 0 => earlier.clone(),
            Some(_) | None => Receipt(format!("r-{}", state.arrived.len())),
        }
    }
}

#[async_trait]
impl Notifier for ScriptedChannel {
    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let answer = {
            let mut state = self.state();
            state.asked += 1;
            let next = state.script.pop_front();
            next.or(state.always).unwrap_or(Answer::Taken)
        };
        let reason = format!("as scripted: {answer:?}");
        match answer {
            Answer::Taken => Ok(self.arrive(message)),
            Answer::TakenAfter(after) => {
                tokio::time::sleep(after).await;
                Ok(self.arrive(message))
            }
            Answer::Partly => Err(SendError::Partly {
                reason,
                receipt: self.arrive(message),
            }),
            Answer::Busy(after) => Err(SendError::Busy { after, reason }),
            Answer::Unanswered => Err(SendError::Unanswered { reason }),
            Answer::ArrivedUnanswered => {
                self.arrive(message);
                Err(SendError::Unanswered { reason })
            }
            Answer::Refused => Err(SendError::Refused { reason }),
            Answer::Hangs => std::future::pending().await,
            #[expect(clippy::panic, reason = "a fault that is meant")]
            Answer::Panics => panic!("as scripted"),
        }
    }

    fn preview(&self, message: &Message) -> String {
        format!("{message:?}")
    }

    fn can_edit(&self) -> bool {
        self.can_edit
    }

    fn forgets(&self) -> bool {
        self.forgets
    }
}
