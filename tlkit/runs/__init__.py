"""A job from start to end in a run directory, its record, and comparison of runs. Imports every room but cli."""
