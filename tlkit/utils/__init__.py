"""Files, downloads, progress, escaping: what any program needs. Knows nothing of learning; imports only errors."""
