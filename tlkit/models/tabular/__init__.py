"""Table input and the autoencoder that is pretrained on table rows."""
