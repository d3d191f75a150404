//! headroom as a plugin of kubectl: the same program under the name that kubectl looks for.

use std::os::unix::fs::symlink;

use crate::{
    assert_said,
    common::{Ran, World},
};

fn kubectl_headroom(world: &World, arguments: &[&str]) -> Ran {
    let plugin = world.path().join("kubectl-headroom");
    if !plugin.exists() {
        symlink(env!("CARGO_BIN_EXE_headroom"), &plugin).unwrap();
    }
    world.ran(&mut world.command_of(plugin, arguments))
}

#[test]
fn its_help_says_what_is_typed() {
    let world = World::empty();
    assert_said!("plugin_help", kubectl_headroom(&world, &["--help"]).expect(0));
    let help = kubectl_headroom(&world, &["explain", "--help"]).expect(0);
    help.says("Usage: kubectl headroom explain ")
        .says("  kubectl headroom explain shop/api")
        .says_nothing_of("  headroom explain");
    kubectl_headroom(&world, &["plam"])
        .expect(2)
        .says("Usage: kubectl headroom ");
}

#[test]
fn it_does_the_same_for_a_namespace_as_for_kubectl() {
    let world = World::new(2, 300);
    kubectl_headroom(&world, &["plan", "-n", "shop", "--detailed-exitcode"]).expect(10);
    kubectl_headroom(&world, &["plan", "--namespace=pay"])
        .expect(2)
        .says("no workload is in the namespace `pay`");
}
