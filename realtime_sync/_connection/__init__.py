"""What connections can do, by kind of command: mixed into public classes."""
