"""Everything that is written to the Hub: queued in a transaction of the store, committed once."""
