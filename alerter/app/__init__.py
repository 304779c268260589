"""What the daemon does: polling, cycles, delivery, and everything that wires the parts together."""
