"""The domain: submissions, planning, scoring, details, results, publishing. Pure."""
