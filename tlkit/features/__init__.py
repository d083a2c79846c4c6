"""Feature extraction: where the frozen part ends, how it is run, stored and read again. Imports models and below."""
