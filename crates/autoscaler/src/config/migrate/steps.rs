//! What a person does from here on, in which order, and what goes quiet.

use std::time::Duration;

use super::{super::words, MovedKind, draft::Draft};

/// The steps for `drafts`. `longest` is the longest of their windows.
pub(super) fn steps(kind: MovedKind, drafts: &[Draft], restores: bool, longest: Duration) -> String {
    let (word, what) = (kind.word(), kind.kind());
    let (namespace, name, target) =
        drafts
            .first()
            .map_or(("NAMESPACE", "NAME", "deployment/NAME"), |draft| {
                (
                    draft.namespace.as_str(),
                    draft.object_name.as_str(),
                    draft.target.as_str(),
                )
            });
    let window = words::duration_text(longest);
    let restore = if restores {
        format!(
            "   Before that, where restoreToOriginalReplicaCount is true:\n     \
             kubectl patch {word} {name} -n {namespace} --type merge -p \
             '{{\"spec\":{{\"advanced\":{{\"restoreToOriginalReplicaCount\":false}}}}}}'\n"
        )
    } else {
        String::new()
    };
    let quiet = match kind {
        MovedKind::Hpa => {
            "  kubectl get hpa                                   headroom status\n  \
             kubectl describe hpa                              headroom explain\n"
        }
        MovedKind::ScaledObject => {
            "  kubectl get scaledobject, kubectl get hpa         headroom status\n  \
             kubectl describe scaledobject                     headroom explain\n  \
             alerts on keda_scaler_*, keda_scaled_object_*     headroom history --format json\n"
        }
    };
    format!(
        "\
Steps, for each workload ({namespace}/{name} as the example)

1. headroom check, then headroom run beside the {what}. With mode = \"shadow\" it writes no count, and fills its windows.
   Let it run for {window} at least. headroom status tells how often both gave the same answer, where they differed, and
   why.
2. Take spec.replicas out of what deploys the workload, or the next deploy resets the count:
   plain apply  kubectl apply edit-last-applied {target} -n {namespace}     remove spec.replicas there first: whoever only
                removes it from the manifest makes the next apply set it to 1; then remove it from the manifest
   Helm         let the chart write no `replicas` at all, and release that while the {what} is still there. Charts of
                `helm create` write it as soon as autoscaling.enabled is false, and set the count with that.
   Argo CD      ignoreDifferences with jsonPointers [/spec/replicas], and RespectIgnoreDifferences=true in syncOptions
3. Remove the line mode = \"shadow\" of the workload, and start headroom with the same state directory. As long as the
   {what} is there, headroom still writes nothing, and says so.
4. Take the {what} away. The count stays as it is, and headroom takes over in its next pass, with windows
   that are full.
{restore}   plain apply  kubectl delete {word} {name} -n {namespace}, and remove it from the manifests
   Helm         disable it in the values (autoscaling.enabled=false), then helm upgrade
   Argo CD      remove it from Git, and sync with prune

The way back: apply the {what} again. From its next pass on, headroom leaves the count to it.

What goes quiet                                     what to look at instead
{quiet}  alerts on kube_horizontalpodautoscaler_*
    such as KubeHpaMaxedOut                         rows of headroom history --format json: in decision.hpa.conditions,
                                                      ScalingLimited with the reason TooManyReplicas; with headroom's
                                                      own semantics, the decision.reason at_maximum
    such as KubeHpaReplicasMismatch                 the count and the ready replicas stay in kube_deployment_spec_replicas
                                                      and kube_deployment_status_replicas_ready
  Flagger's autoscalerRef                           remove it from the Canary, and scale the primary: Flagger copies the
                                                      {what} to NAME-primary, and pauses the other
"
    )
}
