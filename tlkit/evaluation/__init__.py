"""One report class for each task; calibration, significance, baseline, explanation. Trains nothing; imports models and below."""
