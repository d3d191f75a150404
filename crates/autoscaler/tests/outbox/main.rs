//! The outbox in the state, delivered through channels that fail, by processes that are killed at any step.

mod machine;
mod world;

use machine::{Act, Happening, World};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Whatever fails, and whenever the process is killed: what is critical reaches somebody, what was told to begin is
    /// told to end, no channel says more than it may or one thing twice, and one key is one message.
    #[test]
    fn nothing_that_matters_is_lost(acts in prop::collection::vec(machine::act(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for act in &acts {
                world.act(act).await;
            }
            world.heal().await;
            world.check();
        });
    }
}

/// Killed before and after each step of one delivery, one by one.
#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_killed_at_any_step_is_made_up_for() {
    for step in 0..8 {
        for when in [machine::When::Before, machine::When::After] {
            let mut world = World::new();
            world.act(&Act::Happens(Happening::Open { incident: 0 })).await;
            world.act(&Act::Happens(Happening::Once)).await;
            world.act(&Act::Kill { step, when }).await;
            world.act(&Act::Happens(Happening::Close { incident: 0 })).await;
            world.heal().await;
            world.check();
        }
    }
}
