"""Which program a test takes that needs a built one."""
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "target"


def program():
    """The one that is named on the command line, or the one that was built last. It need not be there."""
    if len(sys.argv) > 1:
        return Path(sys.argv[1]).resolve()
    found = [p for kind in ("release", "debug") if (p := TARGET / kind / "autorepost").is_file()]
    return max(found, key=lambda p: p.stat().st_mtime, default=TARGET / "debug/autorepost")
