"""For all tests: one thread, so that several processes can share the machine's cores; signals.

Tests that start Ray on the whole machine are one group: with several processes (``-n 2 --dist
loadgroup``) they run one after the other in one of them.

A shell starts background jobs with SIGINT ignored, nohup its command with SIGHUP, and both are
inherited: tests of Ctrl-C would hang.
"""

import signal

import pytest
import torch

RAY = ("tests/runners/", "tests/test_examples.py", "tests/search/test_run_search.py")

torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)  # before the plugin that reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that start Ray into one group."""
    for item in items:
        if item.nodeid.startswith(RAY):
            item.add_marker(pytest.mark.xdist_group("ray"))
