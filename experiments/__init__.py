"""One script a paper: joins networks and music."""
