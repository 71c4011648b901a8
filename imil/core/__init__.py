"""The method: arrays in, values out; no screen, network, clock or environment."""
