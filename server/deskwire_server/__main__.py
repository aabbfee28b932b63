"""Entry of the command `deskwire`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line of this process and leave with its exit code."""
    # gRPC's own notices about connections would mix with the output; errors are told by the commands.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from deskwire_server.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
