"""Tables of labels and patients, and the files that they name."""
