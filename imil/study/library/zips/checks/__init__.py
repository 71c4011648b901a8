"""What a `study.zip` must hold: all is read and checked before anything of it is kept."""
