"""What is wrong with a data set, before training. Imports features, reporting and below; no artifacts."""
