"""Backbones, inputs, heads and weights, the parts of a classifier. Imports config, errors, utils, tasks, data."""
