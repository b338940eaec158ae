"""Work beside the kernel's loop: its answer comes back on the loop, and not after it was cancelled."""

import asyncio
import threading

import pytest

from segkit.show.widgets.background import BackgroundWork, LatestWork


def ended(work_of, cancel=False):
    """Start work on a loop, perhaps cancel it while it waits, and return what came back, and from which threads."""
    said, threads, go_on = [], set(), threading.Event()

    def say(*told):
        said.append(told)
        threads.add(threading.current_thread())

    def work(background):
        threads.add(threading.current_thread())
        assert go_on.wait(20)
        return work_of(background)

    async def run():
        background = BackgroundWork(
            work,
            done=lambda answer: say("done", answer),
            failed=lambda error: say("failed", str(error)),
            step=lambda n: say("step", n),
        )
        if cancel:
            background.cancel()
        go_on.set()
        await asyncio.to_thread(background.join)
        await asyncio.sleep(0)

    asyncio.run(run())
    return said, threads


def test_steps_and_answer_come_back_on_the_loop():
    said, threads = ended(lambda work: sum(work.steps([10, 20])))
    assert said == [("step", 1), ("step", 2), ("done", 30)]
    assert len(threads) == 2 and threading.main_thread() in threads


def test_an_error_comes_back():
    assert ended(lambda work: int("two"))[0] == [("failed", "invalid literal for int() with base 10: 'two'")]


@pytest.mark.parametrize(
    "work_of", [lambda work: sum(work.steps([1, 2])), lambda work: 3, lambda work: int("two")]
)
def test_nothing_comes_back_of_cancelled_work(work_of):
    assert ended(work_of, cancel=True)[0] == []


def test_cancelled_work_ends_before_its_next_step():
    seen = []
    ended(lambda work: [seen.append(n) for n in work.steps([1, 2])], cancel=True)
    assert seen == []


def test_without_a_loop_the_answer_is_there_at_once():
    said = []
    BackgroundWork(
        lambda work: list(work.steps("ab")), done=said.append, failed=said.append, step=said.append
    )
    assert said == [1, 2, ["a", "b"]]


def test_work_that_was_passed_over_is_not_begun():
    """While the first runs, a second and a third are wanted: the second never runs, and the third alone answers."""
    ran, said, go_on = [], [], threading.Event()

    def work(n):
        assert n != 1 or go_on.wait(20)
        ran.append(n)
        return n

    async def run():
        latest = LatestWork()
        latest.begin(lambda: work(1), done=said.append, failed=said.append)
        while not latest._one_at_a_time.locked():
            await asyncio.sleep(0.001)
        for n in (2, 3):
            latest.begin(lambda n=n: work(n), done=said.append, failed=said.append)
        go_on.set()
        await asyncio.to_thread(latest.join)
        await asyncio.sleep(0)

    asyncio.run(run())
    assert (ran, said) == ([1, 3], [3])
