"""The error of everything that starts and finds the parts of a stack."""

from __future__ import annotations


class StackError(Exception):
    """Something a person must put right; its text is one clear sentence without a traceback's need."""
