"""Which images are reviewed, what masks do to them, and masks predicted from masks."""
