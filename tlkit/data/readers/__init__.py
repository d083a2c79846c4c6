"""One file for each kind of source that examples are read from. Imports what `data` imports, and `data`."""
