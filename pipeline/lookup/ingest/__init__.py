"""What arrives by `POST /v1/events`: read, checked, and handed to whoever brings it into the log."""
