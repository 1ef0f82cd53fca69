"""Peers that others wrote, to test ours against: dcp-client and socket.io under Node."""
