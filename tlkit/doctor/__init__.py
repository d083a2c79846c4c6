"""Diagnose a data set before training. Imports features, reporting and below; no artifacts."""
