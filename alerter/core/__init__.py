"""What usage means, when a rule holds and what an alert does next: pure, no clock, no input, no output."""
