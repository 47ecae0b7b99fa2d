"""`celeriac up` as a program of its own. Its options come as JSON: no command line is tested."""

import json
import os
import sys
from pathlib import Path

from app.errors import CeleriacError
from app.local import local_platform
from app.local.options import UpOptions


def main(options: str) -> int:
    given = json.loads(options)
    os.chdir(given.pop("working_dir", "."))
    given["data_dir"] = Path(given["data_dir"])
    if "python" in given:
        given["python"] = Path(given["python"])
    given["pool_files"] = tuple(Path(path) for path in given.get("pool_files", ()))
    try:
        return local_platform.run(UpOptions(**given))
    except CeleriacError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
