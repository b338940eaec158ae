"""A privacy budget is kept in a file, and nothing is released past its end."""

import sqlite3
import subprocess
import sys

import pytest
from shared_data import CHECKOUT

import segkit as sg

SPEND_TENTHS = """
import sys
import segkit as sg
budget, done = sg.PrivacyBudget(sys.argv[1]), 0
print("ready", flush=True)
sys.stdin.readline()
for _ in range(30):
    try:
        budget.spend("a tenth", epsilon=0.1)
    except ValueError as error:
        assert "Nothing was released" in str(error), error
    else:
        done += 1
print(done)
"""


@pytest.fixture
def budget(tmp_path):
    return sg.PrivacyBudget(tmp_path / "budget.sqlite", epsilon=1, delta=1e-5)


def test_budget_ends_at_its_end(budget):
    """0.1 three times is 0.3 exactly, so that all of a budget can be spent."""
    for _ in range(3):
        budget.spend("a", epsilon=0.1)
    budget.spend("b", epsilon=0.7, delta=1e-5)
    assert budget.ledger.to_dict("list") == {
        "release": ["a", "a", "a", "b"],
        "epsilon": [0.1, 0.1, 0.1, 0.7],
        "delta": [0, 0, 0, 1e-5],
        "left": [0.9, 0.8, 0.7, 0.0],
    }
    assert (budget.spent, budget.left) == (1, 0)
    assert repr(budget) == "PrivacyBudget: 1 of epsilon 1 spent in 4 releases; 0 left"
    assert budget._repr_html_().count("<tr>") == 5
    with pytest.raises(
        ValueError, match=r"would spend epsilon=1e-09, and 0 of 1 is left. Nothing was released"
    ):
        budget.spend("c", epsilon=1e-9)


def test_restart_keeps_what_was_spent(budget):
    for _ in range(2):
        budget.spend("half", epsilon=0.5)
    for again in (sg.PrivacyBudget(budget.path), sg.PrivacyBudget(str(budget.path), 1.0)):
        with pytest.raises(ValueError, match="0 of 1 is left"):
            again.spend("a third", epsilon=0.5)
        assert len(again.ledger) == 2


def test_two_processes_share_one_budget(budget):
    """Each would spend three budgets; together they spend one."""
    command = [sys.executable, "-c", SPEND_TENTHS, str(budget.path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": CHECKOUT}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    done = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(done) == 10 == len(budget.ledger)
    assert budget.left == 0


def test_delta_is_spent_too(budget):
    budget.spend("a", epsilon=0.1, delta=6e-6)
    with pytest.raises(ValueError, match=r"delta=6e-06, and 4e-06 of 1e-05 is left.*Leave delta out"):
        budget.spend("b", epsilon=0.1, delta=6e-6)
    assert budget.left == 0.9


def test_budget_stays_as_begun(budget, tmp_path):
    with pytest.raises(ValueError, match="begun with epsilon=1, and this is epsilon=2"):
        sg.PrivacyBudget(budget.path, 2)
    with pytest.raises(ValueError, match="begun with delta=1e-05, and this is delta=0"):
        sg.PrivacyBudget(budget.path, delta=0)
    with pytest.raises(FileNotFoundError, match=r"no ledger .* say how much may be spent: epsilon=1"):
        sg.PrivacyBudget(tmp_path / "other.sqlite")
    with pytest.raises(IsADirectoryError, match=r"is a folder. Name a file in it: '.*budget\.sqlite'"):
        sg.PrivacyBudget(tmp_path, 1)
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        sg.PrivacyBudget(tmp_path / "nowhere" / "other.sqlite", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["budget.sqlite"]


@pytest.mark.parametrize("epsilon", [0, -1, float("inf"), float("nan"), 101, True, "1", None])
def test_refuses_an_unusable_epsilon(budget, epsilon):
    with pytest.raises(ValueError, match=r"epsilon=.* should be above 0 and at most 100"):
        budget.spend("a", epsilon=epsilon)
    assert budget.left == 1


@pytest.mark.parametrize("delta", [-1e-9, 0.5, float("nan"), True])
def test_refuses_an_unusable_delta(budget, delta):
    with pytest.raises(ValueError, match=r"delta=.* should be 0, or far below"):
        budget.spend("a", epsilon=0.1, delta=delta)


def test_changed_ledgers_are_found(budget):
    """SQL neither changes nor deletes entries; who removes that guard is found by the hashes."""
    for epsilon in (0.5, 0.2):
        budget.spend("a", epsilon=epsilon)
    connection = sqlite3.connect(budget.path, isolation_level=None)
    change = "UPDATE ledger SET epsilon = '0.1' WHERE number = 1"
    for statement in (change, "DELETE FROM ledger"):
        with pytest.raises(sqlite3.IntegrityError, match="append only"):
            connection.execute(statement)
    connection.execute("DROP TRIGGER keep_entries")
    connection.execute(change)
    connection.close()
    for use in (lambda: budget.spend("b", epsilon=0.1), lambda: sg.PrivacyBudget(budget.path)):
        with pytest.raises(
            ValueError, match=r"changed at entry 1, so nobody knows what was spent\. Bring it back"
        ):
            use()


def test_lost_ledgers_are_not_begun_anew(budget, tmp_path):
    budget.path.rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="is gone, so nobody knows what was spent"):
        budget.spend("a", epsilon=0.1)
    assert not budget.path.exists()


def test_other_files_are_left_alone(tmp_path):
    text, database = tmp_path / "notes.txt", tmp_path / "shop.db"
    text.write_text("Buy milk. " * 100)
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE orders (id)")
    connection.close()
    for path in (text, database):
        before = path.read_bytes()
        with pytest.raises(ValueError, match="holds no ledger of a privacy budget"):
            sg.PrivacyBudget(path, 1)
        assert path.read_bytes() == before
