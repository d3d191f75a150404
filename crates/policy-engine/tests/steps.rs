//! The words of every kind of step, and of what stands in the way of a count: read aloud what changes in a snapshot.

use std::{fmt::Write as _, time::Duration};

use headroom_policy_engine::{
    ActiveBound, ActiveBounds, BoundSource, BoundsInForce, Decision, Explanation, FallbackAction, MetricName,
    Observation, OwnBounds, Proposal, Reason, ReplicaBounds, Replicas, ScheduleName, Step, testing,
};

#[test]
fn every_kind_of_step_has_a_line_for_somebody_who_was_woken() {
    let mut page = String::new();
    let mut kind = "";
    for step in testing::steps() {
        if step.code() != kind {
            kind = step.code();
            let _ = writeln!(page, "\n{kind}");
        }
        let _ = writeln!(page, "  {step}");
    }
    insta::assert_snapshot!(page);
}

fn hold(at: Replicas) -> Decision {
    Decision::Hold {
        at,
        reason: Reason::OnTarget,
    }
}

/// Why `steps` did not lead to `want`, but to `decided`, for people.
fn why_not(steps: Vec<Step>, decided: Replicas, want: u32, bounds: Option<BoundsInForce<'_>>) -> String {
    let explanation = Explanation(steps);
    let answer = explanation.why_not(&hold(decided), Replicas::new(want), bounds);
    let mut page = format!("{want}: {answer}\n");
    for obstacle in &answer.in_the_way {
        let _ = writeln!(page, "  {obstacle}");
        for need in answer.needs(obstacle) {
            let _ = writeln!(page, "    {need}");
        }
    }
    page
}

#[test]
fn what_a_step_keeps_from_is_said_with_what_would_let_it_through() {
    let mut page = String::new();
    for step in testing::steps() {
        let Some((from, to)) = step.change().filter(|(from, to)| from != to) else {
            continue;
        };
        let recommended = Step::Combined {
            replicas: from,
            by: None,
        };
        page.push_str(&why_not(vec![recommended, step], to, from.get(), None));
    }
    insta::assert_snapshot!(page);
}

#[test]
fn what_a_metric_would_have_to_be_is_said_in_its_unit() {
    let mut page = String::new();
    let mut is_unknown = false;
    for step in testing::steps() {
        let Step::Recommended {
            proposal,
            seen,
            terms,
            ..
        } = &step
        else {
            continue;
        };
        // One cause is enough.
        let was_unknown = is_unknown;
        is_unknown = matches!((seen, proposal), (Observation::Missing { .. }, Proposal::Blocks));
        if is_unknown && was_unknown {
            continue;
        }
        let asks_for = match proposal {
            Proposal::Replicas(replicas) => *replicas,
            Proposal::NoVote | Proposal::Ignored | Proposal::Blocks => terms.current,
        };
        let combined = Step::Combined {
            replicas: asks_for,
            by: None,
        };
        for want in [asks_for.get() + 2, asks_for.get().saturating_sub(1)] {
            page.push_str(&why_not(
                vec![step.clone(), combined.clone()],
                asks_for,
                want,
                None,
            ));
        }
        page.push('\n');
    }
    insta::assert_snapshot!(page);
}

#[test]
fn everything_in_the_way_is_said_in_its_order_and_the_bound_that_no_step_had_to_say() {
    let schedule = BoundSource::Schedule(ScheduleName::new("night"));
    let active = ActiveBounds {
        floor: None,
        ceiling: ActiveBound::new(Replicas::new(8), schedule).ok(),
    };
    let [fewest, most] = [2, 20].map(Replicas::new);
    let own = OwnBounds {
        bounds: ReplicaBounds::new(fewest, most).unwrap(),
        zero: false,
    };
    let bounds = Some(BoundsInForce { own, active: &active });
    let all = testing::steps();
    let example = |line: &str| {
        let step = all.iter().find(|step| step.to_string().contains(line));
        step.unwrap_or_else(|| panic!("no step says {line:?}")).clone()
    };
    let steps = [
        "request_rate is 930, at 100 for each replica: asks for 10",
        "10 are recommended: request_rate asks for the most",
        "10 are wanted, and at most 4 may be added within 15 s",
        "6 would be set, but scaling is paused: stays at 4 for another 20 min",
    ];
    let steps: Vec<Step> = steps.into_iter().map(example).collect();
    let unknown = [
        "cpu is at 30 %, below its target of 70 %: asks for 2",
        "request_rate was 930 12 min ago, which is too old to act on, so",
        "no metric asks for a count, so it stays at 4",
        "2 would be enough, but request_rate was last known 12 min ago",
        "2 would be enough, but 4 or more were needed within the last 5 min",
    ];
    let mut unknown: Vec<Step> = unknown.into_iter().map(example).collect();
    unknown[2] = Step::Combined {
        replicas: Replicas::new(2),
        by: Some(MetricName::new("cpu")),
    };
    let wants = [0, 1, 3, 4, 5, 7, 9, 12];
    let page: Vec<_> = wants
        .map(|want| why_not(steps.clone(), Replicas::new(4), want, bounds))
        .into();
    let unknown = why_not(unknown, Replicas::new(4), 2, None);
    insta::assert_snapshot!(format!("{}\n{unknown}", page.join("\n")));
}

#[test]
fn what_a_later_step_made_up_for_is_not_in_the_way_any_more() {
    let [two, four, six] = [2, 4, 6].map(Replicas::new);
    let steps = vec![
        Step::Combined {
            replicas: two,
            by: None,
        },
        Step::FellBack {
            wanted: two,
            raised: six,
            action: FallbackAction::AtLeast(six),
            unknown_for: Duration::from_secs(180),
            metric: None,
        },
        Step::Bounded {
            wanted: six,
            bounded: four,
            bounds: ReplicaBounds::new(two, four).unwrap(),
            by: None,
        },
    ];
    let explanation = Explanation(steps);
    let first = |want: u32| {
        let answer = explanation.why_not(&hold(four), Replicas::new(want), None);
        let places = answer.in_the_way.iter().map(|obstacle| obstacle.index().unwrap());
        places.collect::<Vec<_>>()
    };
    // The load asks for fewer, but the fallback came as far as 6 without it.
    assert_eq!(first(6), [2]);
    // The fallback did not come as far as 7, so both would have to be otherwise.
    assert_eq!(first(7), [0, 2]);
    assert_eq!(first(3), [1]);
}
