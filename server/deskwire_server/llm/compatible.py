"""A model server in the house (Ollama, vLLM, llama.cpp, …) that speaks OpenAI's protocol."""

from __future__ import annotations

from typing import ClassVar, Self
from urllib.parse import urlsplit

from deskwire_server.llm.http import Timeouts
from deskwire_server.llm.openai import OpenAIProvider
from deskwire_server.settings import Settings


class CompatibleProvider(OpenAIProvider):
    """OpenAI's protocol at an address of one's own, with a key only where the server asks for one."""

    name: ClassVar[str] = "compatible"

    @classmethod
    def configured(cls, settings: Settings) -> Self | None:
        """On where AI_SERVICE_URL is set. An address without a path gets `/v1`, where these servers listen."""
        url = settings.compatible_base_url
        if not url:
            return None
        return cls(
            key=settings.compatible_api_key.get_secret_value() if settings.compatible_api_key else None,
            model=settings.compatible_model or "default",
            base_url=url if urlsplit(url).path.strip("/") else f"{url.rstrip('/')}/v1",
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            timeouts=Timeouts.of(settings),
        )
