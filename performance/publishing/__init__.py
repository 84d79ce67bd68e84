"""Publishing under load and faults: how many commits, how long, and whether anything is lost."""
