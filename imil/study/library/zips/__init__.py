"""Studies as `study.zip` files: written, checked and brought in."""
