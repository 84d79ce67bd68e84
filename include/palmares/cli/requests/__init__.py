"""`palmares requests` and `palmares models`: where they find their services, and what they show."""
