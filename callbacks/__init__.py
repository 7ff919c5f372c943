"""Observe: Lightning callbacks. The only layer that knows Lightning."""
