"""Queues, masks, readers and predicted masks of one study."""
