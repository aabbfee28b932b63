"""Durable background work, summaries, and the event stream of a tenant."""

from __future__ import annotations

from importlib.resources import files

from deskwire_server.db.migrations.scripts import protect, run

revision = "0006"
down_revision = "0005"

_QUEUE_GRANTS = """
GRANT USAGE ON SCHEMA jobs TO deskwire_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA jobs TO deskwire_system;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA jobs TO deskwire_system;
REVOKE EXECUTE ON FUNCTION job_enqueue FROM PUBLIC;
GRANT EXECUTE ON FUNCTION job_enqueue TO deskwire_app;
REVOKE EXECUTE ON FUNCTION events_after_restore FROM PUBLIC;
"""

# Events from before keep their order: none has a lower number than the one before it.
_PLACES = """
ALTER TABLE events NO FORCE ROW LEVEL SECURITY;
UPDATE events e SET transaction_id = placed.transaction_id
FROM (SELECT tenant_id, conversation_id, sequence,
             max(transaction_id) OVER (PARTITION BY tenant_id, conversation_id ORDER BY sequence) AS transaction_id
      FROM events) placed
WHERE (e.tenant_id, e.conversation_id, e.sequence) = (placed.tenant_id, placed.conversation_id, placed.sequence)
  AND e.transaction_id < placed.transaction_id;
ALTER TABLE events FORCE ROW LEVEL SECURITY;
"""


def upgrade() -> None:
    """Create all of it."""
    scripts = files("deskwire_server.db.migrations")
    run(scripts.joinpath("job_queue_0006.sql").read_text())
    run(_PLACES)
    run(scripts.joinpath("background_0006.sql").read_text())
    run(scripts.joinpath("summaries_0006.sql").read_text())
    protect("removed_events")
    protect("summaries")
    run(_QUEUE_GRANTS)
