"""Measures speed and cost of the hot path beside simpler programs, and holds them against goals."""
