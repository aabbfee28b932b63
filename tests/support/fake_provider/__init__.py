"""A model provider for tests: both protocols over real HTTP, faults on command."""

from tests.support.fake_provider.script import Script, ScriptedCall
from tests.support.fake_provider.server import FakeProvider, Recorded

__all__ = ["FakeProvider", "Recorded", "Script", "ScriptedCall"]
