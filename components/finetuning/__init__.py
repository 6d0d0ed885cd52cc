"""What is done with towers that are trained already: strategies a recipe names in its section `finetuning`."""
