"""What the service and its clients bear, measured: under load, and while all about them fails."""
