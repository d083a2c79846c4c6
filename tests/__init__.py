"""The tests: a folder for each room of tlkit, `whole/` for what goes through several, `project/` for the repository."""
