"""The steps of curation, one a file; components/curation/catalogue.yaml has a row of each."""
