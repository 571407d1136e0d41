"""Pictures for the help of the Galaxy tools."""
