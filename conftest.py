"""For all tests: one thread, so that several processes can share the machine's cores."""

import torch

torch.set_num_threads(1)
