"""Websites that articles are taken from and kept in step with."""
