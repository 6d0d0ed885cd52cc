"""What a method reads from a tower while it trains, and does not export."""
