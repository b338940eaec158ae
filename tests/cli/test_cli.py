"""The command line: a checkout prepares its environment, and one sentence names what is missing."""

import ast
import os
import socket
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest

import segkit
from segkit.__main__ import main, too_old
from segkit.cli import command, environment, lab
from segkit.cli.environment import ready_python
from segkit.cli.lab import copy_notebooks, jupyterlab_arguments
from segkit.cli.messages import CannotStart, sentence

ROOT = Path(segkit.__file__).parents[1]
posix_only = pytest.mark.skipif(os.name != "posix", reason="the stand-in for Python is a shell script")

# Stands in for the environment's Python, so that no test waits for pip: `pip install` runs install.sh.
STAND_IN = """#!/bin/sh
case "$*" in
  *version_info*) echo 3.11 ;;
  *"pip install"*) echo "$*" >> installed; . ./install.sh ;;
  *) echo "$*" >> others ;;
esac
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A checkout whose environment is made in no time."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "segkit"\n')
    (tmp_path / "constraints.txt").write_text("pandas==3.0\n")
    (tmp_path / "install.sh").write_text("true\n")
    run = subprocess.run

    def stand_in(words, **options):
        if "venv" not in words:
            return run(words, **{"cwd": tmp_path, **options})
        put_python(Path(words[-1]))
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(environment.subprocess, "run", stand_in)
    return tmp_path


def put_python(venv: Path) -> None:
    python = environment.python_of(venv)
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN)
    python.chmod(0o755)


def installs(checkout: Path) -> list[str]:
    """What pip installed, call by call."""
    return (checkout / "installed").read_text().splitlines()


@posix_only
def test_second_start_does_nothing(checkout, capfd):
    ready_python(checkout, ("lab", "data"))
    assert "Installing takes some minutes, once." in capfd.readouterr().err
    ready_python(checkout, ("lab", "data"))
    assert capfd.readouterr() == ("", "")
    assert len(installs(checkout)) == 1
    assert "--editable .[data,lab] --constraint constraints.txt" in installs(checkout)[0]


@posix_only
@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt"])
def test_new_requirements_are_installed(checkout, changed):
    mark = ready_python(checkout, ()).with_name("kept")
    mark.touch()
    with (checkout / changed).open("a") as file:
        file.write("# newer\n")
    ready_python(checkout, ())
    assert len(installs(checkout)) == 2
    assert mark.exists()


@posix_only
def test_installed_extras_stay(checkout):
    for extra in ("lab", "test", "lab"):
        ready_python(checkout, (extra,))
    assert len(installs(checkout)) == 2
    assert ".[lab,test]" in installs(checkout)[-1]


@posix_only
@pytest.mark.parametrize("stamp", ["", "{", "[]", '{"checkout": "/elsewhere", "python": "3.11"}'])
def test_incomplete_environment_is_remade(checkout, capfd, stamp):
    """pip was killed, or the checkout was moved."""
    ready_python(checkout, ())
    (checkout / ".venv" / "half").touch()
    (checkout / ".venv" / "segkit-stamp.json").write_text(stamp)
    ready_python(checkout, ())
    assert f"Making {checkout / '.venv'} again" in capfd.readouterr().err
    assert not (checkout / ".venv" / "half").exists()


@posix_only
def test_upgraded_python_remakes_environment(checkout):
    python = ready_python(checkout, ())
    python.write_text(STAND_IN.replace("3.11", "3.12"))
    assert "3.12" not in ready_python(checkout, ()).read_text()


@posix_only
def test_killed_installation_leaves_empty_stamp(checkout):
    (checkout / "install.sh").write_text("cp .venv/segkit-stamp.json seen\n")
    ready_python(checkout, ())
    (checkout / "constraints.txt").write_text("")
    ready_python(checkout, ())
    assert (checkout / "seen").read_text() == ""


@posix_only
def test_failed_update_keeps_environment(checkout):
    """Without a network, for example."""
    mark = ready_python(checkout, ()).with_name("kept")
    mark.touch()
    (checkout / "constraints.txt").write_text("")
    (checkout / "install.sh").write_text("false\n")
    with pytest.raises(CannotStart, match="its last lines above say why"):
        ready_python(checkout, ())
    (checkout / "install.sh").write_text("true\n")
    ready_python(checkout, ())
    assert mark.exists()


@posix_only
def test_environment_made_by_hand_is_kept(checkout):
    """Other tools leave pip out of it."""
    put_python(checkout / ".venv")
    (checkout / "install.sh").write_text("false\n")
    for _ in range(2):
        with pytest.raises(CannotStart):
            ready_python(checkout, ())
    assert (checkout / "others").read_text().splitlines() == ["-m ensurepip"] * 2
    assert not (checkout / ".venv" / "segkit-stamp.json").exists()


@posix_only
def test_two_starts_wait_for_each_other(checkout, capfd):
    import fcntl

    with (checkout / "pyproject.toml").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        second = threading.Thread(target=ready_python, args=(checkout, ()))
        second.start()
        second.join(timeout=0.2)
        assert second.is_alive()
        assert not (checkout / ".venv").exists()
    second.join(timeout=60)
    assert capfd.readouterr().err.startswith("Waiting for another segkit")


def test_failing_venv_is_explained(checkout, monkeypatch):
    monkeypatch.setattr(environment.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1))
    monkeypatch.setattr(environment, "_version_of", lambda python: "")
    with pytest.raises(CannotStart, match="the lines above say why"):
        ready_python(checkout, ())


def test_missing_venv_module_is_explained(checkout, monkeypatch):
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CannotStart, match=r"lacks venv and ensurepip.*sudo apt install python3\.\d+-venv"):
        ready_python(checkout, ())


def test_checkout_differs_from_installed_package(tmp_path):
    package = tmp_path / "segkit"
    assert environment.checkout_root(package) is None
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "another"\n')
    assert environment.checkout_root(package) is None
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "segkit"\n')
    assert environment.checkout_root(package) == tmp_path.resolve()


def test_environment_is_activated(tmp_path):
    variables = environment.activated(
        {"PATH": "/usr/bin", "PYTHONHOME": "/opt", "LANG": "C"}, tmp_path / "bin" / "python"
    )
    path = f"{tmp_path / 'bin'}{os.pathsep}/usr/bin"
    assert variables == {"PATH": path, "VIRTUAL_ENV": str(tmp_path), "LANG": "C"}


@posix_only
def test_process_is_replaced(tmp_path, monkeypatch):
    """One process, so that Ctrl-C and exit codes are the command's own."""
    monkeypatch.chdir(ROOT)
    calls = []
    monkeypatch.setattr(environment.os, "execve", lambda *call: calls.append(call) or sys.exit(0))
    with pytest.raises(SystemExit):
        environment.become(["/bin/python", "-V"], environ={"A": "b"}, folder=tmp_path)
    assert calls == [("/bin/python", ["/bin/python", "-V"], {"A": "b"})]
    assert Path.cwd() == tmp_path.resolve()


def test_windows_waits_for_command(tmp_path, monkeypatch):
    """Ctrl-C is left to the command."""
    ignored = []
    handlers = types.SimpleNamespace(SIGINT=2, SIG_IGN=1, signal=lambda *call: ignored.append(call))
    monkeypatch.setattr(environment, "os", types.SimpleNamespace(name="nt", environ=dict(os.environ)))
    monkeypatch.setattr(environment, "signal", handlers)
    assert environment.become([sys.executable, "-S", "-c", "raise SystemExit(7)"], folder=tmp_path) == 7
    assert ignored == [(2, 1)]
    assert environment.python_of(tmp_path) == tmp_path / "Scripts" / "python.exe"


def test_copies_never_overwrite(tmp_path):
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without space")
def test_full_disk_leaves_no_half_copy(tmp_path, monkeypatch):
    """Half a notebook would count as the user's own for ever."""
    (tmp_path / "a.ipynb").write_text("x" * 100)
    real_open = Path.open

    def on_full_disk(self, mode="r", **options):
        if mode != "xb":
            return real_open(self, mode, **options)
        self.touch()
        return real_open(Path("/dev/full"), "wb")

    monkeypatch.setattr(Path, "open", on_full_disk)
    with pytest.raises(OSError, match="No space left"):
        copy_notebooks(tmp_path, tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []


def test_jupyterlab_opens_first_notebook(tmp_path):
    (tmp_path / "my notebooks").mkdir()
    (tmp_path / "my notebooks" / lab.FIRST).touch()
    arguments = jupyterlab_arguments(tmp_path, "my notebooks", port=9999, browser=False)
    assert f"--LabApp.default_url=/lab/tree/my%20notebooks/{lab.FIRST}" in arguments
    assert {"--ServerApp.port=9999", "--ServerApp.port_retries=0", "--no-browser"} <= set(arguments)
    assert {"--ServerApp.answer_yes=True", "--LabApp.news_url=None"} <= set(arguments)
    bare = jupyterlab_arguments(tmp_path, ".", port=None, browser=True)
    assert "--LabApp.default_url=/lab" in bare
    assert not any("port" in argument or "browser" in argument for argument in bare)


def test_early_ctrl_c_ends_quietly(monkeypatch):
    """It comes while JupyterLab is loading."""

    def interrupted(argv):
        raise KeyboardInterrupt

    stand_in = types.ModuleType("jupyterlab.labapp")
    stand_in.LabApp = types.SimpleNamespace(launch_instance=interrupted)
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", stand_in)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "mine")
    assert lab.serve([]) == 0
    assert os.environ["JUPYTER_CONFIG_PATH"].split(os.pathsep) == [str(lab.SETTINGS), "mine"]


def test_jupyterlab_fetches_no_news(monkeypatch):
    config = pytest.importorskip("jupyterlab_server.config")
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(lab.SETTINGS))
    assert "@jupyterlab/apputils-extension:announcements" in config.get_page_config([])["disabledExtensions"]


@pytest.fixture
def commands(monkeypatch):
    """Commands that segkit would run in its place, and their further arguments."""
    calls = []
    monkeypatch.setattr(command, "become", lambda words, **rest: calls.append((words, rest)) or 0)
    return calls


def installed(monkeypatch) -> None:
    """Let segkit be installed from a wheel."""
    monkeypatch.setattr(command, "checkout_root", lambda package: None)


def test_commands_run_inside_environment(commands, monkeypatch, tmp_path):
    extras = []
    monkeypatch.setattr(command, "ready_python", lambda root, names: extras.append(names) or tmp_path)
    assert main(["lab", "--no-browser"]) == main(["test", "-k", "rfm"]) == 0
    assert extras == [("lab", "data"), ("lab", "data", "test")]
    assert commands[0][0] == [str(tmp_path), "-m", "segkit", "--ready", "lab", "--no-browser"]


def test_pytest_receives_other_arguments(commands):
    assert main(["--ready", "test", "-x", "tests/test_a.py", "--version", "-k", "a and b"]) == 0
    assert commands[0][0][1:] == ["-m", "pytest", "-x", "tests/test_a.py", "--version", "-k", "a and b"]


@pytest.mark.parametrize("more", [[], ["--simulations"]])
def test_all_tests_need_coverage(commands, more):
    assert main(["--ready", "test", *more]) == 0
    assert commands[0][0][1 : 4 + len(more)] == ["-m", "pytest", *more, "--covered=90"]


def test_installed_package_opens_copies(monkeypatch, tmp_path, capsys):
    served = []
    installed(monkeypatch)
    monkeypatch.setattr(command, "PACKAGE", tmp_path)
    monkeypatch.setattr(command, "serve", lambda arguments: served.append(arguments) or 0)
    (tmp_path / "_notebooks").mkdir()
    (tmp_path / "_notebooks" / lab.FIRST).touch()
    assert main(["lab", str(tmp_path / "mine")]) == main(["lab", str(tmp_path / "mine")]) == 0
    assert f"--LabApp.default_url=/lab/tree/{lab.FIRST}" in served[0]
    assert f"left unchanged: {lab.FIRST}" in capsys.readouterr().err


def complaint(capsys) -> str:
    """The one sentence on the screen."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("segkit: ")
    return lines[0]


def test_installed_package_names_what_is_missing(monkeypatch, capsys):
    installed(monkeypatch)
    assert main(["lab"]) == 2
    assert "Name one: segkit lab my-segments" in complaint(capsys)
    assert main(["test"]) == 1
    assert "python3 -m segkit test" in complaint(capsys)
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    assert main(["lab", "mine"]) == 1
    assert '-m pip install "segkit[lab,data]"' in complaint(capsys)


def test_port_is_checked_first(monkeypatch, capsys):
    monkeypatch.setattr(command, "ready_python", lambda *_: pytest.fail("installed first"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["lab", "--port", str(port)]) == 1
    assert f"cannot use port {port} (address already in use)" in complaint(capsys)


def test_read_only_folder_is_explained(monkeypatch, checkout, capsys):
    def refuse(self, *_):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(command, "checkout_root", lambda package: checkout)
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert main(["report", "a.csv", "--customer-id", "a", "--timestamp", "b"]) == 1
    assert f"segkit: {checkout / '.venv'} cannot be written" in capsys.readouterr().err


def test_ctrl_c_shows_no_traceback(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "ready_python", interrupted)
    assert main(["lab"]) == 130
    assert "segkit: stopped." in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [[], ["lab", "--port", "70000"], ["lab", "--nonsense"], ["report", "a.csv"]]
)
def test_mistyped_command_shows_usage(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert "usage: segkit" in capsys.readouterr().err


@pytest.fixture
def report_orders(monkeypatch):
    """A stand-in for the report: it keeps its call, and raises ``error`` if a test sets one."""
    calls = types.SimpleNamespace(error=None, given=None)

    def stand_in(path, output, **options):
        calls.given = (path, output, options)
        if calls.error:
            raise calls.error
        return output

    module = types.ModuleType("segkit.show.report.from_orders")
    module.report_orders = stand_in
    monkeypatch.setitem(sys.modules, "segkit.show.report.from_orders", module)
    return calls


REPORT = ["--ready", "report", "orders.csv", "--customer-id", "CustomerID", "--timestamp", "When"]


def test_report_receives_its_options(report_orders, capsys):
    further = ["--order-id", "No", "--as-of", "2011-12-01", "--n-segments", "5", "-o", "r.html"]
    assert main([*REPORT, *further]) == 0
    options = {
        "columns": {"customer_id": "CustomerID", "timestamp": "When", "order_id": "No"},
        "timestamp_format": None,
        "timezone": "UTC",
        "as_of": "2011-12-01",
        "n_segments": 5,
        "random_state": 0,
    }
    assert report_orders.given == (Path("orders.csv"), Path("r.html"), options)
    assert capsys.readouterr().out == "Wrote r.html\n"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("orders.csv has no column 'When'.\n  Its columns are a."), "no column 'When'. Its"),
        (FileNotFoundError(2, "No such file or directory", "orders.csv"), "orders.csv was not found"),
        (FileNotFoundError("orders.csv is not there. Check the name."), "orders.csv is not there"),
    ],
)
def test_report_errors_are_sentences(report_orders, capsys, error, message):
    report_orders.error = error
    assert main(REPORT) == 2
    assert message in complaint(capsys)


def test_bugs_keep_their_traceback(report_orders):
    report_orders.error = KeyError("a bug")
    with pytest.raises(KeyError):
        main(REPORT)


@pytest.mark.parametrize("number", [28, 13, 17])
def test_system_errors_become_sentences(number):
    message = sentence(OSError(number, os.strerror(number), "/home/ada/x"))
    assert "/home/ada/x" in message
    assert message.endswith(".")


def test_old_python_is_refused(monkeypatch):
    monkeypatch.setattr("segkit.__main__.shutil.which", lambda name: None)
    assert "this is Python 3.8, and segkit needs 3.11 or newer" in too_old((3, 8, 18), ["lab"])


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py", "cli/__init__.py"])
def test_old_python_parses_entry_point(name):
    ast.parse((ROOT / "segkit" / name).read_text(encoding="utf-8"), feature_version=(3, 7))


def test_command_line_needs_standard_library_only():
    """-S removes all installed packages, as on a fresh machine."""
    answer = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-m", "segkit", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "{lab,test,report,serve}" in answer.stdout
    assert answer.stderr == ""
