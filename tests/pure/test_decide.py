"""Decisions about runs and sessions: from every state that can be, each step is legal and the end is reached."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mooring.base.ids import new_id
from mooring.compute import decide as of_runs
from mooring.compute.drivers.base import Ending, Observed, RunId, State
from mooring.compute.phases import NEXT as RUN_NEXT
from mooring.compute.phases import TERMINAL as RUN_TERMINAL
from mooring.compute.phases import Report, Run, RunPhase, RunWanted
from mooring.sessions import decide as of_sessions
from mooring.sessions.entities import (
    NEXT,
    TERMINAL,
    Pause,
    PermissionPolicy,
    Session,
    SessionId,
    SessionPhase,
    SessionWanted,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = RunId(new_id("run"))
PATIENCE = timedelta(seconds=30)
OUTCOMES = ("succeeded", "failed", "timeout", "cancelled", "paused", "something new")

reports = st.none() | st.builds(Report, outcome=st.sampled_from(OUTCOMES), reason=st.just("because"))


def observed(state: State, ending: Ending | None = None, code: int | None = None) -> Observed:
    return Observed(run=RUN, spec_hash="sha256:0", state=state, ending=ending, exit_code=code, reference="1")


exited = st.builds(observed, state=st.just(State.EXITED), ending=st.sampled_from(Ending), code=st.integers(0, 255))
looks = st.none() | st.sampled_from([observed(State.PENDING), observed(State.RUNNING), observed(State.LOST)]) | exited


@given(st.sampled_from(RunPhase), st.sampled_from(RunWanted), looks, reports)
def test_a_run_only_goes_where_its_phase_allows(
    phase: RunPhase, wanted: RunWanted, seen: Observed | None, report: Report | None
) -> None:
    match of_runs.decide(phase, wanted, seen, report):
        case of_runs.Go(phase=following, reason=reason):
            assert following in RUN_NEXT[phase]
            assert reason or following is not RunPhase.LOST
        case of_runs.Ensure():
            assert (phase, wanted) == (RunPhase.STARTING, RunWanted.RUNNING)
            assert seen is None or seen.state is State.PENDING
        case of_runs.Stop():
            assert phase is RunPhase.STOPPING
        case of_runs.Clear():
            assert phase in RUN_TERMINAL
        case of_runs.Wait():
            assert seen is not None
            assert seen.state in (State.PENDING, State.RUNNING)


@given(
    st.sampled_from([RunPhase.RUNNING, RunPhase.STOPPING, RunPhase.STARTING]),
    st.sampled_from(RunWanted),
    exited,
    reports,
)
def test_what_has_exited_reaches_an_end_in_three_steps(
    phase: RunPhase, wanted: RunWanted, seen: Observed, report: Report | None
) -> None:
    for _ in range(3):
        if phase in RUN_TERMINAL:
            break
        do = of_runs.decide(phase, wanted, seen, report)
        assert isinstance(do, of_runs.Go)
        phase = do.phase
    assert phase in RUN_TERMINAL


def test_a_run_that_was_running_and_is_gone_is_lost_and_never_made_again() -> None:
    do = of_runs.decide(RunPhase.RUNNING, RunWanted.RUNNING, None, None)
    assert isinstance(do, of_runs.Go)
    assert (do.phase, bool(do.reason)) == (RunPhase.LOST, True)


def test_running_out_of_memory_is_said_even_when_the_runner_reported() -> None:
    seen = observed(State.EXITED, Ending.OUT_OF_MEMORY, 137)
    do = of_runs.decide(RunPhase.RUNNING, RunWanted.RUNNING, seen, Report(outcome="failed", reason="exit status 137"))
    assert isinstance(do, of_runs.Go)
    assert "memory" in (do.reason or "")


def test_what_the_limits_did_stands_beside_what_the_runner_told() -> None:
    told = Report(outcome="failed", reason="task 0 failed")
    seen = replace(observed(State.EXITED, Ending.TOO_MANY_PROCESSES, 1), detail="the process limit was reached")
    do = of_runs.decide(RunPhase.RUNNING, RunWanted.RUNNING, seen, told)
    assert isinstance(do, of_runs.Go)
    assert do.reason == "task 0 failed (the process limit was reached)"


def session(phase: SessionPhase, wanted: SessionWanted = SessionWanted.RUN) -> Session:
    return Session(
        id=SessionId(new_id("ses")), created_at=NOW, updated_at=NOW, version=1, created_by_user_id=None, name="s",
        repo_url=None, prompt=None, assigned_user_id=None, workflow_id=None, compute_instance_id=None, phase=phase,
        wanted=wanted, reason=None, plan_hash=None, timeout=None, idle_timeout=None, interactive=False,
        permission_policy=PermissionPolicy.ALLOW, capture=False, retried_from=None, forked_from=None, result=None,
        output_filesystem_version_id=None, started_at=NOW, ended_at=None,
    )  # fmt: skip


def run(phase: RunPhase, wanted: RunWanted = RunWanted.RUNNING) -> Run:
    return Run(
        id=RUN, created_at=NOW, updated_at=NOW, version=1, created_by_user_id=None, compute_instance_id=None,
        session_id=None, engine="local", phase=phase, wanted=wanted, reason="why" if phase in RUN_TERMINAL else None,
        exit_code=None, started_at=NOW, ended_at=NOW if phase in RUN_TERMINAL else None, spec={},
    )  # fmt: skip


def pause(paused_at: datetime | None = None, resumed_at: datetime | None = None) -> Pause:
    return Pause(run_id=RUN, asked_at=NOW, paused_at=paused_at, resumed_at=resumed_at)


def times(now: datetime = NOW, *pauses: Pause) -> of_sessions.Times:
    return of_sessions.Times(now=now, timeout=60, patience=PATIENCE, pauses=pauses or (pause(),))


runs = st.none() | st.builds(run, st.sampled_from(RunPhase), st.sampled_from(RunWanted))
# The loop looks at these alone, and a session has a run from `running` on.
before = (SessionPhase.PENDING, SessionPhase.PREPARING)
after = (SessionPhase.RUNNING, SessionPhase.WAITING, SessionPhase.PAUSING)
pairs = st.tuples(st.sampled_from(before), runs) | st.tuples(
    st.sampled_from(after), st.builds(run, st.sampled_from(RunPhase), st.sampled_from(RunWanted))
)


@given(pairs, st.sampled_from(SessionWanted), reports)
def test_a_session_only_goes_where_its_phase_allows(
    pair: tuple[SessionPhase, Run | None], wanted: SessionWanted, report: Report | None
) -> None:
    phase, its_run = pair
    if phase is SessionPhase.PENDING and its_run is not None:
        return  # A run is made in `preparing` at the earliest.
    do = of_sessions.decide(session(phase, wanted), its_run, report, times())
    if isinstance(do, of_sessions.Go):
        assert do.phase in NEXT[phase]
        assert do.reason or do.phase is not SessionPhase.FAILED
        assert wanted is SessionWanted.PAUSE or do.phase is not SessionPhase.PAUSING
    if isinstance(do, of_sessions.StopRun):
        assert its_run is not None
        assert its_run.wanted is RunWanted.RUNNING


def test_a_session_is_completed_only_when_run_and_report_say_so() -> None:
    done, failed = Report(outcome="succeeded"), Report(outcome="failed", reason="task 2 failed")
    for its_run, report, expected in [
        (run(RunPhase.SUCCEEDED), done, SessionPhase.COMPLETED),
        (run(RunPhase.SUCCEEDED), None, SessionPhase.FAILED),
        (run(RunPhase.FAILED), failed, SessionPhase.FAILED),
        (run(RunPhase.LOST), done, SessionPhase.FAILED),
    ]:
        do = of_sessions.decide(session(SessionPhase.RUNNING), its_run, report, times())
        assert isinstance(do, of_sessions.Go)
        assert do.phase is expected


def test_a_session_past_its_timeout_has_its_run_stopped_and_says_so() -> None:
    late = NOW + timedelta(seconds=60) + of_sessions.MARGIN
    do = of_sessions.decide(session(SessionPhase.RUNNING), run(RunPhase.RUNNING), None, times(late))
    assert isinstance(do, of_sessions.StopRun)
    assert "timeout of 60 s" in (do.reason or "")
    waited = pause(NOW, NOW + timedelta(seconds=10))
    do = of_sessions.decide(session(SessionPhase.RUNNING), run(RunPhase.RUNNING), None, times(late, waited))
    assert isinstance(do, of_sessions.Wait), "time paused does not count"


def test_a_session_that_is_to_pause_has_its_run_told_and_stopped_when_it_does_not_obey() -> None:
    wanted = SessionWanted.PAUSE
    do = of_sessions.decide(session(SessionPhase.RUNNING, wanted), run(RunPhase.RUNNING), None, times())
    assert do == of_sessions.Go(phase=SessionPhase.PAUSING)
    told, its_run = session(SessionPhase.PAUSING, wanted), run(RunPhase.RUNNING)
    assert isinstance(of_sessions.decide(told, its_run, None, times(NOW, pause())), of_sessions.Wait)
    late = NOW + PATIENCE
    assert of_sessions.decide(told, its_run, None, times(late, pause())) == of_sessions.StopRun()
    its_run = run(RunPhase.STOPPING, RunWanted.STOPPED)
    assert isinstance(of_sessions.decide(told, its_run, None, times(late, pause())), of_sessions.Wait)


def test_what_a_session_that_was_to_pause_comes_to_is_what_its_run_came_to() -> None:
    told = session(SessionPhase.PAUSING, SessionWanted.PAUSE)
    for its_run, report, expected in [
        (run(RunPhase.STOPPED), Report(outcome="paused"), SessionPhase.PAUSED),
        (run(RunPhase.STOPPED), None, SessionPhase.PAUSED),
        (run(RunPhase.STOPPED), Report(outcome="cancelled", reason="asked to end"), SessionPhase.FAILED),
        (run(RunPhase.SUCCEEDED), Report(outcome="succeeded"), SessionPhase.COMPLETED),
        (run(RunPhase.FAILED), Report(outcome="failed", reason="task 2 failed"), SessionPhase.FAILED),
        (run(RunPhase.LOST), None, SessionPhase.FAILED),
    ]:
        do = of_sessions.decide(told, its_run, report, times(NOW, pause()))
        assert isinstance(do, of_sessions.Go)
        assert do.phase is expected
    cancelled = session(SessionPhase.PAUSING, SessionWanted.CANCEL)
    do = of_sessions.decide(cancelled, run(RunPhase.STOPPED), Report(outcome="paused"), times(NOW, pause()))
    assert do == of_sessions.Go(phase=SessionPhase.CANCELLED)


def test_cancelling_stops_the_run_first_and_ends_cancelled() -> None:
    cancelled = session(SessionPhase.RUNNING, SessionWanted.CANCEL)
    assert isinstance(of_sessions.decide(cancelled, run(RunPhase.RUNNING), None, times()), of_sessions.StopRun)
    do = of_sessions.decide(cancelled, run(RunPhase.STOPPED), None, times())
    assert isinstance(do, of_sessions.Go)
    assert do.phase is SessionPhase.CANCELLED


def test_what_is_over_stays_over() -> None:
    assert all(not NEXT[phase] for phase in TERMINAL)
    assert all(not RUN_NEXT[phase] for phase in RUN_TERMINAL)


def test_a_half_made_run_is_made_again_and_not_waited_for() -> None:
    do = of_runs.decide(RunPhase.STARTING, RunWanted.RUNNING, observed(State.PENDING), None)
    assert isinstance(do, of_runs.Ensure)
