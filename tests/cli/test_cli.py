"""The command line: a checkout that prepares itself, and one clear sentence for whatever is missing."""

import ast
import io
import os
import shutil
import socket
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest

import segkit
from segkit.__main__ import main, too_old
from segkit.cli import command, environment, lab, pip
from segkit.cli.environment import Stamp, ready_python, what_to_do
from segkit.cli.lab import copy_notebooks, jupyterlab_arguments
from segkit.cli.messages import CannotStart, sentence, why
from segkit.cli.progress import Screen

ROOT = Path(segkit.__file__).parents[1]
STAMP = Stamp("/home/ada/segkit", "3.11", "abc", ("data", "lab"))
posix_only = pytest.mark.skipif(os.name != "posix", reason="the stand-in for Python is a shell script")

# Stands in for the environment's Python, so that no test waits for pip: it notes what it was asked,
# and `pip install` does what the file install.sh says.
STAND_IN = """#!/bin/sh
case "$*" in
  *version_info*) echo 3.11 ;;
  *"pip --version"*) test ! -e pip-is-missing ;;
  *ensurepip*) rm pip-is-missing ;;
  *"pip install"*) echo "$*" >> asked; . ./install.sh ;;
esac
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A checkout whose environments cost nothing to make."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "segkit"\n')
    (tmp_path / "constraints.txt").write_text("pandas==3.0\n")
    pip_does(tmp_path, "echo Installing collected packages: pandas, segkit")
    run = subprocess.run

    def make(arguments, **options):
        if "venv" not in arguments:
            return run(arguments, **options)
        shutil.rmtree(arguments[-1], ignore_errors=True)  # as --clear does
        python = environment.python_of(arguments[-1])
        python.parent.mkdir(parents=True)
        python.write_text(STAND_IN)
        python.chmod(0o755)
        with (tmp_path / "made").open("a") as made:
            made.write("once\n")
        return subprocess.CompletedProcess(arguments, 0, stdout="", stderr="")

    monkeypatch.setattr(environment.subprocess, "run", make)
    return tmp_path


def pip_does(checkout: Path, script: str) -> None:
    (checkout / "install.sh").write_text(script + "\n")


def prepare(checkout: Path, *extras: str) -> str:
    """Prepare the environment, and return what was on the screen."""
    stream = io.StringIO()
    ready_python(checkout, extras, Screen(stream))
    return stream.getvalue()


def times(checkout: Path, what: str) -> int:
    """How often environments were ``made``, or pip was ``asked`` to install."""
    return len((checkout / what).read_text().splitlines())


@posix_only
def test_the_second_start_has_nothing_to_do(checkout):
    assert "making .venv with Python" in prepare(checkout, "lab", "data")
    assert prepare(checkout, "lab", "data") == ""
    assert (times(checkout, "made"), times(checkout, "asked")) == (1, 1)
    assert "--editable .[data,lab] --constraint constraints.txt" in (checkout / "asked").read_text()


@posix_only
@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt"])
def test_new_requirements_are_installed_into_the_same_environment(checkout, changed):
    prepare(checkout)
    with (checkout / changed).open("a") as file:
        file.write("# newer\n")
    prepare(checkout)
    assert (times(checkout, "made"), times(checkout, "asked")) == (1, 2)


@posix_only
def test_extras_once_asked_for_stay(checkout):
    prepare(checkout, "lab")
    prepare(checkout, "test")
    prepare(checkout, "lab")
    assert ".[lab,test]" in (checkout / "asked").read_text().splitlines()[-1]
    assert times(checkout, "asked") == 2


@posix_only
def test_an_environment_that_pip_left_half_written_is_made_anew(checkout):
    pip_does(checkout, "echo Installing collected packages: pandas, segkit; exit 1")
    with pytest.raises(CannotStart):
        prepare(checkout)
    pip_does(checkout, "true")
    assert "making .venv anew" in prepare(checkout)
    assert prepare(checkout) == ""


@posix_only
def test_an_environment_whose_installer_was_killed_is_made_anew(checkout):
    """Killed outright, the launcher can tidy nothing: what it left before pip began must be enough."""
    prepare(checkout)
    pip_does(checkout, "mv .venv/segkit-unfinished seen; false")
    (checkout / "constraints.txt").write_text("")
    with pytest.raises(CannotStart):
        prepare(checkout)
    (checkout / "seen").rename(checkout / ".venv/segkit-unfinished")
    pip_does(checkout, "true")
    assert "making .venv anew" in prepare(checkout)


@posix_only
def test_a_failed_search_for_packages_spares_the_environment(checkout):
    pip_does(checkout, "echo Collecting pandas; echo 'ERROR: No matching distribution found'; exit 1")
    with pytest.raises(CannotStart, match=r"No matching distribution found.*segkit-pip\.log"):
        prepare(checkout)
    pip_does(checkout, "true")
    prepare(checkout)
    assert times(checkout, "made") == 1


@posix_only
def test_an_environment_without_pip_is_given_one(checkout):
    """As other makers of environments leave them."""
    (checkout / "pip-is-missing").touch()
    prepare(checkout)
    assert not (checkout / "pip-is-missing").exists()


@posix_only
def test_two_starts_wait_for_each_other(checkout):
    import fcntl

    stream = io.StringIO()
    with (checkout / "pyproject.toml").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        second = threading.Thread(target=ready_python, args=(checkout, (), Screen(stream)))
        second.start()
        second.join(timeout=0.3)
        assert second.is_alive()
        assert not (checkout / "made").exists()
    second.join(timeout=10)
    assert stream.getvalue().startswith("[ 0 s] waiting for another segkit")
    assert times(checkout, "made") == 1


@pytest.mark.parametrize(
    ("stamp", "wanted", "unfinished", "todo"),
    [
        (STAMP, STAMP, False, "nothing"),
        (STAMP, STAMP, True, "make"),
        (None, STAMP, False, "install"),
        (STAMP, Stamp("/elsewhere", "3.11", "abc", ("data", "lab")), False, "make"),
        (STAMP, Stamp("/home/ada/segkit", "3.12", "abc", ("data", "lab")), False, "make"),
        (STAMP, Stamp("/home/ada/segkit", "", "abc", ("data", "lab")), False, "make"),
        (STAMP, Stamp("/home/ada/segkit", "3.11", "new", ("data", "lab")), False, "install"),
        (STAMP, Stamp("/home/ada/segkit", "3.11", "abc", ("data", "lab", "test")), False, "install"),
    ],
)
def test_what_an_environment_needs(stamp, wanted, unfinished, todo):
    assert what_to_do(stamp, wanted, unfinished=unfinished) == todo


@pytest.mark.parametrize("content", ["", "{", "[]", '{"extras": 1}', '{"extras": []}'])
def test_a_stamp_that_cannot_be_read_is_no_stamp(tmp_path, content):
    (tmp_path / "segkit-stamp.json").write_text(content)
    assert environment.read_stamp(tmp_path) is None


def test_an_environment_that_cannot_be_made_is_explained(checkout, monkeypatch):
    failed = subprocess.CompletedProcess(
        [], 1, stdout="Error: [Errno 28] No space left on device\n", stderr=""
    )
    monkeypatch.setattr(environment.subprocess, "run", lambda *_, **__: failed)
    monkeypatch.setattr(environment, "_version_of", lambda python: "")
    with pytest.raises(CannotStart, match=r"no space was left on the disk while making \.venv"):
        prepare(checkout)


def test_an_old_environment_of_someone_else_is_not_thrown_away(checkout, monkeypatch):
    monkeypatch.setattr(environment, "_version_of", lambda python: "3.9")
    with pytest.raises(CannotStart, match=r"holds Python 3\.9, and segkit needs 3\.11"):
        prepare(checkout)
    assert not (checkout / "made").exists()


def test_missing_venv_module_is_said_with_its_remedy(checkout, monkeypatch):
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CannotStart, match=r"lacks venv and ensurepip.*sudo apt install python3\.\d+-venv"):
        prepare(checkout)


def test_a_small_disk_is_said_before_it_is_full(checkout, monkeypatch):
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda path: types.SimpleNamespace(free=3e8))
    with pytest.raises(CannotStart, match=r"has 0\.3 GB free.* needs 2\.0 GB"):
        prepare(checkout)
    assert not (checkout / "made").exists()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "no space",
        ),
        (
            "WARNING: Retrying (Retry(total=4)) after NewConnectionError('...')\nERROR: No matching",
            "a network",
        ),
        ("ERROR: [Errno 13] Permission denied: 'x'", "writable"),
        ("Collecting a\nERROR: Cannot install a and b because these conflict.", "conflict. Mend that"),
        ("", "nothing was said"),
    ],
)
def test_why_pip_failed_is_one_sentence(said, told):
    reason = why(said, "installing")
    assert told in reason
    assert "\n" not in reason


def test_a_checkout_is_told_from_an_installed_package(tmp_path):
    package = tmp_path / "segkit"
    assert environment.checkout_root(package) is None
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "another"\n')
    assert environment.checkout_root(package) is None
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "segkit"\n')
    assert environment.checkout_root(package) == tmp_path.resolve()


def test_the_environment_is_activated_for_what_runs_in_it(tmp_path):
    python = tmp_path / "bin" / "python"
    variables = environment.activated({"PATH": "/usr/bin", "PYTHONHOME": "/opt", "LANG": "C"}, python)
    path = f"{tmp_path / 'bin'}{os.pathsep}/usr/bin"
    assert variables == {"PATH": path, "VIRTUAL_ENV": str(tmp_path), "LANG": "C"}


@posix_only
def test_segkit_becomes_the_command_itself(tmp_path, monkeypatch):
    """One process, so that Ctrl-C and exit codes need no passing on."""
    monkeypatch.chdir(ROOT)
    became = []
    monkeypatch.setattr(environment.os, "execve", lambda *call: became.append(call) or sys.exit(0))
    with pytest.raises(SystemExit):
        environment.become(["/bin/python", "-V"], environ={"A": "b"}, folder=tmp_path)
    assert became == [("/bin/python", ["/bin/python", "-V"], {"A": "b"})]
    assert Path.cwd() == tmp_path.resolve()


def test_windows_waits_for_the_command_and_leaves_ctrl_c_to_it(tmp_path, monkeypatch):
    ignored = []
    handlers = types.SimpleNamespace(SIGINT=2, SIG_IGN=1, signal=lambda *call: ignored.append(call))
    monkeypatch.setattr(environment, "os", types.SimpleNamespace(name="nt", environ=dict(os.environ)))
    monkeypatch.setattr(environment, "signal", handlers)
    assert environment.become([sys.executable, "-c", "raise SystemExit(7)"], folder=tmp_path) == 7
    assert ignored == [(2, 1)]
    assert environment.python_of(tmp_path) == tmp_path / "Scripts" / "python.exe"


def test_pip_is_told_in_a_few_words():
    story = pip.PipStory()
    story.read("Collecting pandas==3.0 (from -c constraints.txt)\n")
    story.read("Collecting numpy>=2\n")
    assert story.text(lambda: 0) == "finding packages: 2 so far, numpy"
    story.read("  Downloading https://example.org/a/pandas-3.0-cp311.whl.metadata (91 kB)\n")
    assert story.text(lambda: 0) == "downloading pandas (91 kB)"
    assert story.to_install == 0
    story.read("Installing collected packages: numpy, pandas, segkit\n")
    assert story.text(lambda: 5) == "installing 3 packages (3 in place)"


def test_a_command_is_followed_line_by_line_to_its_exit_code(tmp_path):
    lines = []
    script = "print('one'); print('two'); raise SystemExit(7)"
    code = pip.follow([sys.executable, "-c", script], folder=tmp_path, heard=lines.append, tick=lambda: None)
    assert (lines, code) == (["one\n", "two\n"], 7)


def test_ctrl_c_ends_the_command_that_is_followed(tmp_path):
    def interrupted(line):
        raise KeyboardInterrupt

    script = "import pathlib, time; print('here', flush=True); time.sleep(1); pathlib.Path('late').touch()"
    with pytest.raises(KeyboardInterrupt):
        pip.follow([sys.executable, "-c", script], folder=tmp_path, heard=interrupted, tick=lambda: None)
    assert not (tmp_path / "late").exists()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_progress_on_one_line_and_a_log_stays_short():
    terminal, log = Terminal(), io.StringIO()
    for stream in (terminal, log):
        screen = Screen(stream)
        screen.now("finding packages")
        screen.now("x" * 200)
        screen.step("ready")
    assert "\n" not in terminal.getvalue().rstrip("\n")
    assert max(len(line) for line in terminal.getvalue().split("\r")) < 100
    assert log.getvalue() == "[ 0 s] ready\n"


def test_copying_notebooks_never_overwrites(tmp_path):
    source, mine = tmp_path / "source", tmp_path / "mine"
    for name in ("a.ipynb", "img/b.png", ".ipynb_checkpoints/a.ipynb"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("new")
    mine.mkdir()
    (mine / "a.ipynb").write_text("my work")
    assert copy_notebooks(source, mine) == (["img/b.png"], ["a.ipynb"])
    assert (mine / "a.ipynb").read_text() == "my work"
    assert (mine / "img/b.png").read_text() == "new"
    assert not (mine / ".ipynb_checkpoints").exists()


def test_half_a_copy_is_not_left_behind(tmp_path, monkeypatch):
    """On a full disk; else the half would be kept for ever as the user's own."""
    original = tmp_path / "a.ipynb"
    original.write_text("x" * 100)
    open_file = Path.open

    def full_disk(self, mode):
        file = open_file(self, mode, buffering=0)
        return FullDisk(file)

    monkeypatch.setattr(
        Path,
        "open",
        lambda self, mode="r", **k: full_disk(self, mode) if mode == "xb" else open_file(self, mode, **k),
    )
    with pytest.raises(OSError, match="No space left"):
        lab._copy_unless_there(original, tmp_path / "copy.ipynb")
    assert not (tmp_path / "copy.ipynb").exists()


class FullDisk:
    """A file that takes nothing."""

    def __init__(self, file):
        self._file = file

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._file.close()

    def write(self, content):
        raise OSError(28, "No space left on device")


def test_jupyterlab_opens_the_first_notebook_asks_nothing_and_calls_nobody(tmp_path):
    (tmp_path / "my notebooks").mkdir()
    (tmp_path / "my notebooks" / lab.FIRST).touch()
    arguments = jupyterlab_arguments(tmp_path, "my notebooks", port=9999, browser=False)
    assert f"--LabApp.default_url=/lab/tree/my%20notebooks/{lab.FIRST}" in arguments
    assert {"--ServerApp.port=9999", "--ServerApp.port_retries=0", "--no-browser"} <= set(arguments)
    assert {"--ServerApp.answer_yes=True", "--LabApp.news_url=None"} <= set(arguments)
    bare = jupyterlab_arguments(tmp_path, ".", port=None, browser=True)
    assert "--LabApp.default_url=/lab" in bare
    assert not any("port" in argument or "browser" in argument for argument in bare)


def test_ctrl_c_while_jupyterlab_is_loading_ends_quietly(monkeypatch):
    def interrupted(argv):
        raise KeyboardInterrupt

    stand_in = types.ModuleType("jupyterlab.labapp")
    stand_in.LabApp = types.SimpleNamespace(launch_instance=interrupted)
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", stand_in)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "mine")
    assert lab.serve([]) == 0
    assert os.environ["JUPYTER_CONFIG_PATH"].split(os.pathsep) == [str(lab.SETTINGS), "mine"]


def test_jupyterlab_reads_that_it_should_not_ask_for_news(monkeypatch):
    config = pytest.importorskip("jupyterlab_server.config")
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(lab.SETTINGS))
    assert "@jupyterlab/apputils-extension:announcements" in config.get_page_config([])["disabledExtensions"]


@pytest.fixture
def become(monkeypatch):
    """Commands that segkit would have turned into."""
    commands = []
    monkeypatch.setattr(command, "become", lambda words, **rest: commands.append(words) or 0)
    return commands


def installed(monkeypatch) -> None:
    """Let segkit be installed from a wheel."""
    monkeypatch.setattr(command, "checkout_root", lambda package: None)


def test_a_bare_checkout_goes_on_inside_its_environment(become, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        command, "ready_python", lambda root, extras, screen: asked.append(extras) or tmp_path
    )
    assert main(["lab", "--no-browser"]) == main(["test", "-k", "rfm"]) == 0
    assert asked == [("lab", "data"), ("lab", "data", "test")]
    assert become[0] == [str(tmp_path), "-m", "segkit", "--ready", "lab", "--no-browser"]


def test_arguments_of_test_reach_pytest_untouched(become):
    assert main(["--ready", "test", "-x", "tests/test_a.py", "--version", "-k", "a and b"]) == 0
    assert become[0][1:] == ["-m", "pytest", "-x", "tests/test_a.py", "--version", "-k", "a and b"]


def test_all_tests_are_run_with_the_coverage_bound(become):
    assert main(["--ready", "test"]) == 0
    assert become[0][1:4] == ["-m", "pytest", "--cov=segkit"]
    assert "--cov-fail-under=90" in become[0]


def test_an_installed_segkit_copies_its_notebooks_and_opens_them(monkeypatch, tmp_path, capsys):
    served = []
    installed(monkeypatch)
    monkeypatch.setattr(command, "PACKAGE", tmp_path)
    monkeypatch.setattr(command, "serve", lambda arguments: served.append(arguments) or 0)
    (tmp_path / "_notebooks").mkdir()
    (tmp_path / "_notebooks" / lab.FIRST).touch()
    assert main(["lab", str(tmp_path / "mine")]) == main(["lab", str(tmp_path / "mine")]) == 0
    assert f"--LabApp.default_url=/lab/tree/{lab.FIRST}" in served[0]
    assert f"kept as they were: {lab.FIRST}" in capsys.readouterr().err


def complaint(capsys) -> str:
    """The one sentence on the screen."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("segkit: ")
    return lines[0]


def test_an_installed_segkit_says_what_it_lacks(monkeypatch, capsys):
    installed(monkeypatch)
    assert main(["lab"]) == 2
    assert "Name one: segkit lab my-segments" in complaint(capsys)
    assert main(["test"]) == 1
    assert "python3 -m segkit test" in complaint(capsys)
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    assert main(["lab", "mine"]) == 1
    assert '-m pip install "segkit[lab,data]"' in complaint(capsys)


def test_a_port_in_use_is_said_before_anything_is_installed(monkeypatch, capsys):
    monkeypatch.setattr(command, "ready_python", lambda *_: pytest.fail("installed first"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["lab", "--port", str(port)]) == 1
    assert f"port {port} cannot be had (address already in use)" in complaint(capsys)


def test_a_folder_that_cannot_be_written_is_said(monkeypatch, checkout, capsys):
    monkeypatch.setattr(command, "checkout_root", lambda package: checkout)
    monkeypatch.setattr(environment.os, "access", lambda path, mode: False)
    assert main(["report", "a.csv", "--customer-id", "a", "--timestamp", "b"]) == 1
    assert f"{checkout} cannot be written" in complaint(capsys)


def test_ctrl_c_while_preparing_is_no_traceback(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "ready_python", interrupted)
    assert main(["lab"]) == 130
    assert "segkit: stopped." in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [[], ["lab", "--port", "70000"], ["lab", "--nonsense"], ["report", "a.csv"]]
)
def test_a_mistyped_command_is_answered_with_its_usage(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert "usage: segkit" in capsys.readouterr().err


@pytest.fixture
def report_orders(monkeypatch):
    """A stand-in for the report: it notes its call, and raises what a test puts into ``error``."""
    calls = types.SimpleNamespace(error=None, given=None)

    def stand_in(path, output, **options):
        calls.given = (path, output, options)
        if calls.error:
            raise calls.error
        return output

    module = types.ModuleType("segkit.show.report.report")
    module.report_orders = stand_in
    monkeypatch.setitem(sys.modules, "segkit.show.report.report", module)
    return calls


REPORT = ["--ready", "report", "orders.csv", "--customer-id", "CustomerID", "--timestamp", "When"]


def test_report_hands_on_only_the_columns_that_were_named(report_orders, capsys):
    assert (
        main([*REPORT, "--order-id", "No", "--as-of", "2011-12-01", "--n-segments", "5", "-o", "r.html"]) == 0
    )
    assert report_orders.given == (
        Path("orders.csv"),
        Path("r.html"),
        {
            "columns": {"customer_id": "CustomerID", "timestamp": "When", "order_id": "No"},
            "timestamp_format": None,
            "timezone": "UTC",
            "as_of": "2011-12-01",
            "n_segments": 5,
            "random_state": 0,
        },
    )
    assert capsys.readouterr().out == "Wrote r.html\n"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            ValueError("orders.csv has no column 'When'.\n  Its columns are a, b."),
            "has no column 'When'. Its",
        ),
        (FileNotFoundError(2, "No such file or directory", "orders.csv"), "orders.csv was not found"),
        (FileNotFoundError("orders.csv is not there. Check the name."), "orders.csv is not there"),
    ],
)
def test_report_says_what_is_wrong_with_the_data_in_one_line(report_orders, capsys, error, told):
    report_orders.error = error
    assert main(REPORT) == 2
    assert told in complaint(capsys)


def test_an_error_of_our_own_making_keeps_its_traceback(report_orders):
    report_orders.error = KeyError("a bug")
    with pytest.raises(KeyError):
        main(REPORT)


@pytest.mark.parametrize("number", [28, 13, 17])
def test_errors_of_the_system_become_sentences(number):
    said = sentence(OSError(number, os.strerror(number), "/home/ada/x"))
    assert "/home/ada/x" in said
    assert said.endswith(".")


def test_an_old_python_is_told_so(monkeypatch):
    monkeypatch.setattr("segkit.__main__.shutil.which", lambda name: None)
    assert "this is Python 3.8, and segkit needs 3.11 or newer" in too_old((3, 8, 18), ["lab"])


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py", "_launch/__init__.py"])
def test_an_old_python_can_read_as_far_as_that(name):
    ast.parse((ROOT / "segkit" / name).read_text(), feature_version=(3, 7))


def test_the_command_line_needs_the_standard_library_alone(tmp_path):
    """-S takes away all that is installed, as on a machine where nothing is yet."""
    answer = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-m", "segkit", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "{lab,test,report}" in answer.stdout
    assert answer.stderr == ""
