"""Data folders that are elsewhere: a real S3 server and web servers, all on loopback."""
