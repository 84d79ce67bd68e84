"""The services of the embedded default: what stands in for a ClearML server and the Hub on one machine."""
