"""Data sets on the Hugging Face Hub as a source of images."""
