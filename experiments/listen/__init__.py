"""A listening test: pieces of models and of people, blind, rated 0 to 5 in a browser."""
