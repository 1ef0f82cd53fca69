"""What docs/security.md says that nobody can do, tried."""
