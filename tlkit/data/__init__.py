"""From a path, a table or an array to a data set in three splits. Imports config, errors, utils and tasks."""
