//! Which cluster is meant, and what is said when that is not clear.

use std::{fs, path::Path, sync::Arc, time::Duration};

use headroom_cluster::{ClusterError, Filling};
use headroom_test_support::{temp_dir, wait_for};
use serde_json::json;

use crate::world::{DEPLOYMENTS, NOW, World, connect, deployment, kubeconfig, list, plugin, wanting};

const DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn a_context_that_does_not_exist_is_answered_with_those_that_do() {
    let directory = temp_dir();
    let path = kubeconfig(&directory, "https://127.0.0.1:1", &json!({}));
    let error = connect(path.clone(), Some("prod"), DEADLINE).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the kubeconfig {} has no context `prod`; it has test",
            path.display()
        )
    );
}

#[test]
fn a_kubeconfig_that_is_not_there_or_cannot_be_read_is_named() {
    let directory = temp_dir();
    let path = directory.path().join("none");
    let error = connect(path.clone(), None, DEADLINE).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the kubeconfig {} cannot be used: No such file or directory (os error 2)",
            path.display()
        )
    );
    fs::write(&path, "apiVersion: [").unwrap();
    let error = connect(path, None, DEADLINE).unwrap_err();
    assert!(matches!(error, ClusterError::Kubeconfig { .. }), "{error:?}");
}

#[test]
fn without_a_current_context_one_has_to_be_chosen() {
    let directory = temp_dir();
    let path = directory.path().join("kubeconfig");
    let contexts = json!({"contexts": [
        {"name": "a", "context": {"cluster": "c", "user": "u"}},
        {"name": "b", "context": {"cluster": "c", "user": "u"}}]});
    fs::write(&path, contexts.to_string()).unwrap();
    let error = connect(path, None, DEADLINE).unwrap_err();
    assert!(
        error.to_string().ends_with("choose one with --context: a, b"),
        "{error}"
    );
}

/// A kubeconfig that has changed between its first look and the first request.
async fn after(change: impl FnOnce(&mut serde_json::Value)) -> (World, Result<(), ClusterError>) {
    let (world, directory) = (World::new(DEADLINE).await, temp_dir());
    world.answer(DEPLOYMENTS, list(&[wanting("api", 3)], "")).await;
    let path = kubeconfig(&directory, &world.server.uri(), &json!({}));
    let connection = connect(path.clone(), None, DEADLINE).unwrap();
    let mut text = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut text);
    fs::write(&path, text.to_string()).unwrap();
    let view = headroom_cluster::ClusterView::new(connection.into(), Filling::Lists);
    let found = view.scalable(&deployment("api"), NOW).await;
    (world, found.map(drop))
}

#[tokio::test]
async fn the_context_stays_when_another_becomes_the_current_one() {
    let (world, found) = after(|kubeconfig| {
        kubeconfig["current-context"] = "other".into();
        let clusters = kubeconfig["clusters"].as_array_mut().unwrap();
        clusters.push(json!({"name": "o", "cluster": {"server": "http://127.0.0.1:9"}}));
        let contexts = kubeconfig["contexts"].as_array_mut().unwrap();
        contexts.push(json!({"name": "other", "context": {"cluster": "o", "user": "u"}}));
    })
    .await;
    found.unwrap();
    assert_eq!(world.asked(DEPLOYMENTS).await, 1);
}

#[tokio::test]
async fn a_context_that_means_another_server_than_in_the_beginning_is_not_followed() {
    let other = World::new(DEADLINE).await;
    let uri = other.server.uri();
    let (world, found) =
        after(|kubeconfig| kubeconfig["clusters"][0]["cluster"]["server"] = uri.clone().into()).await;
    let text = found.unwrap_err().to_string();
    let expected = format!(
        " means another server now: {uri} instead of {}; restart to work with that one",
        world.server.uri()
    );
    assert!(
        text.starts_with("context test of /") && text.ends_with(&expected),
        "{text}"
    );
    assert_eq!(
        (world.asked(DEPLOYMENTS).await, other.asked(DEPLOYMENTS).await),
        (0, 0)
    );
}

#[tokio::test]
async fn a_credential_plugin_that_fails_is_quoted() {
    let plugins = temp_dir();
    let user = plugin(plugins.path(), "echo 'the SSO session has expired' >&2; exit 3");
    let world = World::as_user(DEADLINE, &user).await;
    let error = world
        .view(Filling::Lists)
        .scalable(&deployment("api"), NOW)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ClusterError::CredentialPlugin { .. }), "{text}");
    assert!(
        text.contains("exit status: 3: the SSO session has expired"),
        "{text}"
    );
    assert_eq!(world.asked(DEPLOYMENTS).await, 0);
}

#[tokio::test]
async fn no_error_shows_what_a_credential_plugin_is_given_or_gives() {
    for script in ["exit 3", "echo '{\"status\": {\"token\": s3cret}'", "echo s3cret"] {
        let plugins = temp_dir();
        let mut user = plugin(plugins.path(), script);
        user["exec"]["env"] = json!([{"name": "TOKEN", "value": "s3cret"}]);
        user["exec"]["args"] = json!(["--token", "s3cret"]);
        let world = World::as_user(DEADLINE, &user).await;
        let error = world
            .view(Filling::Lists)
            .scalable(&deployment("api"), NOW)
            .await
            .unwrap_err();
        let (text, debugged) = (error.to_string(), format!("{error:?} {:?}", world.connection));
        assert!(
            matches!(error, ClusterError::CredentialPlugin { .. }),
            "{debugged}"
        );
        let command = plugins.path().join("plugin").display().to_string();
        assert!(
            text.contains(&format!(
                "the credential plugin `{command}` of the kubeconfig failed: "
            )),
            "{text}"
        );
        assert!(
            !text.contains("s3cret") && !debugged.contains("s3cret"),
            "{text} {debugged}"
        );
    }
}

#[tokio::test]
async fn no_error_shows_the_password_of_a_proxy() {
    for (proxy, scheme) in [("ftp://u:s3cret@h:1", "`ftp`"), ("u:s3cret@h:1", "no scheme")] {
        let directory = temp_dir();
        let path = kubeconfig(&directory, "https://api.example:6443", &json!({}));
        through_proxy(&path, proxy);
        let connection = Arc::new(connect(path, None, DEADLINE).unwrap());
        let view = headroom_cluster::ClusterView::new(Arc::clone(&connection), Filling::Lists);
        let error = view.scalable(&deployment("api"), NOW).await.unwrap_err();
        let expected = format!(
            "the connection to https://api.example:6443 cannot be set up: a proxy of {scheme} is not supported: use \
             http, https or socks5"
        );
        assert_eq!(error.to_string(), expected);
        let debugged = format!("{error:?} {connection:?}");
        assert!(!debugged.contains("s3cret"), "{debugged}");
    }
}

#[tokio::test]
async fn a_credential_plugin_that_hangs_is_started_once() {
    let plugins = temp_dir();
    let started = plugins.path().join("started");
    let script = format!(
        "echo started >> {}; while [ -e {0} ]; do sleep 0.1; done",
        started.display()
    );
    let user = plugin(plugins.path(), &script);
    let world = World::as_user(Duration::from_millis(300), &user).await;
    for _ in 0..3 {
        let error = world
            .view(Filling::Lists)
            .scalable(&deployment("api"), NOW)
            .await
            .unwrap_err();
        let expected = format!(
            "the credential plugin `{}` of the kubeconfig failed: it did not end within 300ms",
            plugins.path().join("plugin").display()
        );
        assert_eq!(error.to_string(), expected);
    }
    let starts = wait_for(DEADLINE, "it was started", async || {
        fs::read_to_string(&started)
            .ok()
            .filter(|starts| !starts.is_empty())
    })
    .await;
    assert_eq!(starts, "started\n");
    // So that it ends.
    fs::remove_file(&started).unwrap();
}

#[tokio::test]
async fn a_credential_plugin_gives_the_token_that_is_sent() {
    let plugins = temp_dir();
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "from-plugin"}});
    let user = plugin(plugins.path(), &format!("echo '{credential}'"));
    let world = World::as_user(DEADLINE, &user).await;
    world.answer(DEPLOYMENTS, list(&[wanting("api", 3)], "")).await;
    world
        .view(Filling::Lists)
        .scalable(&deployment("api"), NOW)
        .await
        .unwrap();
    let requests = world.server.received_requests().await.unwrap();
    let header = |name: &str| requests[0].headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("authorization"), "Bearer from-plugin");
    assert_eq!(
        header("user-agent"),
        concat!("headroom/", env!("CARGO_PKG_VERSION"))
    );
}

#[tokio::test]
async fn a_kubeconfig_that_goes_through_a_proxy_does() {
    let proxy = wiremock::MockServer::start().await;
    let directory = temp_dir();
    let path = kubeconfig(&directory, "https://api.example:6443", &json!({}));
    through_proxy(&path, &proxy.uri());
    let connection = connect(path, None, Duration::from_secs(2)).unwrap();
    let view = headroom_cluster::ClusterView::new(connection.into(), Filling::Lists);
    view.scalable(&deployment("api"), NOW).await.unwrap_err();
    let requests = proxy.received_requests().await.unwrap();
    assert!(!requests.is_empty(), "the proxy is asked for a way to the server");
    assert_eq!(requests[0].method.as_str(), "CONNECT");
}

/// Has the kubeconfig name `proxy` for its cluster.
fn through_proxy(kubeconfig: &Path, proxy: &str) {
    let mut text: serde_json::Value = serde_json::from_str(&fs::read_to_string(kubeconfig).unwrap()).unwrap();
    text["clusters"][0]["cluster"]["proxy-url"] = proxy.into();
    fs::write(kubeconfig, text.to_string()).unwrap();
}
