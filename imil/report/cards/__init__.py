"""One card each of what a comparison or a study holds."""
