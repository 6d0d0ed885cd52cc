"""What a method puts between the blocks of a tower while it trains."""
