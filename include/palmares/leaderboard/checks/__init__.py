"""Sanity baselines: predictors whose score is known, run through each scorer before its numbers may go out.

A scorer that calls an empty answer right, or the expected answer wrong, is found out on the very rows that it
is about to grade. The same is asked of a model's own answers: how many are empty, cut off, all the same.
"""

from __future__ import annotations
