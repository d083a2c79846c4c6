"""Backbones, inputs, heads and weights: what a classifier is built of. Imports config, errors, utils, tasks and data."""
