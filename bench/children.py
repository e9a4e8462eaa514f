# SPDX-License-Identifier: MIT
"""Processes that do not outlive the one that started them: each in a session of its own, all of
which is ended with it. After end_on_signals, SIGTERM and SIGHUP end a program as exit does."""
import os
import signal
import subprocess
import sys

PATIENCE_S = 10  # share-bench puts KSM's settings back when it is told to end


def end_on_signals():
    """`finally` runs, and so end_all, where these signals would end the program on the spot."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))


_running = []


def start(command, **options):
    child = subprocess.Popen(command, start_new_session=True, **options)
    _running.append(child)
    return child


def _kill(child, number):
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        pass


def end(child):
    """Tells it and its own children to end, and makes them."""
    if child.poll() is None:
        _kill(child, signal.SIGTERM)
        try:
            child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            pass
    _kill(child, signal.SIGKILL)  # its children, too: the group stays while one of them does
    child.wait()
    if child in _running:
        _running.remove(child)


def end_all():
    for child in list(_running):
        end(child)


def run(command, **options):
    """As subprocess.run, which leaves grandchildren behind."""
    child = start(command, **options)
    try:
        out, err = child.communicate()
    finally:
        end(child)
    return subprocess.CompletedProcess(command, child.returncode, out, err)
