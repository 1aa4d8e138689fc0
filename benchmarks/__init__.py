"""Speed, side by side with other frameworks."""
