"""Readers of data sets, one file for each kind of source. Imports what `data` imports, and `data`."""
