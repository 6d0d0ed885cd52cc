"""How good a model is: numbers with chance and baseline beside them, and one row a query."""
