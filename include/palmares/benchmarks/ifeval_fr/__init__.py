"""IFEval-fr: instructions whose following a program can check."""
