"""Export models as artifacts, and check and load them. Imports reporting, evaluation and below; never doctor."""
