"""One report class for each task, calibration, significance, baseline. Trains nothing; imports models and below."""
