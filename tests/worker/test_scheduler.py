# SPDX-License-Identifier: Apache-2.0
"""Which windows come next: nothing lost, nothing twice, nobody starves, batches of one kind."""

from __future__ import annotations

import itertools
import threading
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from harken.model import Lane
from harken.worker.scheduler import INTERACTIVE_TURNS, LANES, PATIENCE, Scheduler, Task

_numbers = itertools.count()


def _task(
    caller: str = "a",
    job: str = "j",
    *,
    lane: Lane = Lane.BATCH,
    key: str = "k",
    model: str = "m",
    parallel: int | None = None,
    together: int | None = None,
) -> Task[int]:
    return Task(lane, caller, f"{caller}/{job}", model, key, next(_numbers), parallel, together)


tasks = st.lists(
    st.builds(
        _task,
        caller=st.sampled_from("abc"),
        job=st.sampled_from("xyz"),
        lane=st.sampled_from(LANES),
        key=st.sampled_from(["k1", "k2"]),
        model=st.sampled_from(["m1", "m2"]),
    ),
    max_size=60,
)


def _drain(scheduler: Scheduler[int], limit: int, loaded: frozenset[str] = frozenset()) -> list[list[Task[int]]]:
    batches = []
    while batch := scheduler.take(limit, loaded):
        batches.append(batch)
        scheduler.finished(batch)
    return batches


@given(tasks, st.integers(1, 9), st.frozensets(st.sampled_from(["m1", "m2"])))
def test_everything_comes_out_once_in_batches_of_one_kind(
    added: list[Task[int]], limit: int, loaded: frozenset[str]
) -> None:
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add(added)
    assert len(scheduler) == len(added)
    batches = _drain(scheduler, limit, loaded)
    assert sorted(task.item for batch in batches for task in batch) == sorted(task.item for task in added)
    for batch in batches:
        assert 1 <= len(batch) <= limit
        assert len({(task.model, task.key) for task in batch}) == 1
    assert len(scheduler) == 0


@given(tasks, st.integers(1, 9))
def test_windows_of_one_job_and_key_keep_their_order(added: list[Task[int]], limit: int) -> None:
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add(added)
    seen: dict[tuple[str, Lane, str, str], int] = {}
    for batch in _drain(scheduler, limit):
        for task in batch:
            place = (task.job, task.lane, task.key, task.model)
            assert seen.get(place, -1) < task.item
            seen[place] = task.item


@given(tasks, st.sampled_from(["a/x", "b/y", "c/z"]))
def test_dropped_windows_never_come_out_and_no_others_are_lost(added: list[Task[int]], job: str) -> None:
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add(added)
    dropped = scheduler.drop(job)
    assert sorted(task.item for task in dropped) == sorted(task.item for task in added if task.job == job)
    rest = [task.item for batch in _drain(scheduler, 4) for task in batch]
    assert sorted(rest) == sorted(task.item for task in added if task.job != job)


@given(st.integers(2, 40), st.integers(1, 8), st.booleans())
def test_one_callers_many_windows_never_starve_anothers_one(many: int, limit: int, same_key: bool) -> None:
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add(_task("greedy", f"j{number % 7}") for number in range(many * 25))
    modest = _task("modest", key="k" if same_key else "other")
    scheduler.add([modest])
    first_two = [scheduler.take(limit), scheduler.take(limit)]
    assert any(modest in batch for batch in first_two)


@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 9))
def test_no_batch_holds_more_windows_than_may_be_together(many: int, limit: int, together: int) -> None:
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add(_task(job=f"j{number % 3}", together=together) for number in range(many))
    sizes = [len(batch) for batch in _drain(scheduler, limit)]
    full, left = divmod(many, min(limit, together))
    assert sizes == [min(limit, together)] * full + [left] * bool(left)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=6), st.integers(1, 4))
def test_callers_take_turns_while_all_have_work(sizes: list[int], limit: int) -> None:
    scheduler: Scheduler[int] = Scheduler()
    for number, size in enumerate(sizes):
        scheduler.add(_task(f"c{number}", key=f"k{number}") for _ in range(size))
    turns = [batch[0].caller for batch in _drain(scheduler, limit)]
    rounds = min(-(-size // limit) for size in sizes)
    for turn in range(rounds):
        assert len(set(turns[turn * len(sizes) : (turn + 1) * len(sizes)])) == len(sizes)


def test_jobs_of_a_caller_take_turns() -> None:
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add(_task(job=job, key=job) for job in "xxxyyy")
    assert [batch[0].job for batch in _drain(scheduler, 1)] == ["a/x", "a/y"] * 3


def test_interactive_goes_first_and_batch_is_never_starved() -> None:
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add(_task(key=f"k{number}") for number in range(3))
    scheduler.add(_task("b", key=f"i{number}", lane=Lane.INTERACTIVE) for number in range(40))
    lanes = [batch[0].lane for batch in _drain(scheduler, 8)]
    turn = [Lane.INTERACTIVE] * INTERACTIVE_TURNS + [Lane.BATCH]
    assert lanes[: 3 * len(turn)] == turn * 3


def test_a_batch_that_someone_waits_for_is_not_filled_with_what_nobody_waits_for() -> None:
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add(_task() for _ in range(10))
    scheduler.add([_task("b", lane=Lane.INTERACTIVE)])
    assert len(scheduler.take(8)) == 1


def test_a_batch_is_filled_by_callers_in_turn() -> None:
    scheduler: Scheduler[int] = Scheduler()
    for caller in "abc":
        scheduler.add(_task(caller) for _ in range(10))
    assert Counter(task.caller for task in scheduler.take(8)) == {"a": 3, "b": 3, "c": 2}


def test_who_rides_along_in_anothers_batches_does_not_lead_as_many() -> None:
    """All windows of one caller are of kinds of their own, and the other has some of each kind."""
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add(_task("many", f"j{number}", key=f"k{number % 6}") for number in range(48))
    first = scheduler.take(4)
    scheduler.add(_task("one", key=f"k{number}") for number in range(6))
    scheduler.finished(first)
    leads = [batch[0].caller for batch in _drain(scheduler, 4)]
    assert leads[:6] == ["one"] * 6


def test_who_comes_back_again_and_again_does_not_keep_others_waiting() -> None:
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add(_task("many", f"j{number}", key=f"k{number}") for number in range(40))
    leads = []
    for number in range(20):
        scheduler.add([_task("drops", key=f"d{number}")])
        batch = scheduler.take(4)
        leads.append(batch[0].caller)
        scheduler.finished(batch)
    assert Counter(leads) == {"many": 10, "drops": 10}


@given(st.integers(20, 400))
def test_who_rode_along_for_long_waits_for_few(batches: int) -> None:
    scheduler: Scheduler[int] = Scheduler()
    for _ in range(batches):
        scheduler.add([_task("one"), *(_task("many") for _ in range(7))])
        scheduler.finished(scheduler.take(8))
    scheduler.add(_task("one", key="other") for _ in range(50))
    scheduler.add([_task("many", key="own")])
    leads = [batch[0].caller for batch in _drain(scheduler, 1)]
    assert leads.index("many") <= 16


@given(st.integers(20, 400))
def test_who_was_held_back_for_long_does_not_keep_others_waiting(batches: int) -> None:
    """One batch at a time may have windows of its job."""
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add(_task("held", "h", key=f"h{number}", parallel=1) for number in range(2))
    held = scheduler.take(1)
    for _ in range(batches):
        scheduler.add(_task("many", f"j{number}", key="k") for number in range(8))
        scheduler.finished(scheduler.take(8))
    scheduler.finished(held)
    scheduler.add(_task("held", f"j{number}", key=f"k{number}") for number in range(100))
    scheduler.add(_task("many", f"j{number}", key=f"k{number}") for number in range(100))
    leads = [batch[0].caller for batch in _drain(scheduler, 1)]
    assert leads.index("many") <= 24


def test_a_loaded_model_is_preferred_within_reason() -> None:
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add([_task("other", model="cold")])
    scheduler.add(_task("many", f"j{number}", model="warm", key=f"k{number}") for number in range(20))
    models = [batch[0].model for batch in _drain(scheduler, 1, frozenset({"warm"}))]
    assert models[: PATIENCE + 1] == ["warm"] * PATIENCE + ["cold"]


def test_a_job_runs_in_no_more_batches_than_it_may() -> None:
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add(_task(key=f"k{number}", parallel=1) for number in range(3))
    running = scheduler.take(1)
    assert scheduler.take(1) == []
    scheduler.finished(running)
    assert len(scheduler.take(1)) == 1


@given(tasks, st.integers(1, 9))
def test_who_takes_one_lane_only_is_given_no_other_and_leaves_the_rest(added: list[Task[int]], limit: int) -> None:
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add(added)
    taken = []
    while batch := scheduler.take(limit, only=Lane.INTERACTIVE):
        taken.extend(batch)
        scheduler.finished(batch)
    assert sorted(task.item for task in taken) == sorted(task.item for task in added if task.lane is Lane.INTERACTIVE)
    assert {task.lane for batch in _drain(scheduler, limit) for task in batch} <= {Lane.BATCH}
    assert len(scheduler) == 0


def test_what_somebody_waits_for_is_held_up_only_behind_a_batch_that_nobody_waits_for() -> None:
    scheduler: Scheduler[int] = Scheduler()
    scheduler.add([_task(lane=Lane.INTERACTIVE, job="first"), _task(lane=Lane.INTERACTIVE, job="second", key="k2")])
    first = scheduler.take(1)
    assert not scheduler.held_up(0.0, 0.0), "it waits behind its like"
    scheduler.finished(first)
    scheduler.finished(scheduler.take(1))
    scheduler.add([_task(job="long"), _task(job="later")])
    long = scheduler.take(1)
    assert not scheduler.held_up(0.0, 0.0), "nobody waits for what waits"
    scheduler.add([_task(lane=Lane.INTERACTIVE, job="short")])
    assert scheduler.held_up(0.0, 0.0)
    scheduler.finished(long)
    assert not scheduler.held_up(0.0, 0.0), "who was busy with the batch can take it"


def test_who_takes_one_lane_only_does_not_make_the_batches_of_others_smaller() -> None:
    scheduler: Scheduler[int] = Scheduler()
    waiting = threading.Thread(target=lambda: scheduler.take(4, timeout=30, only=Lane.INTERACTIVE))
    waiting.start()
    scheduler.add(_task() for _ in range(4))
    assert len(scheduler.take(4)) == 4
    scheduler.close()
    waiting.join(30)


def test_a_retry_goes_before_the_jobs_other_windows() -> None:
    scheduler: Scheduler[int] = Scheduler()
    first, second, third = (_task(key=f"k{number}") for number in range(3))
    scheduler.add([third])
    scheduler.add([first, second], first=True)
    assert [batch[0] for batch in _drain(scheduler, 1)] == [first, second, third]


@given(tasks)
def test_threads_that_take_at_once_get_everything_once(added: list[Task[int]]) -> None:
    scheduler: Scheduler[int] = Scheduler()
    taken: list[int] = []

    def work() -> None:
        while batch := scheduler.take(3, timeout=30):
            taken.extend(task.item for task in batch)
            scheduler.finished(batch)
            if len(taken) == len(added):
                scheduler.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    scheduler.add(added)
    if not added:
        scheduler.close()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert sorted(taken) == sorted(task.item for task in added)
