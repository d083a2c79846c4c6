"""Tasks: the targets that can be learned, and the predictions of a model. Imports only errors and utils."""
