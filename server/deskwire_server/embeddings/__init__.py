"""Embeddings: the port, the local model in its own process, OpenAI, and their cache."""
