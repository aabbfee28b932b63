"""Quality measured against public figures: `python -m benchmarks.eval`."""
