"""Classifiers over sentence vectors: how they are fitted, combined, calibrated, kept and asked."""
