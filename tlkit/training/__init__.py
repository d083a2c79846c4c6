"""Train a classifier in phases, and the learning curve. Imports features, models and below; never evaluation."""
