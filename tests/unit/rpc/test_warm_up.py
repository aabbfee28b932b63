"""Rules of the contract are compiled before anybody waits for them."""

from __future__ import annotations

import time

from deskwire.v1 import analytics_pb2

from deskwire_server.app import SERVICES
from deskwire_server.rpc.validation import check, warm_up


def test_no_request_is_slow_to_check_after_it() -> None:
    warm_up(SERVICES)
    began = time.perf_counter()
    check(analytics_pb2.WatchEventsRequest())
    assert time.perf_counter() - began < 0.05
