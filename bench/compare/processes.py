"""Processes that never outlive the comparison: each is the leader of a session of its own, ended with all that it started.

Where the comparison itself is killed, the kernel ends them (PR_SET_PDEATHSIG).
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1  # linux/prctl.h
running = {}  # pid -> Popen


def _in_child(cores):
    def prepare():
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # What a shell has in its background inherits SIGINT ignored; finish() interrupts with it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if cores:
            os.sched_setaffinity(0, cores)

    return prepare


def start(command, output, errors=None, environment=None, directory=None, cores=None):
    """Starts `command`; its output goes to the open file `output`, its errors there too unless given another. -> Popen"""
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors or subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
        cwd=directory,
        start_new_session=True,
        preexec_fn=_in_child(cores),
    )
    running[process.pid] = process
    return process


def tree(root):
    """-> pids of `root` and of all its descendants that live"""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError), open(f"/proc/{name}/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found, waiting = [], [root]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def _wait(process, seconds):
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.returncode is not None


def _is_running(pid):
    with contextlib.suppress(OSError, IndexError), open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] not in "ZX"
    return False


def _signal(pid, number, group=False):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        (os.killpg if group else os.kill)(pid, number)


def stop(process, patience=10):
    """Ends a process and all that it started: politely, after `patience` seconds by force."""
    known = tree(process.pid)
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10)):
        if process.returncode is None:
            _signal(process.pid, number, group=True)
            if _wait(process, seconds):
                break
    _signal(process.pid, signal.SIGKILL, group=True)  # what its group left behind
    for pid in known[1:]:  # descendants with sessions of their own
        _signal(pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while any(map(_is_running, known[1:])) and time.monotonic() < end:
        time.sleep(0.01)
    running.pop(process.pid, None)


def stop_all():
    for process in list(running.values()):
        stop(process, patience=2)


def finish(process, limit, tick):
    """Waits for a process that ends by itself, calling tick() meanwhile. After `limit` seconds it is interrupted as if by
    Ctrl-C, upon which hey and locust still print what they have. -> (seconds, CPU seconds of it and its children, in time)"""
    begin, in_time, interrupted = time.monotonic(), True, 0
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        taken = time.monotonic() - begin
        if taken > limit + interrupted:
            in_time = False
            _signal(process.pid, signal.SIGKILL if interrupted else signal.SIGINT, group=True)
            interrupted += 15
        tick(taken)
        time.sleep(0.05)
    process.returncode = os.waitstatus_to_exitcode(status)
    running.pop(process.pid, None)
    return time.monotonic() - begin, usage.ru_utime + usage.ru_stime, in_time
