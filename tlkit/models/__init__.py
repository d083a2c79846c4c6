"""Backbones, inputs, heads, weights: what a classifier is built of. Imports config, errors, utils, tasks, data."""
