"""What people just did, kept so that the next request sees it."""
