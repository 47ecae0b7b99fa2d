"""Serve the site until Ctrl-C: `python -m tests.sites [port]`."""

import sys
import threading

from tests.sites import server


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8100
    with server.serve(port=port) as site:
        sys.stdout.write(f"{site.url}\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
