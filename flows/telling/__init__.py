"""Who is told what: events to Prefect, what follows from them, and notices to people."""
