"""Read a path, a table or an array into a data set with three splits. Imports config, errors, utils and tasks."""
