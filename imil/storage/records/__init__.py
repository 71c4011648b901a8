"""What is stored of a study and of an account."""
