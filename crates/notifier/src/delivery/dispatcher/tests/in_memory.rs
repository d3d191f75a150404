//! What cannot be kept or recorded for now: told from memory, counted, and recorded later.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_cannot_be_kept_is_told_all_the_same() {
    let world = World::new([ScriptedChannel::new([Answer::Unanswered])]);
    world.outbox.set(false);
    world.outbox.reads.store(false, Ordering::Relaxed);
    let failure = World::addressed(critical("x", Stage::Opened), &["a"]);
    world.dispatcher.keep(&[failure]).unwrap();
    world.run_for(30).await;
    assert_eq!(world.arrived(0), ["x"]);
    world.dispatcher.flush(Duration::from_secs(1)).await;
    assert_eq!(world.dispatcher.in_memory(), 0);

    world.channels[0].always(Some(Answer::Unanswered));
    let end = World::addressed(critical("y", CLOSED), &["a"]);
    world.dispatcher.keep(&[end]).unwrap();
    let sent = world.dispatcher.flush(Duration::from_secs(1)).await;
    assert_eq!((sent, world.dispatcher.in_memory()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_recorded_is_not_sent_twice_and_is_recorded_later() {
    let refusing = ScriptedChannel::new([Answer::Taken, Answer::Refused]);
    let world = World::new([refusing, ScriptedChannel::new([])]);
    world.put(apart("1"), &["a"]);
    world.put(apart("2"), &["a"]);
    world.outbox.set(false);
    world.run_for(60).await;
    assert_eq!(world.arrived(0), ["1"]);
    assert_eq!(world.channels[0].asked(), 2);
    // What other channels are to tell is told from memory.
    assert_eq!(world.arrived(1).len(), 1);
    assert_eq!(world.outbox.kept.len(), 2);
    world.outbox.set(true);
    world.run_for(31).await;
    assert_eq!(world.outbox.kept.len(), 0);
    assert_eq!(world.arrived(0), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_told_from_memory_is_ended_from_the_outbox_and_the_other_way_round() {
    let world = World::new([ScriptedChannel::new([]), ScriptedChannel::new([])]);
    world.outbox.set(false);
    world.keep(critical("x", Stage::Opened), &["a"]);
    world.run_for(5).await;
    world.outbox.set(true);
    world.put(critical("y", CLOSED), &["a"]);
    world.put(critical("z", Stage::Opened), &["a"]);
    world.run_for(5).await;
    assert_eq!(world.arrived(0), ["x", "y z"]);
    world.outbox.set(false);
    // To whoever was told that it began.
    world.keep(critical("w", CLOSED), &["b"]);
    world.run_for(5).await;
    assert_eq!(world.arrived(0), ["x", "y z", "w"]);
    assert_eq!(world.arrived(1), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_in_memory_and_what_waits_in_the_outbox_is_told_in_its_order() {
    let busy = Answer::Busy(Some(Duration::from_secs(20)));
    let world = World::new([ScriptedChannel::new([busy])]);
    world.outbox.set(false);
    world.keep(critical("x", Stage::Opened), &["a"]);
    world.run_for(5).await;
    world.outbox.set(true);
    world.put(critical("y", CLOSED), &["a"]);
    world.run_for(60).await;
    assert_eq!(world.arrived(0), ["x y"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_counts_even_where_that_cannot_be_read_at_first() {
    let world = World::new([ScriptedChannel::new([])]);
    let max = rules().max_per_hour.map_or(0, NonZeroU32::get);
    let sent = (0..max).map(|number| Sent {
        key: number.to_string().into(),
        at: AT,
    });
    let standing = Standing {
        sent: sent.collect(),
        ..Standing::default()
    };
    let change = Change::Standing(standing);
    world.outbox.apply(&"a".into(), &[change], AT).unwrap();
    world.outbox.reads.store(false, Ordering::Relaxed);
    world.keep(apart("1"), &["a"]);
    world.keep(critical("x", Stage::Once), &["a"]);
    world.run_for(60).await;
    assert_eq!(
        world.arrived(0),
        ["x"],
        "how much was sent is not known, so only what is urgent is"
    );
    world.outbox.reads.store(true, Ordering::Relaxed);
    world.run_for(3500).await;
    assert_eq!(world.arrived(0), ["x"]);
    world.run_for(100).await;
    assert_eq!(world.arrived(0), ["x", "1"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_changed_while_nothing_can_be_recorded_keeps_what_it_said() {
    let world = World::new([ScriptedChannel::editable([])]);
    world.put(info("1"), &["a"]);
    world.run_for(11).await;
    world.outbox.set(false);
    for id in ["2", "3"] {
        world.keep(info(id), &["a"]);
        world.run_for(15).await;
    }
    let messages = world.channels[0].arrived();
    let said: Vec<_> = messages[2]
        .notices
        .iter()
        .map(|notice| notice.id.to_string())
        .collect();
    assert_eq!((said.join(" ").as_str(), messages[2].told), ("1 2 3", 2));
}

#[tokio::test(start_paused = true)]
async fn limits_hold_for_what_is_kept_in_memory_and_what_is_not_together() {
    let world = World::new([ScriptedChannel::new([])]);
    let max = rules().max_per_hour.map_or(0, NonZeroU32::get);
    for number in 0..max {
        world.put(apart(&number.to_string()), &["a"]);
        let kept = World::addressed(apart(&format!("kept-{number}")), &["a"]);
        world.dispatcher.keep(&[kept]).unwrap();
    }
    world.run_for(3599).await;
    assert_eq!(world.arrived(0).len(), usize::try_from(max).unwrap());
}

#[tokio::test(start_paused = true)]
async fn memory_that_is_full_lets_the_least_severe_go_and_then_refuses() {
    let outbox = MemoryOutbox::new(QueueBound {
        notices: 2,
        bytes: u64::MAX,
    });
    let put = |notice| outbox.put(&[World::addressed(notice, &["a"])], AT);
    for id in ["1", "2", "3"] {
        put(apart(id)).unwrap();
    }
    let waiting = outbox.view(&"a".into()).unwrap().waiting;
    let ids: Vec<_> = waiting.iter().map(|one| one.id.to_string()).collect();
    assert_eq!(ids, ["2", "3"]);
    assert_eq!(outbox.take_left_out(&"a".into()), 1);
    for id in ["4", "5", "6", "7"] {
        put(critical(id, Stage::Once)).unwrap();
    }
    let more = ["8", "9"].map(|id| World::addressed(critical(id, Stage::Once), &["a", "b"]));
    let refused = outbox.put(&more, AT).unwrap_err();
    assert!(refused.to_string().contains("so 4 more"), "{refused}");
    let waiting = outbox.view(&"a".into()).unwrap().waiting;
    let ids: Vec<_> = waiting.iter().map(|one| one.id.to_string()).collect();
    assert_eq!((ids.join(" ").as_str(), outbox.len()), ("4 5 6 7", 4));
}
