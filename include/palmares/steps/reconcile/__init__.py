"""Tasks of reconciliation: read the sources of truth, apply the rules, act."""
