"""What writes a caption anew; a step of curation holds what comes out against what went in."""
