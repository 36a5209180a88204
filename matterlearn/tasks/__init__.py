"""What is asked of the matter."""
