"""What is decided of a data set, a module each: its images, tables, labels, splits and patients."""
