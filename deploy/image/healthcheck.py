"""Asks the worker of this container whether it can answer calls; the exit code says so."""

from __future__ import annotations

import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_SECONDS = 4


def main() -> int:
    """0 when the worker serves, 1 when it does not."""
    address = f"127.0.0.1:{os.environ.get('DESKWIRE_WORKER_GRPC_PORT', '50061')}"
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined]  # made by the constructor
            reply = check(health_pb2.HealthCheckRequest(), timeout=_SECONDS, wait_for_ready=True)
        except grpc.RpcError as error:
            sys.stderr.write(f"{address}: {error.code().name}\n")
            return 1
    return 0 if reply.status == health_pb2.HealthCheckResponse.SERVING else 1


if __name__ == "__main__":
    sys.exit(main())
