"""Search a space: ``python runners/search.py --space mobile_se --gpus 32``. See ``--help``."""

import os
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)
sys.path.insert(0, ROOT)
# Ray's workers on this machine find the checkout in the same way.
os.environ["PYTHONPATH"] = os.pathsep.join([ROOT, *filter(None, [os.environ.get("PYTHONPATH")])])

from se_nas.cli import main  # noqa: E402

if __name__ == "__main__":
    main(alone="search")
