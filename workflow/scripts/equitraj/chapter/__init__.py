"""The two textbook chapters, number by number."""
