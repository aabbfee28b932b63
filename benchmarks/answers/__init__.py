"""Measures answers: whether they hold what they should, and whether they abstain where they must."""
