//! Which configuration and which workloads are meant.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    sync::mpsc::{self, TryRecvError},
    thread,
};

use crate::{assert_said, common::World};

/// Three workloads, two of them called `api`.
fn three() -> World {
    let world = World::new(2, 200);
    let workload = |id: &str| {
        format!(
            "[workload.\"{id}\"]\nmin_replicas = 1\nmax_replicas = 6\n\
             command = {{ get = [\"cat\", \"count\"], set = [\"sh\", \"set.sh\", \"{{replicas}}\", \"{id}\"] }}\n\
             metrics.load = {{ recorded = \"load.csv\", per_replica = 100 }}\n"
        )
    };
    world.write(
        "headroom.toml",
        &["pay/api", "shop/api", "shop/web"].map(workload).concat(),
    );
    world
}

fn planned(world: &World, arguments: &[&str]) -> Vec<String> {
    let json = world
        .headroom(&[&["plan", "--format", "json"], arguments].concat())
        .expect(0)
        .json();
    let decisions = json["decisions"].as_array().unwrap();
    decisions
        .iter()
        .map(|decision| decision["workload"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn without_a_configuration_it_teaches_the_way_in() {
    assert_said!("no_configuration", World::empty().headroom(&["plan"]).expect(2));
    assert_said!(
        "no_configuration_json",
        World::empty().headroom(&["plan", "--format", "json"]).expect(2)
    );
}

#[test]
fn the_configuration_is_named_by_option_then_variable() {
    let world = three();
    world.write(
        "one/headroom.toml",
        &world.read("headroom.toml").replace("pay/api", "pay/other"),
    );
    std::fs::copy(world.path().join("count"), world.path().join("one/count")).unwrap();
    std::fs::copy(world.path().join("load.csv"), world.path().join("one/load.csv")).unwrap();
    assert_eq!(planned(&world, &["-c", "one"])[0], "pay/other");
    let mut command = world.command(&["plan", "--format", "json", "other"]);
    world
        .ran(command.env("HEADROOM_CONFIG", "one/headroom.toml"))
        .expect(0);
    let mut command = world.command(&["plan", "other", "-c", "headroom.toml"]);
    world
        .ran(command.env("HEADROOM_CONFIG", "one/headroom.toml"))
        .expect(2);
}

#[test]
fn workloads_are_chosen_by_name_and_namespace() {
    let world = three();
    assert_eq!(planned(&world, &[]), ["pay/api", "shop/api", "shop/web"]);
    assert_eq!(planned(&world, &["-A"]), ["pay/api", "shop/api", "shop/web"]);
    assert_eq!(planned(&world, &["web"]), ["shop/web"]);
    assert_eq!(planned(&world, &["-n", "shop"]), ["shop/api", "shop/web"]);
    assert_eq!(planned(&world, &["-n", "shop", "api"]), ["shop/api"]);
}

#[test]
fn a_name_that_is_not_unique_or_unknown_is_refused() {
    let world = three();
    assert_said!("ambiguous", world.headroom(&["plan", "api"]).expect(2));
    assert_said!("suggested", world.headroom(&["plan", "shop/wob"]).expect(2));
    assert_said!("unknown", world.headroom(&["explain", "checkout"]).expect(2));
    assert_said!(
        "empty_namespace",
        world.headroom(&["status", "-n", "payments"]).expect(2)
    );
}

const IN_CLUSTER: &str = "[workload.\"kube/app\"]\nscale_target = \"deployment/app\"\nmax_replicas = 3\nmetrics.load = { recorded = \"load.csv\", per_replica = 100 }\n";

const KUBECONFIG: &str = r#"{
    "current-context": "prod",
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {}}],
    "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}]}"#;

#[test]
fn the_cluster_is_looked_for_where_kubectl_looks_for_it() {
    let world = World::empty();
    world.write("headroom.toml", IN_CLUSTER);
    world.set_load("load.csv", 100);
    let said = |command: &mut std::process::Command, code| world.ran(command).expect(code).stderr;
    let plan = || world.command(&["plan"]);

    let nothing = said(&mut plan(), 2);
    assert!(
        nothing.contains("no cluster is configured: there is no kubeconfig at [DIR]/.kube/config"),
        "{nothing}"
    );
    let mut in_pod = plan();
    in_pod
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", "1");
    let in_pod = said(&mut in_pod, 2);
    assert!(
        in_pod.contains("the pod's service account cannot be used"),
        "{in_pod}"
    );

    // One that is there goes before the pod's; nothing answers at its address.
    world.write(".kube/config", KUBECONFIG);
    world.headroom(&["plan"]).expect(1);
    let unknown = said(&mut world.command(&["plan", "--context", "test"]), 2);
    assert!(
        unknown.contains("[DIR]/.kube/config has no context `test`; it has prod"),
        "{unknown}"
    );
    // Files that are not there are passed over in a list, as kubectl does.
    world.write("other", &KUBECONFIG.replace("prod", "other"));
    let mut listed = world.command(&["plan", "--context", "test"]);
    listed.env("KUBECONFIG", "none:.kube/config:other");
    let listed = said(&mut listed, 2);
    assert!(listed.contains("it has prod, other"), "{listed}");
}

#[test]
fn a_credential_plugin_that_hangs_keeps_no_pass_from_ending() {
    let world = World::empty();
    world.write("headroom.toml", &format!("deadline = \"1s\"\n{IN_CLUSTER}"));
    world.set_load("load.csv", 100);
    // It ends with the directory of this test.
    let script = "while [ -e load.csv ]; do sleep 0.1; done";
    let exec = format!(
        r#""user": {{"exec": {{"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", "{script}"]}}}}"#
    );
    world.write("kubeconfig", &KUBECONFIG.replace(r#""user": {}"#, &exec));
    let ran = world
        .headroom(&["run", "--once", "--kubeconfig", "kubeconfig"])
        .expect(1);
    let cause = "the credential plugin `sh` of the kubeconfig failed: it did not end within 1s";
    assert!(ran.stdout.contains(cause), "{ran}");
}

#[test]
fn a_cluster_that_cannot_be_found_is_refused_with_a_way_out_and_others_go_on() {
    let world = three();
    let policy = world.read("headroom.toml");
    world.write("headroom.toml", &format!("{policy}{IN_CLUSTER}"));
    world.headroom(&["check"]).expect(0);
    let nowhere = ["--kubeconfig", "nowhere"];
    assert_said!(
        "kubernetes",
        world.headroom(&[&["plan"], &nowhere[..]].concat()).expect(2)
    );
    world
        .headroom(&[&["run", "--once"], &nowhere[..]].concat())
        .expect(2);
    assert_eq!(planned(&world, &["-n", "shop"]), ["shop/api", "shop/web"]);
}

/// A proxy that lets nobody through, and tells where each wanted to go before it answers.
fn proxy() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, asked) = mpsc::channel();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut line = String::new();
            // Errors mean that the client has left; that it was here is told all the same.
            drop(BufReader::new(&client).read_line(&mut line));
            if sender.send(line).is_err() {
                return;
            }
            drop(client.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n"));
        }
    });
    (address, asked)
}

#[test]
fn the_environment_names_a_proxy_and_the_servers_that_are_reached_without_as_for_kubectl() {
    let world = World::empty();
    world.write("headroom.toml", &format!("deadline = \"2s\"\n{IN_CLUSTER}"));
    world.set_load("load.csv", 100);
    let server = "https://api.example.invalid:6443";
    world.write("kubeconfig", &KUBECONFIG.replace("https://127.0.0.1:1", server));
    let plan = |variables: &[(&str, &str)]| {
        let mut command = world.command(&["plan", "--kubeconfig", "kubeconfig"]);
        command.envs(variables.iter().copied());
        world.ran(&mut command)
    };
    for (variable, scheme, exceptions) in [
        ("HTTPS_PROXY", "http://", ""),
        ("https_proxy", "", ""),
        ("HTTPS_PROXY", "http://", "127.0.0.0/8,other.example"),
    ] {
        let (address, asked) = proxy();
        let through = format!("{scheme}{address}");
        let mut variables = vec![(variable, &*through)];
        variables.extend((!exceptions.is_empty()).then_some(("NO_PROXY", exceptions)));
        let ran = plan(&variables);
        let line = asked
            .try_recv()
            .unwrap_or_else(|error| panic!("{variables:?}: {error}\n{ran}"));
        assert_eq!(line, "CONNECT api.example.invalid:6443 HTTP/1.1\r\n");
    }
    for (unreadable, why) in [
        ("other.example,,10.0.0.0/8", "comma-separated value is empty"),
        ("other.example,", "comma-separated value is empty"),
        ("*,other.example", "failed to find valid host in parsed uri \"*\""),
    ] {
        plan(&[("HTTPS_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", unreadable)])
            .says(&format!(
                "NO_PROXY of the environment cannot be used: {why}; write addresses"
            ))
            .says_nothing_of("the kubeconfig kubeconfig cannot be used");
    }
    for exception in ["example.invalid", ".invalid:6443", "*"] {
        let (address, asked) = proxy();
        let through = format!("http://{address}");
        let ran = plan(&[("HTTPS_PROXY", &through), ("NO_PROXY", exception)]);
        assert_eq!(asked.try_recv(), Err(TryRecvError::Empty), "{exception}: {ran}");
        ran.says(&format!("{server} could not be reached: "));
    }
}
