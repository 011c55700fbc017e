"""For all tests: one thread, so that several processes can share the machine's cores; signals.

A shell starts background jobs with SIGINT ignored, nohup its command with SIGHUP, and both are
inherited: tests of Ctrl-C would hang.
"""

import signal

import torch

torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
