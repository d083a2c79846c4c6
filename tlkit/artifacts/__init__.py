"""Export, manifest, graph scan, reload check and load. Imports reporting, evaluation and below; never doctor."""
