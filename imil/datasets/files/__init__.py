"""Files of images, and what lies in a folder."""
