"""The service: a store of groups, served over HTTP and WebSocket."""
