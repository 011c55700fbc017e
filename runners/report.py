"""Show a run as a page: ``python runners/report.py RUN``. See ``--help``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from se_nas.cli import main

if __name__ == "__main__":
    main(alone="report")
