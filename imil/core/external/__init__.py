"""Another hospital's images: what they are like, and how the arms do on them."""
