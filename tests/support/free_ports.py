"""Free ports of which no two tests of a run get the same."""

from __future__ import annotations

from deskwire_server.stack.ports import Ports

PORTS = Ports()
