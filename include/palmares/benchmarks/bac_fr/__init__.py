"""BAC-fr: short answers to questions of the French baccalauréat."""
