"""What can be learned and what an answer to it is. Imports only errors and utils."""
