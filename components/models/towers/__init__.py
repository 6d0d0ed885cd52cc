"""One file a kind of tower: pictures or token ids in, one vector a row out."""
