"""What any program needs: files, downloads, progress, escaping. Knows nothing of learning; imports only errors."""
