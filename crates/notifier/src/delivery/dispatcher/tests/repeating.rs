//! What goes on is sent again to those who forget it, and to nobody else.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_goes_on_is_sent_again_every_minute_until_it_ends() {
    let world = World::new([ScriptedChannel::forgetful([]), ScriptedChannel::new([])]);
    world.put(critical("x", Stage::Opened), &["a", "b"]);
    world.put(info("once"), &["a", "b"]);
    world.run_for(150).await;
    assert_eq!(world.arrived(0), ["x", "x", "once", "x", "x"], "at the start too");
    assert_eq!(world.arrived(1), ["x", "once"], "it remembers");
    let after = Duration::from_secs(150);
    world.put(critical("y", Stage::Closed { after }), &["a", "b"]);
    world.run_for(150).await;
    assert_eq!(world.arrived(0)[5..], ["y"], "it has ended");
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_counts_for_nothing_and_an_answer_to_it_changes_nothing() {
    use Answer::{Refused, Taken, Unanswered};
    let world = World::new([ScriptedChannel::forgetful([Taken, Refused, Unanswered])]);
    world.put(critical("x", Stage::Opened), &["a"]);
    world.run_for(200).await;
    assert_eq!(world.channels[0].asked(), 5);
    assert_eq!(world.arrived(0), ["x", "x", "x"]);
    let view = world.outbox.view(&"a".into()).unwrap();
    assert_eq!(view.standing, Standing::default());
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_takes_nothing_new_is_not_sent_again_what_goes_on() {
    let world = World::new([ScriptedChannel::forgetful([])]);
    world.put(critical("x", Stage::Opened), &["a"]);
    world.run_for(1).await;
    world.channels[0].always(Some(Answer::Unanswered));
    let other = Notice {
        workload: "devtrip/other".parse().ok(),
        ..critical("z", Stage::Opened)
    };
    world.put(other, &["a"]);
    world.run_for(1).await;
    let asked = world.channels[0].asked();
    world.dispatcher.desks[0].repeat().await;
    assert_eq!(world.channels[0].asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_is_not_sent_again_though_its_end_could_not_be_recorded() {
    let world = World::new([ScriptedChannel::forgetful([])]);
    world.put(critical("x", Stage::Opened), &["a"]);
    world.run_for(1).await;
    let after = Duration::from_secs(1);
    world.put(critical("y", Stage::Closed { after }), &["a"]);
    world.outbox.set(false);
    world.run_for(90).await;
    assert_eq!(
        world.arrived(0),
        ["x", "x", "y"],
        "again at the start, and not after its end"
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_sends_what_goes_on_again_once() {
    let world = World::new([ScriptedChannel::forgetful([])]);
    world.put(critical("x", Stage::Opened), &["a"]);
    let deadline = Duration::from_secs(5);
    world.dispatcher.flush(deadline).await;
    assert_eq!(world.arrived(0), ["x", "x"]);
    world.dispatcher.flush(deadline).await;
    assert_eq!(world.arrived(0), ["x", "x", "x"]);
}
