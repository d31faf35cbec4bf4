"""Workers are started, watched and stopped together; tiny programs stand in for the trainer."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from pipelines.runtime import console
from pipelines.runtime.command import define_flags
from pipelines.runtime.errors import InputError
from pipelines.runtime.machine import check_ports, free_ports
from trainer.launch import LaunchConfig, main
from trainer.main import MainConfig
from trainer.prefixed_output import PrefixedOutput
from trainer.worker_environment import worker_environments

ROOT = Path(__file__).parents[2]
GROUP = "several workers"
SECONDS_AT_MOST = 60  # so that nothing hangs for ever

# The command, but for what its workers run.
LAUNCHER = """
import sys
from pipelines.runtime.command import run
from trainer.launch import LaunchConfig, launch

program = sys.argv.pop(1)

def main(config):
    launch(config, [sys.executable, "-c", program, *config.worker_flags])

run(main, LaunchConfig)
"""
# What the workers' programs begin with.
HEAD = """
import json, os, signal, subprocess, sys, time

index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]

def on(*numbers, then=lambda number: None):
    for number in numbers:
        signal.signal(number, lambda number, frame: tell(number, then))

def tell(number, then):
    print("got", signal.Signals(number).name)
    then(number)

def leave(number):
    sys.exit(128 + number)
"""


@pytest.fixture
def start(tmp_path):
    """Starts workers of a program; gives the command's process."""
    (tmp_path / "launcher.py").write_text(LAUNCHER)
    started, watchdogs = [], []

    def start(program, *arguments, **how):
        command = subprocess.Popen(
            [sys.executable, "-m", "launcher", HEAD + program, *arguments],
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}", **how.pop("environment", {})},
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how},
            text=True,
            start_new_session=True,
            # A test run in the background of a shell ignores SIGINT, and hands that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(command)
        watchdogs.append(threading.Timer(SECONDS_AT_MOST, command.kill))
        watchdogs[-1].start()
        return command

    yield start
    for command, watchdog in zip(started, watchdogs, strict=True):
        watchdog.cancel()
        command.kill()
        command.communicate()


@pytest.fixture
def run(start):
    """Runs workers of a program to their end; gives the status and the lines of both outputs."""

    def run(program, *arguments, **how):
        return ended(start(program, *arguments, **how))

    return run


def ended(command):
    output, errors = command.communicate(timeout=SECONDS_AT_MOST)
    return command.returncode, (output or "").splitlines(), (errors or "").splitlines()


def after_lines(command, count):
    """What the command has started, once it has printed so many lines."""
    for _ in range(count):
        assert command.stdout.readline()
    return psutil.Process(command.pid).children(recursive=True)


def none_left(processes):
    deadline = time.monotonic() + SECONDS_AT_MOST
    while any(map(_runs, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _runs(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_lines_say_whose_they_are_and_keep_their_order(run):
    program = """
for number in range(20):
    print("line", number)
    print("error", number, file=sys.stderr)
print("the last one", end="")
"""
    status, lines, errors = run(program, "--workers=3")
    assert status == 0
    for printed, what, last in ((lines, "line", ["the last one"]), (errors, "error", [])):
        expected = [f"{what} {number}" for number in range(20)] + last
        assert len(printed) == 3 * len(expected)
        for worker in range(3):
            prefix = f"[worker {worker}] "
            of_worker = [line for line in printed if line.startswith(prefix)]
            assert [line.removeprefix(prefix) for line in of_worker] == expected


def test_long_lines_are_not_torn_in_a_common_output(run):
    program = """
for _ in range(20):
    for stream in (sys.stdout, sys.stderr):
        for _ in range(5):
            stream.write(str(index) * 40_000)
        stream.write("\\n")
"""
    status, lines, _ = run(program, "--workers=2", stderr=subprocess.STDOUT)
    assert status == 0 and len(lines) == 80
    assert set(lines) == {f"[worker {worker}] " + f"{worker}" * 200_000 for worker in range(2)}


def test_what_is_read_late_is_whole(start):
    program = "print('end is near', file=sys.stderr); print('x' * 200_000)"
    command = start(program, "--workers=1")
    assert command.stderr.readline() == "[worker 0] end is near\n"
    # All of the line has left the worker, and does not fit into the command's pipe.
    assert none_left(psutil.Process(command.pid).children())
    time.sleep(0.3)  # in which a command that did not wait for its reader would end
    assert ended(command) == (0, [f"[worker 0] {'x' * 200_000}"], [])


def test_a_line_is_written_to_its_end(tmp_path, monkeypatch):
    """Although a signal may end a write early."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:2]))
    with open(tmp_path / "output", "wb") as file:
        output = PrefixedOutput(on_lost=lambda error: None)
        output.pass_on(io.BytesIO(b"first\nlast"), "> ", file.fileno())
        output.join()
    assert (tmp_path / "output").read_text() == "> first\n> last\n"


def test_lines_arrive_while_the_workers_run(start, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    command = start("print('here'); time.sleep(60)")
    workers = after_lines(command, 2)
    assert len(workers) == 2 and all(worker.is_running() for worker in workers)


def test_each_worker_knows_the_cluster_and_its_place_in_it(run):
    status, lines, _ = run("print(os.environ['TF_CONFIG'])", "--workers=3", "--host=localhost")
    found = [json.loads(line.partition("] ")[2]) for line in sorted(lines)]
    assert status == 0
    assert [config["task"] for config in found] == [
        {"type": "worker", "index": index} for index in range(3)
    ]
    addresses = found[0]["cluster"]["worker"]
    assert all(config["cluster"] == {"worker": addresses} for config in found)
    assert len(set(addresses)) == 3
    assert all(address.startswith("localhost:") for address in addresses)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ["--strategy=multi_worker"]),
        (["--epochs=2"], ["--strategy=multi_worker", "--epochs=2"]),
        (["--epochs=2", "--strategy", "multi_worker"],) * 2,
    ],
)
def test_the_trainers_flags_reach_every_worker(run, given, expected):
    status, lines, _ = run("print(sys.argv[1:])", "--", *given)
    assert (status, sorted(lines)) == (0, [f"[worker {worker}] {expected}" for worker in range(2)])


def test_one_worker_may_have_another_strategy():
    config = LaunchConfig(workers=1, trainer_flags=("--strategy=mirrored",))
    assert config.worker_flags == ("--strategy=mirrored",)


def test_gpus_that_are_named_are_divided():
    def gpus(visible, workers=2):
        environments = worker_environments(["a:1"] * workers, {"CUDA_VISIBLE_DEVICES": visible})
        return [environment["CUDA_VISIBLE_DEVICES"] for environment in environments]

    assert gpus("4,5, 6,7") == ["4,5", "6,7"]
    assert gpus("GPU-a,GPU-b") == ["GPU-a", "GPU-b"]
    assert gpus("0,1", workers=1) == ["0,1"]
    assert gpus("-1") == ["-1", "-1"] and gpus("") == ["", ""]
    with pytest.raises(InputError, match="CUDA_VISIBLE_DEVICES=0,1,2 for 2 workers, expected a mu"):
        gpus("0,1,2")
    assert "CUDA_VISIBLE_DEVICES" not in worker_environments(["a:1", "b:2"], {})[1]


def test_a_worker_that_is_done_does_not_stop_the_others(run):
    program = "time.sleep(0.5 * index); print('done')"
    assert run(program) == (0, ["[worker 0] done", "[worker 1] done"], [])


@pytest.mark.parametrize(
    ("fault", "act", "how"),
    [
        ("a worker fails", "sys.exit(3)", "ended with status 3"),
        ("a worker is killed", "os.kill(os.getpid(), 9)", "was killed by SIGKILL"),
        ("a worker crashes", "os.kill(os.getpid(), 11)", "was killed by SIGSEGV"),
        ("a worker is terminated", "sys.exit(143)", "ended with status 143 (SIGTERM)"),
    ],
)
def test_a_failing_worker_ends_the_others(run, tmp_path, note_fault, fault, act, how):
    happened = note_fault(GROUP, fault)
    # Worker 0 ends with another status, later; worker 1 fails when worker 0 can be told.
    program = f"""
ready = {str(tmp_path / "ready")!r}
if index == 0:
    on(signal.SIGTERM, signal.SIGINT, then=lambda number: sys.exit(7))
    open(ready, "w").close()
    time.sleep(60)
while not os.path.exists(ready):
    time.sleep(0.01)
{act}
"""
    status, lines, errors = run(program)
    happened(f"status {status}: {errors[-1].partition(': ')[2]}")
    assert (status, lines) == (1, ["[worker 0] got SIGTERM"])
    assert errors[-1].startswith(f"python -m launcher: worker 1 {how}")
    assert errors[-1].endswith("; the others were stopped.")
    assert [line.partition(" ")[0] for line in errors[:-1]] == ["[launch]"]


STUBBORN = """
on(signal.SIGTERM, signal.SIGINT)
print("ready")
while True:
    time.sleep(60)
"""


def test_who_does_not_end_in_time_is_killed(run, tmp_path, note_fault):
    happened = note_fault(GROUP, "a worker fails, another does not end")
    program = f"""
ready = {str(tmp_path / "ready")!r}
if index == 1:
    while not os.path.exists(ready):
        time.sleep(0.01)
    sys.exit(3)
on(signal.SIGTERM)
open(ready, "w").close()
while True:
    time.sleep(60)
"""
    status, lines, errors = run(program, "--grace_seconds=0.3")
    happened(f"status {status}; {errors[1].removeprefix('[launch] ')}")
    assert (status, lines) == (1, ["[worker 0] got SIGTERM"])
    assert errors[1:2] == ["[launch] killed after 0.3 s: worker 0."]
    assert "worker 1 ended with status 3" in errors[2] and len(errors) == 3


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_reaches_each_worker_once(start, note_fault, number, status, word):
    happened = note_fault(GROUP, f"{number.name} to all processes of the terminal")
    # The end takes longer than one round of the watch, in which a second signal would be told.
    program = """
on(signal.SIGINT, signal.SIGTERM, then=lambda number: (time.sleep(0.6), leave(number)))
print("ready")
time.sleep(60)
"""
    command = start(program)
    after_lines(command, 2)
    os.killpg(command.pid, number)  # as a terminal does
    found, lines, errors = ended(command)
    happened(f"each worker got it once; status {found}")
    assert sorted(lines) == [f"[worker {worker}] got {number.name}" for worker in range(2)]
    assert found == status
    assert errors[-1] == f"python -m launcher: {word}."
    assert errors[0].startswith(f"[launch] {number.name} sent to worker 0, worker 1; 30 s")
    assert len(errors) == 2


def test_a_ctrl_c_that_arrives_twice_is_one(start):
    """As under `timeout --signal=INT`, which sends it to its child and to its group."""
    program = """
on(signal.SIGINT, then=lambda number: (time.sleep(0.3), print("saved"), leave(number)))
print("ready")
time.sleep(60)
"""
    command = start(program, "--workers=1")
    after_lines(command, 1)
    command.send_signal(signal.SIGINT)
    assert command.stdout.readline() == "[worker 0] got SIGINT\n"
    command.send_signal(signal.SIGINT)
    status, lines, _ = ended(command)
    assert (status, lines) == (130, ["[worker 0] saved"])


def test_a_second_ctrl_c_kills(start, note_fault):
    happened = note_fault(GROUP)
    command = start(STUBBORN)
    workers = after_lines(command, 2)
    command.send_signal(signal.SIGINT)
    after_lines(command, 2)
    time.sleep(0.7)  # the same Ctrl-C, if sooner
    command.send_signal(signal.SIGINT)
    status, lines, errors = ended(command)
    happened(f"status {status}; {errors[1].removeprefix('[launch] ')}")
    assert (status, lines) == (130, [])
    assert errors[1:] == [
        "[launch] killed at Ctrl-C: worker 0, worker 1.",
        "python -m launcher: interrupted.",
    ]
    assert none_left(workers)


def test_a_second_sigterm_changes_nothing(start):
    program = """
on(signal.SIGTERM, then=lambda number: (time.sleep(1.2), print("saved"), leave(number)))
print("ready")
time.sleep(60)
"""
    command = start(program, "--workers=1")
    after_lines(command, 1)
    command.send_signal(signal.SIGTERM)
    after_lines(command, 1)
    time.sleep(0.7)
    command.send_signal(signal.SIGTERM)
    assert ended(command)[:2] == (143, ["[worker 0] saved"])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends orphans")
def test_no_worker_outlives_a_killed_launcher(start, note_fault):
    happened = note_fault(GROUP, "the launcher is killed")
    command = start(STUBBORN)
    workers = after_lines(command, 2)
    command.kill()
    gone = none_left(workers)
    happened("no worker is left" if gone else "workers are left")
    assert len(workers) == 2 and gone


def test_what_a_worker_leaves_behind_ends_with_it(start):
    """It would hold the pipes, and the command would wait for it."""
    program = """
subprocess.Popen([sys.executable, "-c", "import time; print('child', flush=True); time.sleep(600)"])
on(signal.SIGTERM, then=leave)
time.sleep(600)
"""
    command = start(program, "--workers=1")
    worker, child = after_lines(command, 1)
    worker.send_signal(signal.SIGTERM)
    assert ended(command)[0] == 1
    assert none_left([worker, child])


@pytest.mark.parametrize("stubborn", [False, True])
def test_an_output_that_nobody_reads_any_more_ends_all(start, note_fault, stubborn):
    happened = note_fault(GROUP, f"... | head{', workers do not end' * stubborn}")
    program = """
on(signal.SIGTERM, then=lambda number: None if "STUBBORN" in os.environ else leave(number))
while True:
    print("a line" * 1000)
    time.sleep(0.01)
"""
    environment = {"STUBBORN": "1"} if stubborn else {}
    command = start(program, "--grace_seconds=0.5", environment=environment)
    workers = after_lines(command, 5)
    command.stdout.close()
    errors = command.stderr.read().splitlines()
    status = command.wait(timeout=SECONDS_AT_MOST)
    happened(f"status {status}; no worker is left")
    assert status == 1
    assert errors == ["[launch] killed after 0.5 s: worker 0, worker 1."] * stubborn
    assert len(workers) == 2 and none_left(workers)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_an_output_without_room_ends_all(run, note_fault):
    happened = note_fault(GROUP, "the output's disk is full")
    with open("/dev/full", "w") as full:
        status, _, errors = run("print('a line'); time.sleep(60)", stdout=full)
    happened(f"status {status}: {errors[-1].partition(': ')[2]}")
    assert status == 1
    assert len(errors) == 1 and "was written (No space left on device), expected room" in errors[0]


@pytest.fixture
def taken_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_a_port_in_use_is_refused(run, tmp_path, note_fault, taken_port):
    happened = note_fault(GROUP)
    started = tmp_path / "started"
    program = f"open({str(started)!r}, 'w')"
    status, lines, errors = run(program, f"--port={taken_port}", "--workers=1")
    happened(f"status {status}: {errors[0].partition(': ')[2].replace(str(taken_port), 'N')}")
    assert (status, lines, len(errors)) == (1, [], 1)
    assert (
        f"received --port={taken_port} for 1 ports, but {taken_port} cannot be had (Address "
        "already in use)"
    ) in errors[0]
    assert not started.exists()


def test_ports_follow_the_first(run):
    first = next(port for port in free_ports(20) if not _why_not([port, port + 1]))
    status, lines, _ = run("print(os.environ['TF_CONFIG'])", f"--port={first}")
    config = json.loads(lines[0].partition("] ")[2])
    assert status == 0
    assert config["cluster"]["worker"] == [f"127.0.0.1:{first}", f"127.0.0.1:{first + 1}"]


def _why_not(ports):
    try:
        check_ports(ports)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers=0"], "received --workers=0, expected at least 1"),
        (["--port=65535"], "received --port=65535 for 2 ports, expected 0 to 65534"),
        (["--host=here:5050"], "received --host=here:5050, expected a name"),
        (["--grace_seconds=-1"], "received --grace_seconds=-1.0, expected a number of at least 0"),
        (["--grace_seconds=nan"], "received --grace_seconds=nan"),
        (["--epochs=3"], "'epochs'; FLAGS OF trainer.main stand after --."),
        (["--", "--epoch=3"], "after --: Unknown command line flag 'epoch'. Did you mean: epochs"),
        (["--", "--epochs=few"], "after --: received --epochs=few, expected a whole"),
        (["--", "--nopictures=1"], "after --: received --nopictures=1, expected it without"),
        (["--", "--epochs=0"], "after --: received --epochs=0, expected at least 1"),
        (["--", "data"], "after --: received the argument 'data', expected flags only"),
        (["--", "--strategy=mirrored"], "received --strategy=mirrored for 2 workers"),
    ],
)
def test_wrong_usage_starts_nothing(run, tmp_path, note_fault, arguments, message):
    happened = note_fault(GROUP, f"wrong usage: {' '.join(arguments)}")
    started = tmp_path / "started"
    status, lines, errors = run(f"open({str(started)!r}, 'w')", *arguments)
    happened(f"status {status}: {errors[0].partition(': ')[2]}")
    assert (status, lines, len(errors)) == (2, [], 1)
    assert message in errors[0]
    assert not started.exists()


def test_the_command_itself_answers_without_tensorflow():
    program = """
import sys
from trainer.launch import LaunchConfig

LaunchConfig(trainer_flags=("--epochs=2",))
sys.exit("tensorflow" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_workers_say_as_much_as_the_launcher_unless_they_are_told_otherwise(monkeypatch):
    commands = []
    monkeypatch.setattr("trainer.launch.launch", lambda config, command: commands.append(command))
    monkeypatch.setattr(console, "verbosity", "error")
    main(LaunchConfig(trainer_flags=("--verbosity=info",)))
    (command,) = commands
    assert command[3] == "--verbosity=error"
    given = define_flags(MainConfig)
    given(command[2:])
    assert given["verbosity"].value == "info"


def test_a_dry_run_of_several_workers_is_refused():
    with pytest.raises(InputError, match="after --: received --dry_run with --strategy=multi_work"):
        LaunchConfig(trainer_flags=("--dry_run",))
