"""Pure decisions: no IO, and no clock of its own; time comes in as an argument."""
