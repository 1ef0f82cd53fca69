"""Hundreds of sessions at once, then more until the service refuses."""
