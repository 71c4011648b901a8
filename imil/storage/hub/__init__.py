"""State in a data set on the Hugging Face Hub."""
